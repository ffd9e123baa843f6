// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/state_reader.hpp"

#include "recorded.hpp"

#include "baton/base/text.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace baton::dialect {
namespace {

using Outcome = StateReader::Outcome;

Error server_error(unsigned number, const char* what) {
    return Error(Errc::server_error, what, number, "");
}

/// Answers statement texts like a server.
class FakeServer {
public:
    ResultRows variables, replication, changing, replicas, processes, heartbeats, semi_sync,
        members;
    ResultRows kept{
        {"VARIABLE_NAME", "VARIABLE_SOURCE"},
        {{std::string("read_only"), std::string("COMPILED")},
         {std::string("super_read_only"), std::string("DYNAMIC")}}};
    ResultRows binary_log{
        {"File", "Position"}, {{std::string("binlog.000002"), std::string("444")}}};
    ResultRows load{
        {"Variable_name", "Value"},
        {{std::string("Uptime"), std::string("5")},
         {std::string("Threads_connected"), std::string("7")},
         {std::string("Threads_running"), std::string("1")},
         {std::string("Connection_errors_max_connections"), std::string("0")}}};
    ResultRows disk_errors{{"COUNT(*)"}, {{std::string("0")}}};
    std::vector<std::string> refuses_as_syntax, refuses_as_privilege;
    unsigned requests = 0;
    std::string last_sql;

    Outcome answer(StateReader& reader, TimePoint now) {
        ++requests;
        last_sql = reader.sql(now);
        std::vector<ResultRows> sets;
        for (const std::string& statement : split(last_sql, ';')) {
            for (const std::string& refused : refuses_as_syntax) {
                if (contains_ignoring_case(statement, refused)) {
                    return reader.on_reply(sets, server_error(1064, "syntax"), now);
                }
            }
            for (const std::string& refused : refuses_as_privilege) {
                if (contains_ignoring_case(statement, refused)) {
                    return reader.on_reply(sets, server_error(1227, "denied; need X"), now);
                }
            }
            sets.push_back(rows_for(statement));
        }
        return reader.on_reply(std::move(sets), std::nullopt, now);
    }

