// SPDX-License-Identifier: Apache-2.0
#include "loop.hpp"

#include "baton/base/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <pthread.h>

namespace baton::http {

using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Answer to a connection too many. Sent without waiting: it fits into the empty socket buffer or
/// is lost.
constexpr std::string_view too_many =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=UTF-8\r\n"
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 71\r\n\r\n"
    R"({"Code":"ERROR","Message":"too many connections here","Details":null}  )";

std::string address_of(const tcp::socket& socket) {
    error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    return error ? std::string{} : endpoint.address().to_string();
}

}  // namespace

Loop::Loop(
    const Limits& limits, std::size_t connections, const Handler& handler, asio::ssl::context* tls
)
    : limits_(limits),
      most_connections_(std::max<std::size_t>(connections, 1)),
      handler_(handler),
      tls_(tls),
      context_(1),
      group_(context_.get_executor()),
      look_(context_.get_executor()) {
    shared_.limits = &limits_;
    shared_.handler = &handler_;
}

Loop::~Loop() {
    join();
}

void Loop::start(unsigned number) {
    asio::co_spawn(context_, run(), [](const std::exception_ptr& failure) {
        if (failure) {
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& error) {
                log::error("the HTTP loop ended: {}", error.what());
            }
        }
    });
    thread_ = std::thread([this, number] {
        pthread_setname_np(pthread_self(), fmt::format("http-{}", number).c_str());
        context_.run();
    });
}

void Loop::post_stop() {
    asio::post(context_, [this] { begin_stop(); });
}

void Loop::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Loop::add_acceptor(tcp::acceptor acceptor, std::vector<Loop*> loops) {
    acceptors_.push_back(std::move(acceptor));
    all_loops_ = std::move(loops);
}

Task<void> Loop::run() {
    group_.spawn("deadlines", watch_deadlines());
    for (std::size_t i = 0; i < acceptors_.size(); ++i) {
        group_.spawn("accept", accept_on(i));
    }
    co_await group_.join();
    publish();
}

Task<void> Loop::accept_on(std::size_t index) {
    while (!shared_.stopping) {
        auto* const loop = all_loops_[next_loop_++ % all_loops_.size()];
        auto [error, socket] = co_await acceptors_[index].async_accept(
            loop->context(), asio::as_tuple(asio::use_awaitable)
        );
        if (shared_.stopping) {
            co_return;
        }
        if (!error) {
            loop->post_adopt(std::move(socket));
            continue;
        }
        if (error == asio::error::no_descriptors || error == error_code(ENFILE, error.category())) {
            log::warning("no file descriptor for a new HTTP connection: an idle one is closed");
            evict_idle();
        } else if (error != asio::error::connection_aborted) {
            log::warning("accepting an HTTP connection failed: {}", error.message());
        }
        co_await sleep_for(std::chrono::milliseconds(20));
    }
}

void Loop::post_adopt(tcp::socket socket) {
    asio::post(context_, [this, moved = std::move(socket)]() mutable { adopt(std::move(moved)); });
}

void Loop::adopt(tcp::socket socket) {
    if (shared_.stopping) {
        return;
    }
    ++shared_.statistics.accepted;
    if (connections_.size() >= most_connections_ && !evict_idle()) {
        ++shared_.statistics.refused;
        error_code ignored;  // it is refused either way
        socket.non_blocking(true, ignored);
        if (tls_ == nullptr) {
            socket.send(asio::buffer(too_many.data(), too_many.size()), 0, ignored);
        }
        return;
    }
    auto address = address_of(socket);
    auto transport =
        tls_ == nullptr ? make_plain(std::move(socket)) : make_tls(std::move(socket), *tls_);
    connections_.push_back(std::make_shared<Connection>(
        std::move(transport), std::move(address), tls_ != nullptr, shared_
    ));
    group_.spawn("http", serve(std::prev(connections_.end())));
}

Task<void> Loop::serve(Connections::iterator connection) {
    // Also on cancellation.
    struct Removal {
        Loop& loop;
        Connections::iterator it;

        Removal(Loop& l, Connections::iterator i) : loop(l), it(i) {}

        Removal(const Removal&) = delete;
        Removal& operator=(const Removal&) = delete;

        ~Removal() {
            loop.connections_.erase(it);
            if (loop.shared_.stopping) {
                loop.look_.set();
            }
        }
    };

    const Removal removal(*this, connection);
    const auto self = *connection;
    co_await self->run();
}

bool Loop::evict_idle() {
    std::shared_ptr<Connection> oldest;
    for (const auto& connection : connections_) {
        if (connection->phase() == Connection::Phase::idle &&
            connection->deadline() != TimePoint{} &&
            (oldest == nullptr || connection->since() < oldest->since())) {
            oldest = connection;
        }
    }
    if (oldest == nullptr) {
        return false;
    }
    ++shared_.statistics.evicted;
    oldest->close();
    return true;
}

Task<void> Loop::watch_deadlines() {
    const auto shortest = std::min(
        {limits_.header_timeout, limits_.body_timeout, limits_.idle_timeout, limits_.write_timeout}
    );
    const auto interval = std::clamp<Duration>(
        shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(500)
    );
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        co_await look_.wait(std::min(now + interval, std::max(stop_at_, now)));
        const auto later = std::chrono::steady_clock::now();
        for (const auto& connection : connections_) {
            if (connection->deadline() <= later) {
                ++shared_.statistics.timed_out;
                connection->close();
            }
        }
        publish();
        if (shared_.stopping && (connections_.empty() || later >= stop_at_)) {
            group_.cancel();
        }
    }
}

void Loop::begin_stop() {
    if (shared_.stopping) {
        return;
    }
    shared_.stopping = true;
    stop_at_ = std::chrono::steady_clock::now() + limits_.grace;
    for (auto& acceptor : acceptors_) {
        error_code ignored;
        acceptor.close(ignored);
    }
    for (const auto& connection : connections_) {
        connection->end_stream();
        if (connection->phase() == Connection::Phase::idle ||
            connection->phase() == Connection::Phase::handshaking) {
            connection->close();
        }
    }
    look_.set();
}

void Loop::publish() {
    const auto& now = shared_.statistics;
    accepted_ = now.accepted;
    refused_ = now.refused;
    requests_ = now.requests;
    malformed_ = now.malformed;
    timed_out_ = now.timed_out;
    evicted_ = now.evicted;
    open_ = connections_.size();
}

Statistics Loop::statistics() const {
    Statistics result;
    result.accepted = accepted_;
    result.refused = refused_;
    result.requests = requests_;
    result.malformed = malformed_;
    result.timed_out = timed_out_;
    result.evicted = evicted_;
    result.open = open_;
    return result;
}

}  // namespace baton::http
