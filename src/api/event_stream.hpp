// SPDX-License-Identifier: Apache-2.0
#pragma once

// Server-sent events. The hub is subscribed once at the core and hands each event to the loops of
// the connections that listen; a stream belongs to its loop. A client that does not keep up is
// dropped: it connects again and reloads.

#include "baton/async/event.hpp"
#include "baton/control/commands.hpp"
#include "baton/http/message.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace baton::api {

class EventStream;

class EventHub : public std::enable_shared_from_this<EventHub> {
public:
    struct Limits {
        std::size_t clients = 0;
        std::size_t queue = 0;  // events waiting for one client
        Duration heartbeat{};
    };

    explicit EventHub(Limits limits) : limits_(limits) {}

    /// A new stream on the loop of the caller; null when there are too many already.
    std::shared_ptr<EventStream> open(asio::any_io_executor loop);
    /// From the core's thread.
    void publish(const control::Event& event);
    /// Afterwards no loop is touched any more.
    void close();

    [[nodiscard]] const Limits& limits() const { return limits_; }

    [[nodiscard]] std::size_t clients() const;
    [[nodiscard]] std::uint64_t dropped() const;
    void count_dropped();

private:
    struct Client {
        asio::any_io_executor loop;
        std::weak_ptr<EventStream> stream;
    };

    const Limits limits_;
    // The list is shared by the core's thread and those of the loops; held for a few pointers only.
    mutable std::mutex mutex_;
    std::vector<Client> clients_;
    std::uint64_t dropped_ = 0;
    bool closed_ = false;
};

class EventStream final : public http::BodySource {
public:
    EventStream(asio::any_io_executor loop, std::shared_ptr<EventHub> hub);

    Task<std::optional<std::string>> next() override;
    void close() override;

    void push(std::shared_ptr<const std::string> frame);

private:
    std::shared_ptr<EventHub> hub_;
    std::deque<std::shared_ptr<const std::string>> waiting_;
    Signal news_;
    bool greeted_ = false, closed_ = false;
};

/// As it goes over the wire.
std::string event_frame(const control::Event& event);

}  // namespace baton::api
