// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of module mysql share: a loop watched for standing still, and bodies as
// coroutines.

#include "baton/async/task_group.hpp"
#include "baton/mysql/connection.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <dirent.h>
#include <exception>
#include <string>
#include <utility>

namespace baton::test {

inline TimePoint now() {
    return std::chrono::steady_clock::now();
}

inline Deadline in(Duration time) {
    return now() + time;
}

/// Descriptors of this process.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) {
        ++count;
    }
    ::closedir(folder);
    return count;
}

/// Ticks every millisecond beside the body and remembers the longest pause: the loop must never be
/// blocked by the client library.
class Ticker {
public:
    Task<void> run() {
        last_ = now();
        for (;;) {
            co_await sleep_for(1ms);
            const auto time = now();
            worst_ = std::max(worst_, time - last_);
            last_ = time;
        }
    }

    [[nodiscard]] Duration worst() const { return worst_; }

private:
    TimePoint last_{};
    Duration worst_{};
};

inline Task<void> beside(TaskGroup* group, Task<void> body) {
    co_await std::move(body);
    group->cancel();
}

inline Task<void> with_ticker(Ticker* ticker, Task<void> body) {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn("ticker", ticker->run());
    group.spawn("body", beside(&group, std::move(body)));
    co_await group.join();
}

class MysqlTest : public ::testing::Test {
protected:
    /// Runs the body to its end; fails when the loop stood still for longer than the machine
    /// explains.
    void run(Task<void> body) {
        Ticker ticker;
        std::exception_ptr failure;
        asio::co_spawn(
            loop_,
            with_ticker(&ticker, std::move(body)),
            [&failure](std::exception_ptr error) { failure = std::move(error); }
        );
        loop_.restart();
        loop_.run();
        if (failure) {
            std::rethrow_exception(failure);
        }
        EXPECT_LT(to_ms(ticker.worst()), longest_stall_ms_) << "the loop was blocked";
    }

    asio::any_io_executor executor() { return loop_.get_executor(); }

    std::int64_t longest_stall_ms_ = 100;
    mysql::Connector connector_{mysql::Connector::Options(4, 64)};
    asio::io_context loop_{1};

private:
    // Asio opens its own descriptors with the first timer; they must not be counted as a leak.
    asio::steady_timer first_timer_{loop_};
};

}  // namespace baton::test
