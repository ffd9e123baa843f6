// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/blocking_connection.hpp"

#include "component/mysql/harness.hpp"
#include "fake/fake_mysql.hpp"
#include "fake/tcp_gate.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace baton::mysql {

namespace {

using test::FakeMysql;
using test::FakeResult;
using test::Fault;
using test::in;
using test::now;
using test::TcpGate;
using test::Welcome;

class BlockingConnectionTest : public ::testing::Test {
protected:
    BlockingConnectionTest() : options_("127.0.0.1", fake_.listen(), "lease", "secret") {
        fake_.answer("SELECT 1", FakeResult::table({"a"}, {{"1"}}));
        fake_.answer("BAD", FakeResult::error(1146, "42S02", "no such table"));
        fake_.answer("never", Fault::never);
        fake_.answer("stall", Fault::stall);
        fake_.answer("close", Fault::close);
    }

    FakeMysql fake_;
    ConnectOptions options_;
};

TEST_F(BlockingConnectionTest, AsksAndAnswers) {
    BlockingConnection connection;
    EXPECT_FALSE(connection.is_open());
    ASSERT_TRUE(connection.connect(options_, in(5s)));
    EXPECT_EQ(connection.server_version(), "8.0.36");
    EXPECT_EQ(connection.connection_id(), 1U);
    const Reply reply = connection.query("SELECT 1; BAD", in(5s));
    EXPECT_EQ(reply.first().text("a"), "1");
    EXPECT_EQ(reply.error->mysql_errno, 1146U);
    EXPECT_TRUE(connection.is_open());
    connection.close();
    EXPECT_FALSE(connection.is_open());
    EXPECT_EQ(connection.query("SELECT 1", in(1s)).error->code, Errc::unavailable);
}

TEST_F(BlockingConnectionTest, KeepsDeadlinesToTheMillisecond) {
    BlockingConnection connection;
    for (const char* sql : {"never", "stall", "SELECT 1; never"}) {
        ASSERT_TRUE(connection.connect(options_, in(5s)));
        const auto begin = now();
        const Reply reply = connection.query(sql, begin + 80ms);
        const auto took = to_ms(now() - begin);
        EXPECT_EQ(reply.error->code, Errc::timeout) << sql;
        EXPECT_GE(took, 80) << sql;
        EXPECT_LE(took, 130) << sql;
        EXPECT_FALSE(connection.is_open());
    }
    for (const Welcome welcome : {Welcome::silent, Welcome::frozen_after_login}) {
        fake_.set_welcome(welcome);
        const auto begin = now();
        const auto late = connection.connect(options_, begin + 80ms);
        const auto took = to_ms(now() - begin);
        EXPECT_EQ(late.error().code, Errc::timeout);
        EXPECT_GE(took, 80);
        EXPECT_LE(took, 130);
    }
}

TEST_F(BlockingConnectionTest, KeepsDeadlinesWhereTheLibraryBlocks) {
    BlockingConnection by_name;
    ConnectOptions named = options_;
    named.host = "localhost";
    ASSERT_TRUE(by_name.connect(named, in(5s)));
    EXPECT_EQ(by_name.query("SELECT 1", in(5s)).first().text("a"), "1");

    fake_.set_welcome(Welcome::silent);
    named.tls = Tls::preferred;
    const auto begin = now();
    const auto late = by_name.connect(named, begin + 100ms);
    const auto took = to_ms(now() - begin);
    EXPECT_EQ(late.error().code, Errc::timeout);
    EXPECT_GE(took, 100);
    EXPECT_LE(took, 150);
    // The attempt left behind ends by itself; until then there is no second thread.
    const auto again = by_name.connect(named, in(10ms));
    EXPECT_FALSE(again);
    // Nor does a server that hangs keep its owner from the next one.
    FakeMysql other;
    auto next = options_;
    next.host = "localhost";
    next.port = other.listen();
    EXPECT_FALSE(by_name.connect(named, in(20ms)));
    EXPECT_TRUE(by_name.connect(next, in(5s)));
    fake_.set_welcome(Welcome::normal);
    fake_.close_sessions();
    const auto end = in(5s);
    bool connected = false;
    while (!connected && now() < end) {
        connected = by_name.connect(named, in(1s)).has_value();
    }
    EXPECT_TRUE(connected);
}

/// How long it took to connect to where first packets are lost until `healed_after`.
long long connect_over_a_cut(TcpGate& gate, const ConnectOptions& options, Duration healed_after) {
    gate.drop_connects();
    std::thread healer([&] {
        std::this_thread::sleep_for(healed_after);
        gate.take_connects();
    });
    BlockingConnection connection;
    const auto begin = now();
    const auto done = connection.connect(options, begin + 5s);
    const auto took = to_ms(now() - begin);
    healer.join();
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
    if (done) {
        EXPECT_EQ(connection.query("SELECT 1", in(5s)).first().text("a"), "1");
    }
    return took;
}

TEST_F(BlockingConnectionTest, BeginsAnewWhenPacketsAreNotLostAnyMore) {
    TcpGate gate("127.0.0.1", options_.port);
    options_.port = gate.port();
    EXPECT_GE(connect_over_a_cut(gate, options_, 100ms), 900) << "when the kernel tries again";

    options_.probe_path_every = 50ms;
    for (const bool by_name : {false, true}) {
        for (const Tls tls : {Tls::off, Tls::preferred}) {
            options_.host = by_name ? "localhost" : "127.0.0.1";
            options_.tls = tls;
            const auto took = connect_over_a_cut(gate, options_, 300ms);
            EXPECT_GE(took, 290);
            EXPECT_LE(took, 600) << options_.host << " " << to_string(tls);
        }
    }
}

TEST_F(BlockingConnectionTest, DoesNotPesterAServerThatTakesConnectionsAndSaysNothing) {
    TcpGate gate("127.0.0.1", options_.port);
    options_.port = gate.port();
    options_.probe_path_every = 20ms;
    fake_.set_welcome(Welcome::silent);
    for (const Tls tls : {Tls::off, Tls::preferred}) {
        options_.tls = tls;
        const auto before = gate.accepted();
        BlockingConnection connection;
        EXPECT_EQ(connection.connect(options_, in(300ms)).error().code, Errc::timeout);
        EXPECT_EQ(gate.accepted() - before, 1U) << to_string(tls);
    }
}

TEST_F(BlockingConnectionTest, ReportsALostSession) {
    BlockingConnection connection;
    ASSERT_TRUE(connection.connect(options_, in(5s)));
    EXPECT_EQ(connection.query("close", in(5s)).error->code, Errc::unreachable);
    EXPECT_FALSE(connection.is_open());
    ASSERT_TRUE(connection.connect(options_, in(5s)));
    fake_.close_sessions();
    EXPECT_EQ(connection.query("SELECT 1", in(5s)).error->code, Errc::unreachable);
}

TEST_F(BlockingConnectionTest, ManyThreadsConnectForTheFirstTimeAtOnce) {
    FakeMysql::Options strict;
    strict.password = "secret";
    strict.auth_plugin = "caching_sha2_password";
    FakeMysql guarded(strict);
    options_.port = guarded.listen();
    std::vector<std::thread> threads;
    std::atomic<int> opened{0};
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 5; ++turn) {
                BlockingConnection connection;
                const auto done = connection.connect(options_, in(10s));
                EXPECT_TRUE(done) << (done ? "" : done.error().what);
                opened += done ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(opened, 80);
}

TEST_F(BlockingConnectionTest, AbortedOperationsLeakNoDescriptors) {
    const auto descriptors = test::open_descriptors();
    for (int turn = 0; turn < 100; ++turn) {
        BlockingConnection connection;
        fake_.set_welcome(turn % 2 == 0 ? Welcome::normal : Welcome::silent);
        if (connection.connect(options_, in(turn % 2 == 0 ? 5000ms : 1ms))) {
            connection.query("stall", in(1ms));
        }
    }
    const auto end = in(5s);
    while (fake_.sessions() > 0 && now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(test::open_descriptors(), descriptors);
}

}  // namespace

}  // namespace baton::mysql
