// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include "baton/async/deadline.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <memory>
#include <vector>

namespace baton::mysql {

namespace {

using Tcp = asio::ip::tcp;
using Endpoints = std::vector<Tcp::endpoint>;

/// A name look-up cannot be cancelled once Asio's resolver thread is in it. So it is left behind at
/// the deadline, with what it needs.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor) {}

    Tcp::resolver resolver;
    asio::steady_timer* waiter = nullptr;
    bool done = false;
    boost::system::error_code failure;
    Endpoints endpoints;
};

/// Takes the timer out of the look-up's reach on every way out.
class Waiter {
public:
    Waiter(std::shared_ptr<Lookup> lookup, asio::steady_timer* timer) : lookup_(std::move(lookup)) {
        lookup_->waiter = timer;
    }

    ~Waiter() { lookup_->waiter = nullptr; }

    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

private:
    std::shared_ptr<Lookup> lookup_;
};

Task<Result<Endpoints>> look_up(std::string host, std::uint16_t port, Deadline deadline) {
    boost::system::error_code not_numeric;
    const auto address = asio::ip::make_address(host, not_numeric);
    if (!not_numeric) {
        co_return Endpoints{Tcp::endpoint(address, port)};
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto lookup = std::make_shared<Lookup>(executor);
    asio::steady_timer timer(executor, deadline);
    const Waiter waiter(lookup, &timer);
    lookup->resolver.async_resolve(
        host,
        std::to_string(port),
        Tcp::resolver::numeric_service,
        [lookup](
            const boost::system::error_code& failure, const Tcp::resolver::results_type& found
        ) {
            lookup->done = true;
            lookup->failure = failure;
            for (const auto& entry : found) {
                lookup->endpoints.push_back(entry.endpoint());
            }
            if (lookup->waiter != nullptr) {
                lookup->waiter->cancel();
            }
        }
    );
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw_cancelled();
    }
    if (!lookup->done) {
        co_return fail(Errc::timeout, fmt::format("the name {} was not resolved in time", host));
    }
    if (lookup->failure) {
        co_return fail(
            Errc::unreachable,
            fmt::format("the name {} cannot be resolved: {}", host, lookup->failure.message())
        );
    }
    co_return lookup->endpoints;
}

Task<Result<void>> connect_tcp(Endpoints endpoints) {
    Tcp::socket socket(co_await asio::this_coro::executor);
    boost::system::error_code failure;
    co_await asio::async_connect(
        socket, endpoints, asio::redirect_error(asio::use_awaitable, failure)
    );
    if (failure == asio::error::operation_aborted) {
        co_return fail(Errc::cancelled, "TCP connect: cancelled");  // what with_deadline() asks for
    }
    if (failure == asio::error::operation_aborted) {
        co_return fail(Errc::cancelled, "TCP connect: given up");  // at the deadline: its timeout
    }
    if (failure) {
        co_return fail(Errc::unreachable, fmt::format("TCP connect: {}", failure.message()));
    }
    co_return Result<void>{};
}

}  // namespace

Task<Result<void>> probe_tcp(std::string host, std::uint16_t port, Deadline deadline) {
    auto endpoints = co_await look_up(std::move(host), port, deadline);
    if (!endpoints) {
        co_return endpoints.error();
    }
    auto connecting = connect_tcp(std::move(*endpoints));
    co_return co_await with_deadline(deadline, std::move(connecting));
}

}  // namespace baton::mysql
