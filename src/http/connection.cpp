// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include "compress.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace baton::http {

namespace {

constexpr std::size_t write_piece = 128 * 1024;

/// For the Date header, which proxies use for caching.
std::string http_date() {
    const auto now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", parts);
}

/// Header values come from our own handlers, but may echo what a client sent.
std::string one_line(std::string_view text) {
    std::string result(text);
    std::replace_if(
        result.begin(),
        result.end(),
        [](char c) { return c == '\r' || c == '\n' || c == '\0'; },
        ' '
    );
    return result;
}

std::string head_of(const Response& response, bool keep_alive, std::string_view framing) {
    auto head = fmt::format(
        "HTTP/1.1 {} {}\r\nDate: {}\r\n",
        response.status,
        reason_phrase(response.status),
        http_date()
    );
    if (!response.content_type.empty()) {
        head += fmt::format("Content-Type: {}\r\n", one_line(response.content_type));
    }
    for (const auto& [name, value] : response.headers) {
        head += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
    }
    head += framing;
    head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return head;
}

Response failed(unsigned status, std::string_view why) {
    Response response;
    response.status = status;
    // The message is of a library or ours: letters, digits and blanks; quotes are taken out to be
    // sure.
    std::string plain(why);
    std::erase_if(plain, [](char c) { return c == '"' || c == '\\' || c < ' '; });
    response.body =
        fmt::format(R"({{"Code":"ERROR","Message":"{}","Details":null}})", valid_utf8(plain));
    return response;
}

}  // namespace

Connection::Connection(
    std::unique_ptr<Transport> transport, std::string remote_address, bool tls, Shared& shared
)
    : transport_(std::move(transport)),
      remote_address_(std::move(remote_address)),
      tls_(tls),
      shared_(shared) {
    enter(Phase::handshaking, shared.limits->header_timeout);
}

void Connection::enter(Phase phase, Duration limit) {
    phase_ = phase;
    since_ = std::chrono::steady_clock::now();
    deadline_ = limit == Duration::max() ? TimePoint::max() : since_ + limit;
}

void Connection::close() {
    transport_->close();
}

void Connection::end_stream() {
    if (source_ != nullptr) {
        source_->close();
    }
}

Task<void> Connection::run() {
    if (tls_) {
        const auto done = co_await transport_->accept_handshake();
        if (!done) {
            transport_->close();
            co_return;
        }
    }
    for (;;) {
        const bool more = co_await serve_one();
        if (!more || shared_.stopping) {
            break;
        }
    }
    transport_->close();
}

Task<bool> Connection::serve_one() {
    enter(Phase::idle, shared_.limits->idle_timeout);
    if (buffer_.empty()) {
        auto bytes = co_await transport_->read();
        if (!bytes || bytes->empty()) {
            co_return false;
        }
        buffer_ = std::move(*bytes);
    }
    enter(Phase::reading, shared_.limits->header_timeout);
    RequestParser parser(*shared_.limits);
    const bool complete = co_await read_request(parser);
    if (!complete) {
        co_return false;
    }
    ++shared_.statistics.requests;
    const bool keep_alive = parser.keep_alive() && !shared_.stopping;
    const bool is_http_1_1 = parser.is_http_1_1();
    auto request = parser.take();
    request.remote_address = remote_address_;
    request.tls = tls_;
    const auto method = request.method;
    const bool gzip_ok = accepts_gzip(request.headers.get("Accept-Encoding"));
    enter(Phase::handling, Duration::max());
    auto response = co_await answer(std::move(request));
    const bool sent = co_await send(std::move(response), method, keep_alive, is_http_1_1, gzip_ok);
    co_return sent&& keep_alive;
}

Task<bool> Connection::read_request(RequestParser& parser) {
    bool had_header = false;
    for (;;) {
        const auto state = parser.feed(buffer_);
        if (state == RequestParser::State::complete) {
            co_return true;
        }
        if (state == RequestParser::State::bad) {
            ++shared_.statistics.malformed;
            co_await refuse(parser.error_status(), "malformed request: " + parser.error_text());
            co_return false;
        }
        if (!had_header && parser.has_header()) {
            had_header = true;
            enter(Phase::reading, shared_.limits->body_timeout);
            if (parser.expects_continue()) {
                const bool written = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
                if (!written) {
                    co_return false;
                }
                enter(Phase::reading, shared_.limits->body_timeout);
            }
        }
        auto bytes = co_await transport_->read();
        if (!bytes) {
            co_return false;
        }
        if (bytes->empty()) {
            // Half of a request: tell those who still listen.
            ++shared_.statistics.malformed;
            co_await refuse(400, "malformed request: ended early");
            co_return false;
        }
        buffer_ += *bytes;
    }
}

