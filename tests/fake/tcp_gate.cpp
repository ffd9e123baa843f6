// SPDX-License-Identifier: Apache-2.0
#include "fake/tcp_gate.hpp"

#include "fake/loop_thread.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <list>
#include <vector>

namespace baton::test {

using Tcp = asio::ip::tcp;

namespace {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

}  // namespace

struct TcpGate::Impl {
    struct Pair {
        explicit Pair(Tcp::socket c) : client(std::move(c)), server(client.get_executor()) {}

        Tcp::socket client;
        Tcp::socket server;
        std::array<std::size_t, 2> left{unlimited, unlimited};  // to_server, to_client

        void close(bool reset) {
            for (Tcp::socket* socket : {&client, &server}) {
                boost::system::error_code ignored;
                if (reset) {
                    socket->set_option(asio::socket_base::linger(true, 0), ignored);
                } else {
                    socket->shutdown(Tcp::socket::shutdown_both, ignored);
                }
                socket->close(ignored);
            }
        }
    };

    LoopThread loop;  // first: the sockets below must go before it
    Tcp::endpoint target;
    std::uint16_t port = 0;
    std::chrono::milliseconds delay{0};
    std::array<std::size_t, 2> limit{unlimited, unlimited};
    std::list<std::shared_ptr<Pair>> pairs;
    std::size_t accepted = 0;
    std::unique_ptr<Tcp::socket> filler;  // of the queue of who waits to be accepted
    std::unique_ptr<Tcp::acceptor> acceptor;
    std::unique_ptr<Event> changed;

    static Task<void> accept_loop(Impl* impl);
    static Task<void> serve(Impl* impl, std::shared_ptr<Pair> pair);
    static Task<void> pump(Impl* impl, std::shared_ptr<Pair> pair, std::size_t way);

    void set_limit(Direction direction, std::size_t bytes) {
        for (std::size_t way = 0; way < 2; ++way) {
            const bool meant =
                direction == Direction::both || (direction == Direction::to_server) == (way == 0);
            if (meant) {
                limit[way] = bytes;
                for (const auto& pair : pairs) {
                    pair->left[way] = bytes;
                }
            }
        }
        changed->set();
    }
};

Task<void> TcpGate::Impl::accept_loop(Impl* impl) {
    for (;;) {
        auto [failure, socket] =
            co_await impl->acceptor->async_accept(asio::as_tuple(asio::use_awaitable));
        if (failure) {
            co_return;
        }
        const auto pair = std::make_shared<Pair>(std::move(socket));
        pair->left = impl->limit;
        ++impl->accepted;
        impl->pairs.push_back(pair);
        impl->loop.spawn("gate", serve(impl, pair));
    }
}

Task<void> TcpGate::Impl::serve(Impl* impl, std::shared_ptr<Pair> pair) {
    const auto [failure] =
        co_await pair->server.async_connect(impl->target, asio::as_tuple(asio::use_awaitable));
    if (failure) {
        pair->close(true);
        impl->pairs.remove(pair);
        co_return;
    }
    boost::system::error_code ignored;
    pair->client.set_option(Tcp::no_delay(true), ignored);
    pair->server.set_option(Tcp::no_delay(true), ignored);
    impl->loop.spawn("to server", pump(impl, pair, 0));
    impl->loop.spawn("to client", pump(impl, pair, 1));
}

Task<void> TcpGate::Impl::pump(Impl* impl, std::shared_ptr<Pair> pair, std::size_t way) {
    Tcp::socket& from = way == 0 ? pair->client : pair->server;
    Tcp::socket& to = way == 0 ? pair->server : pair->client;
    std::vector<char> buffer(16U << 10U);
    const TimePoint never = TimePoint::max();
    for (;;) {
        const auto space = asio::buffer(buffer);
        const auto [failure, got] =
            co_await from.async_read_some(space, asio::as_tuple(asio::use_awaitable));
        if (failure) {
            break;
        }
        if (impl->delay.count() > 0) {
            co_await sleep_for(impl->delay);
        }
        std::size_t sent = 0;
        bool broken = false;
        while (sent < got && !broken) {
            if (pair->left[way] == 0) {
                impl->changed->reset();
                co_await impl->changed->wait(never);
                broken = !to.is_open();
                continue;
            }
            const std::size_t size = std::min(got - sent, pair->left[way]);
            const auto part = asio::buffer(buffer.data() + sent, size);
            const auto [write_failure, written] =
                co_await asio::async_write(to, part, asio::as_tuple(asio::use_awaitable));
            sent += written;
            if (pair->left[way] != unlimited) {
                pair->left[way] -= std::min(pair->left[way], written);
            }
            broken = static_cast<bool>(write_failure);
        }
        if (broken) {
            break;
        }
    }
    boost::system::error_code ignored;
    if (to.is_open()) {
        to.shutdown(Tcp::socket::shutdown_send, ignored);
    }
    if (way == 0) {
        impl->pairs.remove(pair);
    }
}

TcpGate::TcpGate(std::string target_address, std::uint16_t target_port)
    : impl_(std::make_unique<Impl>()) {
    impl_->loop.call([this, &target_address, target_port] {
        impl_->target = Tcp::endpoint(asio::ip::make_address(target_address), target_port);
        impl_->changed = std::make_unique<Event>(impl_->loop.executor());
        const Tcp::endpoint any(asio::ip::make_address("127.0.0.1"), 0);
        impl_->acceptor = std::make_unique<Tcp::acceptor>(impl_->loop.executor(), any);
        impl_->port = impl_->acceptor->local_endpoint().port();
        impl_->loop.spawn("accept", Impl::accept_loop(impl_.get()));
    });
}

TcpGate::~TcpGate() {
    impl_->loop.stop();
}

std::uint16_t TcpGate::port() const {
    return impl_->port;
}

void TcpGate::set_delay(std::chrono::milliseconds delay) {
    impl_->loop.call([this, delay] { impl_->delay = delay; });
}

void TcpGate::stall(Direction direction) {
    stall_after(direction, 0);
}

void TcpGate::stall_after(Direction direction, std::size_t bytes) {
    impl_->loop.call([this, direction, bytes] { impl_->set_limit(direction, bytes); });
}

void TcpGate::resume() {
    impl_->loop.call([this] { impl_->set_limit(Direction::both, unlimited); });
}

void TcpGate::drop_connects() {
    // The kernel drops first packets while the queue is full, which holds one more than it is told.
    impl_->loop.call([this] {
        impl_->acceptor->cancel();
        impl_->acceptor->listen(0);
        impl_->filler = std::make_unique<Tcp::socket>(impl_->loop.executor());
        impl_->filler->connect(impl_->acceptor->local_endpoint());
    });
}

void TcpGate::take_connects() {
    impl_->loop.call([this] {
        impl_->filler->close();
        impl_->acceptor->accept();  // it
        impl_->acceptor->listen();
        impl_->loop.spawn("accept", Impl::accept_loop(impl_.get()));
    });
}

void TcpGate::cut(bool reset) {
    impl_->loop.call([this, reset] {
        for (const auto& pair : impl_->pairs) {
            pair->close(reset);
        }
        impl_->changed->set();
    });
}

std::size_t TcpGate::accepted() const {
    return impl_->loop.call([this] { return impl_->accepted; });
}

std::size_t TcpGate::connections() const {
    return impl_->loop.call([this] { return impl_->pairs.size(); });
}

}  // namespace baton::test
