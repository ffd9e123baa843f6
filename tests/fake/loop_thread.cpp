// SPDX-License-Identifier: Apache-2.0
#include "fake/loop_thread.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>

namespace baton::test {

LoopThread::LoopThread() {
    asio::co_spawn(loop_, main(&stop_, &group_), [](const std::exception_ptr& failure) {
        if (failure) {
            std::rethrow_exception(failure);  // a bug of the fake: ends the test program
        }
    });
    thread_ = std::thread([this] { loop_.run(); });
}

LoopThread::~LoopThread() {
    stop();
}

void LoopThread::stop() {
    if (thread_.joinable()) {
        asio::post(loop_, [this] { stop_.set(); });
        thread_.join();
    }
}

Task<void> LoopThread::main(Event* stop, TaskGroup* group) {
    const TimePoint never = TimePoint::max();
    co_await stop->wait(never);
    group->cancel();
    co_await group->join();
}

}  // namespace baton::test
