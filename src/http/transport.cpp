// SPDX-License-Identifier: Apache-2.0
#include "transport.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>

namespace baton::http {

namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t read_size = 16 * 1024;

Error lost(const error_code& error) {
    if (error == asio::error::operation_aborted) {
        return fail(Errc::cancelled, "the connection was given up");
    }
    return fail(Errc::unreachable, error.message());
}

class Plain final : public Transport {
public:
    explicit Plain(tcp::socket socket) : socket_(std::move(socket)) {
        error_code ignored;  // only costs speed
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay(true), ignored);
    }

    Task<Result<void>> accept_handshake() override { co_return Result<void>{}; }

    Task<Result<void>> connect_handshake(std::string /*host*/) override {
        co_return Result<void>{};
    }

    Task<Result<std::string>> read() override {
        for (;;) {
            const auto [wait_error] =
                co_await socket_.async_wait(tcp::socket::wait_read, with_error);
            if (wait_error) {
                co_return lost(wait_error);
            }
            // Shared by all connections of the thread: nothing is awaited while it is in use.
            static thread_local std::array<char, read_size> scratch;
            error_code error;
            const auto size = socket_.read_some(asio::buffer(scratch), error);
            if (error == asio::error::would_block) {
                continue;
            }
            if (error == asio::error::eof) {
                co_return std::string{};
            }
            if (error) {
                co_return lost(error);
            }
            co_return std::string(scratch.data(), size);
        }
    }

    Task<Result<std::size_t>> write_some(const char* data, std::size_t size) override {
        const auto [error, written] =
            co_await socket_.async_write_some(asio::buffer(data, size), with_error);
        if (error) {
            co_return lost(error);
        }
        co_return written;
    }

    Task<void> end_output() override {
        error_code ignored;  // the peer may have gone already
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        co_return;
    }

    void close() override {
        error_code ignored;
        socket_.close(ignored);
    }

private:
    tcp::socket socket_;
};

class Tls final : public Transport {
public:
    Tls(tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {
        error_code ignored;  // only costs speed
        stream_.next_layer().set_option(tcp::no_delay(true), ignored);
        SSL_ctrl(stream_.native_handle(), SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, nullptr);
    }

    Task<Result<void>> accept_handshake() override {
        const auto [error] =
            co_await stream_.async_handshake(asio::ssl::stream_base::server, with_error);
        if (error) {
            co_return lost(error);
        }
        co_return Result<void>{};
    }

    Task<Result<void>> connect_handshake(std::string host) override {
        // What the macro SSL_set_tlsext_host_name() does, without its cast.
        SSL_ctrl(
            stream_.native_handle(),
            SSL_CTRL_SET_TLSEXT_HOSTNAME,
            TLSEXT_NAMETYPE_host_name,
            host.data()
        );
        stream_.set_verify_callback(asio::ssl::host_name_verification(host));
        const auto [error] =
            co_await stream_.async_handshake(asio::ssl::stream_base::client, with_error);
        if (error) {
            co_return lost(error);
        }
        co_return Result<void>{};
    }

    Task<Result<std::string>> read() override {
        std::string buffer(read_size, '\0');
        const auto [error, size] =
            co_await stream_.async_read_some(asio::buffer(buffer), with_error);
        if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
            co_return std::string{};
        }
        if (error) {
            co_return lost(error);
        }
        buffer.resize(size);
        buffer.shrink_to_fit();
        co_return buffer;
    }

    Task<Result<std::size_t>> write_some(const char* data, std::size_t size) override {
        const auto [error, written] =
            co_await stream_.async_write_some(asio::buffer(data, size), with_error);
        if (error) {
            co_return lost(error);
        }
        co_return written;
    }

    Task<void> end_output() override {
        // The peer may have gone already, or refuse: nothing depends on it.
        co_await stream_.async_shutdown(with_error);
        error_code ignored;
        stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
    }

    void close() override {
        error_code ignored;
        stream_.next_layer().close(ignored);
    }

private:
    asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<Transport> make_plain(tcp::socket socket) {
    return std::make_unique<Plain>(std::move(socket));
}

std::unique_ptr<Transport> make_tls(tcp::socket socket, asio::ssl::context& context) {
    return std::make_unique<Tls>(std::move(socket), context);
}

}  // namespace baton::http
