// SPDX-License-Identifier: Apache-2.0
#pragma once

// The connector's queue and threads, and the hand-over of an attempt between a coroutine and a
// thread.

#include "native.hpp"

#include "baton/mysql/connector.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace baton::mysql {

/// One attempt to connect, owned by the coroutine that waits for it and the thread that makes it.
/// The session is touched by the thread until the completion has been posted, then by the
/// coroutine.
struct Attempt {
    Attempt(boost::asio::any_io_executor e, ConnectOptions o, Deadline d)
        : executor(std::move(e)), options(std::move(o)), deadline(d) {}

    const boost::asio::any_io_executor executor;
    const ConnectOptions options;
    const Deadline deadline;
    std::atomic<bool> stop{false};

    // Guards the question whether somebody still waits: after abandon() nothing is posted to the
    // executor, which may then be gone.
    std::mutex mutex;
    bool abandoned = false;

    // Only on the executor, after the completion has been posted:
    std::shared_ptr<Native> native;
    std::optional<Result<void>> outcome;
    boost::asio::steady_timer* waiter = nullptr;

    void abandon();
};

struct Connector::Impl {
    explicit Impl(Options options);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    /// False when the queue is full.
    bool submit(const std::shared_ptr<Attempt>& attempt);
    ConnectorStats stats() const;

private:
    void work();
    void make(const std::shared_ptr<Attempt>& attempt);

    const Options options_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<Attempt>> queue_;
    std::vector<std::shared_ptr<Attempt>> running_;
    ConnectorStats stats_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace baton::mysql
