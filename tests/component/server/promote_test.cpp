// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

namespace baton::test {
namespace {

class Promote : public ServerTest {
protected:
    Step promotion() {
        Step last = step(StepKind::promote, *replica_);
        last.source = primary_->id();
        return last;
    }
};

TEST_P(Promote, MakesAPrimaryOfAReplica) {
    make_pair();
    primary_->write();
    replica_->receive_all(*primary_);
    const std::string end = primary_->position();
    primary_->kill();
    const auto performer = servers_->performer("baton.test");

    const TimePoint begun = now();
    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    ASSERT_DONE(perform(*performer, [&] {
        Step wait = step(StepKind::wait_applied, *replica_);
        wait.required_gtid_set = end;
        return wait;
    }()));
    Step last = promotion();
    last.required_gtid_set = end;
    const auto promoted = perform(*performer, last);
    const Duration took = now() - begun;
    ASSERT_DONE(promoted);

    fmt::print("    from the first step to a primary: {} ms\n", to_ms(took));
    EXPECT_LT(took, 1s);
    EXPECT_TRUE(replica_->writable());
    if (!mariadb()) {
        EXPECT_EQ(replica_->value("SELECT @@global.super_read_only"), "0");
    }
    EXPECT_EQ(replica_->receiver(), "") << "the old source is forgotten";
    EXPECT_EQ(promoted->position->executed_gtid_set, end);
    EXPECT_TRUE(promoted->binlog.file.starts_with("binlog."));
    EXPECT_EQ(replica_->position(), end) << "promotion writes no transaction";
    auto writer = replica_->writer();
    EXPECT_TRUE(writer.query("INSERT INTO ledger (t) VALUES (1)", in(5s)).ok());

    const auto again = perform(*performer, promotion());
    ASSERT_DONE(again);
    EXPECT_TRUE(replica_->writable());
    close(*performer);
}

TEST_P(Promote, SwitchesSemiSyncOnBefore) {
    ServerOptions options;
    if (!mariadb()) {
        options.more = {
            "--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so"};
    }
    make_pair(options);
    const std::string source = mariadb() ? "master" : "source";
    const std::string replica = mariadb() ? "slave" : "replica";
    replica_->run("SET GLOBAL rpl_semi_sync_" + replica + "_enabled=1");
    const auto performer = servers_->performer("baton.test");
    Step last = promotion();
    last.enable_semi_sync = true;

    ASSERT_DONE(perform(*performer, last));

    EXPECT_EQ(replica_->value("SELECT @@global.rpl_semi_sync_" + source + "_enabled"), "1");
    EXPECT_EQ(replica_->value("SELECT @@global.rpl_semi_sync_" + replica + "_enabled"), "0");
    EXPECT_TRUE(replica_->writable());
    close(*performer);
}

TEST_P(Promote, RefusesAnotherServer) {
    make_pair();
    const auto performer = servers_->performer("baton.test");
    Step last = promotion();
    last.expected_uuid = "11111111-2222-3333-4444-555555555555";

    const auto promoted = perform(*performer, last);

    ASSERT_FALSE(promoted);
    EXPECT_EQ(promoted.error().code, Errc::refused);
    EXPECT_FALSE(replica_->writable());
    EXPECT_EQ(replica_->receiver(), "Yes");
    close(*performer);
}

class Repoint : public Promote {};

TEST_P(Repoint, KeepsAccountTlsAndTimes) {
    make_pair();
    ServerOptions options;
    options.read_only = true;
    const auto other = server(options);
    other->started();
    other->follow(*primary_);
    const auto heartbeat = [&] {
        return other->value(
            mariadb() ? "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                        "WHERE VARIABLE_NAME='Slave_heartbeat_period'"
                      : "SELECT HEARTBEAT_INTERVAL FROM "
                        "performance_schema.replication_connection_configuration"
        );
    };
    const std::string before = heartbeat();
    ASSERT_EQ(before, "2.500");
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *replica_)));
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *other)));
    primary_->kill();
    ASSERT_DONE(perform(*performer, promotion()));
    replica_->write();

    Step move = step(StepKind::repoint, *other);
    move.source = replica_->id();
    const auto moved = perform(*performer, move);

    ASSERT_DONE(moved);
    EXPECT_EQ(other->status("Master_Port", "Source_Port"), std::to_string(replica_->id().port));
    // The account demands TLS: that it is connected says that password and TLS were kept.
    EXPECT_EQ(other->receiver(), "Yes");
    EXPECT_EQ(other->status("Master_SSL_Allowed", "Source_SSL_Allowed"), "Yes");
    EXPECT_EQ(other->status("Master_User", "Source_User"), "repl");
    EXPECT_EQ(other->status("Connect_Retry", "Connect_Retry"), "1");
    EXPECT_EQ(other->status("Using_Gtid", "Auto_Position"), mariadb() ? "Slave_Pos" : "1");
    EXPECT_EQ(heartbeat(), before);
    EXPECT_TRUE(eventually([&] { return other->rows() == "2"; }, 10s));
    EXPECT_FALSE(other->writable());

    ASSERT_DONE(perform(*performer, move));  // done already
    close(*performer);
}

TEST_P(Repoint, LosesNothingThatWasReceived) {
    make_pair();
    ServerOptions options;
    options.read_only = true;
    const auto other = server(options);
    other->started();
    other->follow(*primary_);
    // The other one has a transaction in its relay log that the new source gets only from it: so
    // it must be applied before the relay logs go.
    replica_->run(mariadb() ? "STOP SLAVE" : "STOP REPLICA");
    other->run(mariadb() ? "STOP SLAVE SQL_THREAD" : "STOP REPLICA SQL_THREAD");
    primary_->write();
    other->receive_all(*primary_);
    const std::string end = primary_->position();
    primary_->kill();
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *other)));

    Step move = step(StepKind::repoint, *other);
    move.source = replica_->id();
    const auto moved = perform(*performer, move);

    // Its new source lacks a transaction: MySQL's receiver says nothing, MariaDB's refuses.
    fmt::print("    {}\n", moved ? moved->text : moved.error().what);
    EXPECT_TRUE(eventually([&] { return other->rows() == "2"; }, 5s));
    EXPECT_EQ(other->position(), end);
    close(*performer);
}

BATON_BOTH_KINDS(Promote);
BATON_BOTH_KINDS(Repoint);

}  // namespace
}  // namespace baton::test
