// SPDX-License-Identifier: Apache-2.0
#include "baton/async/event.hpp"

#include "unit/async/run.hpp"

#include "baton/async/task_group.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace baton {

namespace {

using test::now;

Task<void> count_event(Event* event, int* woken) {
    const bool set = co_await event->wait(now() + 1h);
    if (set) {
        ++*woken;
    }
}

Task<void> count_signal(Signal* signal, int* woken) {
    const bool set = co_await signal->wait(now() + 1h);
    if (set) {
        ++*woken;
    }
}

TEST(Event, WakesAllAndStaysSet) {
    asio::io_context loop(1);
    Event event(loop.get_executor());
    int woken = 0;
    auto body = [](Event* e, int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("a", count_event(e, count));
        group.spawn("b", count_event(e, count));
        e->set();
        group.spawn("c", count_event(e, count));
        co_await group.join();
        EXPECT_EQ(*count, 3);
        e->reset();
        const bool set = co_await e->wait(now() + 2ms);
        EXPECT_FALSE(set);
    };
    test::run(loop, body(&event, &woken));
}

TEST(Signal, IsRememberedOnceAndClearedByTheWaiter) {
    asio::io_context loop(1);
    Signal signal(loop.get_executor());
    auto body = [](Signal* s) -> Task<void> {
        s->set();
        s->set();
        const bool first = co_await s->wait(now() + 1h);
        const bool second = co_await s->wait(now() + 2ms);
        EXPECT_TRUE(first);
        EXPECT_FALSE(second);
    };
    test::run(loop, body(&signal));
}

TEST(Signal, WakesOneWaiterForOneSet) {
    asio::io_context loop(1);
    Signal signal(loop.get_executor());
    int woken = 0;
    auto body = [](Signal* s, int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("a", count_signal(s, count));
        group.spawn("b", count_signal(s, count));
        s->set();
        while (group.size() == 2) {
            co_await sleep_for(0ms);
        }
        EXPECT_EQ(*count, 1);
        s->set();
        co_await group.join();
        EXPECT_EQ(*count, 2);
    };
    test::run(loop, body(&signal, &woken));
}

TEST(Signal, IsNotConsumedByACancelledWaiter) {
    asio::io_context loop(1);
    Signal signal(loop.get_executor());
    int woken = 0;
    auto body = [](Signal* s, int* count) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        group.spawn("a", count_signal(s, count));
        s->set();
        group.cancel();
        co_await group.join();
        EXPECT_EQ(*count, 0);
        const bool kept = co_await s->wait(now());
        EXPECT_TRUE(kept);
    };
    test::run(loop, body(&signal, &woken));
}

}  // namespace

}  // namespace baton
