// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/vocabulary.hpp"

#include "recorded.hpp"

#include "baton/dialect/statements.hpp"

#include <gtest/gtest.h>

namespace baton::dialect {
namespace {

using topology::Flavor;

TEST(Vocabulary, Mysql9SpeaksTheNewWords) {
    const Statics statics = read_variables(recorded::variables(recorded::mysql9_variables));

    EXPECT_EQ(statics.words.flavor, Flavor::mysql);
    EXPECT_TRUE(statics.words.replica_words);
    EXPECT_TRUE(statics.words.has_super_read_only);
    EXPECT_TRUE(statics.words.semi_sync_new_names);
    EXPECT_TRUE(statics.words.performance_schema);
    EXPECT_TRUE(statics.words.gtid_on);
    EXPECT_TRUE(statics.semi_sync.available);
    EXPECT_EQ(statics.semi_sync.timeout_ms, 60000U);
    EXPECT_EQ(statics.identity.uuid, "f3f8e418-e872-11f1-ac79-02fc00000001");
    EXPECT_EQ(statics.identity.report_port, 20001);
    EXPECT_TRUE(statics.identity.durable);
    EXPECT_TRUE(statics.identity.log_replica_updates);
    EXPECT_EQ(statics.identity.gtid_mode, "ON");
}

TEST(Vocabulary, Percona57SpeaksTheOldWords) {
    const Statics statics = read_variables(recorded::variables(recorded::mysql57_variables));

    EXPECT_EQ(statics.words.flavor, Flavor::percona);
    EXPECT_FALSE(statics.words.replica_words);
    EXPECT_FALSE(statics.words.binary_log_status);
    EXPECT_FALSE(statics.words.semi_sync_new_names);
    EXPECT_TRUE(statics.semi_sync.source_enabled);
    EXPECT_FALSE(statics.semi_sync.replica_enabled);
    EXPECT_EQ(statics.semi_sync.wait_for_replica_count, 2U);
    EXPECT_FALSE(statics.identity.durable);
    EXPECT_EQ(statics.purged_gtid_set, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
}

TEST(Vocabulary, MariadbHasNoUuidSoOneIsMade) {
    const Statics statics = read_variables(recorded::variables(recorded::mariadb_variables));

    EXPECT_EQ(statics.words.flavor, Flavor::mariadb);
    EXPECT_FALSE(statics.words.replica_words);
    EXPECT_FALSE(statics.words.has_super_read_only);
    EXPECT_TRUE(statics.words.gtid_on);
    EXPECT_TRUE(statics.semi_sync.available);
    EXPECT_TRUE(statics.identity.gtid_strict);
    EXPECT_EQ(statics.identity.gtid_mode, "");
    EXPECT_EQ(statics.identity.uuid, "mariadb-44001-vm:44001");
}

TEST(Vocabulary, WhetherAnAttemptToConnectCanBeInterrupted) {
    auto rows = recorded::variables(recorded::mariadb_variables);
    EXPECT_FALSE(read_variables(rows).words.stop_waits_for_attempt);

    std::erase_if(rows.rows, [](const auto& row) { return row[0] == "debug_no_thread_alarm"; });
    const auto newer = read_variables(rows).words;
    EXPECT_TRUE(newer.stop_waits_for_attempt);
    // What is changed for a moment is changed back in the same packet.
    const auto early = end_receiver_early(newer, 7);
    EXPECT_LT(early.find("kill_conn_timeout=1;"), early.find("KILL CONNECTION 7"));
    EXPECT_LT(early.find("KILL CONNECTION 7"), early.find("kill_conn_timeout=@baton"));
    const auto brief = start_receiver_briefly(newer, "", 2);
    EXPECT_LT(brief.find("LEAST(@@global.slave_net_timeout,2)"), brief.find("START SLAVE"));
    EXPECT_LT(brief.find("START SLAVE"), brief.find("slave_net_timeout=@baton"));

    const auto mysql = read_variables(recorded::variables(recorded::mysql9_variables)).words;
    EXPECT_FALSE(mysql.stop_waits_for_attempt);
}

TEST(Vocabulary, SettingsForAdviceOfMysql9) {
    const auto settings = read_variables(recorded::variables(recorded::mysql9_variables)).settings;

    EXPECT_TRUE(settings.read);
    EXPECT_TRUE(settings.replica_words);
    EXPECT_TRUE(settings.can_persist);
    EXPECT_EQ(settings.sync_binlog, 1U);
    EXPECT_EQ(settings.flush_log_at_commit, 1U);
    EXPECT_EQ(settings.sync_relay_log, 10'000U);
    EXPECT_EQ(settings.binlog_expire_seconds, 2'592'000U);
    EXPECT_EQ(settings.parallel_workers, 4U);
    EXPECT_EQ(settings.preserve_commit_order, true);
    EXPECT_EQ(settings.skip_start, false);
    EXPECT_EQ(settings.enforce_gtid_consistency, "ON");
    EXPECT_EQ(settings.skip_errors, "OFF");
}

TEST(Vocabulary, SettingsForAdviceOfOlderServers) {
    const auto old = read_variables(recorded::variables(recorded::mysql57_variables)).settings;
    const auto mariadb = read_variables(recorded::variables(recorded::mariadb_variables)).settings;

    EXPECT_FALSE(old.replica_words);
    EXPECT_FALSE(old.can_persist);
    EXPECT_EQ(old.flush_log_at_commit, 2U);
    EXPECT_EQ(old.binlog_expire_seconds, 3U * 86'400U);
    EXPECT_EQ(old.parallel_workers, 8U);
    EXPECT_EQ(old.preserve_commit_order, false);
    EXPECT_EQ(old.skip_start, std::nullopt) << "5.7 has no variable for it";
    EXPECT_EQ(old.skip_errors, "1062");
    EXPECT_FALSE(mariadb.can_persist);
    EXPECT_EQ(mariadb.sync_binlog, 0U);
    EXPECT_EQ(mariadb.binlog_expire_seconds, 0U);
    EXPECT_EQ(mariadb.parallel_workers, 0U);
    EXPECT_EQ(mariadb.preserve_commit_order, std::nullopt);
}

TEST(Vocabulary, LogsThatAreNotPurgedByThemselvesNeverExpire) {
    auto rows = recorded::variables(recorded::mysql9_variables);
    for (auto& row : rows.rows) {
        if (row[0] == "binlog_expire_logs_auto_purge") {
            row[1] = "OFF";
        }
    }

    EXPECT_EQ(read_variables(rows).settings.binlog_expire_seconds, 0U);
}

TEST(Vocabulary, EachHalfOfSemiSyncIsKnownByItself) {
    auto rows = recorded::variables(recorded::mysql9_variables);
    std::erase_if(rows.rows, [](const auto& row) {
        return row[0]->starts_with("rpl_semi_sync_source");
    });

    const auto semi_sync = read_variables(rows).semi_sync;

    EXPECT_FALSE(semi_sync.available);
    EXPECT_FALSE(semi_sync.has_source);
    EXPECT_TRUE(semi_sync.has_replica);
}

TEST(Vocabulary, ACalendarVersionIsNotMariadb) {
    auto rows = recorded::variables(recorded::mysql9_variables);
    for (auto& row : rows.rows) {
        if (row[0] == "version") {
            row[1] = "26.7.0";
        }
    }

    const Statics statics = read_variables(rows);

    EXPECT_EQ(statics.words.flavor, Flavor::mysql);
    EXPECT_TRUE(statics.words.replica_words);
}

TEST(Vocabulary, AMariadbThatHidesItsNameIsKnownByItsVariables) {
    auto rows = recorded::variables(recorded::mariadb_variables);
    for (auto& row : rows.rows) {
        if (row[0] == "version") {
            row[1] = "8.0.35";
        }
    }

    EXPECT_EQ(read_variables(rows).words.flavor, Flavor::mariadb);
}

TEST(Vocabulary, HostileRowsAreReadWithoutHarm) {
    ResultRows rows({"x"}, {});
    rows.rows.push_back({});
    rows.rows.push_back({std::nullopt, "1"});
    rows.rows.push_back({std::string("server_id")});
    rows.rows.push_back({std::string("report_port"), std::string("99999999999999999999")});
    rows.rows.push_back({std::string("port"), std::string("70000")});
    rows.rows.push_back({std::string("hostname"), std::string("<script>'\"\n")});

    const Statics statics = read_variables(rows);

    EXPECT_EQ(statics.words.flavor, Flavor::unknown);
    EXPECT_EQ(statics.identity.report_port, 0);
    EXPECT_EQ(statics.port, 0);
    EXPECT_EQ(statics.identity.hostname, "<script>'\"\n");
}

}  // namespace
}  // namespace baton::dialect
