// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/connection.hpp"

#include "component/mysql/harness.hpp"
#include "fake/fake_mysql.hpp"
#include "fake/tcp_gate.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace baton::mysql {

namespace {

using test::Direction;
using test::FakeAnswer;
using test::FakeMysql;
using test::FakeResult;
using test::Fault;
using test::in;
using test::now;
using test::Welcome;

class ConnectionTest : public test::MysqlTest {
protected:
    ConnectionTest() : port_(fake_.listen()), options_("127.0.0.1", port_, "watcher", "secret") {
        fake_.answer("SELECT 1", FakeResult::table({"1"}, {{"1"}}));
        fake_.answer("SELECT 2", FakeResult::table({"two"}, {{"2"}}));
        fake_.answer("DO 1", FakeResult::ok(3, 7));
        fake_.answer("BAD", FakeResult::error(1146, "42S02", "no such table"));
        for (const auto& [name, fault] : faults()) {
            fake_.answer(name, fault);
        }
    }

    static std::vector<std::pair<std::string, Fault>> faults() {
        return {
            {"never", Fault::never},
            {"close", Fault::close},
            {"reset", Fault::reset},
            {"cut", Fault::cut},
            {"stall", Fault::stall},
            {"garbage", Fault::garbage},
            {"column_count", Fault::column_count},
            {"endless_rows", Fault::endless_rows},
            {"endless_packet", Fault::endless_packet},
            {"local_infile", Fault::local_infile}};
    }

    FakeMysql fake_;
    std::uint16_t port_;
    ConnectOptions options_;
};

Task<void> open(Connection* connection, ConnectOptions options) {
    const auto done = co_await connection->connect(std::move(options), in(5s), false);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
    EXPECT_TRUE(connection->is_open());
}

Task<void> expect_works(Connection* connection) {
    const Reply reply = co_await connection->query("SELECT 1", in(5s));
    EXPECT_TRUE(reply.ok()) << (reply.ok() ? "" : reply.error->what);
    EXPECT_EQ(reply.first().text("1"), "1");
}

TEST_F(ConnectionTest, OpensASessionAndReadsSeveralResults) {
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        EXPECT_FALSE(connection.is_open());
        co_await open(&connection, options);
        EXPECT_EQ(connection.server_version(), "8.0.36");
        EXPECT_EQ(connection.connection_id(), 1U);
        EXPECT_FALSE(connection.uses_tls());

        const Reply reply = co_await connection.query("SELECT 1; DO 1; SELECT 2", in(5s));

        EXPECT_TRUE(reply.ok());
        EXPECT_EQ(reply.sets.size(), 3U);
        EXPECT_EQ(reply.sets.at(0).text("1"), "1");
        EXPECT_EQ(reply.sets.at(1).affected_rows, 3U);
        EXPECT_EQ(reply.sets.at(1).insert_id, 7U);
        EXPECT_EQ(reply.sets.at(2).int64("two"), 2);
        EXPECT_GT(connection.last_latency(), Duration::zero());
    };
    run(body(Connection(executor(), connector_), options_));
    EXPECT_EQ(fake_.statement_count(), 1U);
}

TEST_F(ConnectionTest, KeepsTheSetsBeforeAnErrorAndTheSession) {
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        co_await open(&connection, options);
        const Reply reply = co_await connection.query("SELECT 1; BAD; SELECT 2", in(5s));
        EXPECT_EQ(reply.sets.size(), 1U);
        EXPECT_EQ(reply.error->code, Errc::server_error);
        EXPECT_EQ(reply.error->mysql_errno, 1146U);
        EXPECT_EQ(reply.error->sqlstate, "42S02");
        EXPECT_TRUE(connection.is_open());
        const Reply first = co_await connection.query("BAD", in(5s));
        EXPECT_TRUE(first.sets.empty());
        co_await expect_works(&connection);
    };
    run(body(Connection(executor(), connector_), options_));
}

