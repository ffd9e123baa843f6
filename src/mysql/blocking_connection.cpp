// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/blocking_connection.hpp"

#include "native.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace baton::mysql {

/// An attempt on a helper thread; whoever of the two leaves last frees it.
struct BlockingConnection::Attempt {
    std::mutex mutex;
    std::condition_variable done;
    std::optional<Result<void>> outcome;
    std::shared_ptr<Native> native = std::make_shared<Native>();
    std::atomic<bool> stop{false};
};

BlockingConnection::BlockingConnection() = default;

BlockingConnection::~BlockingConnection() = default;

BlockingConnection::BlockingConnection(BlockingConnection&&) noexcept = default;

BlockingConnection& BlockingConnection::operator=(BlockingConnection&&) noexcept = default;

Result<void> BlockingConnection::connect(const ConnectOptions& options, Deadline deadline) {
    close();
    if (Native::connect_is_exact(options)) {
        auto native = std::make_shared<Native>();
        auto outcome = native->connect(options, deadline, nullptr);
        if (outcome) {
            native_ = std::move(native);
        }
        return outcome;
    }
    // One left-over thread per object and address, not one per attempt; a server that hangs must
    // not keep its owner from trying the next one.
    auto& abandoned = abandoned_[fmt::format("{}:{}", options.host, options.port)];
    if (!abandoned.expired()) {
        return fail(Errc::unavailable, "connect: the attempt before this one has not ended yet");
    }
    auto attempt = std::make_shared<Attempt>();
    try {
        // Detached, because a name look-up cannot be interrupted; it owns all it touches.
        std::thread([attempt, options, deadline] {
            auto outcome = attempt->native->connect(options, deadline, &attempt->stop);
            const std::lock_guard lock(attempt->mutex);
            attempt->outcome.emplace(std::move(outcome));
            attempt->done.notify_one();
        }).detach();
    } catch (const std::system_error& failure) {
        return fail(Errc::unavailable, std::string("connect: no thread: ") + failure.what());
    }
    std::unique_lock lock(attempt->mutex);
    const bool ended =
        attempt->done.wait_until(lock, deadline, [&] { return attempt->outcome.has_value(); });
    if (!ended) {
        attempt->stop = true;
        abandoned = attempt;
        return fail(Errc::timeout, "connect: no answer by the deadline");
    }
    if (*attempt->outcome) {
        native_ = attempt->native;
    }
    return *attempt->outcome;
}

Reply BlockingConnection::query(std::string sql, Deadline deadline) {
    if (!is_open()) {
        return Reply(fail(Errc::unavailable, "not connected"));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
        return Reply(fail(Errc::timeout, "the deadline passed before the query was sent"));
    }
    Reply reply = native_->query(std::move(sql), deadline, nullptr);
    if (!native_->is_open()) {
        native_.reset();
    }
    return reply;
}

void BlockingConnection::close() noexcept {
    native_.reset();
}

bool BlockingConnection::is_open() const noexcept {
    return native_ != nullptr;
}

std::uint64_t BlockingConnection::connection_id() const noexcept {
    return native_ ? native_->connection_id() : 0;
}

std::string BlockingConnection::server_version() const {
    return native_ ? native_->server_version() : std::string();
}

bool BlockingConnection::uses_tls() const noexcept {
    return native_ && native_->uses_tls();
}

}  // namespace baton::mysql
