// SPDX-License-Identifier: Apache-2.0
#pragma once

// A byte stream, plain or TLS, so that the code above exists once. Errors: unreachable (with the
// system's words). A plain stream holds no buffer while it waits for input: that keeps idle
// connections cheap.

#include "baton/async/task.hpp"
#include "baton/base/result.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace baton::http {

class Transport {
public:
    virtual ~Transport() = default;
    /// TLS: the server's part of the handshake.
    virtual Task<Result<void>> accept_handshake() = 0;
    /// TLS: the client's part; checks the certificate against the name when the context verifies.
    virtual Task<Result<void>> connect_handshake(std::string host) = 0;
    /// Waits for bytes; "" = the peer has ended its side.
    virtual Task<Result<std::string>> read() = 0;
    /// Writes some of the bytes, which the caller keeps until then; answers how many.
    virtual Task<Result<std::size_t>> write_some(const char* data, std::size_t size) = 0;
    /// No more bytes will follow from here; the peer may still send.
    virtual Task<void> end_output() = 0;
    /// Ends running operations. Safe to repeat.
    virtual void close() = 0;
};

std::unique_ptr<Transport> make_plain(asio::ip::tcp::socket socket);
/// The context must outlive the transport.
std::unique_ptr<Transport> make_tls(asio::ip::tcp::socket socket, asio::ssl::context& context);

}  // namespace baton::http
