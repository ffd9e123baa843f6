// SPDX-License-Identifier: Apache-2.0
#include "baton/http/client.hpp"

#include "parser.hpp"
#include "transport.hpp"

#include "baton/async/deadline.hpp"
#include "baton/http/url.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace baton::http {

using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// getaddrinfo() cannot be interrupted, so nobody waits for its end: the answer of one that is too
/// late is dropped.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}

    tcp::resolver resolver;
    asio::steady_timer done;
    bool answered = false;
    error_code error;
    std::vector<tcp::endpoint> endpoints;
};

Task<Result<std::vector<tcp::endpoint>>> resolved(std::string host, Port port, Deadline deadline) {
    error_code not_numeric;
    const auto address = asio::ip::make_address(host, not_numeric);
    if (!not_numeric) {
        co_return std::vector<tcp::endpoint>{tcp::endpoint(address, port)};
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto lookup = std::make_shared<Lookup>(executor);
    lookup->done.expires_at(deadline);
    lookup->resolver.async_resolve(
        host,
        std::to_string(port),
        [lookup](const error_code& error, const tcp::resolver::results_type& results) {
            lookup->answered = true;
            lookup->error = error;
            for (const auto& entry : results) {
                lookup->endpoints.push_back(entry.endpoint());
            }
            lookup->done.cancel();
        }
    );
    co_await lookup->done.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!lookup->answered) {
        co_return fail(Errc::timeout, fmt::format("the name {} was not resolved in time", host));
    }
    if (lookup->error || lookup->endpoints.empty()) {
        co_return fail(
            Errc::unreachable,
            fmt::format("the name {} cannot be resolved: {}", host, lookup->error.message())
        );
    }
    co_return std::move(lookup->endpoints);
}

Task<Result<tcp::socket>> connected(std::string host, Port port, Deadline deadline) {
    auto endpoints = co_await resolved(host, port, deadline);
    if (!endpoints) {
        co_return endpoints.error();
    }
    tcp::socket socket(co_await asio::this_coro::executor);
    const auto [error, endpoint] =
        co_await asio::async_connect(socket, *endpoints, asio::as_tuple(asio::use_awaitable));
    if (error) {
        const auto code =
            error == asio::error::operation_aborted ? Errc::cancelled : Errc::unreachable;
        co_return fail(code, fmt::format("connect to {}:{}: {}", host, port, error.message()));
    }
    co_return std::move(socket);
}

Task<Result<void>> connect_only(std::string host, Port port, Deadline deadline) {
    auto socket = co_await connected(std::move(host), port, deadline);
    if (!socket) {
        co_return socket.error();
    }
    co_return Result<void>{};
}

std::string bytes_of(const ClientRequest& request, const Url& url) {
    auto bytes = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}\r\n", to_string(request.method), url.path, url.authority()
    );
    for (const auto& [name, value] : request.headers) {
        const bool forged =
            (name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
        if (!forged) {
            bytes += fmt::format("{}: {}\r\n", name, value);
        }
    }
    if (!request.body.empty() || request.method == Method::post || request.method == Method::put) {
        bytes += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    bytes += "Connection: close\r\n\r\n";
    bytes += request.body;
    return bytes;
}

}  // namespace

struct Client::Impl {
    ClientOptions options;
    asio::ssl::context tls{asio::ssl::context::tls_client};
    error_code tls_error;  // of the files, reported on use

    Task<Result<ClientResponse>> exchange(ClientRequest request, Url url, Deadline deadline);
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    auto& tls = impl_->tls;
    const auto& set = impl_->options;
    const auto note = [&](const error_code& error) {
        if (error && !impl_->tls_error) {
            impl_->tls_error = error;
        }
    };
    error_code error;
    if (set.ca_file.empty()) {
        tls.set_default_verify_paths(error);
    } else {
        tls.load_verify_file(set.ca_file, error);
    }
    note(error);
    tls.set_verify_mode(
        set.verify_certificate ? asio::ssl::verify_peer : asio::ssl::verify_none, error
    );
    note(error);
    if (!set.certificate.empty()) {
        tls.use_certificate_chain_file(set.certificate, error);
        note(error);
        tls.use_private_key_file(set.key, asio::ssl::context::pem, error);
        note(error);
    }
}

Client::~Client() = default;

Task<Result<ClientResponse>> Client::fetch(ClientRequest request, Deadline deadline) {
    auto url = parse_url(request.url);
    if (!url) {
        co_return url.error();
    }
    if (url->tls && impl_->tls_error) {
        co_return fail(
            Errc::invalid_argument, "the TLS files of the client: " + impl_->tls_error.message()
        );
    }
    auto task = impl_->exchange(std::move(request), std::move(*url), deadline);
    co_return co_await with_deadline<ClientResponse>(deadline, std::move(task));
}

Task<Result<void>> Client::try_connect(std::string host, std::uint16_t port, Deadline deadline) {
    auto task = connect_only(std::move(host), port, deadline);
    co_return co_await with_deadline<void>(deadline, std::move(task));
}

Task<Result<ClientResponse>> Client::Impl::exchange(
    ClientRequest request, Url url, Deadline deadline
) {
    auto socket = co_await connected(url.host, url.port, deadline);
    if (!socket) {
        co_return socket.error();
    }
    auto transport = url.tls ? make_tls(std::move(*socket), tls) : make_plain(std::move(*socket));
    const auto where = fmt::format("{}:{}", url.host, url.port);
    if (url.tls) {
        const auto secured = co_await transport->connect_handshake(url.host);
        if (!secured) {
            co_return secured.error().in("TLS with " + where);
        }
    }
    const auto bytes = bytes_of(request, url);
    for (std::size_t done = 0; done < bytes.size();) {
        const auto written =
            co_await transport->write_some(bytes.data() + done, bytes.size() - done);
        if (!written) {
            co_return written.error().in("request to " + where);
        }
        done += *written;
    }
    ResponseParser parser(options.body_limit_bytes, request.method == Method::head);
    std::string buffer;
    for (;;) {
        auto complete = parser.feed(buffer);
        if (!complete) {
            co_return complete.error().in("answer of " + where);
        }
        if (*complete) {
            break;
        }
        auto received = co_await transport->read();
        if (!received) {
            co_return received.error().in("answer of " + where);
        }
        if (received->empty()) {
            auto finished = parser.finish();
            if (!finished) {
                co_return finished.error().in("answer of " + where);
            }
            break;
        }
        buffer += *received;
    }
    co_return parser.take();
}

}  // namespace baton::http
