// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs one coroutine to its end on a loop of its own and hands its exception to the test.

#include "baton/async/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

namespace baton::test {

inline void run(asio::io_context& loop, Task<void> task) {
    std::exception_ptr failure;
    asio::co_spawn(loop, std::move(task), [&failure](std::exception_ptr error) {
        failure = std::move(error);
    });
    loop.restart();
    loop.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
}

inline TimePoint now() {
    return std::chrono::steady_clock::now();
}

}  // namespace baton::test