TEST_F(ConnectionTest, ReadsNullEmptySetsAndLargeValues) {
    const std::string large(3'000'000, 'z');
    fake_.answer("values", FakeResult::table({"a", "b", "c"}, {{std::nullopt, "", large}}));
    fake_.answer("empty", FakeResult::table({"x", "y"}, {}));
    std::vector<test::FakeRow> rows(5000, test::FakeRow{"one", std::nullopt});
    fake_.answer("rows", FakeResult::table({"a", "b"}, rows));
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        co_await open(&connection, options);
        const Reply values = co_await connection.query("values", in(10s));
        EXPECT_TRUE(values.first().is_null("a"));
        EXPECT_FALSE(values.first().is_null("b"));
        EXPECT_EQ(values.first().text("c").size(), 3'000'000U);
        const Reply empty = co_await connection.query("empty", in(5s));
        EXPECT_TRUE(empty.ok());
        EXPECT_EQ(empty.first().columns.size(), 2U);
        EXPECT_TRUE(empty.first().rows.empty());
        const Reply many = co_await connection.query("rows", in(10s));
        EXPECT_EQ(many.first().rows.size(), 5000U);
        EXPECT_EQ(many.first().text(4999, "a"), "one");
    };
    run(body(Connection(executor(), connector_), options_));
}

TEST_F(ConnectionTest, SendsStatementsLargerThanTheSocketBuffer) {
    std::string text = "SELECT '";
    text.append(12'000'000, 'q');
    text += "'";
    fake_.answer(text, FakeResult::table({"n"}, {{"12000000"}}));
    auto body = [](Connection connection, ConnectOptions options, std::string sql) -> Task<void> {
        co_await open(&connection, options);
        const Reply reply = co_await connection.query(std::move(sql), in(20s));
        EXPECT_TRUE(reply.ok()) << (reply.ok() ? "" : reply.error->what);
        EXPECT_EQ(reply.first().text("n"), "12000000");
    };
    longest_stall_ms_ = 500;  // copying 12 MB about
    run(body(Connection(executor(), connector_), options_, text));
}

TEST_F(ConnectionTest, RunsTheSessionSetUpBeforeItIsOpen) {
    fake_.answer("SET a", FakeResult::ok());
    fake_.answer("SET b", FakeResult::error(1193, "HY000", "unknown variable"));
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        options.init_sql = "SET a; SELECT 1";
        co_await open(&connection, options);
        options.init_sql = "SET a; SET b";
        const auto refused = co_await connection.connect(options, in(5s), false);
        EXPECT_EQ(refused.error().code, Errc::server_error);
        EXPECT_EQ(refused.error().mysql_errno, 1193U);
        EXPECT_EQ(refused.error().what, "session set-up: unknown variable");
        EXPECT_FALSE(connection.is_open());
    };
    run(body(Connection(executor(), connector_), options_));
    EXPECT_EQ(fake_.statements().front(), "SET a; SELECT 1");
}

