// SPDX-License-Identifier: Apache-2.0
#pragma once

// with_deadline(): bounds any Task<Result<T>> in time. The only place, with task_group.cpp, that
// touches experimental Asio.
//
// Not `task || timer`: that one waits for the whole timer when the task fails with an exception.

#include "baton/async/task.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace baton {

namespace detail {

/// co_spawn() needs a default-constructible result.
template <class T>
Task<std::optional<T>> boxed(Task<T> task) {
    std::optional<T> box{co_await std::move(task)};
    co_return box;
}

bool is_cancellation(const std::exception_ptr& failure);

}  // namespace detail

/// Runs the operation and cancels it when the deadline passes.
///
/// Returns only when the operation has really stopped, so the operation must heed cancellation at
/// once. Errors: timeout (deadline passed; the outcome is unknown). An operation that completes in
/// the very moment of the deadline keeps its own outcome: knowing is better. When the deadline has
/// already passed the operation is not begun. Cancellation of the caller cancels the operation,
/// waits for its end, and throws. Exceptions of the operation pass through. Must run on a strand or
/// a one-thread context.
template <class T>
Task<Result<T>> with_deadline(Deadline deadline, Task<Result<T>> operation) {
    if (std::chrono::steady_clock::now() >= deadline) {
        co_return fail(Errc::timeout, "deadline passed before the operation began");
    }
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, deadline);
    auto race = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, detail::boxed<Result<T>>(std::move(operation)), asio::deferred),
        timer.async_wait(asio::deferred)
    );
    auto [order, failure, value, timer_error] = co_await race.async_wait(
        asio::experimental::wait_for_one(), asio::as_tuple(asio::use_awaitable)
    );
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw_cancelled();
    }
    const bool expired = order[0] == 1;
    if (failure) {
        if (expired && detail::is_cancellation(failure)) {
            co_return fail(Errc::timeout, "deadline passed");
        }
        std::rethrow_exception(failure);
    }
    if (expired && !*value && value->error().code == Errc::cancelled) {
        co_return fail(Errc::timeout, "deadline passed");
    }
    co_return std::move(*value);
}

}  // namespace baton
