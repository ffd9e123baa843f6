// SPDX-License-Identifier: Apache-2.0
#include "baton/async/task.hpp"

#include "baton/async/deadline.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace baton {

Task<void> sleep_until(TimePoint when) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, when);
    co_await timer.async_wait(asio::use_awaitable);
}

Task<void> sleep_for(Duration pause) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, pause);
    co_await timer.async_wait(asio::use_awaitable);
}

Task<void> throw_if_cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw_cancelled();
    }
}

void throw_cancelled() {
    throw boost::system::system_error(asio::error::operation_aborted);
}

namespace detail {

bool is_cancellation(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const boost::system::system_error& error) {
        return error.code() == asio::error::operation_aborted;
    } catch (...) {  // only asked for its kind; the caller still has it
        return false;
    }
}

}  // namespace detail

}  // namespace baton
