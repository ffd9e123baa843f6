// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/statements.hpp"

#include "recorded.hpp"

#include <gtest/gtest.h>

namespace baton::dialect {
namespace {

Vocabulary mysql9() {
    return read_variables(recorded::variables(recorded::mysql9_variables)).words;
}

Vocabulary mysql57() {
    return read_variables(recorded::variables(recorded::mysql57_variables)).words;
}

Vocabulary mariadb() {
    return read_variables(recorded::variables(recorded::mariadb_variables)).words;
}

topology::Channel a_channel(std::string name) {
    topology::Channel channel;
    channel.name = std::move(name);
    channel.source = InstanceId("old", 3306);
    return channel;
}

TEST(Literal, QuotesWhateverAServerCallsItself) {
    EXPECT_EQ(literal("db1"), "'db1'");
    EXPECT_EQ(literal("o'brien\\"), "'o''brien\\\\'");
    EXPECT_EQ(literal(std::string_view("a\0b", 3)), "'a b'");
}

TEST(Statements, EachFlavourHasItsWords) {
    EXPECT_EQ(
        stop_replication(mysql9(), Threads::receiver, ""), "STOP REPLICA IO_THREAD FOR CHANNEL ''"
    );
    EXPECT_EQ(stop_replication(mysql57(), Threads::both, "w"), "STOP SLAVE FOR CHANNEL 'w'");
    EXPECT_EQ(stop_replication(mariadb(), Threads::receiver, "w"), "STOP SLAVE 'w' IO_THREAD");
    EXPECT_EQ(start_replication(mariadb(), Threads::applier, ""), "START SLAVE '' SQL_THREAD");
    EXPECT_EQ(forget_source(mysql9(), ""), "RESET REPLICA ALL FOR CHANNEL ''");
    EXPECT_EQ(forget_source(mariadb(), "x'y"), "RESET SLAVE 'x''y' ALL");
}

TEST(ChangeSource, ChangesHostAndPortOnlySoThatTheRestStays) {
    auto channel = a_channel("");
    channel.auto_position = true;
    channel.tls.get_public_key = true;

    EXPECT_EQ(
        change_source(mysql9(), channel, InstanceId("db2", 3307), std::nullopt),
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db2',SOURCE_PORT=3307 FOR CHANNEL ''"
    );
    EXPECT_EQ(
        change_source(mysql57(), channel, InstanceId("db2", 3307), std::nullopt),
        "CHANGE MASTER TO MASTER_HOST='db2',MASTER_PORT=3307 FOR CHANNEL ''"
    );
    EXPECT_EQ(
        change_source(mariadb(), channel, InstanceId("db2", 3307), std::nullopt),
        "CHANGE MASTER '' TO MASTER_HOST='db2',MASTER_PORT=3307,MASTER_USE_GTID=slave_pos"
    );
}

TEST(ChangeSource, TurnsAutoPositioningOnAndAsksForTheKeyWhereNeeded) {
    const auto channel = a_channel("w");

    EXPECT_TRUE(change_needs_applier_stopped(mysql9(), channel));
    EXPECT_EQ(
        change_source(mysql9(), channel, InstanceId("db2", 3306), Credentials("u", "p'w")),
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db2',SOURCE_PORT=3306,SOURCE_USER='u',"
        "SOURCE_PASSWORD='p''w',SOURCE_AUTO_POSITION=1,GET_SOURCE_PUBLIC_KEY=1 FOR CHANNEL 'w'"
    );
}

TEST(ChangeSource, AFormerMariadbPrimaryStartsFromItsOwnTransactions) {
    topology::Channel none;

    EXPECT_EQ(
        change_source(mariadb(), none, InstanceId("db2", 3306), Credentials("u", "p")),
        "CHANGE MASTER '' TO MASTER_HOST='db2',MASTER_PORT=3306,MASTER_USER='u',"
        "MASTER_PASSWORD='p',MASTER_USE_GTID=current_pos"
    );
}

TEST(ReadOnly, UsesSuperReadOnlyWhereThereIs) {
    EXPECT_EQ(
        make_writable("2026-01-02 03:04:05.000006"),
        "SET GLOBAL read_only=IF(SYSDATE(6)<'2026-01-02 03:04:05.000006',0,"
        "(SELECT 1 UNION SELECT 2))"
    );
    EXPECT_EQ(make_read_only(mysql9()), "SET GLOBAL super_read_only=1");
    EXPECT_EQ(make_read_only(mariadb()), "SET GLOBAL read_only=1");
}

TEST(SemiSync, UsesTheNamesOfTheInstalledPlugin) {
    EXPECT_EQ(semi_sync_source(mysql9(), true), "SET GLOBAL rpl_semi_sync_source_enabled=1");
    EXPECT_EQ(semi_sync_replica(mysql57(), false), "SET GLOBAL rpl_semi_sync_slave_enabled=0");
    EXPECT_EQ(semi_sync_source(mariadb(), true), "SET GLOBAL rpl_semi_sync_master_enabled=1");
    EXPECT_EQ(semi_sync_source(Vocabulary(), true), std::nullopt);
}

TEST(Receivers, OnlyTheOnlyOneIsKnownByItsSession) {
    const std::vector<std::string> columns{"Id", "User", "Command"};
    const ResultRows one(
        columns, {{"5", "system user", "Slave_IO"}, {"6", "system user", "Slave_SQL"}}
    );
    const ResultRows two(
        columns, {{"5", "system user", "Slave_IO"}, {"8", "system user", "Slave_IO"}}
    );

    EXPECT_EQ(only_receiver(one), 5U);
    EXPECT_EQ(only_receiver(two), 0U);
    EXPECT_EQ(only_receiver(ResultRows(columns, {})), 0U);
}

TEST(Locks, TheNameIsQuoted) {
    EXPECT_EQ(take_lock("baton.c'1", 0), "SELECT GET_LOCK('baton.c''1',0)");
    EXPECT_EQ(kill_connection(7), "KILL CONNECTION 7");
}

}  // namespace
}  // namespace baton::dialect
