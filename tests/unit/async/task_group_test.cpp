// SPDX-License-Identifier: Apache-2.0
#include "baton/async/task_group.hpp"

#include "unit/async/run.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>

namespace baton {

namespace {

Task<void> count_up(int* done) {
    co_await sleep_for(0ms);
    ++*done;
}

Task<void> sleep_long(int* unwound) {
    struct Unwound {
        explicit Unwound(int* c) : count(c) {}

        ~Unwound() { ++*count; }

        int* count;
    };

    const Unwound guard(unwound);
    co_await sleep_for(1h);
}

Task<void> broken() {
    co_await sleep_for(0ms);
    throw std::logic_error("a bug");
}

Task<void> owner(int* unwound, bool* joined) {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("a", sleep_long(unwound));
    group.spawn("b", sleep_long(unwound));
    co_await group.join();
    *joined = true;
    co_await sleep_for(0ms);
    ADD_FAILURE() << "a cancelled owner must not go on";
}

TEST(TaskGroup, JoinsAllChildrenAndCanBeUsedAgain) {
    asio::io_context loop(1);
    int done = 0;
    auto body = [](int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        for (int turn = 1; turn <= 2; ++turn) {
            for (int i = 0; i < 10; ++i) {
                group.spawn("child", count_up(count));
            }
            EXPECT_EQ(group.size(), 10U);
            EXPECT_EQ(group.names().front(), "child");
            co_await group.join();
            EXPECT_TRUE(group.empty());
            EXPECT_EQ(*count, turn * 10);
        }
        co_await group.join();
    };
    test::run(loop, body(&done));
}

TEST(TaskGroup, CancelEndsChildrenAndRefusesNewOnesUntilJoined) {
    asio::io_context loop(1);
    int unwound = 0;
    auto body = [](int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("a", sleep_long(count));
        group.cancel();
        group.cancel();
        group.spawn("late", sleep_long(count));
        EXPECT_EQ(group.size(), 1U);
        co_await group.join();
        EXPECT_EQ(*count, 1);
        int done = 0;
        group.spawn("again", count_up(&done));
        co_await group.join();
        EXPECT_EQ(done, 1);
    };
    test::run(loop, body(&unwound));
}

TEST(TaskGroup, CancelledOwnerTakesItsChildrenAlong) {
    asio::io_context loop(1);
    int unwound = 0;
    bool joined = false;
    auto body = [](int* count, bool* flag) -> Task<void> {
        TaskGroup outer(co_await asio::this_coro::executor);
        outer.spawn("owner", owner(count, flag));
        co_await sleep_for(0ms);
        outer.cancel();
        co_await outer.join();
    };
    test::run(loop, body(&unwound, &joined));
    EXPECT_EQ(unwound, 2);
    EXPECT_TRUE(joined);
}

TEST(TaskGroup, AFailingChildCancelsItsSiblingsAndReachesTheOwner) {
    asio::io_context loop(1);
    int unwound = 0;
    auto body = [](int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("sibling", sleep_long(count));
        group.spawn("broken", broken());
        co_await group.join();
    };
    EXPECT_THROW(test::run(loop, body(&unwound)), std::logic_error);
    EXPECT_EQ(unwound, 1);
}

TEST(TaskGroup, WithGroupEndsTheRestWhenTheBodyIsDone) {
    asio::io_context loop(1);
    int unwound = 0;
    auto work = [](TaskGroup* group, int* count) -> Task<void> {
        group->spawn("helper", sleep_long(count));
        co_await sleep_for(0ms);
    };
    auto body = [](std::function<Task<void>(TaskGroup&)> inner) -> Task<void> {
        co_await with_group("body", std::move(inner));
    };
    std::function<Task<void>(TaskGroup&)> inner = [&](TaskGroup& group) {
        return work(&group, &unwound);
    };
    test::run(loop, body(std::move(inner)));
    EXPECT_EQ(unwound, 1);
}

TEST(TaskGroupDeathTest, AbortsWhenNotJoined) {
    EXPECT_EXIT(
        {
            asio::io_context loop(1);
            int unwound = 0;
            TaskGroup group(loop.get_executor());
            group.spawn("a", sleep_long(&unwound));
        },
        ::testing::KilledBySignal(SIGABRT),
        ""
    );
}

}  // namespace

}  // namespace baton