    /// Until complete or failed.
    Outcome poll(StateReader& reader, TimePoint now) {
        Outcome outcome = Outcome::again;
        while (outcome == Outcome::again) {
            outcome = answer(reader, now);
        }
        return outcome;
    }

private:
    [[nodiscard]] ResultRows rows_for(const std::string& statement) const {
        const std::pair<const char*, ResultRows> table[]{
            {"SHOW GLOBAL VARIABLES", variables},
            {"Uptime", load},
            {"error_log", disk_errors},
            {"rpl_semi_sync_source_clients", semi_sync},
            {"@@global.read_only", changing},
            {"BINARY LOG STATUS", binary_log},
            {"MASTER STATUS", binary_log},
            {"Binlog_snapshot_file", binary_log},
            {"SHOW REPLICAS", replicas},
            {"SHOW SLAVE HOSTS", replicas},
            {"PROCESSLIST", processes},
            {"replication_connection_status", heartbeats},
            {"persisted_variables", kept},
            {"replication_group_members", members},
            {"REPLICA STATUS", replication},
            {"SLAVES STATUS", replication},
            {"SLAVE STATUS", replication},
        };
        for (const auto& [part, rows] : table) {
            if (contains_ignoring_case(statement, part)) {
                return rows;
            }
        }
        ADD_FAILURE() << "unexpected: " << statement;
        return {};
    }
};

FakeServer a_mysql9_replica() {
    FakeServer server;
    server.variables = recorded::variables(recorded::mysql9_variables);
    server.replication = recorded::row(recorded::mysql9_replica);
    server.changing = recorded::row(
        "read_only: 1\nsuper_read_only: 1\nexecuted: a:1-3\nsemi_source: 0\nsemi_replica: 1"
    );
    server.replicas = ResultRows({"Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"}, {});
    server.heartbeats = ResultRows(
        {"CHANNEL_NAME", "HEARTBEAT_INTERVAL", "COUNT_RECEIVED_HEARTBEATS"},
        {{std::string(), std::string("30.000"), std::string("12")}}
    );
    server.semi_sync = ResultRows(
        {"Variable_name", "Value"},
        {{std::string("Rpl_semi_sync_replica_status"), std::string("ON")},
         {std::string("Rpl_semi_sync_source_clients"), std::string("0")},
         {std::string("Rpl_semi_sync_source_status"), std::string("OFF")}}
    );
    return server;
}

FakeServer a_mariadb_primary() {
    FakeServer server;
    server.variables = recorded::variables(recorded::mariadb_variables);
    server.replication = ResultRows({"Connection_name", "Master_Host"}, {});
    server.changing = recorded::row(
        "read_only: 0\nslave_pos: 0-1-7,1-1-3\nbinlog_pos: 0-2-9\nsemi_source: 0\nsemi_replica: 0"
    );
    server.replicas = ResultRows(
        {"Server_id", "Host", "Port", "Master_id"},
        {{std::string("2"), std::string("db2"), std::string("3306"), std::string("1")}}
    );
    server.binary_log = ResultRows(
        {"Variable_name", "Value"},
        {{std::string("Binlog_snapshot_file"), std::string("binlog.000003")},
         {std::string("Binlog_snapshot_position"), std::string("156")}}
    );
    // Waits for the lock that commits hold while they wait for a semi-synchronous replica.
    server.refuses_as_syntax = {"BINARY LOG STATUS", "MASTER STATUS", "SHOW REPLICAS"};
    return server;
}

class StateReaderTest : public testing::Test {
protected:
    StateReader reader{InstanceId("db1", 3306), 10s};
    TimePoint now{};
};

TEST_F(StateReaderTest, ReadsAMysqlReplica) {
    FakeServer server = a_mysql9_replica();

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    const auto& state = reader.state();
    EXPECT_EQ(state.identity.uuid, "f3f8e418-e872-11f1-ac79-02fc00000001");
    EXPECT_EQ(state.uptime_seconds, 5U);
    EXPECT_TRUE(state.read_only);
    EXPECT_TRUE(state.super_read_only);
    EXPECT_EQ(state.executed_gtid_set, "a:1-3");
    EXPECT_EQ(state.binlog, topology::LogPosition("binlog.000002", 444));
    ASSERT_EQ(state.channels.size(), 1U);
    EXPECT_EQ(state.channels[0].heartbeats_received, 12U);
    EXPECT_DOUBLE_EQ(state.channels[0].heartbeat_period_seconds, 30.0);
    EXPECT_TRUE(state.semi_sync.replica_status);
    EXPECT_TRUE(reader.complaints().empty());
    EXPECT_EQ(server.requests, 2U) << "variables first, the rest in one request";
}

TEST_F(StateReaderTest, LaterPollsAreOneRequestWithoutTheSettings) {
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    const unsigned before = server.requests;

    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete);

    EXPECT_EQ(server.requests, before + 1);
    EXPECT_EQ(server.last_sql.find("SHOW GLOBAL VARIABLES"), std::string::npos);
}

TEST_F(StateReaderTest, TheUptimeGoesOnBetweenItsReadings) {
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    EXPECT_EQ(reader.state().uptime_seconds, 5U);

    ASSERT_EQ(server.answer(reader, now + 7s), Outcome::complete);
    EXPECT_EQ(reader.state().uptime_seconds, 12U);

    ASSERT_EQ(server.answer(reader, now + 10s), Outcome::complete);
    EXPECT_EQ(reader.state().uptime_seconds, 5U) << "it was restarted";
}

TEST_F(StateReaderTest, SettingsAreReadAgainAfterTheInterval) {
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    for (auto& row : server.variables.rows) {
        if (row[0] == "binlog_format") {
            row[1] = "STATEMENT";
        }
    }

    ASSERT_EQ(server.answer(reader, now + 10s), Outcome::complete);

    EXPECT_EQ(reader.state().identity.binlog_format, "STATEMENT");
    EXPECT_TRUE(reader.state().semi_sync.replica_enabled);
    EXPECT_TRUE(reader.state().semi_sync.replica_status);
}