Task<Response> Connection::answer(Request request) {
    std::string failure;
    try {
        co_return co_await (*shared_.handler)(std::move(request));
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted) {
            throw;  // cancellation
        }
        failure = error.what();
    } catch (const std::exception& error) {
        // A fault of ours in one handler must not take the others along.
        failure = error.what();
    }
    log::error("a request handler failed: {}", failure);
    co_return failed(500, "internal error: " + failure);
}

Task<bool> Connection::send(
    Response response, Method method, bool keep_alive, bool is_http_1_1, bool gzip_ok
) {
    const bool stay = keep_alive && !response.close && !shared_.stopping;
    if (response.source != nullptr) {
        auto head = head_of(
            response, is_http_1_1 && stay, is_http_1_1 ? "Transfer-Encoding: chunked\r\n" : ""
        );
        const bool written = co_await write(std::move(head));
        if (!written || method == Method::head) {
            co_return false;
        }
        const bool streamed = co_await stream(std::move(response.source), is_http_1_1);
        co_return streamed&& stay&& is_http_1_1;
    }
    const bool has_body = response.status != 204 && response.status != 304;
    if (has_body && gzip_ok && response.body.size() >= shared_.limits->compress_from_bytes &&
        is_compressible(response.content_type) &&
        response.headers.find("Content-Encoding") == nullptr) {
        auto packed = gzip(response.body);
        if (!packed.empty() && packed.size() < response.body.size()) {
            response.body = std::move(packed);
            response.headers.add("Content-Encoding", "gzip");
        }
        response.headers.add("Vary", "Accept-Encoding");
    }
    const auto framing =
        has_body ? fmt::format("Content-Length: {}\r\n", response.body.size()) : std::string{};
    auto bytes = head_of(response, stay, framing);
    if (has_body && method != Method::head) {
        bytes += response.body;
        response.body = std::string{};
    }
    const bool written = co_await write(std::move(bytes));
    co_return written&& stay;
}

Task<bool> Connection::stream(std::shared_ptr<BodySource> source, bool chunked) {
    source_ = source;
    bool sent = true;
    for (;;) {
        enter(Phase::streaming, Duration::max());
        auto piece = co_await source->next();
        if (!piece || shared_.stopping) {
            break;
        }
        if (piece->empty()) {
            continue;
        }
        auto bytes =
            chunked ? fmt::format("{:x}\r\n{}\r\n", piece->size(), *piece) : std::move(*piece);
        sent = co_await write(std::move(bytes));
        if (!sent) {
            break;
        }
    }
    source_.reset();
    if (sent && chunked) {
        sent = co_await write("0\r\n\r\n");
    }
    co_return sent;
}

Task<bool> Connection::write(std::string bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        enter(Phase::writing, shared_.limits->write_timeout);
        const auto size = std::min(bytes.size() - done, write_piece);
        const auto written = co_await transport_->write_some(bytes.data() + done, size);
        if (!written) {
            co_return false;
        }
        done += *written;
    }
    co_return true;
}

Task<void> Connection::refuse(unsigned status, std::string why) {
    auto response = failed(status, why);
    auto bytes =
        head_of(response, false, fmt::format("Content-Length: {}\r\n", response.body.size()));
    bytes += response.body;
    const bool written = co_await write(std::move(bytes));
    if (!written) {
        co_return;
    }
    enter(Phase::draining, std::chrono::seconds(2));
    co_await transport_->end_output();
    constexpr std::size_t enough = 1024 * 1024;
    for (std::size_t drained = 0; drained < enough;) {
        const auto more = co_await transport_->read();
        if (!more || more->empty()) {
            co_return;
        }
        drained += more->size();
    }
}

}  // namespace baton::http
