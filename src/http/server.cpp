// SPDX-License-Identifier: Apache-2.0
#include "baton/http/server.hpp"

#include "loop.hpp"

#include "baton/base/check.hpp"
#include "baton/base/ids.hpp"
#include "baton/base/log.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <limits>
#include <sys/resource.h>

namespace baton::http {

using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Descriptors the rest of the program needs: managed servers, backend, files.
constexpr std::size_t reserved_descriptors = 256;

/// Raises the soft limit of open files as far as wanted and allowed; answers how many connections
/// fit.
std::size_t connections_allowed(std::size_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return wanted;
    }
    const rlim_t needed = wanted + reserved_descriptors;
    if (limit.rlim_cur < needed) {
        auto raised = limit;
        raised.rlim_cur = std::min(needed, limit.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    if (limit.rlim_cur >= needed) {
        return wanted;
    }
    const auto allowed = limit.rlim_cur > 2 * reserved_descriptors
                             ? static_cast<std::size_t>(limit.rlim_cur) - reserved_descriptors
                             : static_cast<std::size_t>(limit.rlim_cur) / 2;
    log::info(
        "the limit of open files ({}) allows {} HTTP connections instead of {}",
        limit.rlim_cur,
        allowed,
        wanted
    );
    return allowed;
}

Result<std::unique_ptr<asio::ssl::context>> make_context(const TlsFiles& files) {
    auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    error_code error;
    context->use_certificate_chain_file(files.certificate_chain, error);
    if (error) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "cannot use the certificate file '{}': {}", files.certificate_chain, error.message()
            )
        );
    }
    context->use_private_key_file(files.private_key, asio::ssl::context::pem, error);
    if (error) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "cannot use the private key file '{}': {}", files.private_key, error.message()
            )
        );
    }
    if (!files.client_ca.empty()) {
        context->load_verify_file(files.client_ca, error);
        if (error) {
            return fail(
                Errc::invalid_argument,
                fmt::format("cannot use the CA file '{}': {}", files.client_ca, error.message())
            );
        }
        context->set_verify_mode(
            asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error
        );
    }
    return context;
}

Result<tcp::acceptor> bound(asio::io_context& context, const ListenAddress& listen) {
    error_code error;
    const auto address = asio::ip::make_address(listen.address, error);
    if (error) {
        return fail(
            Errc::invalid_argument,
            fmt::format("'{}' is not an IP address to listen at", listen.address)
        );
    }
    const tcp::endpoint endpoint(address, listen.port);
    const auto failed = [&](std::string_view operation) {
        auto remedy = error == asio::error::address_in_use
                          ? " (another process listens there: stop it or choose another port)"
                      : error == asio::error::access_denied
                          ? " (ports below 1024 need CAP_NET_BIND_SERVICE)"
                          : "";
        return fail(
            Errc::io,
            fmt::format(
                "cannot listen for HTTP at {}:{}: {}: {}{}",
                listen.address,
                listen.port,
                operation,
                error.message(),
                remedy
            )
        );
    };
    tcp::acceptor acceptor(context);
    acceptor.open(endpoint.protocol(), error);
    if (error) {
        return failed("socket");
    }
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (error) {
        return failed("reuse address");
    }
    acceptor.bind(endpoint, error);
    if (error) {
        return failed("bind");
    }
    acceptor.listen(4096, error);
    if (error) {
        return failed("listen");
    }
    return acceptor;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
    const auto bad = [&] {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "'{}' is not an address to listen at (allowed: ':3000', '127.0.0.1:3000', "
                "'[::1]:3000')",
                text
            )
        );
    };
    ListenAddress result;
    const auto colon = text.rfind(':');
    auto host = colon == std::string_view::npos ? std::string_view{} : text.substr(0, colon);
    const auto port = colon == std::string_view::npos ? text : text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad();
    }
    if (port != "0") {
        const auto number = parse_port(port);
        if (!number) {
            return bad();
        }
        result.port = *number;
    } else {
        result.port = 0;
    }
    if (host == "localhost") {
        host = "127.0.0.1";
    }
    if (!host.empty() && host != "*") {
        result.address = host;
    }
    error_code error;
    asio::ip::make_address(result.address, error);
    return error ? Result<ListenAddress>(bad()) : Result<ListenAddress>(result);
}

struct Server::Impl {
    ServerOptions options;
    Handler handler;
    std::unique_ptr<asio::ssl::context> tls;
    std::vector<std::unique_ptr<Loop>> loops;
    std::uint16_t port = 0;
    bool started = false;
};

Server::Server(ServerOptions options, Handler handler) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    impl_->handler = std::move(handler);
}

Server::~Server() {
    stop();
}

Result<void> Server::start() {
    BATON_CHECK(!impl_->started, "a server is started once");
    auto& options = impl_->options;
    if (options.tls) {
        auto context = make_context(*options.tls);
        if (!context) {
            return context.error();
        }
        impl_->tls = std::move(*context);
    }
    options.limits.connections = connections_allowed(options.limits.connections);
    const auto threads = std::max(options.threads, 1U);
    std::vector<Loop*> all;
    for (unsigned i = 0; i < threads; ++i) {
        impl_->loops.push_back(std::make_unique<Loop>(
            options.limits, options.limits.connections / threads, impl_->handler, impl_->tls.get()
        ));
        all.push_back(impl_->loops.back().get());
    }
    for (const auto& listen : options.listen) {
        auto acceptor = bound(all.front()->context(), listen);
        if (!acceptor) {
            impl_->loops.clear();
            return acceptor.error();
        }
        if (impl_->port == 0) {
            impl_->port = acceptor->local_endpoint().port();
        }
        all.front()->add_acceptor(std::move(*acceptor), all);
    }
    for (unsigned i = 0; i < threads; ++i) {
        all[i]->start(i);
    }
    impl_->started = true;
    return {};
}

void Server::stop() {
    if (!impl_->started) {
        return;
    }
    impl_->started = false;
    for (const auto& loop : impl_->loops) {
        loop->post_stop();
    }
    for (const auto& loop : impl_->loops) {
        loop->join();
    }
}

std::uint16_t Server::port() const {
    return impl_->port;
}

Statistics Server::statistics() const {
    Statistics sum;
    for (const auto& loop : impl_->loops) {
        const auto part = loop->statistics();
        sum.accepted += part.accepted;
        sum.refused += part.refused;
        sum.requests += part.requests;
        sum.malformed += part.malformed;
        sum.timed_out += part.timed_out;
        sum.evicted += part.evicted;
        sum.open += part.open;
    }
    return sum;
}

}  // namespace baton::http
