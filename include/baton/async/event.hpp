// SPDX-License-Identifier: Apache-2.0
#pragma once

// Notifications between coroutines of one executor. Not thread-safe: from another thread, post a
// call of set() to the executor.

#include "baton/async/task.hpp"

#include <boost/asio/steady_timer.hpp>

#include <vector>

namespace baton {

namespace detail {

/// Coroutines suspended until wake() or a deadline.
class Waiters {
public:
    explicit Waiters(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    Waiters(const Waiters&) = delete;
    Waiters& operator=(const Waiters&) = delete;
    ~Waiters();

    Task<void> wait(Deadline deadline);
    void wake();

private:
    asio::any_io_executor executor_;
    std::vector<asio::steady_timer*> timers_;
};

}  // namespace detail

/// Stays set until reset(): wakes everybody who waits or will wait.
class Event {
public:
    explicit Event(asio::any_io_executor executor) : waiters_(std::move(executor)) {}

    void set();

    void reset() { set_ = false; }

    [[nodiscard]] bool is_set() const { return set_; }

    /// True when the event is set, false when the deadline passed first. Returns at once when it is
    /// set already. Cancellation: at once, as exception.
    Task<bool> wait(Deadline deadline);

private:
    detail::Waiters waiters_;
    bool set_ = false;
};

/// Wakes one waiter and is cleared by it; remembered while nobody waits, several sets count as one.
/// Meant for kicking a loop: `co_await kick.wait(next_turn)`.
class Signal {
public:
    explicit Signal(asio::any_io_executor executor) : waiters_(std::move(executor)) {}

    void set();

    /// True when the signal was set (and is cleared by this), false when the deadline passed first.
    /// Cancellation: at once, as exception; the signal is then not consumed.
    Task<bool> wait(Deadline deadline);

private:
    detail::Waiters waiters_;
    bool set_ = false;
};

}  // namespace baton