TEST_F(ConnectionTest, ReportsWhyAConnectFails) {
    FakeMysql::Options strict;
    strict.user = "watcher";
    strict.password = "secret";
    FakeMysql guarded(strict);
    const std::uint16_t guarded_port = guarded.listen();
    auto body = [](Connection connection,
                   ConnectOptions options,
                   FakeMysql* fake,
                   std::uint16_t strict_port,
                   std::uint16_t free_port) -> Task<void> {
        const std::uint16_t port = options.port;
        options.port = strict_port;
        co_await open(&connection, options);
        options.password = "wrong";
        const auto denied = co_await connection.connect(options, in(5s), false);
        EXPECT_EQ(denied.error().code, Errc::access_denied);
        EXPECT_EQ(denied.error().mysql_errno, 1045U);
        EXPECT_EQ(denied.error().sqlstate, "28000");

        options.port = free_port;
        for (const bool probe : {false, true}) {
            const auto refused = co_await connection.connect(options, in(5s), probe);
            EXPECT_EQ(refused.error().code, Errc::unreachable);
        }
        options.port = port;
        fake->set_welcome(Welcome::too_many_connections);
        const auto full = co_await connection.connect(options, in(5s), false);
        EXPECT_EQ(full.error().code, Errc::server_error);
        EXPECT_EQ(full.error().mysql_errno, 1040U);
        fake->set_welcome(Welcome::garbage);
        const auto garbage = co_await connection.connect(options, in(2s), false);
        EXPECT_FALSE(garbage);
        fake->set_welcome(Welcome::close);
        const auto closed = co_await connection.connect(options, in(2s), false);
        EXPECT_EQ(closed.error().code, Errc::unreachable);
        options.host = "no-such-name.invalid";
        for (const bool probe : {false, true}) {
            const auto unknown = co_await connection.connect(options, in(5s), probe);
            EXPECT_FALSE(unknown);
        }
        const auto late = co_await connection.connect(options, now() - 1s, true);
        EXPECT_EQ(late.error().code, Errc::timeout);
        const Reply reply = co_await connection.query("SELECT 1", in(1s));
        EXPECT_EQ(reply.error->code, Errc::unavailable);
    };
    const std::uint16_t free_port = [] {
        FakeMysql gone;
        return gone.listen();
    }();
    run(body(Connection(executor(), connector_), options_, &fake_, guarded_port, free_port));
}

TEST_F(ConnectionTest, SpeaksCachingSha2) {
    FakeMysql::Options strict;
    strict.password = "secret";
    strict.auth_plugin = "caching_sha2_password";
    FakeMysql guarded(strict);
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        co_await open(&connection, options);
        options.password = "wrong";
        const auto denied = co_await connection.connect(options, in(5s), false);
        EXPECT_EQ(denied.error().code, Errc::access_denied);
    };
    options_.port = guarded.listen();
    run(body(Connection(executor(), connector_), options_));
}

TEST_F(ConnectionTest, RefusesAServerWithoutTlsWhenItIsRequired) {
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        for (const Tls mode : {Tls::required, Tls::verify_ca, Tls::verify_identity}) {
            options.tls = mode;
            const auto refused = co_await connection.connect(options, in(3s), false);
            EXPECT_EQ(refused.error().code, Errc::unreachable) << to_string(mode);
            EXPECT_FALSE(connection.is_open());
        }
        options.tls = Tls::preferred;
        co_await open(&connection, options);
    };
    run(body(Connection(executor(), connector_), options_));
}

