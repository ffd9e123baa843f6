// SPDX-License-Identifier: Apache-2.0
#pragma once

// Requests and responses as plain values. The server has already taken the target apart: path
// segments and query are decoded text from an untrusted client, bounded in size by the server's
// limits.

#include "baton/async/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::http {

enum class Method { get, head, post, put, delete_, patch, options, other };

std::string_view to_string(Method method);

/// Header fields in the order received; names compare without case.
class Headers {
public:
    using Field = std::pair<std::string, std::string>;

    void add(std::string name, std::string value);
    /// Replaces all fields of the name.
    void set(std::string_view name, std::string value);
    void remove(std::string_view name);
    /// First value, or null.
    [[nodiscard]] const std::string* find(std::string_view name) const;
    /// First value, or "".
    [[nodiscard]] std::string_view get(std::string_view name) const;

    [[nodiscard]] auto begin() const { return fields_.begin(); }

    [[nodiscard]] auto end() const { return fields_.end(); }

    [[nodiscard]] std::size_t size() const { return fields_.size(); }

private:
    std::vector<Field> fields_;
};

struct Request {
    Request() = default;

    Method method = Method::get;
    std::string method_text;
    std::string target;                 // as received
    std::string path;                   // as received, up to the '?'
    std::vector<std::string> segments;  // decoded; one trailing slash is dropped
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
    Headers headers;
    std::string body;
    std::string remote_address;
    bool tls = false;

    /// First value of the query parameter; "" when absent.
    [[nodiscard]] std::string query_value(std::string_view name) const;
    [[nodiscard]] bool has_query(std::string_view name) const;
};

/// A body that comes bit by bit (server-sent events). Used on the loop of its connection.
class BodySource {
public:
    virtual ~BodySource() = default;
    /// The next piece; none = the end. Must return within seconds (heartbeat), so that a client
    /// that has gone is noticed.
    virtual Task<std::optional<std::string>> next() = 0;
    /// Ends a running or the next next() soon: the server stops.
    virtual void close() = 0;
};

struct Response {
    Response() = default;

    unsigned status = 200;
    std::string content_type = "application/json; charset=UTF-8";
    Headers headers;  // others than Content-Type, Content-Length, Connection
    std::string body;
    std::shared_ptr<BodySource> source;  // instead of body
    bool close = false;                  // end the connection afterwards
};

/// "Not Found" for 404 and so on; "Status" for unknown codes.
std::string_view reason_phrase(unsigned status);

}  // namespace baton::http
