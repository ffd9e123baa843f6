// SPDX-License-Identifier: Apache-2.0
#include "baton/hooks/runner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace baton::hooks