TEST_F(StateReaderTest, TellsWhetherReadOnlySurvivesARestart) {
    using topology::Kept;
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    EXPECT_EQ(reader.state().settings.read_only_kept, Kept::at_run_time_only);

    server.kept.rows.push_back({std::string("super_read_only"), std::string("=ON")});
    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete);
    EXPECT_EQ(reader.state().settings.read_only_kept, Kept::at_run_time_only) << "not each poll";
    ASSERT_EQ(server.answer(reader, now + 10s), Outcome::complete);
    EXPECT_EQ(reader.state().settings.read_only_kept, Kept::yes);

    server.kept.rows.back()[1] = "=OFF";
    ASSERT_EQ(server.answer(reader, now + 20s), Outcome::complete);
    EXPECT_EQ(reader.state().settings.read_only_kept, Kept::at_run_time_only);

    server.kept.rows[0][1] = "SERVER";
    ASSERT_EQ(server.answer(reader, now + 30s), Outcome::complete);
    EXPECT_EQ(reader.state().settings.read_only_kept, Kept::yes);
}

TEST_F(StateReaderTest, WhatMayNotBeReadIsUnknownAndStopsNothing) {
    FakeServer server = a_mysql9_replica();
    server.refuses_as_privilege = {"persisted_variables"};

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    EXPECT_EQ(reader.state().settings.read_only_kept, topology::Kept::unknown);
    EXPECT_EQ(reader.state().settings.sync_binlog, 1U);
    EXPECT_EQ(reader.complaints().size(), 1U);
}

TEST_F(StateReaderTest, HeartbeatsSurviveAChangeOfThePosition) {
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    server.replication.rows[0][*server.replication.find("Read_Source_Log_Pos")] = "900";

    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete);

    EXPECT_EQ(reader.state().channels[0].read.pos, 900U);
    EXPECT_EQ(reader.state().channels[0].heartbeats_received, 12U);
}

TEST_F(StateReaderTest, ReadsAMariadbPrimary) {
    FakeServer server = a_mariadb_primary();

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    const auto& state = reader.state();
    EXPECT_EQ(state.executed_gtid_set, "0-2-9,1-1-3") << "the further of both in each domain";
    EXPECT_EQ(state.reported_replicas, std::vector<InstanceId>{InstanceId("db2", 3306)});
    EXPECT_EQ(state.dump_threads, 1U);
    EXPECT_TRUE(state.channels.empty());
    EXPECT_EQ(state.binlog.pos, 156U);
}

TEST_F(StateReaderTest, TriesTheOtherWordsForTheBinaryLogOnce) {
    FakeServer server = a_mysql9_replica();
    server.refuses_as_syntax = {"BINARY LOG STATUS"};  // MySQL 8.0.26 to 8.1

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);
    EXPECT_EQ(server.requests, 3U);
    EXPECT_EQ(reader.state().binlog.pos, 444U);
    EXPECT_TRUE(reader.complaints().empty());

    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete);
    EXPECT_NE(server.last_sql.find("SHOW MASTER STATUS"), std::string::npos);
    ASSERT_EQ(server.answer(reader, now + 11s), Outcome::complete) << "remembered over a refresh";
}

TEST_F(StateReaderTest, WithoutTheRightToListReplicasTheProcessListServes) {
    FakeServer server = a_mariadb_primary();
    server.refuses_as_privilege = {"SHOW SLAVE HOSTS"};
    server.processes = ResultRows(
        {"HOST"},
        {{std::string("10.0.0.2:50000")},
         {std::string("10.0.0.2:50002")},
         {std::string("fe80::1:7")}}
    );

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    EXPECT_EQ(reader.state().dump_threads, 3U);
    EXPECT_EQ(
        reader.state().reported_replicas,
        (std::vector<InstanceId>{InstanceId("10.0.0.2", 3306), InstanceId("fe80::1", 3306)})
    );
    ASSERT_EQ(reader.complaints().size(), 1U);
    EXPECT_NE(reader.complaints()[0].find("need X"), std::string::npos);
    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete) << "no second try";
    EXPECT_EQ(reader.state().reported_replicas.size(), 2U);
}