/// A socket that listens with a full queue: further SYNs are not answered.
class BlackHole {
public:
    explicit BlackHole(asio::io_context& loop) : acceptor_(loop) {
        const asio::ip::tcp::endpoint any(asio::ip::make_address("127.0.0.1"), 0);
        acceptor_.open(any.protocol());
        acceptor_.bind(any);
        acceptor_.listen(0);
        for (int i = 0; i < 3; ++i) {
            auto& socket = fillers_.emplace_back(loop);
            socket.open(any.protocol());
            socket.non_blocking(true);
            // Not Asio's connect(), which waits for the outcome on a non-blocking socket, too.
            const auto target = acceptor_.local_endpoint();
            const int done = ::connect(
                socket.native_handle(), target.data(), static_cast<socklen_t>(target.size())
            );
            EXPECT_TRUE(done == 0 || errno == EINPROGRESS) << errno;
        }
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    asio::ip::tcp::acceptor acceptor_;
    std::vector<asio::ip::tcp::socket> fillers_;
};

TEST_F(ConnectionTest, KeepsTheDeadlineOfAConnect) {
    const BlackHole hole(loop_);
    auto body =
        [](Connection connection, ConnectOptions options, FakeMysql* fake, std::uint16_t black_hole
        ) -> Task<void> {
        struct Case {
            const char* name;
            Welcome welcome;
            bool hole;
            bool probe;
        };
        const std::vector<Case> cases{
            {"black hole", Welcome::normal, true, false},
            {"black hole, probed", Welcome::normal, true, true},
            {"silent", Welcome::silent, false, false},
            {"silent, probed", Welcome::silent, false, true},
            {"frozen", Welcome::frozen_after_login, false, false}};
        const std::uint16_t port = options.port;
        for (const Tls tls : {Tls::off, Tls::preferred}) {
            for (const Case& item : cases) {
                options.tls = tls;
                options.port = item.hole ? black_hole : port;
                fake->set_welcome(item.welcome);
                const auto begin = now();
                const auto late = co_await connection.connect(options, begin + 150ms, item.probe);
                const auto took = to_ms(now() - begin);
                EXPECT_EQ(late.error().code, Errc::timeout) << item.name;
                EXPECT_GE(took, 149) << item.name;
                EXPECT_LE(took, 250) << item.name;
                EXPECT_FALSE(connection.is_open());
            }
        }
        fake->set_welcome(Welcome::normal);
        options.port = port;
        options.tls = Tls::off;
        co_await open(&connection, options);
    };
    run(body(Connection(executor(), connector_), options_, &fake_, hole.port()));
}

TEST_F(ConnectionTest, ProbedBlackHolesNeverOccupyAThread) {
    const BlackHole hole(loop_);
    auto dead = [](Connection connection, ConnectOptions options) -> Task<void> {
        const auto late = co_await connection.connect(options, in(300ms), true);
        EXPECT_EQ(late.error().code, Errc::timeout);
    };
    auto body = [](std::vector<Task<void>> tasks, Connection healthy, ConnectOptions options
                ) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        for (auto& task : tasks) {
            group.spawn("dead", std::move(task));
        }
        group.spawn("healthy", open(&healthy, options));
        co_await group.join();
    };
    ConnectOptions to_hole = options_;
    to_hole.port = hole.port();
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 100; ++i) {
        tasks.push_back(dead(Connection(executor(), connector_), to_hole));
    }
    run(body(std::move(tasks), Connection(executor(), connector_), options_));
    EXPECT_EQ(connector_.stats().accepted, 1U);
    EXPECT_EQ(connector_.stats().succeeded, 1U);
}

TEST_F(ConnectionTest, RefusesAttemptsBeyondTheQueueLimit) {
    fake_.set_welcome(Welcome::silent);
    Connector small(Connector::Options(1, 2));
    auto attempt = [](Connection connection, ConnectOptions options, std::vector<Errc>* outcomes
                   ) -> Task<void> {
        const auto done = co_await connection.connect(options, in(300ms), false);
        outcomes->push_back(done.error().code);
    };
    auto body = [](std::vector<Task<void>> tasks) -> Task<void> {
        TaskGroup group(co_await asio::this_coro::executor);
        for (auto& task : tasks) {
            group.spawn("attempt", std::move(task));
        }
        co_await group.join();
    };
    std::vector<Errc> outcomes;
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.push_back(attempt(Connection(executor(), small), options_, &outcomes));
    }
    run(body(std::move(tasks)));
    const auto refused = std::count(outcomes.begin(), outcomes.end(), Errc::unavailable);
    const auto timed_out = std::count(outcomes.begin(), outcomes.end(), Errc::timeout);
    EXPECT_GE(refused, 17);
    EXPECT_EQ(refused + timed_out, 20);
    EXPECT_EQ(small.stats().refused, static_cast<std::uint64_t>(refused));
}

TEST_F(ConnectionTest, KeepsTheDeadlineOfAQueryAndDropsTheSession) {
    fake_.answer("slow", [] {
        FakeAnswer answer(FakeResult::ok());
        answer.delay = 30s;
        return answer;
    }());
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        for (const char* sql : {"never", "stall", "slow", "SELECT 1; stall"}) {
            co_await open(&connection, options);
            const auto begin = now();
            const Reply reply = co_await connection.query(sql, begin + 120ms);
            const auto took = to_ms(now() - begin);
            EXPECT_EQ(reply.error->code, Errc::timeout) << sql;
            EXPECT_GE(took, 119) << sql;
            EXPECT_LE(took, 220) << sql;
            EXPECT_FALSE(connection.is_open());
        }
        co_await open(&connection, options);
        const Reply late = co_await connection.query("SELECT 1", now() - 1ms);
        EXPECT_EQ(late.error->code, Errc::timeout);
        EXPECT_TRUE(connection.is_open()) << "nothing was sent";
        co_await expect_works(&connection);
    };
    run(body(Connection(executor(), connector_), options_));
}

