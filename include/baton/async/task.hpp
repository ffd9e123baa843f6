// SPDX-License-Identifier: Apache-2.0
#pragma once

// Task<T>: a coroutine that its caller awaits. Sleeping, deadlines, and blocking work on a thread
// pool.
//
// Cancellation travels as the exception boost::system::system_error(operation_aborted) and is
// caught by TaskGroup only; everything the outside world can cause is a Result. Parameters of
// coroutines are taken by value: what they refer to must outlive the coroutine.

// Faults of g++ 12, met at run time only (the frame is destroyed twice or jumps to a trap):
//  - no braced temporary of an aggregate and no capturing lambda in a statement with co_await;
//  - no co_await with a temporary argument in the condition of if, while or switch, and so not in
//    EXPECT_TRUE() either: `if (co_await event.wait(now + 1s))` crashes. Name the result first:
//    `const bool set = co_await event.wait(now + 1s); if (set)`.
//  - no co_await in an arm of ?:

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace baton {

namespace asio = boost::asio;

template <class T>
using Task = asio::awaitable<T>;

/// Suspends until the time has come. Cancellation: at once, as exception. Yields to the loop once
/// even when the time is past.
Task<void> sleep_until(TimePoint when);
Task<void> sleep_for(Duration pause);

/// Throws operation_aborted when the awaiting coroutine has been cancelled; otherwise does nothing.
/// For loops that may run long without meeting a suspension.
Task<void> throw_if_cancelled();

/// What a cancelled coroutine throws.
[[noreturn]] void throw_cancelled();

}  // namespace baton
