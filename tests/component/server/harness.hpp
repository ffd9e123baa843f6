// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of module server share: servers of one kind, the ports on a loop of the test's own
// thread, and coroutines awaited from ordinary code.

#include "real_server.hpp"

#include "baton/async/task_group.hpp"
#include "baton/server/servers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace baton::test {

using recovery::Step;
using recovery::StepKind;
using StepResult = Result<recovery::StepReport>;

inline TimePoint now() {
    return std::chrono::steady_clock::now();
}

inline Deadline in(Duration time) {
    return now() + time;
}

/// The value of a coroutine that runs beside the test.
template <class T>
class Pending {
public:
    Pending(asio::io_context& loop, Task<T> task)
        : loop_(&loop), state_(std::make_shared<State>()) {
        asio::co_spawn(loop, run(state_, std::move(task)), [state = state_](std::exception_ptr e) {
            state->failure = std::move(e);
        });
    }

    [[nodiscard]] bool done() const { return state_->value.has_value() || state_->failure; }

    T get() {
        while (!done()) {
            loop_->restart();
            loop_->run_one_for(1s);
        }
        if (state_->failure) {
            std::rethrow_exception(state_->failure);
        }
        return std::move(*state_->value);
    }

    [[nodiscard]] TimePoint ended() const { return state_->ended; }

private:
    struct State {
        std::optional<T> value;
        std::exception_ptr failure;
        TimePoint ended{};
    };

    static Task<void> run(std::shared_ptr<State> state, Task<T> task) {
        T value = co_await std::move(task);
        state->ended = now();
        state->value.emplace(std::move(value));
    }

    asio::io_context* loop_;
    std::shared_ptr<State> state_;
};

inline Task<bool> and_true(Task<void> task) {
    co_await std::move(task);
    co_return true;
}

class ServerTest : public ::testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        if (const std::string reason = missing_because(kind()); !reason.empty()) {
            GTEST_SKIP() << reason;
        }
        servers_ = make_servers();
    }

    void TearDown() override {
        // What goes on in the background ends when nobody may act any more.
        may_act_ = [] { return false; };
        const TimePoint end = in(5s);
        while (servers_ && servers_->background_work() > 0 && now() < end) {
            run_for(5ms);
        }
        if (servers_) {
            EXPECT_EQ(servers_->background_work(), 0U);
        }
    }

    [[nodiscard]] Kind kind() const { return GetParam(); }

    [[nodiscard]] bool mariadb() const { return kind() == Kind::mariadb; }

    std::unique_ptr<server::ManagedServers> make_servers() {
        server::Options options;
        options.user = baton_user;
        options.password = baton_password;
        return std::make_unique<server::ManagedServers>(
            loop_.get_executor(), connector_, options, [this] { return may_act_(); }
        );
    }

    [[nodiscard]] std::unique_ptr<RealServer> server(ServerOptions options = {}) const {
        return std::make_unique<RealServer>(kind(), std::move(options));
    }

    /// A primary and a replica of it.
    void make_pair(ServerOptions of_replica = {}) {
        of_replica.read_only = true;
        primary_ = server();
        replica_ = server(std::move(of_replica));
        primary_->started();
        replica_->started();
        primary_->write();
        replica_->follow(*primary_);
        ASSERT_TRUE(eventually([&] { return replica_->rows() == "1"; }, 10s));
    }

    void run_for(Duration time) {
        loop_.restart();
        loop_.run_for(time);
    }

    template <class T>
    Pending<T> begin(Task<T> task) {
        return Pending<T>(loop_, std::move(task));
    }

    template <class T>
    T await(Task<T> task) {
        return begin(std::move(task)).get();
    }

    void close(ports::Performer& performer) { await(and_true(performer.close())); }

    /// Prints how long it took: these times are part of every outage.
    StepResult perform(ports::Performer& performer, Step step, Duration limit = 10s) {
        const TimePoint begun = now();
        const auto kind = to_string(step.kind);
        StepResult result = await(performer.perform(std::move(step), begun + limit));
        const auto took =
            std::chrono::duration<double, std::milli>(last_took_ = now() - begun).count();
        fmt::print(
            "    {:<18} {:8.2f} ms  {}\n", kind, took, result ? result->text : result.error().what
        );
        return result;
    }

    static Step step(StepKind kind, const RealServer& target) { return Step(kind, target.id()); }

    std::function<bool()> may_act_ = [] { return true; };
    Duration last_took_{};
    asio::io_context loop_{1};
    mysql::Connector connector_{mysql::Connector::Options(4, 64)};
    std::unique_ptr<server::ManagedServers> servers_;
    std::unique_ptr<RealServer> primary_, replica_;
};

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
    return name_of(info.param);
}

#define BATON_BOTH_KINDS(suite)                                                      \
    INSTANTIATE_TEST_SUITE_P(                                                        \
        ,                                                                            \
        suite,                                                                       \
        ::testing::Values(::baton::test::Kind::mariadb, ::baton::test::Kind::mysql), \
        ::baton::test::kind_name                                                     \
    )

/// For what only one of them does.
#define BATON_ONE_KIND(suite, kind) \
    INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(kind), ::baton::test::kind_name)

/// For steps that must have worked: stops the test with the error.
#define ASSERT_DONE(result) ASSERT_TRUE((result).has_value()) << (result).error().what

}  // namespace baton::test
