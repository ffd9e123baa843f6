// SPDX-License-Identifier: Apache-2.0
#include "fake/fake_mysql.hpp"

#include "fake/loop_thread.hpp"
#include "fake/wire.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <deque>
#include <list>
#include <map>
#include <utility>

namespace baton::test {

using Tcp = asio::ip::tcp;

FakeResult FakeResult::table(std::vector<std::string> columns, std::vector<FakeRow> rows) {
    FakeResult result;
    result.columns = std::move(columns);
    result.rows = std::move(rows);
    return result;
}

FakeResult FakeResult::ok(std::uint64_t affected_rows, std::uint64_t insert_id) {
    FakeResult result;
    result.affected_rows = affected_rows;
    result.insert_id = insert_id;
    return result;
}

FakeResult FakeResult::error(std::uint16_t number, std::string sqlstate, std::string text) {
    FakeResult result;
    result.error_number = number;
    result.sqlstate = std::move(sqlstate);
    result.text = std::move(text);
    return result;
}

namespace {

constexpr unsigned char com_quit = 0x01;
constexpr unsigned char com_init_db = 0x02;
constexpr unsigned char com_query = 0x03;
constexpr unsigned char com_ping = 0x0E;
constexpr unsigned char com_set_option = 0x1B;
constexpr unsigned char com_reset_connection = 0x1F;

constexpr std::size_t longest_statement = 64U << 20U;

struct Session {
    explicit Session(Tcp::socket s) : socket(std::move(s)) {}

    Tcp::socket socket;
    std::string input;
    std::uint8_t sequence = 0;  // of the next packet to send
    FakeRequest request;
    bool logged_in = false;
};

void reset_socket(Tcp::socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
}

/// One whole payload, or nothing when the client has gone.
Task<std::optional<std::string>> read_packet(Session* session) {
    std::string payload;
    for (;;) {
        while (
            session->input.size() < 4 ||
            session->input.size() <
                4 + (static_cast<unsigned char>(session->input[0]) |
                     static_cast<std::size_t>(static_cast<unsigned char>(session->input[1])) << 8U |
                     static_cast<std::size_t>(static_cast<unsigned char>(session->input[2])) << 16U)
        ) {
            const std::size_t old_size = session->input.size();
            constexpr std::size_t chunk = 16U << 10U;
            session->input.resize(old_size + chunk);
            const auto buffer = asio::buffer(session->input.data() + old_size, chunk);
            const auto [failure, got] = co_await session->socket.async_read_some(
                buffer, asio::as_tuple(asio::use_awaitable)
            );
            session->input.resize(old_size + got);
            if (failure || session->input.size() > longest_statement) {
                co_return std::nullopt;
            }
        }
        const std::size_t size =
            static_cast<unsigned char>(session->input[0]) |
            static_cast<std::size_t>(static_cast<unsigned char>(session->input[1])) << 8U |
            static_cast<std::size_t>(static_cast<unsigned char>(session->input[2])) << 16U;
        session->sequence = static_cast<std::uint8_t>(session->input[3] + 1);
        payload.append(session->input, 4, size);
        session->input.erase(0, 4 + size);
        if (size < 0xFFFFFF) {
            co_return payload;
        }
    }
}

/// False when the client has gone.
Task<bool> write_bytes(Session* session, std::string bytes) {
    const auto buffer = asio::buffer(bytes);
    const auto [failure, sent] =
        co_await asio::async_write(session->socket, buffer, asio::as_tuple(asio::use_awaitable));
    co_return !failure;
}

/// Holds the connection open without a word until the client goes.
Task<void> stay_silent(Session* session) {
    for (;;) {
        const auto packet = co_await read_packet(session);
        if (!packet) {
            co_return;
        }
    }
}

}  // namespace

struct FakeMysql::Impl {
    explicit Impl(Options o) : options(std::move(o)) {}

    struct Listener {
        explicit Listener(const asio::any_io_executor& executor) : acceptor(executor) {}

        Tcp::acceptor acceptor;
        std::string address;
        std::uint16_t port = 0;
    };