TEST_F(ConnectionTest, SurvivesHostileAnswers) {
    const auto descriptors = test::open_descriptors();
    auto body = [](Connection connection,
                   ConnectOptions options,
                   std::vector<std::pair<std::string, Fault>> cases) -> Task<void> {
        options.reply_limit_bytes = 4U << 20U;
        for (const auto& [sql, fault] : cases) {
            co_await open(&connection, options);
            const Reply reply = co_await connection.query(sql, in(2s));
            EXPECT_FALSE(reply.ok()) << sql;
            EXPECT_TRUE(reply.sets.empty()) << sql;
            if (fault == Fault::close || fault == Fault::reset || fault == Fault::cut) {
                EXPECT_EQ(reply.error->code, Errc::unreachable) << sql;
            }
            if (fault == Fault::endless_rows) {
                EXPECT_EQ(reply.error->code, Errc::protocol) << reply.error->what;
            }
        }
        co_await open(&connection, options);
        co_await expect_works(&connection);
    };
    run(body(Connection(executor(), connector_), options_, faults()));
    EXPECT_EQ(fake_.received_file(), "") << "a server must not get our files";
    EXPECT_LE(test::open_descriptors(), descriptors + 4);
}

Task<void> watch(Connection* connection, TimePoint until, std::optional<IdleEvent>* seen) {
    *seen = co_await connection->idle_event(until);
}

TEST_F(ConnectionTest, NoticesTheEndOfAnIdleSessionAtOnce) {
    auto body = [](Connection connection, ConnectOptions options, FakeMysql* fake) -> Task<void> {
        for (const bool reset : {false, true}) {
            co_await open(&connection, options);
            TaskGroup group(co_await asio::this_coro::executor);
            std::optional<IdleEvent> seen;
            group.spawn("watch", watch(&connection, TimePoint::max(), &seen));
            co_await sleep_for(20ms);
            EXPECT_FALSE(seen);
            const auto begin = now();
            fake->close_sessions("", reset);
            co_await group.join();
            EXPECT_LT(to_ms(now() - begin), 100);
            EXPECT_EQ(*seen, reset ? IdleEvent::reset : IdleEvent::fin);
            EXPECT_FALSE(connection.is_open());
        }
        const auto closed = co_await connection.idle_event();
        EXPECT_EQ(closed, IdleEvent::cancelled);
    };
    run(body(Connection(executor(), connector_), options_, &fake_));
}

TEST_F(ConnectionTest, NoticesAnEndThatCameBeforeTheWatch) {
    auto body = [](Connection connection, ConnectOptions options, FakeMysql* fake) -> Task<void> {
        co_await open(&connection, options);
        co_await expect_works(&connection);
        fake->close_sessions();
        co_await sleep_for(20ms);
        const auto seen = co_await connection.idle_event(in(5s));
        EXPECT_EQ(seen, IdleEvent::fin);
    };
    run(body(Connection(executor(), connector_), options_, &fake_));
}

TEST_F(ConnectionTest, ReportsUnaskedDataAndThenTheErrorInIt) {
    auto body = [](Connection connection, ConnectOptions options, FakeMysql* fake) -> Task<void> {
        co_await open(&connection, options);
        fake->send_unasked(4031, "idle for too long");
        const auto seen = co_await connection.idle_event(in(5s));
        EXPECT_EQ(seen, IdleEvent::data);
        EXPECT_TRUE(connection.is_open());
        fake->close_sessions();
        const Reply reply = co_await connection.query("SELECT 1", in(1s));
        EXPECT_EQ(reply.error->code, Errc::unreachable);
        EXPECT_FALSE(connection.is_open());
    };
    run(body(Connection(executor(), connector_), options_, &fake_));
}

