// SPDX-License-Identifier: Apache-2.0
#pragma once

// run_on(): a blocking call made from a coroutine without blocking its loop.

#include "baton/async/task.hpp"

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

template <class Function>
struct PoolJob {
    using Value = std::invoke_result_t<Function&>;
    using Box = std::conditional_t<std::is_void_v<Value>, bool, Value>;
    using Outcome = std::optional<Box>;

    template <class Handler>
    void operator()(Handler handler, Function function, asio::thread_pool* pool) const {
        auto executor = asio::get_associated_executor(handler);
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
/// of its own. The pool's queue is not bounded: callers must be (see mysql::Connector). Give a
/// capturing lambda a name before this call (g++ 12).
template <class Function>
Task<std::invoke_result_t<Function&>> run_on(asio::thread_pool& pool, Function function) {
    using Job = detail::PoolJob<Function>;
    asio::thread_pool* const target = &pool;
    typename Job::Outcome outcome = co_await asio::async_initiate<
        const asio::use_awaitable_t<>,
        void(std::exception_ptr, typename Job::Outcome)>(
        Job(), asio::use_awaitable, std::move(function), target
    );
    if constexpr (!std::is_void_v<std::invoke_result_t<Function&>>) {
        co_return std::move(*outcome);
    }
}

}  // namespace baton
