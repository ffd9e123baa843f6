// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/connector.hpp"

#include "connector_impl.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace baton::mysql {

void Attempt::abandon() {
    const std::lock_guard lock(mutex);
    abandoned = true;
    stop = true;
}

Connector::Impl::Impl(Options options) : options_(options) {
    initialize();
    threads_.reserve(options_.threads);
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.threads, 1); ++i) {
        threads_.emplace_back([this] { work(); });
    }
}

Connector::Impl::~Impl() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        queue_.clear();
        for (const auto& attempt : running_) {
            attempt->stop = true;
        }
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

bool Connector::Impl::submit(const std::shared_ptr<Attempt>& attempt) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || queue_.size() >= options_.queue_limit) {
            ++stats_.refused;
            return false;
        }
        ++stats_.accepted;
        queue_.push_back(attempt);
    }
    wake_.notify_one();
    return true;
}

ConnectorStats Connector::Impl::stats() const {
    const std::lock_guard lock(mutex_);
    ConnectorStats copy = stats_;
    copy.waiting = queue_.size();
    copy.running = running_.size();
    return copy;
}

void Connector::Impl::work() {
    enter_thread();
    for (;;) {
        std::shared_ptr<Attempt> attempt;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) {
                return;
            }
            attempt = std::move(queue_.front());
            queue_.pop_front();
            running_.push_back(attempt);
        }
        make(attempt);
        const std::lock_guard lock(mutex_);
        running_.erase(std::find(running_.begin(), running_.end(), attempt));
    }
}

void Connector::Impl::make(const std::shared_ptr<Attempt>& attempt) {
    bool succeeded = false;
    bool abandoned = attempt->stop;
    std::shared_ptr<Native> native;
    if (!abandoned) {
        native = std::make_shared<Native>();
        Result<void> outcome = native->connect(attempt->options, attempt->deadline, &attempt->stop);
        succeeded = outcome.has_value();
        const std::lock_guard lock(attempt->mutex);
        abandoned = attempt->abandoned;
        if (!abandoned) {
            boost::asio::post(
                attempt->executor,
                [attempt, native = std::move(native), outcome = std::move(outcome)]() mutable {
                    attempt->native = std::move(native);
                    attempt->outcome.emplace(std::move(outcome));
                    if (attempt->waiter != nullptr) {
                        attempt->waiter->cancel();
                    }
                }
            );
        }
    }
    const std::lock_guard lock(mutex_);
    if (abandoned) {
        ++stats_.abandoned;
    } else if (succeeded) {
        ++stats_.succeeded;
    } else {
        ++stats_.failed;
    }
}

Connector::Connector(Options options) : impl_(std::make_shared<Impl>(options)) {}

Connector::~Connector() = default;

ConnectorStats Connector::stats() const {
    return impl_->stats();
}

}  // namespace baton::mysql