TEST_F(ConnectionTest, AQueryOrCancelIdleEndsTheWatchAndTheSessionStays) {
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        co_await open(&connection, options);
        const auto quiet = co_await connection.idle_event(in(10ms));
        EXPECT_EQ(quiet, IdleEvent::quiet);
        for (int turn = 0; turn < 100; ++turn) {
            TaskGroup group(co_await asio::this_coro::executor);
            std::optional<IdleEvent> seen;
            group.spawn("watch", watch(&connection, in(1h), &seen));
            if (turn % 3 == 0) {
                connection.cancel_idle();
            } else if (turn % 3 == 1) {
                group.cancel();
            }
            co_await expect_works(&connection);
            co_await group.join();
            EXPECT_EQ(seen.value_or(IdleEvent::cancelled), IdleEvent::cancelled);
            EXPECT_TRUE(connection.is_open());
        }
    };
    run(body(Connection(executor(), connector_), options_));
    EXPECT_EQ(fake_.logins(), 1U);
}

Task<void> ask(Connection* connection, std::string sql, std::optional<Reply>* reply) {
    *reply = co_await connection->query(std::move(sql), in(1h));
}

Task<void> dial(
    Connection* connection, ConnectOptions options, bool probe, std::optional<Result<void>>* outcome
) {
    *outcome = co_await connection->connect(std::move(options), in(1h), probe);
}

TEST_F(ConnectionTest, DropEndsWhateverIsInProgress) {
    auto body = [](Connection connection, ConnectOptions options, FakeMysql* fake) -> Task<void> {
        co_await open(&connection, options);
        TaskGroup group(co_await asio::this_coro::executor);
        std::optional<Reply> reply;
        group.spawn("query", ask(&connection, "never", &reply));
        co_await sleep_for(10ms);
        connection.drop();
        co_await group.join();
        EXPECT_EQ(reply->error->code, Errc::cancelled);

        co_await open(&connection, options);
        std::optional<IdleEvent> seen;
        group.spawn("watch", watch(&connection, in(1h), &seen));
        co_await sleep_for(1ms);
        connection.drop();
        co_await group.join();
        EXPECT_EQ(*seen, IdleEvent::cancelled);

        fake->set_welcome(Welcome::silent);
        std::optional<Result<void>> outcome;
        group.spawn("connect", dial(&connection, options, false, &outcome));
        co_await sleep_for(10ms);
        connection.drop();
        co_await group.join();
        EXPECT_EQ(outcome->error().code, Errc::cancelled);
        fake->set_welcome(Welcome::normal);

        // Destroyed while a query is in progress: the coroutine ends and touches nothing.
        auto other = std::make_unique<Connection>(std::move(connection));
        co_await open(other.get(), options);
        reply.reset();
        group.spawn("query", ask(other.get(), "never", &reply));
        co_await sleep_for(10ms);
        other.reset();
        co_await group.join();
        EXPECT_EQ(reply->error->code, Errc::cancelled);
    };
    run(body(Connection(executor(), connector_), options_, &fake_));
}

