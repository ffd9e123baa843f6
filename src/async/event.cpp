// SPDX-License-Identifier: Apache-2.0
#include "baton/async/event.hpp"

#include "baton/base/check.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace baton {

namespace detail {

namespace {

/// Takes the timer off the list on every way out, also when the coroutine's frame is destroyed.
class Entry {
public:
    Entry(std::vector<asio::steady_timer*>& list, asio::steady_timer* timer)
        : list_(list), timer_(timer) {
        list_.push_back(timer_);
    }

    ~Entry() { list_.erase(std::remove(list_.begin(), list_.end(), timer_), list_.end()); }

    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

private:
    std::vector<asio::steady_timer*>& list_;
    asio::steady_timer* timer_;
};

}  // namespace

Waiters::~Waiters() {
    BATON_CHECK(timers_.empty(), "an event must outlive those who wait for it");
}

Task<void> Waiters::wait(Deadline deadline) {
    asio::steady_timer timer(executor_, deadline);
    const Entry entry(timers_, &timer);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw_cancelled();
    }
}

void Waiters::wake() {
    for (asio::steady_timer* timer : timers_) {
        timer->cancel();
    }
}

}  // namespace detail

void Event::set() {
    set_ = true;
    waiters_.wake();
}

Task<bool> Event::wait(Deadline deadline) {
    while (!set_ && std::chrono::steady_clock::now() < deadline) {
        co_await waiters_.wait(deadline);
    }
    co_return set_;
}

void Signal::set() {
    set_ = true;
    waiters_.wake();
}

Task<bool> Signal::wait(Deadline deadline) {
    while (!set_ && std::chrono::steady_clock::now() < deadline) {
        co_await waiters_.wait(deadline);
    }
    const bool was_set = set_;
    set_ = false;
    co_return was_set;
}

}  // namespace baton
