// SPDX-License-Identifier: Apache-2.0
#include "event_stream.hpp"

#include "baton/base/text.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace baton::api {

namespace {

/// A line break would begin a field of its own.
std::string one_line(std::string_view text) {
    auto result = valid_utf8(text);
    std::replace_if(
        result.begin(),
        result.end(),
        [](char c) { return c == '\n' || c == '\r' || c == '\0'; },
        ' '
    );
    return result;
}

}  // namespace

std::string event_frame(const control::Event& event) {
    return fmt::format(
        "id: {}\nevent: {}\ndata: {}\n\n", event.id, one_line(event.type), one_line(event.data)
    );
}

std::shared_ptr<EventStream> EventHub::open(asio::any_io_executor loop) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(clients_, [](const Client& client) { return client.stream.expired(); });
    if (closed_ || clients_.size() >= limits_.clients) {
        return nullptr;
    }
    auto stream = std::make_shared<EventStream>(loop, shared_from_this());
    clients_.push_back(Client{std::move(loop), stream});
    return stream;
}

void EventHub::publish(const control::Event& event) {
    const std::scoped_lock lock(mutex_);
    if (closed_ || clients_.empty()) {
        return;
    }
    const auto frame = std::make_shared<const std::string>(event_frame(event));
    for (const auto& client : clients_) {
        asio::post(client.loop, [weak = client.stream, frame] {
            if (const auto stream = weak.lock()) {
                stream->push(frame);
            }
        });
    }
}

void EventHub::close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    clients_.clear();
}

std::size_t EventHub::clients() const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        clients_.begin(), clients_.end(), [](const auto& c) { return !c.stream.expired(); }
    ));
}

std::uint64_t EventHub::dropped() const {
    const std::scoped_lock lock(mutex_);
    return dropped_;
}

void EventHub::count_dropped() {
    const std::scoped_lock lock(mutex_);
    ++dropped_;
}

EventStream::EventStream(asio::any_io_executor loop, std::shared_ptr<EventHub> hub)
    : hub_(std::move(hub)), news_(std::move(loop)) {}

Task<std::optional<std::string>> EventStream::next() {
    if (!greeted_) {
        greeted_ = true;
        co_return "retry: 2000\n: hello\n\n";
    }
    if (waiting_.empty() && !closed_) {
        co_await news_.wait(std::chrono::steady_clock::now() + hub_->limits().heartbeat);
    }
    if (closed_) {
        co_return std::nullopt;
    }
    if (waiting_.empty()) {
        co_return ": heartbeat\n\n";
    }
    // All that waits in one piece; the number is bounded by push().
    std::string piece;
    for (const auto& frame : waiting_) {
        piece += *frame;
    }
    waiting_.clear();
    co_return piece;
}

void EventStream::close() {
    closed_ = true;
    waiting_.clear();
    news_.set();
}

void EventStream::push(std::shared_ptr<const std::string> frame) {
    if (closed_) {
        return;
    }
    if (waiting_.size() >= hub_->limits().queue) {
        hub_->count_dropped();
        close();
        return;
    }
    waiting_.push_back(std::move(frame));
    news_.set();
}

}  // namespace baton::api