TEST_F(StateReaderTest, ReplicasWithoutANameAreLookedUpInTheProcessList) {
    FakeServer server = a_mysql9_replica();
    server.replicas.rows.push_back(
        {std::string("2"), std::string(), std::string("3306"), std::string("1"), std::string("u")}
    );
    server.processes = ResultRows({"HOST"}, {{std::string("10.0.0.2:50000")}});

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    EXPECT_EQ(reader.state().dump_threads, 1U);
    EXPECT_EQ(
        reader.state().reported_replicas, std::vector<InstanceId>{InstanceId("10.0.0.2", 3306)}
    );
    ASSERT_EQ(server.answer(reader, now + 1s), Outcome::complete);
    EXPECT_EQ(server.last_sql.find("processlist"), std::string::npos)
        << "only when something changed";
}

TEST_F(StateReaderTest, WithoutTheRightToSeeReplicationThePollFailsWithTheRemedy) {
    FakeServer server = a_mysql9_replica();
    server.refuses_as_privilege = {"SHOW REPLICA STATUS"};

    ASSERT_EQ(server.poll(reader, now), Outcome::failed);

    EXPECT_NE(reader.error().what.find("REPLICATION CLIENT"), std::string::npos);
}

TEST_F(StateReaderTest, AVanishedPluginLeadsToAFreshLook) {
    FakeServer server = a_mysql9_replica();
    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    const std::string sql = reader.sql(now + 1s);
    ASSERT_EQ(
        reader.on_reply({}, server_error(1193, "Unknown system variable"), now + 1s), Outcome::again
    );
    std::erase_if(server.variables.rows, [](const auto& row) {
        return row[0]->starts_with("rpl_");
    });

    ASSERT_EQ(server.poll(reader, now + 1s), Outcome::complete);
    EXPECT_FALSE(reader.state().semi_sync.available);
}

TEST_F(StateReaderTest, AServerThatNeverMakesSenseFailsAfterAFewAttempts) {
    Outcome outcome = Outcome::again;
    unsigned tries = 0;
    while (outcome == Outcome::again && tries < 100) {
        const std::string sql = reader.sql(now);
        const auto statements = split(sql, ';').size();
        std::vector<ResultRows> none(statements - 1);
        outcome = reader.on_reply(std::move(none), server_error(1193, "?"), now);
        ++tries;
    }

    EXPECT_EQ(outcome, Outcome::failed);
    EXPECT_LE(tries, StateReader::attempt_limit + 1);
}

TEST_F(StateReaderTest, TooManyOrTooFewResultsAreAProtocolError) {
    const std::string sql = reader.sql(now);

    EXPECT_EQ(reader.on_reply({}, std::nullopt, now), Outcome::failed);
    EXPECT_EQ(reader.error().code, Errc::protocol);
    EXPECT_EQ(reader.on_reply(std::vector<ResultRows>(9), std::nullopt, now), Outcome::failed);
}

TEST_F(StateReaderTest, ReadsTheGroup) {
    FakeServer server = a_mysql9_replica();
    server.variables.rows.push_back(
        {std::string("group_replication_group_name"), std::string("aaaa")}
    );
    server.variables.rows.push_back(
        {std::string("group_replication_single_primary_mode"), std::string("ON")}
    );
    server.members = ResultRows(
        {"MEMBER_ID", "MEMBER_HOST", "MEMBER_PORT", "MEMBER_STATE", "MEMBER_ROLE"},
        {{std::string("f3f8e418-e872-11f1-ac79-02fc00000001"),
          std::string("db1"),
          std::string("3306"),
          std::string("ONLINE"),
          std::string("SECONDARY")}}
    );

    ASSERT_EQ(server.poll(reader, now), Outcome::complete);

    EXPECT_EQ(reader.state().group.name, "aaaa");
    EXPECT_TRUE(reader.state().group.single_primary);
    EXPECT_EQ(reader.state().group.member_role, "SECONDARY");
    ASSERT_EQ(reader.state().group.members.size(), 1U);
}

}  // namespace
}  // namespace baton::dialect
