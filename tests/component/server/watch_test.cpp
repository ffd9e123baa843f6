// SPDX-License-Identifier: Apache-2.0
#include "fake/tcp_gate.hpp"
#include "harness.hpp"

#include <algorithm>

namespace baton::test {
namespace {

using Idle = ports::Watch::Idle;
using topology::Observation;
using topology::ProbeFailure;
using topology::ThreadState;

class Watch : public ServerTest {
protected:
    Observation probe(ports::Watch& watch, Duration limit = 5s) {
        return await(watch.probe(in(limit)));
    }
};

TEST_P(Watch, ReadsThePrimary) {
    make_pair();
    const auto watch = servers_->watch(primary_->id());

    ASSERT_TRUE(eventually([&] { return probe(*watch).state->dump_threads == 1; }, 5s));
    const Observation seen = probe(*watch);

    ASSERT_EQ(seen.failure, ProbeFailure::none) << seen.error;
    EXPECT_EQ(seen.id, primary_->id());
    EXPECT_LT(seen.started, seen.ended);
    EXPECT_GT(seen.wall_ms, 0);
    const auto& state = *seen.state;
    EXPECT_FALSE(state.read_only);
    EXPECT_TRUE(state.channels.empty());
    EXPECT_EQ(state.executed_gtid_set, primary_->position());
    EXPECT_EQ(state.reported_replicas, std::vector<InstanceId>{replica_->id()});
    EXPECT_TRUE(state.binlog.file.starts_with("binlog."));
    EXPECT_GT(state.binlog.pos, 100U);
    const auto& identity = state.identity;
    EXPECT_EQ(identity.flavor, mariadb() ? topology::Flavor::mariadb : topology::Flavor::mysql);
    EXPECT_EQ(identity.version, primary_->value("SELECT VERSION()"));
    EXPECT_EQ(identity.server_id, primary_->id().port);
    EXPECT_EQ(identity.report_host, primary_->id().host);
    EXPECT_EQ(identity.report_port, primary_->id().port);
    EXPECT_TRUE(identity.log_bin);
    EXPECT_TRUE(identity.log_replica_updates);
    EXPECT_FALSE(identity.durable);
    EXPECT_EQ(identity.binlog_format, "ROW");
    EXPECT_EQ(identity.replica_net_timeout_seconds, 60U);
    EXPECT_EQ(identity.has_super_read_only, !mariadb());
    EXPECT_EQ(identity.gtid_mode, mariadb() ? "" : "ON");
    if (!mariadb()) {
        EXPECT_EQ(identity.uuid, primary_->value("SELECT @@server_uuid"));
    }
}

TEST_P(Watch, ReadsTheReplica) {
    make_pair();
    const auto watch = servers_->watch(replica_->id());

    const Observation seen = probe(*watch);

    ASSERT_EQ(seen.failure, ProbeFailure::none) << seen.error;
    const auto& state = *seen.state;
    EXPECT_TRUE(state.read_only);
    EXPECT_EQ(state.super_read_only, !mariadb());
    ASSERT_EQ(state.channels.size(), 1U);
    const auto& channel = state.channels.front();
    EXPECT_EQ(channel.name, "");
    EXPECT_EQ(channel.source, primary_->id());
    EXPECT_EQ(channel.source_server_id, primary_->id().port);
    EXPECT_EQ(channel.receiver, ThreadState::running);
    EXPECT_EQ(channel.applier, ThreadState::running);
    EXPECT_EQ(channel.user, "repl");
    EXPECT_EQ(channel.auto_position, !mariadb());
    EXPECT_EQ(channel.using_gtid, mariadb() ? "Slave_Pos" : "");
    EXPECT_TRUE(channel.uses_gtid());
    EXPECT_TRUE(channel.tls.allowed);
    EXPECT_EQ(channel.connect_retry_seconds, 1U);
    EXPECT_EQ(channel.receiver_errno, 0U);
    EXPECT_EQ(channel.has_filters, false);
    if (!mariadb()) {
        EXPECT_EQ(channel.source_uuid, primary_->value("SELECT @@server_uuid"));
        EXPECT_DOUBLE_EQ(channel.heartbeat_period_seconds, 2.5);
    }

    // Heartbeats tell that the source lives when nothing is written.
    if (!mariadb()) {
        const bool beat = eventually(
            [&] { return probe(*watch).state->channels.front().heartbeats_received > 0; }, 6s
        );
        EXPECT_TRUE(beat);
    }
}

TEST_P(Watch, FollowsProgressAndStops) {
    make_pair();
    const auto watch = servers_->watch(replica_->id());
    ASSERT_EQ(probe(*watch).error, "");

    primary_->write();
    const std::string end = primary_->position();
    EXPECT_TRUE(eventually([&] { return probe(*watch).state->executed_gtid_set == end; }, 5s));

    replica_->run(mariadb() ? "STOP SLAVE SQL_THREAD" : "STOP REPLICA SQL_THREAD");
    const Observation stopped = probe(*watch);
    EXPECT_EQ(stopped.state->channels.front().applier, ThreadState::stopped);
    EXPECT_EQ(stopped.state->channels.front().receiver, ThreadState::running);

    replica_->run("SET GLOBAL read_only=0");
    EXPECT_FALSE(probe(*watch).state->read_only);
    EXPECT_FALSE(probe(*watch).state->super_read_only);
}

TEST_P(Watch, SeesAtOnceWhichSettingsAStepHasChanged) {
    ServerOptions options;
    if (!mariadb()) {
        options.more = {
            "--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so"};
    }
    make_pair(options);
    const auto watch = servers_->watch(replica_->id());
    ASSERT_EQ(probe(*watch).error, "");
    ASSERT_FALSE(probe(*watch).state->semi_sync.source_enabled);
    const auto performer = servers_->performer("baton.test");
    Step on = step(StepKind::set_semi_sync, *replica_);
    on.semi_sync_source = true;

    ASSERT_DONE(perform(*performer, on));

    EXPECT_TRUE(probe(*watch).state->semi_sync.source_enabled);
    close(*performer);
}

TEST_P(Watch, PollsInOneRoundTrip) {
    make_pair();
    TcpGate gate(replica_->id().host, replica_->id().port);
    constexpr auto half = 50ms;
    gate.set_delay(half);
    const auto watch = servers_->watch(InstanceId("127.0.0.1", gate.port()));
    const Observation first = probe(*watch);
    ASSERT_EQ(first.failure, ProbeFailure::none) << first.error;

    Duration fastest = Duration::max();
    for (int i = 0; i < 4; ++i) {
        const Observation seen = probe(*watch);
        ASSERT_EQ(seen.failure, ProbeFailure::none) << seen.error;
        fastest = std::min(fastest, seen.ended - seen.started);
    }

    fmt::print(
        "    round trip 100 ms: first probe {} ms, later {} ms\n",
        to_ms(first.ended - first.started),
        to_ms(fastest)
    );
    EXPECT_GE(fastest, 2 * half);
    // The gate lets each piece of the answer wait; a second round trip would make it 200 ms.
    EXPECT_LT(fastest, 4 * half);
    EXPECT_EQ(gate.connections(), 1U);
}

TEST_P(Watch, CostsLittle) {
    make_pair();
    const auto watch = servers_->watch(replica_->id());
    const TimePoint begun = now();
    ASSERT_EQ(probe(*watch).error, "");
    const Duration first = now() - begun;

    constexpr int count = 200;
    const TimePoint second = now();
    for (int i = 0; i < count; ++i) {
        ASSERT_EQ(probe(*watch).error, "");
    }
    const auto each = std::chrono::duration<double, std::milli>(now() - second).count() / count;

    fmt::print("    first probe {} ms, later {:.2f} ms each\n", to_ms(first), each);
    EXPECT_LT(each, 50);
}

TEST_P(Watch, TellsTheDeathOfTheServerAtOnce) {
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");
    auto idle = begin(watch->idle(in(20s)));
    run_for(20ms);
    ASSERT_FALSE(idle.done());

    const TimePoint killed = now();
    server->kill();
    const Idle event = idle.get();

    fmt::print("    told {} ms after kill -9\n", to_ms(now() - killed));
    EXPECT_EQ(event, Idle::lost);
    // The process gives its memory back before its sockets are closed.
    EXPECT_LT(now() - killed, 1s);
    const Observation seen = probe(*watch);
    EXPECT_EQ(seen.failure, ProbeFailure::refused) << seen.error;
    EXPECT_TRUE(seen.connection_lost);
    EXPECT_LT(seen.ended - seen.started, 200ms);
}

TEST_P(Watch, ComesBackWithTheServer) {
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");
    server->kill();
    ASSERT_NE(probe(*watch).failure, ProbeFailure::none);

    server->restart();

    const Observation seen = probe(*watch);
    EXPECT_EQ(seen.failure, ProbeFailure::none) << seen.error;
    EXPECT_FALSE(seen.connection_lost);
}

TEST_P(Watch, SurvivesTheEndOfItsSessionAlone) {
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");

    const std::string session =
        server->value("SELECT ID FROM information_schema.PROCESSLIST WHERE USER='baton'");
    server->run("KILL " + session);

    const Observation seen = probe(*watch);
    EXPECT_EQ(seen.failure, ProbeFailure::none) << seen.error;
}

TEST_P(Watch, KeepsTheDeadlineWhenTheServerIsFrozen) {
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");

    server->freeze();
    for (const bool connected : {true, false}) {
        const TimePoint begun = now();
        const Observation seen = probe(*watch, 400ms);
        EXPECT_EQ(seen.failure, ProbeFailure::timeout) << connected << seen.error;
        EXPECT_GE(now() - begun, 400ms);
        EXPECT_LT(now() - begun, 600ms) << connected;
    }

    server->thaw();
    EXPECT_TRUE(eventually([&] { return probe(*watch).failure == ProbeFailure::none; }, 5s));
}

TEST_P(Watch, KeepsTheDeadlineWhenPacketsAreDropped) {
    if (!has_own_network()) {
        GTEST_SKIP() << "packets cannot be dropped here (needs root and iptables)";
    }
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");

    server->cut_off();
    for (int i = 0; i < 3; ++i) {
        const TimePoint begun = now();
        const Observation seen = probe(*watch, 400ms);
        EXPECT_EQ(seen.failure, ProbeFailure::timeout) << seen.error;
        EXPECT_LT(now() - begun, 600ms);
    }

    server->reconnect();
    EXPECT_TRUE(eventually([&] { return probe(*watch).failure == ProbeFailure::none; }, 5s));
}

TEST_P(Watch, KnowsALivingServerThatRefuses) {
    const auto server = this->server();
    server->started();
    server->run("ALTER USER baton@'%' IDENTIFIED BY 'changed'");
    const auto watch = servers_->watch(server->id());

    const Observation seen = probe(*watch);

    EXPECT_EQ(seen.failure, ProbeFailure::access_denied) << seen.error;
    EXPECT_FALSE(topology::is_absence(seen.failure));
}

TEST_P(Watch, IsWokenFromItsPause) {
    const auto server = this->server();
    server->started();
    const auto watch = servers_->watch(server->id());
    ASSERT_EQ(probe(*watch).error, "");

    auto idle = begin(watch->idle(in(20s)));
    run_for(10ms);
    watch->wake();
    EXPECT_EQ(idle.get(), Idle::woken);

    watch->wake();  // before the pause: counts
    EXPECT_EQ(await(watch->idle(in(20s))), Idle::woken);
    EXPECT_EQ(await(watch->idle(in(30ms))), Idle::deadline);
    EXPECT_EQ(probe(*watch).error, "");
}

BATON_BOTH_KINDS(Watch);

}  // namespace
}  // namespace baton::test
