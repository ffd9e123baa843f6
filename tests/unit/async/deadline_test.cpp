// SPDX-License-Identifier: Apache-2.0
#include "baton/async/deadline.hpp"

#include "unit/async/run.hpp"

#include "baton/async/event.hpp"
#include "baton/async/task_group.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace baton {

namespace {

using test::now;

Task<Result<std::string>> answer(std::string text) {
    co_await sleep_for(0ms);
    co_return text;
}

Task<Result<int>> never(bool* stopped) {
    struct Stopped {
        explicit Stopped(bool* f) : flag(f) {}

        ~Stopped() { *flag = true; }

        bool* flag;
    };

    const Stopped guard(stopped);
    co_await sleep_for(1h);
    co_return 1;
}

Task<Result<int>> broken() {
    co_await sleep_for(0ms);
    throw std::logic_error("a bug");
}

/// Reports its cancellation as a value, as the MySQL client does.
Task<Result<int>> polite(int outcome) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, 1h);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (outcome > 0) {
        co_return outcome;
    }
    co_return fail(Errc::cancelled, "cancelled");
}

Task<Result<void>> nothing() {
    co_return Result<void>{};
}

TEST(WithDeadline, ReturnsTheValueOfAnOperationThatIsInTime) {
    asio::io_context loop(1);
    Result<std::string> result = fail(Errc::io, "not run");
    auto body = [](Result<std::string>* out) -> Task<void> {
        *out = co_await with_deadline(now() + 1h, answer("yes"));
        const auto empty = co_await with_deadline(now() + 1h, nothing());
        EXPECT_TRUE(empty);
    };
    test::run(loop, body(&result));
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, "yes");
}

TEST(WithDeadline, StopsTheOperationAndSaysTimeout) {
    asio::io_context loop(1);
    bool stopped = false;
    auto body = [](bool* flag) -> Task<void> {
        const auto result = co_await with_deadline(now() + 5ms, never(flag));
        EXPECT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::timeout);
        EXPECT_TRUE(*flag);
    };
    test::run(loop, body(&stopped));
    EXPECT_TRUE(stopped);
}

TEST(WithDeadline, DoesNotBeginWhenTheDeadlineHasPassed) {
    asio::io_context loop(1);
    bool stopped = false;
    auto body = [](bool* flag) -> Task<void> {
        const auto result = co_await with_deadline(now() - 1ms, never(flag));
        EXPECT_EQ(result.error().code, Errc::timeout);
    };
    test::run(loop, body(&stopped));
    EXPECT_FALSE(stopped);
}

TEST(WithDeadline, TurnsACancellationReportedAsValueIntoTimeout) {
    asio::io_context loop(1);
    auto body = []() -> Task<void> {
        const auto cancelled = co_await with_deadline(now() + 5ms, polite(0));
        EXPECT_EQ(cancelled.error().code, Errc::timeout);
        const auto completed = co_await with_deadline(now() + 5ms, polite(7));
        EXPECT_TRUE(completed);
        EXPECT_EQ(*completed, 7);
    };
    test::run(loop, body());
}

TEST(WithDeadline, PassesExceptionsOnWithoutWaitingForTheTimer) {
    asio::io_context loop(1);
    auto body = []() -> Task<void> { co_await with_deadline(now() + 1h, broken()); };
    const auto begin = now();
    EXPECT_THROW(test::run(loop, body()), std::logic_error);
    EXPECT_LT(now() - begin, 1min);
}

TEST(WithDeadline, IsCancelledWithItsCaller) {
    asio::io_context loop(1);
    bool stopped = false;
    bool went_on = false;
    auto child = [](bool* flag, bool* after) -> Task<void> {
        ignore(co_await with_deadline(now() + 1h, never(flag)), "cancelled");
        *after = true;
    };
    auto body = [](Task<void> task) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("child", std::move(task));
        group.cancel();
        co_await group.join();
    };
    test::run(loop, body(child(&stopped, &went_on)));
    EXPECT_TRUE(stopped);
    EXPECT_FALSE(went_on);
}

TEST(WithDeadline, NestedDeadlinesEndWithTheEarlierOne) {
    asio::io_context loop(1);
    bool stopped = false;
    auto body = [](bool* flag) -> Task<void> {
        auto inner = with_deadline(now() + 1h, never(flag));
        const auto result = co_await with_deadline(now() + 5ms, std::move(inner));
        EXPECT_EQ(result.error().code, Errc::timeout);
    };
    test::run(loop, body(&stopped));
    EXPECT_TRUE(stopped);
}

}  // namespace

}  // namespace baton
