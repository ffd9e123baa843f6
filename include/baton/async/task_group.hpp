// SPDX-License-Identifier: Apache-2.0
#pragma once

// TaskGroup: the owner of coroutines. Nothing in this program runs detached: every coroutine has a
// group, and the group's owner joins it.
//
// Used from one strand or one-thread context only. Pattern: spawn everything (the owner's own work
// as well), then `co_await group.join()` with no other co_await in between, so that a cancelled
// owner cannot leave children behind; with_group() does just that. An owner that may have been
// cancelled already calls `co_await throw_if_cancelled()` before it makes the group: awaiting
// anything, join() too, throws in a cancelled coroutine before it begins.

#include "baton/async/task.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace baton {

class TaskGroup {
public:
    explicit TaskGroup(asio::any_io_executor executor);
    /// Aborts the program when children are alive: join() first.
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    /// Starts a child; it runs inline up to its first suspension when the caller is on the
    /// executor. The name is for log and size(). After cancel() and until join() has returned,
    /// children are not begun any more: the task is dropped.
    void spawn(std::string name, Task<void> task);

    /// Cancels all children; they end at their next suspension. Safe to repeat.
    void cancel();

    /// Suspends until no child is left. Cancellation of the caller cancels the children and still
    /// waits for them. Rethrows the first exception of a child other than cancellation (a bug: the
    /// siblings have been cancelled then and it has been logged). The group may be used again
    /// afterwards.
    Task<void> join();

    [[nodiscard]] std::size_t size() const;

    [[nodiscard]] bool empty() const { return size() == 0; }

    /// Names of the living children, for diagnostics.
    [[nodiscard]] std::vector<std::string> names() const;

    [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }

private:
    struct State;

    asio::any_io_executor executor_;
    std::shared_ptr<State> state_;
};

/// Runs `body(group)` as first child of a new group and joins the group: structured concurrency for
/// one function. When the body returns, the remaining children are cancelled. `body` must be a
/// function object that *returns* a coroutine whose arguments are its own (not a coroutine lambda
/// with captures).
Task<void> with_group(std::string name, std::function<Task<void>(TaskGroup&)> body);

}  // namespace baton