    LoopThread loop;  // first: the sockets below must go before it
    const Options options;
    std::map<std::string, FakeAnswer> answers;
    std::vector<Handler> handlers;
    std::map<std::string, Welcome> welcomes;
    std::map<std::string, std::string> versions;
    std::list<std::shared_ptr<Listener>> listeners;
    std::list<std::shared_ptr<Session>> sessions;
    std::deque<std::string> statements;
    std::uint64_t statement_count = 0;
    std::uint64_t accepted = 0;
    std::uint64_t logins = 0;
    std::uint32_t last_connection_id = 0;
    std::string received_file;

    [[nodiscard]] Welcome welcome_of(const std::string& address) const {
        auto found = welcomes.find(address);
        if (found == welcomes.end()) {
            found = welcomes.find("");
        }
        return found == welcomes.end() ? Welcome::normal : found->second;
    }

    [[nodiscard]] std::optional<FakeAnswer> find(const FakeRequest& request) const {
        const auto exact = answers.find(request.statement);
        if (exact != answers.end()) {
            return exact->second;
        }
        for (const Handler& handler : handlers) {
            if (auto answer = handler(request)) {
                return answer;
            }
        }
        return std::nullopt;
    }

    /// The answer to a whole text; statements after a failed one are not looked at.
    [[nodiscard]] FakeAnswer answer_to(FakeRequest request) const {
        if (auto whole = find(request)) {
            return *std::move(whole);
        }
        FakeAnswer answer;
        for (const std::string& statement : wire::split_statements(request.statement)) {
            request.statement = statement;
            auto part = find(request);
            if (!part) {
                answer.results.push_back(
                    FakeResult::error(1064, "42000", "the fake does not know: " + statement)
                );
                break;
            }
            answer.delay += part->delay;
            answer.fault = part->fault;
            std::move(
                part->results.begin(), part->results.end(), std::back_inserter(answer.results)
            );
            const bool failed = !answer.results.empty() && answer.results.back().error_number != 0;
            if (failed || answer.fault != Fault::none) {
                break;
            }
        }
        if (answer.results.empty() && answer.fault == Fault::none) {
            answer.results.push_back(FakeResult::error(1065, "42000", "Query was empty"));
        }
        return answer;
    }

    void remember(const std::string& statement) {
        ++statement_count;
        statements.push_back(statement);
        if (statements.size() > options.statements_kept) {
            statements.pop_front();
        }
    }

    [[nodiscard]] bool accepts(const wire::Login& login, std::string_view salt) const {
        if (options.user && *options.user != login.user) {
            return false;
        }
        if (!options.password) {
            return true;
        }
        return login.token == (options.auth_plugin == "caching_sha2_password"
                                   ? wire::sha2_token(*options.password, salt)
                                   : wire::native_token(*options.password, salt));
    }

