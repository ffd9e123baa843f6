// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/replication_rows.hpp"

#include "recorded.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::dialect {
namespace {

using topology::LogPosition;
using topology::ThreadState;

TEST(ReplicationRows, ReadsMysql9) {
    ReplicationRows reader;

    const auto channels = reader.channels(recorded::row(recorded::mysql9_replica));

    ASSERT_EQ(channels.size(), 1U);
    const auto& channel = channels[0];
    EXPECT_EQ(channel.name, "");
    EXPECT_EQ(channel.source, InstanceId("127.0.0.1", 20000));
    EXPECT_EQ(channel.source_uuid, "f3ec4acc-e872-11f1-a97c-02fc00000001");
    EXPECT_EQ(channel.receiver, ThreadState::running);
    EXPECT_EQ(channel.applier, ThreadState::running);
    EXPECT_EQ(channel.receiver_text, "Waiting for source to send event");
    EXPECT_TRUE(channel.auto_position);
    EXPECT_TRUE(channel.uses_gtid());
    EXPECT_EQ(channel.read, LogPosition("binlog.000002", 439));
    EXPECT_EQ(channel.executed, LogPosition("binlog.000002", 158));
    EXPECT_EQ(channel.relay, LogPosition("relay.000002", 369));
    EXPECT_EQ(channel.retrieved_gtid_set, "f3ec4acc-e872-11f1-a97c-02fc00000001:1");
    EXPECT_EQ(channel.seconds_behind, 0);
    EXPECT_FALSE(channel.has_filters);
    EXPECT_TRUE(channel.tls.allowed);
    EXPECT_TRUE(channel.tls.get_public_key);
    EXPECT_EQ(channel.connect_retry_seconds, 1U);
    EXPECT_EQ(channel.retry_count, 86'400U);
}

TEST(ReplicationRows, ReadsMariadb) {
    ReplicationRows reader;
    const auto rows = recorded::row(recorded::mariadb_replica);

    const auto channels = reader.channels(rows);

    ASSERT_EQ(channels.size(), 1U);
    const auto& channel = channels[0];
    EXPECT_EQ(channel.source, InstanceId("127.0.0.1", 44000));
    EXPECT_EQ(channel.using_gtid, "Slave_Pos");
    EXPECT_TRUE(channel.uses_gtid());
    EXPECT_EQ(channel.gtid_io_pos, "0-44000-1");
    EXPECT_EQ(channel.heartbeats_received, 7U);
    EXPECT_DOUBLE_EQ(channel.heartbeat_period_seconds, 30.0);
    EXPECT_EQ(channel.retry_count, std::nullopt) << "MariaDB 10.11 does not show it";
    EXPECT_EQ(reader.gtid_slave_pos(rows), "0-44000-1");
}

TEST(ReplicationRows, ReadsABroken57Channel) {
    ReplicationRows reader;

    const auto channels = reader.channels(recorded::row(recorded::mysql57_replica));

    ASSERT_EQ(channels.size(), 1U);
    const auto& channel = channels[0];
    EXPECT_EQ(channel.name, "west");
    EXPECT_EQ(channel.receiver, ThreadState::connecting);
    EXPECT_EQ(channel.applier, ThreadState::stopped);
    EXPECT_EQ(channel.applier_errno, 1062U);
    EXPECT_EQ(channel.receiver_errno, 2003U);
    EXPECT_EQ(channel.seconds_behind, std::nullopt);
    EXPECT_EQ(channel.delay_seconds, 3600U);
    EXPECT_TRUE(channel.has_filters);
    EXPECT_TRUE(channel.tls.verify);
    EXPECT_EQ(channel.tls.ca_file, "/etc/ca.pem");
    EXPECT_EQ(channel.tls.versions, "TLSv1.2");
    EXPECT_EQ(channel.source_uuid, "3e11fa47-71ca-11e1-9e33-c80aa9429562");
}

TEST(ReplicationRows, TheOrderOfColumnsDoesNotMatterAndMayChange) {
    ReplicationRows reader;
    auto rows = recorded::row(recorded::mysql9_replica);
    const auto before = reader.channels(rows);

    std::reverse(rows.columns.begin(), rows.columns.end());
    std::reverse(rows.rows[0].begin(), rows.rows[0].end());

    EXPECT_EQ(reader.channels(rows), before);
}

TEST(ReplicationRows, LongSetsAreJoinedToOneLine) {
    ReplicationRows reader;
    auto rows = recorded::row(recorded::mysql9_replica);
    rows.rows[0][*rows.find("Retrieved_Gtid_Set")] =
        "f3ec4acc-e872-11f1-a97c-02fc00000001:1,\nf3ec4acc-e872-11f1-a97c-02fc00000002:1-4";

    EXPECT_EQ(
        reader.channels(rows)[0].retrieved_gtid_set,
        "f3ec4acc-e872-11f1-a97c-02fc00000001:1,f3ec4acc-e872-11f1-a97c-02fc00000002:1-4"
    );
}

TEST(ReplicationRows, AForgottenSourceAndGroupChannelsAreNoChannels) {
    ReplicationRows reader;
    auto rows = recorded::row(recorded::mysql9_replica);
    rows.rows.push_back(rows.rows[0]);
    rows.rows[0][*rows.find("Source_Host")] = "";
    rows.rows[1][*rows.find("Channel_Name")] = "group_replication_applier";

    EXPECT_TRUE(reader.channels(rows).empty());
}

TEST(ReplicationRows, ShortRowsMissingColumnsAndNonsenseAreReadAsEmpty) {
    ReplicationRows reader;
    ResultRows rows(
        {"Source_Host", "Source_Port", "Read_Source_Log_Pos", "Replica_IO_Running"}, {}
    );
    rows.rows.push_back({std::string("evil'host"), std::string("-1"), std::string("1e9")});
    rows.rows.push_back({});

    const auto channels = reader.channels(rows);

    ASSERT_EQ(channels.size(), 1U);
    EXPECT_EQ(channels[0].source, InstanceId("evil'host", 0));
    EXPECT_EQ(channels[0].read.pos, 0U);
    EXPECT_EQ(channels[0].receiver, ThreadState::stopped);
}

}  // namespace
}  // namespace baton::dialect
