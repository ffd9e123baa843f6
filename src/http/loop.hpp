// SPDX-License-Identifier: Apache-2.0
#pragma once

// One thread of the server with its share of the connections. Everything but post_* is used on that
// thread only.

#include "connection.hpp"

#include "baton/async/event.hpp"
#include "baton/async/task_group.hpp"
#include "baton/http/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <atomic>
#include <list>
#include <memory>
#include <thread>
#include <vector>

namespace baton::http {

class Loop {
public:
    /// References outlive the loop. `tls` may be null.
    Loop(
        const Limits& limits,
        std::size_t connections,
        const Handler& handler,
        asio::ssl::context* tls
    );
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void start(unsigned number);
    /// From any thread.
    void post_stop();
    void join();

    asio::io_context& context() { return context_; }

    /// Accepts on this loop for all loops in turn, until the stop.
    void add_acceptor(asio::ip::tcp::acceptor acceptor, std::vector<Loop*> loops);

    [[nodiscard]] Statistics statistics() const;

private:
    using Connections = std::list<std::shared_ptr<Connection>>;

    Task<void> run();
    Task<void> accept_on(std::size_t index);
    Task<void> watch_deadlines();
    Task<void> serve(Connections::iterator connection);
    void adopt(asio::ip::tcp::socket socket);
    void post_adopt(asio::ip::tcp::socket socket);
    bool evict_idle();
    void begin_stop();
    void publish();

    const Limits& limits_;
    std::size_t most_connections_;
    const Handler& handler_;
    asio::ssl::context* tls_;
    asio::io_context context_;
    TaskGroup group_;
    Signal look_;  // the watch on deadlines has something to do now
    Shared shared_;
    Connections connections_;
    std::vector<asio::ip::tcp::acceptor> acceptors_;
    std::vector<Loop*> all_loops_;
    std::size_t next_loop_ = 0;
    TimePoint stop_at_ = TimePoint::max();
    std::thread thread_;

    // Copies for other threads, about a second old.
    std::atomic<std::uint64_t> accepted_{0}, refused_{0}, requests_{0}, malformed_{0},
        timed_out_{0}, evicted_{0}, open_{0};
};

}  // namespace baton::http
