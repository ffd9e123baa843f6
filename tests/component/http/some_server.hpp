// SPDX-License-Identifier: Apache-2.0
#pragma once

// A server with a few paths that tests need.

#include "baton/http/server.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace baton::test {

inline std::atomic<unsigned> requests_begun{0};

/// "piece 1\n", "piece 2\n", ...
class Pieces final : public http::BodySource {
public:
    explicit Pieces(unsigned count) : count_(count) {}

    Task<std::optional<std::string>> next() override {
        co_await sleep_for(std::chrono::milliseconds(1));
        if (closed_ || sent_ == count_) {
            co_return std::nullopt;
        }
        co_return "piece " + std::to_string(++sent_) + "\n";
    }

    void close() override { closed_ = true; }

private:
    unsigned count_;
    unsigned sent_ = 0;
    bool closed_ = false;
};

inline Task<http::Response> some_handler(http::Request request) {
    ++requests_begun;
    http::Response response;
    response.content_type = "text/plain";
    const auto first = request.segments.empty() ? std::string{} : request.segments.front();
    if (first == "echo") {
        response.body = request.method_text + " ";
        for (const auto& segment : request.segments) {
            response.body += "[" + segment + "]";
        }
        response.body += " ";
        for (const auto& [name, value] : request.query) {
            response.body += name + "=" + value + " ";
        }
        if (request.headers.find("x-name") != nullptr) {
            response.body += std::string(request.headers.get("x-name")) + " ";
        }
        response.body += request.remote_address + " " + request.body;
    } else if (first == "big") {
        response.body = std::string(100000, 'x');
    } else if (first == "huge") {
        response.body = std::string(64UL * 1024 * 1024, 'x');
    } else if (first == "throw") {
        throw std::runtime_error("bug with \"quotes\"");
    } else if (first == "slow") {
        co_await sleep_for(std::chrono::milliseconds(std::stoi(request.segments.at(1))));
        response.body = "slow";
    } else if (first == "stream") {
        const bool endless = request.segments.at(1) == "endless";
        response.source = std::make_shared<Pieces>(
            endless ? 1000000000U : static_cast<unsigned>(std::stoul(request.segments.at(1)))
        );
    } else {
        response.status = 404;
    }
    co_return response;
}

inline http::Limits some_limits() {
    http::Limits limits;
    limits.grace = std::chrono::seconds(1);
    return limits;
}

class SomeServer {
public:
    explicit SomeServer(http::Limits limits = some_limits(), unsigned threads = 2)
        : server_(options(limits, threads), some_handler) {
        requests_begun = 0;
        const auto started = server_.start();
        if (!started) {
            throw std::runtime_error(started.error().what);
        }
    }

    [[nodiscard]] std::uint16_t port() const { return server_.port(); }

    void stop() { server_.stop(); }

    [[nodiscard]] http::Statistics statistics() const { return server_.statistics(); }

    static void wait_for_requests(unsigned count) {
        while (requests_begun < count) {
            std::this_thread::yield();
        }
    }

private:
    static http::ServerOptions options(http::Limits limits, unsigned threads) {
        http::ServerOptions result;
        result.listen.push_back(http::ListenAddress{.address = "127.0.0.1", .port = 0});
        result.limits = limits;
        result.threads = threads;
        return result;
    }

    http::Server server_;
};

}  // namespace baton::test
