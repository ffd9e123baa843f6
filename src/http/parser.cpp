// SPDX-License-Identifier: Apache-2.0
#include "parser.hpp"

#include "baton/base/text.hpp"
#include "baton/http/url.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include <limits>
#include <optional>

namespace baton::http {

namespace beast_http = boost::beast::http;

namespace {

std::string text_of(boost::beast::string_view text) {
    return std::string(text.data(), text.size());
}

Method method_of(beast_http::verb verb) {
    // A switch would have to name all the verbs of WebDAV.
    if (verb == beast_http::verb::get) {
        return Method::get;
    }
    if (verb == beast_http::verb::head) {
        return Method::head;
    }
    if (verb == beast_http::verb::post) {
        return Method::post;
    }
    if (verb == beast_http::verb::put) {
        return Method::put;
    }
    if (verb == beast_http::verb::delete_) {
        return Method::delete_;
    }
    if (verb == beast_http::verb::patch) {
        return Method::patch;
    }
    if (verb == beast_http::verb::options) {
        return Method::options;
    }
    return Method::other;
}

template <class Fields>
Headers headers_of(const Fields& fields) {
    Headers headers;
    for (const auto& field : fields) {
        headers.add(text_of(field.name_string()), text_of(field.value()));
    }
    return headers;
}

unsigned status_of(const boost::system::error_code& error) {
    if (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow) {
        return 431;
    }
    return error == beast_http::error::body_limit ? 413 : 400;
}

}  // namespace

struct RequestParser::Impl {
    beast_http::request_parser<beast_http::string_body> parser;
    std::size_t target_limit = 0;
    unsigned status = 0;
    std::string text;

    State bad(unsigned code, std::string why) {
        status = code;
        text = std::move(why);
        return State::bad;
    }
};

RequestParser::RequestParser(const Limits& limits) : impl_(std::make_unique<Impl>()) {
    impl_->parser.eager(true);
    impl_->parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    impl_->parser.body_limit(limits.body_bytes);
    impl_->target_limit = limits.target_bytes;
}

RequestParser::~RequestParser() = default;

RequestParser::State RequestParser::feed(std::string& buffer) {
    if (buffer.empty()) {
        return State::need_more;
    }
    boost::system::error_code error;
    const auto used = impl_->parser.put(boost::asio::buffer(buffer), error);
    buffer.erase(0, used);
    if (error && error != beast_http::error::need_more) {
        return impl_->bad(status_of(error), error.message());
    }
    if (has_header() && impl_->parser.get().target().size() > impl_->target_limit) {
        return impl_->bad(414, "request target too long");
    }
    return impl_->parser.is_done() ? State::complete : State::need_more;
}

bool RequestParser::has_header() const {
    return impl_->parser.is_header_done();
}

bool RequestParser::expects_continue() const {
    const auto& message = impl_->parser.get();
    return is_http_1_1() && !impl_->parser.is_done() &&
           equal_ignoring_case(text_of(message[beast_http::field::expect]), "100-continue");
}

bool RequestParser::keep_alive() const {
    return impl_->parser.keep_alive();
}

bool RequestParser::is_http_1_1() const {
    return impl_->parser.get().version() >= 11;
}

unsigned RequestParser::error_status() const {
    return impl_->status;
}

const std::string& RequestParser::error_text() const {
    return impl_->text;
}

Request RequestParser::take() {
    auto message = impl_->parser.release();
    Request request;
    request.method = method_of(message.method());
    request.method_text = text_of(message.method_string());
    request.target = text_of(message.target());
    std::string_view target = request.target;
    // Absolute form, as proxies send it: the path begins after the authority.
    if (!target.starts_with('/')) {
        const auto scheme = target.find("://");
        const auto slash = scheme == std::string_view::npos ? scheme : target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    target = target.substr(0, target.find('#'));
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    request.segments = path_segments(request.path);
    if (question != std::string_view::npos) {
        request.query = parsed_query(target.substr(question + 1));
    }
    request.headers = headers_of(message.base());
    request.body = std::move(message.body());
    return request;
}

struct ResponseParser::Impl {
    beast_http::response_parser<beast_http::string_body> parser;
    bool begun = false;
};

ResponseParser::ResponseParser(std::size_t body_limit_bytes, bool is_answer_to_head)
    : impl_(std::make_unique<Impl>()) {
    impl_->parser.eager(true);
    impl_->parser.header_limit(64 * 1024);
    impl_->parser.body_limit(body_limit_bytes);
    impl_->parser.skip(is_answer_to_head);
}

ResponseParser::~ResponseParser() = default;

Result<bool> ResponseParser::feed(std::string& buffer) {
    if (!buffer.empty()) {
        boost::system::error_code error;
        impl_->begun = true;
        const auto used = impl_->parser.put(boost::asio::buffer(buffer), error);
        buffer.erase(0, used);
        if (error && error != beast_http::error::need_more) {
            return fail(Errc::protocol, fmt::format("the answer is not HTTP: {}", error.message()));
        }
    }
    return impl_->parser.is_done();
}

Result<void> ResponseParser::finish() {
    boost::system::error_code error;
    if (impl_->begun) {  // Beast's precondition
        impl_->parser.put_eof(error);
    }
    if (error || !impl_->parser.is_done()) {
        return fail(Errc::unreachable, "the connection ended in the middle of the answer");
    }
    return {};
}

ClientResponse ResponseParser::take() {
    auto message = impl_->parser.release();
    ClientResponse response;
    response.status = message.result_int();
    response.headers = headers_of(message.base());
    response.body = std::move(message.body());
    return response;
}

}  // namespace baton::http
