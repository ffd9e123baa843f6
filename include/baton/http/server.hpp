// SPDX-License-Identifier: Apache-2.0
#pragma once

// An HTTP/1.1 server on threads of its own, for untrusted clients: every size, wait and number is
// limited. An idle connection costs about 2 KiB. One handler answers everything; it runs on a loop
// of the server (one thread) and must not block.

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"
#include "baton/http/message.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::http {

struct Limits {
    std::size_t target_bytes = 8 * 1024;   // longer: 414
    std::size_t header_bytes = 32 * 1024;  // with the request line; longer: 431
    std::size_t body_bytes = 1024 * 1024;  // longer: 413
    /// Open connections in all; beyond it the one idle for longest is closed, or the new one is
    /// refused with 503 when none is idle. Lowered to what the limit of open files allows.
    std::size_t connections = 12'000;
    Duration header_timeout = std::chrono::seconds(10);  // from the first byte of a request
    Duration body_timeout = std::chrono::seconds(30);
    Duration idle_timeout = std::chrono::seconds(75);
    Duration write_timeout = std::chrono::seconds(30);  // without progress
    /// Bodies from this size on are compressed when the client accepts it.
    std::size_t compress_from_bytes = 1024;
    /// After stop(): time for running requests.
    Duration grace = std::chrono::milliseconds(800);
};

struct ListenAddress {
    std::string address = "0.0.0.0";
    std::uint16_t port = 3000;  // 0: any free one
};

/// Reads ":3000", "127.0.0.1:3000", "[::1]:3000", "3000". Errors: invalid_argument.
Result<ListenAddress> parse_listen_address(std::string_view text);

struct TlsFiles {
    std::string certificate_chain;  // PEM
    std::string private_key;        // PEM
    std::string client_ca;          // "" = clients need no certificate
};

struct ServerOptions {
    std::vector<ListenAddress> listen;
    std::optional<TlsFiles> tls;
    Limits limits;
    unsigned threads = 2;
};

using Handler = std::function<Task<Response>(Request)>;

struct Statistics {
    std::uint64_t accepted = 0, refused = 0, requests = 0, malformed = 0, timed_out = 0,
                  evicted = 0, open = 0;
};

class Server {
public:
    Server(ServerOptions options, Handler handler);
    /// Stops.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Binds and starts the threads. Errors: io (address in use and the like), invalid_argument
    /// (address, certificate).
    Result<void> start();
    /// Stops accepting, closes idle connections, waits for running requests (`grace`), cancels the
    /// rest. Blocks the caller; must not be called from a handler. Safe to repeat.
    void stop();
    /// Port of the first listener.
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] Statistics statistics() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::http
