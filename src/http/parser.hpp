// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes to requests and responses; the only place that knows Beast. Incremental: bytes that belong
// to the next message stay in the buffer.

#include "baton/base/result.hpp"
#include "baton/http/client.hpp"
#include "baton/http/message.hpp"
#include "baton/http/server.hpp"

#include <memory>
#include <string>

namespace baton::http {

class RequestParser {
public:
    explicit RequestParser(const Limits& limits);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    enum class State { need_more, complete, bad };

    /// Consumes bytes from the front of `buffer`.
    State feed(std::string& buffer);

    [[nodiscard]] bool has_header() const;
    /// The client waits for "100 Continue" before it sends the body. Asked once, after
    /// has_header().
    [[nodiscard]] bool expects_continue() const;
    [[nodiscard]] bool keep_alive() const;
    [[nodiscard]] bool is_http_1_1() const;
    /// With State::bad: what to answer.
    [[nodiscard]] unsigned error_status() const;
    [[nodiscard]] const std::string& error_text() const;

    /// With State::complete, once.
    Request take();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class ResponseParser {
public:
    ResponseParser(std::size_t body_limit_bytes, bool is_answer_to_head);
    ~ResponseParser();
    ResponseParser(const ResponseParser&) = delete;
    ResponseParser& operator=(const ResponseParser&) = delete;

    /// True when the response is complete. Errors: protocol.
    Result<bool> feed(std::string& buffer);
    /// The connection has ended. Errors: unreachable (in the middle of the response), protocol.
    Result<void> finish();
    ClientResponse take();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::http
