// SPDX-License-Identifier: Apache-2.0
#include "baton/hooks/runner.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace baton::hooks {

namespace {

Result<ports::HookResult> run(
    const std::string& command,
    Duration limit = 10s,
    std::map<std::string, std::string> variables = {}
) {
    return run_blocking(command, variables, std::chrono::steady_clock::now() + limit);
}

}  // namespace

TEST(Hooks, GiveExitCodeAndBothOutputs) {
    auto result = run("echo out; echo err >&2; exit 3");

    ASSERT_TRUE(result);
    EXPECT_EQ(result->exit_code, 3);
    EXPECT_FALSE(result->timed_out);
    EXPECT_THAT(result->output, testing::HasSubstr("out\n"));
    EXPECT_THAT(result->output, testing::HasSubstr("err\n"));
}

TEST(Hooks, PassHostileValuesAsDataOnly) {
    auto result = run(
        "printf %s \"$ORC_FAILED_HOST\"", 10s, {{"ORC_FAILED_HOST", "a; echo pwned $(id) `id` \"'"}}
    );

    ASSERT_TRUE(result);
    EXPECT_EQ(result->output, "a; echo pwned $(id) `id` \"'");
}

TEST(Hooks, AreKilledWithTheirChildrenAtTheDeadline) {
    const auto begun = std::chrono::steady_clock::now();

    auto result = run("sleep 600 & sleep 600; echo never", 300ms);

    ASSERT_TRUE(result);
    EXPECT_TRUE(result->timed_out);
    EXPECT_EQ(result->exit_code, 128 + 9);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 60s);
}

TEST(Hooks, EndWithTheirProgramThoughAChildKeepsThePipe) {
    auto result = run("sleep 30 & echo done", 20s);

    ASSERT_TRUE(result);
    EXPECT_FALSE(result->timed_out);
    EXPECT_LT(result->took, 15s);
    EXPECT_EQ(result->output, "done\n");
}

TEST(Hooks, OutputIsBounded) {
    auto result = run("yes | head -c 1000000");

    ASSERT_TRUE(result);
    EXPECT_EQ(result->exit_code, 0);
    EXPECT_EQ(result->output.size(), 16UL * 1024);
}

TEST(Hooks, InheritNoDescriptors) {
    auto result = run("ls /proc/self/fd | wc -l");

    ASSERT_TRUE(result);
    EXPECT_LE(std::stoi(result->output), 4) << "0, 1, 2 and the one of ls itself";
}

TEST(Hooks, AreEndedWhenTheirCallerIsStopped) {
    std::atomic<bool> stopped{false};
    const auto begun = std::chrono::steady_clock::now();
    std::thread stopper([&] {
        std::this_thread::sleep_for(100ms);
        stopped = true;
    });

    const auto result = run_blocking("sleep 600; echo never", {}, begun + 60s, &stopped);

    stopper.join();
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->timed_out);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
}

TEST(Hooks, AreEndedWhenTheirCoroutineIsCancelled) {
    asio::io_context io(1);
    Runner runner;
    bool ended = false;
    const auto wait = [](Runner* from, bool* done) -> Task<void> {
        std::map<std::string, std::string> nothing;
        const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes(5);
        auto result = co_await from->run("sleep 600", std::move(nothing), limit);
        *done = result && result->timed_out;
    };
    asio::cancellation_signal cancel;
    asio::co_spawn(
        io, wait(&runner, &ended), asio::bind_cancellation_slot(cancel.slot(), asio::detached)
    );
    io.run_for(100ms);

    cancel.emit(asio::cancellation_type::terminal);
    io.restart();
    io.run_for(10s);

    EXPECT_TRUE(io.stopped()) << "it goes on when the program was killed";
}

/// The daemon is killed while a hook runs: whoever takes over runs it again, so this one must end.
TEST(Hooks, DieWithTheDaemon) {
    std::string folder = (std::filesystem::temp_directory_path() / "baton-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const auto file = folder + "/pid";
    const pid_t daemon = ::fork();
    if (daemon == 0) {
        // A script of the hook's: not the first process, and not the last.
        ignore(run("sh -c 'echo $$ >" + file + "; sleep 600; true'; true", 600s), "it is killed");
        ::_exit(0);
    }
    const auto pid_of_hook = [&] {
        std::ifstream stream(file);
        pid_t pid = 0;
        stream >> pid;
        return pid;
    };
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (pid_of_hook() == 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(5ms);
    }
    const auto hook = pid_of_hook();
    ASSERT_GT(hook, 0);
    ASSERT_EQ(::kill(hook, 0), 0);

    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);

    const auto state_of = [&] {
        std::ifstream stream(fmt::format("/proc/{}/stat", hook));
        std::string text;
        std::getline(stream, text);
        return text.empty() ? 'X' : text[text.rfind(')') + 2];
    };
    while (state_of() != 'X' && state_of() != 'Z' && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(5ms);
    }
    EXPECT_TRUE(state_of() == 'X' || state_of() == 'Z') << state_of();
    ::kill(-hook, SIGKILL);
    std::filesystem::remove_all(folder);
}

TEST(Hooks, ThatAreMissingAreSeenFromTheirFirstWord) {
    EXPECT_THAT(why_missing("/no/such/program --option"), testing::HasSubstr("No such file"));
    EXPECT_THAT(why_missing("/etc/passwd x"), testing::HasSubstr("Permission denied"));
    EXPECT_THAT(why_missing("/tmp x"), testing::HasSubstr("directory"));
    EXPECT_THAT(why_missing("no-such-program-at-all"), testing::HasSubstr("not found in"));
    EXPECT_THAT(why_missing("'/no/such program' x"), testing::HasSubstr("/no/such program"));
    EXPECT_THAT(why_missing("A=1 B=2 /no/such"), testing::HasSubstr("/no/such"));
    EXPECT_THAT(why_missing("/no/such; true"), testing::HasSubstr("/no/such: "));
}

TEST(Hooks, ThatAreThereOrTheShellsAreNotMissing) {
    for (const std::string command :
         {"/bin/sh -c x",
          "sleep 1",
          "echo done",
          "[ -e /tmp ]",
          "if true; then x; fi",
          "A=1 sleep 1",
          "$HOME/bin/x",
          "`which x`",
          "(cd /; x)",
          "\"$PROGRAM\" x",
          "~/bin/x",
          ""}) {
        EXPECT_EQ(why_missing(command), "") << command;
    }
}

}  // namespace baton::hooks
