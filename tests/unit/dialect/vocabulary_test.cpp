// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/vocabulary.hpp"

#include "recorded.hpp"

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
