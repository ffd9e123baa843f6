// SPDX-License-Identifier: Apache-2.0
#pragma once

// The HTTP face of a node: orchestrator's API, Baton's own under /api/v1, metrics, and the page.
// Answers reads from the view of this node; what changes something runs on the active node, to
// which it is forwarded.

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"
#include "baton/control/commands.hpp"
#include "baton/http/client.hpp"
#include "baton/http/server.hpp"
#include "baton/http/static_files.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::api {

struct AuthOptions {
    enum class Method {
        none,   // everybody may do everything
        basic,  // user and password for everything
        multi,  // the same; user "readonly" with any password may read
        proxy,  // a proxy in front names the user in a header; everybody may read
    };

    Method method = Method::none;
    std::string user, password;                 // basic, multi
    std::string header = "X-Forwarded-User";    // proxy
    std::vector<std::string> power_users{"*"};  // proxy: who may act; "*" = everybody
    bool read_only = false;                     // nobody may act
    bool exempt_checks = true;  // leader-check, lb-check and /health/... need no password
};

/// "", "none", "basic", "multi", "proxy", in any case. Errors: invalid_argument.
Result<AuthOptions::Method> parse_auth_method(std::string_view text);

struct ServerOptions {
    std::vector<http::ListenAddress> listen;
    std::optional<http::TlsFiles> tls;
    http::Limits limits;
    unsigned threads = 2;
    std::string url_prefix;  // "/orchestrator"; "" = none
    std::string status_endpoint =
        "/api/status";  // another path: served there instead, without prefix
    AuthOptions auth;
    bool mutations_by_get = true;  // as orchestrator's clients do
    Port default_port = 3306;      // of servers named without one
    http::ClientOptions forward;   // TLS towards other nodes
    Duration forward_limit = std::chrono::seconds(15);
    Duration recover_limit = std::chrono::seconds(60);
    std::size_t event_clients = 256;  // at the same time
    std::size_t event_queue = 1024;   // events waiting for one client; a slower one is dropped
    Duration heartbeat = std::chrono::seconds(10);  // of the event stream
};

class Server {
public:
    /// `commands` must outlive the server. `page` may be empty: then there is no page.
    Server(ServerOptions options, control::Commands& commands, http::StaticLookup page);
    /// Stops.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Errors: io (cannot listen), invalid_argument (address, certificate, prefix).
    Result<void> start();
    /// Blocks until running requests have ended or the grace is over. Not from a handler.
    void stop();
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] http::Statistics statistics() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::api
