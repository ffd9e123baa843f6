// SPDX-License-Identifier: Apache-2.0
#pragma once

// run_on(): a blocking call made from a coroutine without blocking its loop.

#include "baton/async/task.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace baton {

namespace detail {

/// Nothing to do when the caller is cancelled.
struct LetItRun {
    void operator()() const {}
};

template <class Function, class OnCancel = LetItRun>
struct PoolJob {
    using Value = std::invoke_result_t<Function&>;
    using Box = std::conditional_t<std::is_void_v<Value>, bool, Value>;
    using Outcome = std::optional<Box>;

    template <class Handler>
    void operator()(Handler handler, Function function, OnCancel on_cancel, asio::thread_pool* pool)
        const {
        auto executor = asio::get_associated_executor(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([on_cancel = std::move(on_cancel)](asio::cancellation_type) { on_cancel(); }
            );
        }
        auto work = asio::make_work_guard(executor);
        asio::post(
            *pool,
            [handler = std::move(handler),
             function = std::move(function),
             executor,
             work = std::move(work)]() mutable {
                std::exception_ptr failure;
                Outcome outcome;
                try {
                    if constexpr (std::is_void_v<Value>) {
                        function();
                        outcome.emplace(true);
                    } else {
                        outcome.emplace(function());
                    }
                } catch (...) {  // carried to the awaiting coroutine, never swallowed
                    failure = std::current_exception();
                }
                asio::post(
                    executor,
                    [handler = std::move(handler),
                     failure = std::move(failure),
                     outcome = std::move(outcome)]() mutable {
                        asio::get_associated_cancellation_slot(handler).clear();
                        std::move(handler)(failure, std::move(outcome));
                    }
                );
            }
        );
    }
};

}  // namespace detail

/// Calls `function()` on a thread of the pool and resumes the coroutine on its own executor with
/// the value; an exception of the function is rethrown there. Cannot be cancelled while it runs: a
/// cancelled caller throws only after the function has returned, so the function needs a deadline
/// of its own, or `on_cancel`, called on the caller's executor, makes it return. The pool's queue
/// is not bounded: callers must be (see mysql::Connector). Give a capturing lambda a name before
/// this call (g++ 12).
template <class Function, class OnCancel = detail::LetItRun>
Task<std::invoke_result_t<Function&>> run_on(
    asio::thread_pool& pool, Function function, OnCancel on_cancel = OnCancel()
) {
    using Job = detail::PoolJob<Function, OnCancel>;
    asio::thread_pool* const target = &pool;
    typename Job::Outcome outcome = co_await asio::async_initiate<
        const asio::use_awaitable_t<>,
        void(std::exception_ptr, typename Job::Outcome)>(
        Job(), asio::use_awaitable, std::move(function), std::move(on_cancel), target
    );
    if constexpr (!std::is_void_v<std::invoke_result_t<Function&>>) {
        co_return std::move(*outcome);
    }
}

}  // namespace baton