    static Task<void> accept_loop(Impl* impl, std::shared_ptr<Listener> listener);
    static Task<void> serve(Impl* impl, std::shared_ptr<Session> session);
    static Task<bool> log_in(Impl* impl, Session* session);
    static Task<bool> command(Impl* impl, Session* session, std::string payload);
    static Task<bool> query(Impl* impl, Session* session);
    static Task<bool> misbehave(Impl* impl, Session* session, FakeAnswer answer);
};

Task<void> FakeMysql::Impl::accept_loop(Impl* impl, std::shared_ptr<Listener> listener) {
    for (;;) {
        auto [failure, socket] =
            co_await listener->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (failure) {
            co_return;
        }
        ++impl->accepted;
        boost::system::error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
        const auto session = std::make_shared<Session>(std::move(socket));
        session->request.address = listener->address;
        session->request.port = listener->port;
        session->request.connection_id = ++impl->last_connection_id;
        impl->sessions.push_back(session);
        impl->loop.spawn("session", serve(impl, session));
    }
}

Task<void> FakeMysql::Impl::serve(Impl* impl, std::shared_ptr<Session> session) {
    // Off the list on every way out, cancellation included.
    struct Listed {
        Listed(Impl* i, const std::shared_ptr<Session>& s) : impl(i), session(s) {}

        ~Listed() { impl->sessions.remove(session); }

        Listed(const Listed&) = delete;
        Listed& operator=(const Listed&) = delete;
        Impl* impl;
        const std::shared_ptr<Session>& session;
    };

    const Listed listed(impl, session);
    Session* const raw = session.get();
    const bool welcome = co_await log_in(impl, raw);
    if (!welcome) {
        co_return;
    }
    ++impl->logins;
    session->logged_in = true;
    for (;;) {
        auto payload = co_await read_packet(raw);
        if (!payload || payload->empty()) {
            co_return;
        }
        const bool go_on = co_await command(impl, raw, std::move(*payload));
        if (!go_on) {
            co_return;
        }
    }
}

Task<bool> FakeMysql::Impl::log_in(Impl* impl, Session* session) {
    const Welcome welcome = impl->welcome_of(session->request.address);
    if (welcome == Welcome::close) {
        co_return false;
    }
    if (welcome == Welcome::silent) {
        co_await stay_silent(session);
        co_return false;
    }
    if (welcome == Welcome::garbage) {
        std::string bytes(300, '\xEE');
        co_await write_bytes(session, std::move(bytes));
        co_await stay_silent(session);
        co_return false;
    }
    wire::Packets hello(0);
    if (welcome == Welcome::too_many_connections) {
        hello.add(wire::error_packet(1040, "08004", "Too many connections"));
        co_await write_bytes(session, hello.bytes());
        co_return false;
    }
    const std::string salt = "abcdefghijklmnopqrst";
    const auto version = impl->versions.find(session->request.address);
    hello.add(wire::greeting(
        version == impl->versions.end() ? impl->options.version : version->second,
        session->request.connection_id,
        salt,
        impl->options.auth_plugin
    ));
    co_await write_bytes(session, hello.bytes());
    const auto payload = co_await read_packet(session);
    if (!payload) {
        co_return false;
    }
    auto login = wire::parse_login(*payload);
    if (!login) {
        co_return false;
    }
    if (welcome == Welcome::frozen_after_login) {
        co_await stay_silent(session);
        co_return false;
    }
    session->request.user = login->user;
    if (!login->plugin.empty() && login->plugin != impl->options.auth_plugin) {
        wire::Packets request(session->sequence);
        request.add(wire::auth_switch(impl->options.auth_plugin, salt));
        co_await write_bytes(session, request.bytes());
        auto token = co_await read_packet(session);
        if (!token) {
            co_return false;
        }
        login->token = std::move(*token);
    }
    wire::Packets verdict(session->sequence);
    const bool accepted = welcome != Welcome::access_denied && impl->accepts(*login, salt);
    if (accepted) {
        if (impl->options.auth_plugin == "caching_sha2_password" && !login->token.empty()) {
            verdict.add("\x01\x03");  // known from the cache
        }
        verdict.add(wire::ok_packet(FakeResult(), false));
    } else {
        verdict.add(wire::error_packet(
            1045, "28000", "Access denied for user '" + login->user + "'@'localhost'"
        ));
    }
    co_await write_bytes(session, verdict.bytes());
    co_return accepted;
}

Task<bool> FakeMysql::Impl::command(Impl* impl, Session* session, std::string payload) {
    wire::Packets reply(session->sequence);
    switch (static_cast<unsigned char>(payload.front())) {
        case com_quit:
            co_return false;
        case com_query:
            session->request.statement.assign(payload, 1);
            impl->remember(session->request.statement);
            co_return co_await query(impl, session);
        case com_ping:
        case com_init_db:
        case com_reset_connection:
            reply.add(wire::ok_packet(FakeResult(), false));
            break;
        case com_set_option:
            reply.add(wire::eof_packet(false));
            break;
        default:
            reply.add(wire::error_packet(1047, "08S01", "Unknown command"));
            break;
    }
    co_return co_await write_bytes(session, reply.bytes());
}

Task<bool> FakeMysql::Impl::query(Impl* impl, Session* session) {
    FakeAnswer answer = impl->answer_to(session->request);
    if (answer.delay.count() > 0) {
        co_await sleep_for(answer.delay);
    }
    if (answer.fault != Fault::none) {
        co_return co_await misbehave(impl, session, std::move(answer));
    }
    wire::Packets reply(session->sequence);
    for (std::size_t i = 0; i < answer.results.size(); ++i) {
        wire::add_result(reply, answer.results[i], i + 1 < answer.results.size());
    }
    co_return co_await write_bytes(session, reply.bytes());
}

Task<bool> FakeMysql::Impl::misbehave(Impl* impl, Session* session, FakeAnswer answer) {
    wire::Packets reply(session->sequence);
    FakeResult table = FakeResult::table({"a", "b"}, {});
    table.rows.assign(10, {std::string("one"), std::string("two")});
    if (answer.results.empty()) {
        answer.results.push_back(table);
    }
    for (std::size_t i = 0; i < answer.results.size(); ++i) {
        wire::add_result(reply, answer.results[i], i + 1 < answer.results.size());
    }
    switch (answer.fault) {
        case Fault::none:
        case Fault::never:
            co_await stay_silent(session);
            co_return false;
        case Fault::close:
            co_return false;
        case Fault::reset:
            reset_socket(session->socket);
            co_return false;
        case Fault::cut:
            co_await write_bytes(session, reply.bytes().substr(0, reply.bytes().size() / 2));
            co_return false;
        case Fault::stall:
            co_await write_bytes(session, reply.bytes().substr(0, reply.bytes().size() / 2));
            co_await stay_silent(session);
            co_return false;
        case Fault::garbage: {
            std::string bytes;
            for (unsigned i = 0; i < 3000; ++i) {
                bytes.push_back(static_cast<char>((i * 2654435761U) >> 13U));
            }
            co_await write_bytes(session, std::move(bytes));
            co_await stay_silent(session);
            co_return false;
        }
        case Fault::column_count: {
            wire::Packets wrong(session->sequence);
            wire::add_columns(wrong, table, 5);
            for (const FakeRow& row : table.rows) {
                wrong.add(wire::row_packet(row));
            }
            wrong.add(wire::eof_packet(false));
            co_await write_bytes(session, wrong.bytes());
            co_await stay_silent(session);
            co_return false;
        }
        case Fault::endless_rows: {
            wire::Packets head(session->sequence);
            wire::add_columns(head, table, 2);
            bool sent = co_await write_bytes(session, head.bytes());
            std::uint8_t sequence = head.next_sequence();
            const std::string text(60000, 'x');
            while (sent) {
                wire::Packets rows(sequence);
                const FakeRow row{text, text};
                rows.add(wire::row_packet(row));
                sequence = rows.next_sequence();
                sent = co_await write_bytes(session, rows.bytes());
            }
            co_return false;
        }
        case Fault::endless_packet: {
            wire::Packets head(session->sequence);
            wire::add_columns(head, table, 2);
            bool sent = co_await write_bytes(session, head.bytes());
            std::uint8_t sequence = head.next_sequence();
            while (sent) {
                std::string part = "\xFF\xFF\xFF";
                part.push_back(static_cast<char>(sequence++));
                part.append(0xFFFFFF, 'y');
                sent = co_await write_bytes(session, std::move(part));
            }
            co_return false;
        }
        case Fault::local_infile: {
            wire::Packets request(session->sequence);
            request.add("\xFB/etc/passwd");
            bool sent = co_await write_bytes(session, request.bytes());
            while (sent) {
                const auto part = co_await read_packet(session);
                if (!part || part->empty()) {
                    break;
                }
                impl->received_file += *part;
            }
            wire::Packets done(session->sequence);
            done.add(wire::ok_packet(FakeResult(), false));
            sent = co_await write_bytes(session, done.bytes());
            co_return sent;
        }
    }
    co_return false;
}

FakeMysql::FakeMysql(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}

FakeMysql::~FakeMysql() {
    impl_->loop.call([this] {
        for (const auto& listener : impl_->listeners) {
            boost::system::error_code ignored;
            listener->acceptor.close(ignored);
        }
    });
    impl_->loop.stop();
}

std::uint16_t FakeMysql::listen(const std::string& address, std::uint16_t port) {
    return impl_->loop.call([this, address, port] {
        const auto listener = std::make_shared<Impl::Listener>(impl_->loop.executor());
        const Tcp::endpoint endpoint(asio::ip::make_address(address), port);
        listener->acceptor.open(endpoint.protocol());
        listener->acceptor.set_option(Tcp::acceptor::reuse_address(true));
        listener->acceptor.bind(endpoint);
        listener->acceptor.listen(4096);
        listener->address = address;
        listener->port = listener->acceptor.local_endpoint().port();
        impl_->listeners.push_back(listener);
        impl_->loop.spawn("accept", Impl::accept_loop(impl_.get(), listener));
        return listener->port;
    });
}

void FakeMysql::stop_listening(const std::string& address, std::uint16_t port) {
    impl_->loop.call([this, address, port] {
        impl_->listeners.remove_if([&](const std::shared_ptr<Impl::Listener>& listener) {
            const bool match = listener->address == address && listener->port == port;
            if (match) {
                boost::system::error_code ignored;
                listener->acceptor.close(ignored);
            }
            return match;
        });
    });
}

void FakeMysql::answer(const std::string& statement, FakeAnswer answer) {
    impl_->loop.call([this, statement, answer = std::move(answer)] {
        impl_->answers.insert_or_assign(statement, answer);
    });
}

void FakeMysql::handle(Handler handler) {
    impl_->loop.call([this, handler = std::move(handler)] { impl_->handlers.push_back(handler); });
}

void FakeMysql::set_welcome(Welcome welcome, const std::string& address) {
    impl_->loop.call([this, welcome, address] { impl_->welcomes[address] = welcome; });
}

void FakeMysql::set_version(const std::string& version, const std::string& address) {
    impl_->loop.call([this, version, address] { impl_->versions[address] = version; });
}

void FakeMysql::close_sessions(const std::string& address, bool reset) {
    impl_->loop.call([this, address, reset] {
        for (const auto& session : impl_->sessions) {
            if (!address.empty() && session->request.address != address) {
                continue;
            }
            boost::system::error_code ignored;
            if (reset) {
                reset_socket(session->socket);
            } else {
                session->socket.shutdown(Tcp::socket::shutdown_both, ignored);
                session->socket.close(ignored);
            }
        }
    });
}

void FakeMysql::send_unasked(
    std::uint16_t number, const std::string& text, const std::string& address
) {
    impl_->loop.call([this, number, text, address] {
        wire::Packets packets(0);
        packets.add(wire::error_packet(number, "HY000", text));
        for (const auto& session : impl_->sessions) {
            if (session->logged_in && (address.empty() || session->request.address == address)) {
                boost::system::error_code ignored;
                // A few bytes into an empty socket buffer: does not block.
                asio::write(session->socket, asio::buffer(packets.bytes()), ignored);
            }
        }
    });
}

std::size_t FakeMysql::sessions() const {
    return impl_->loop.call([this] { return impl_->sessions.size(); });
}

std::uint64_t FakeMysql::accepted() const {
    return impl_->loop.call([this] { return impl_->accepted; });
}

std::uint64_t FakeMysql::logins() const {
    return impl_->loop.call([this] { return impl_->logins; });
}

std::uint64_t FakeMysql::statement_count() const {
    return impl_->loop.call([this] { return impl_->statement_count; });
}

std::vector<std::string> FakeMysql::statements() const {
    return impl_->loop.call([this] {
        return std::vector<std::string>(impl_->statements.begin(), impl_->statements.end());
    });
}

std::string FakeMysql::received_file() const {
    return impl_->loop.call([this] { return impl_->received_file; });
}

}  // namespace baton::test
