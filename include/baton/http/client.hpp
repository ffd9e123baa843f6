// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request to another server, one connection each. For forwarding between nodes and for the
// command line.

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"
#include "baton/http/message.hpp"

#include <memory>
#include <string>

namespace baton::http {

struct ClientOptions {
    std::string ca_file;  // "" = the system's
    bool verify_certificate = true;
    std::string certificate, key;  // PEM files, "" = none
    std::size_t body_limit_bytes = 64UL * 1024 * 1024;
};

struct ClientRequest {
    ClientRequest() = default;

    Method method = Method::get;
    std::string url;
    Headers headers;
    std::string body;
};

struct ClientResponse {
    ClientResponse() = default;

    unsigned status = 0;
    Headers headers;
    std::string body;
};

class Client {
public:
    explicit Client(ClientOptions options = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Any status is a success here. Errors: invalid_argument (URL, certificate files), unreachable
    /// (name, connect, connection lost, certificate refused), timeout, protocol. The client must
    /// outlive the call.
    Task<Result<ClientResponse>> fetch(ClientRequest request, Deadline deadline);
    /// Resolves the name and opens a TCP connection. Errors as fetch().
    static Task<Result<void>> try_connect(std::string host, std::uint16_t port, Deadline deadline);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::http