TEST_F(ConnectionTest, CancellationEndsOperationsAtOnceAndLeaksNothing) {
    const auto descriptors = test::open_descriptors();
    auto body = [](Connection connection, ConnectOptions options, FakeMysql* fake) -> Task<void> {
        for (int turn = 0; turn < 60; ++turn) {
            TaskGroup group(co_await asio::this_coro::executor);
            std::optional<Reply> reply;
            std::optional<Result<void>> outcome;
            const auto begin = now();
            if (turn % 2 == 0) {
                co_await open(&connection, options);
                group.spawn("query", ask(&connection, turn % 4 == 0 ? "never" : "stall", &reply));
            } else {
                fake->set_welcome(Welcome::silent);
                group.spawn("connect", dial(&connection, options, turn % 4 == 1, &outcome));
            }
            co_await sleep_for(2ms);
            group.cancel();
            co_await group.join();
            EXPECT_LT(to_ms(now() - begin), 1000);
            EXPECT_FALSE(connection.is_open());
            EXPECT_FALSE(reply);
            EXPECT_FALSE(outcome);
            fake->set_welcome(Welcome::normal);
        }
    };
    run(body(Connection(executor(), connector_), options_, &fake_));
    const auto end = in(5s);
    while (connector_.stats().running > 0 && now() < end) {
        std::this_thread::yield();
    }
    while (fake_.sessions() > 0 && now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST_F(ConnectionTest, AnsweredOnlyJustInTimeOrTooLateNeverMixesUpReplies) {
    // The timer's expiry races with the answer; an expiry of one query must not hit the next.
    fake_.handle([](const test::FakeRequest& request) -> std::optional<FakeAnswer> {
        if (request.statement.rfind("echo ", 0) != 0) {
            return std::nullopt;
        }
        FakeAnswer answer(FakeResult::table({"text"}, {{request.statement.substr(5)}}));
        answer.delay = 1ms;
        return answer;
    });
    auto body = [](Connection connection, ConnectOptions options) -> Task<void> {
        int answered = 0;
        for (int turn = 0; turn < 400; ++turn) {
            if (!connection.is_open()) {
                co_await open(&connection, options);
            }
            const std::string text = std::to_string(turn);
            const Duration limit = 900us + std::chrono::microseconds(turn * 3);
            const Reply reply = co_await connection.query("echo " + text, in(limit));
            if (reply.ok()) {
                ++answered;
                EXPECT_EQ(reply.first().text("text"), text);
                EXPECT_TRUE(connection.is_open());
            } else {
                EXPECT_EQ(reply.error->code, Errc::timeout) << reply.error->what;
                EXPECT_FALSE(connection.is_open());
            }
        }
        EXPECT_GT(answered, 0);
    };
    run(body(Connection(executor(), connector_), options_));
}

TEST_F(ConnectionTest, NeedsOneRoundTripForSeveralStatements) {
    test::TcpGate gate("127.0.0.1", port_);
    auto body = [](Connection connection, ConnectOptions options, test::TcpGate* link
                ) -> Task<void> {
        co_await open(&connection, options);
        link->set_delay(30ms);
        const auto begin = now();
        const Reply reply = co_await connection.query("SELECT 1; SELECT 2; DO 1", in(5s));
        const auto took = to_ms(now() - begin);
        EXPECT_EQ(reply.sets.size(), 3U);
        EXPECT_GE(took, 60);
        EXPECT_LT(took, 115);
        link->set_delay(0ms);
        link->stall(Direction::to_client);
        const Reply lost = co_await connection.query("SELECT 1", in(100ms));
        EXPECT_EQ(lost.error->code, Errc::timeout);
        link->resume();
        co_await open(&connection, options);
        link->cut(true);
        const auto seen = co_await connection.idle_event(in(5s));
        EXPECT_EQ(seen, IdleEvent::reset);
    };
    options_.port = gate.port();
    run(body(Connection(executor(), connector_), options_, &gate));
}

TEST_F(ConnectionTest, ConnectsHalfWayThroughEveryByteOfTheHandshakeWithinTheDeadline) {
    test::TcpGate gate("127.0.0.1", port_);
    auto body = [](Connection connection, ConnectOptions options, test::TcpGate* link
                ) -> Task<void> {
        for (const Direction way : {Direction::to_client, Direction::to_server}) {
            for (std::size_t bytes = 0; bytes < 90; bytes += 9) {
                link->stall_after(way, bytes);
                const auto begin = now();
                const auto late = co_await connection.connect(options, begin + 60ms, false);
                const auto took = to_ms(now() - begin);
                if (!late) {
                    EXPECT_EQ(late.error().code, Errc::timeout) << bytes;
                }
                EXPECT_LE(took, 160) << bytes;
                link->cut(false);
                link->resume();
            }
        }
    };
    options_.port = gate.port();
    run(body(Connection(executor(), connector_), options_, &gate));
}

}  // namespace

}  // namespace baton::mysql
