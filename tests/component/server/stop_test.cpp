// SPDX-License-Identifier: Apache-2.0
// Steps on the receiver: stop, witness, and promotion while a STOP has not ended.
#include "harness.hpp"

namespace baton::test {
namespace {

class Receiver : public ServerTest {
protected:
    void make_pair_with_short_timeout() {
        ServerOptions options;
        options.net_timeout_seconds = 4;  // bounds how long MySQL lets a STOP wait
        make_pair(std::move(options));
    }

    /// MariaDB, where a receiver with semi-synchronous replication connects to its source once more
    /// before it ends.
    void make_semi_sync_pair() {
        make_pair();
        primary_->run("SET GLOBAL rpl_semi_sync_master_enabled=1");
        replica_->run("STOP SLAVE IO_THREAD");
        replica_->run("SET GLOBAL rpl_semi_sync_slave_enabled=1");
        replica_->run("START SLAVE IO_THREAD");
        ASSERT_TRUE(eventually([&] { return replica_->receiver() == "Yes"; }, 5s));
    }

    /// The receiver is inside a connection attempt that nobody answers.
    void hang_in_a_connection_attempt() {
        const std::string rows = primary_->rows();
        ASSERT_TRUE(eventually([&] { return replica_->rows() == rows; }, 10s));
        primary_->cut_off();
        replica_->run(mariadb() ? "STOP SLAVE IO_THREAD" : "STOP REPLICA IO_THREAD");
        replica_->run(mariadb() ? "START SLAVE IO_THREAD" : "START REPLICA IO_THREAD");
        ASSERT_TRUE(eventually([&] { return replica_->receiver() == "Connecting"; }, 2s));
    }
};

/// MySQL's receiver just ends.
class ReceiverOfMariaDB : public Receiver {};

TEST_P(Receiver, StopsAndTellsThePosition) {
    make_pair();
    primary_->write();
    replica_->receive_all(*primary_);
    const auto performer = servers_->performer("baton.test");

    const auto first = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(first);
    EXPECT_FALSE(first->stop_pending);
    ASSERT_TRUE(first->position.has_value());
    EXPECT_EQ(first->position->received_gtid_set, primary_->position());
    EXPECT_FALSE(first->position->applier_broken);
    EXPECT_EQ(replica_->receiver(), "No");
    EXPECT_EQ(replica_->applier(), "Yes");

    const auto again = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(again);
    EXPECT_EQ(again->position->received_gtid_set, first->position->received_gtid_set);

    const auto started = perform(*performer, step(StepKind::start_replication, *replica_));
    ASSERT_DONE(started);
    EXPECT_TRUE(eventually([&] { return replica_->receiver() == "Yes"; }, 5s));
    close(*performer);
}

TEST_P(Receiver, WitnessHearsALivingSource) {
    make_pair();
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;

    const auto report = perform(*performer, ask, 3s);

    ASSERT_DONE(report);
    EXPECT_TRUE(report->heard) << report->text;
    EXPECT_EQ(replica_->receiver(), "Yes");
    EXPECT_EQ(replica_->applier(), "Yes");
    close(*performer);
}

TEST_P(Receiver, WitnessHearsNothingOfADeadSource) {
    make_pair();
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;
    primary_->kill();

    const auto report = perform(*performer, ask, 3s);

    ASSERT_DONE(report);
    EXPECT_FALSE(report->heard);
    EXPECT_NE(report->text, "");
    EXPECT_LT(last_took_, 1500ms);
    EXPECT_EQ(replica_->receiver(), "Connecting") << "it must go on trying";
    close(*performer);
}

TEST_P(Receiver, WitnessHearsNothingOfAFrozenSource) {
    make_pair_with_short_timeout();
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;
    primary_->freeze();

    const auto report = perform(*performer, ask, 3s);
    primary_->thaw();

    ASSERT_DONE(report);
    EXPECT_FALSE(report->heard);
    EXPECT_LT(last_took_, 2s);
    EXPECT_TRUE(eventually([&] { return replica_->receiver() == "Yes"; }, 15s));
    close(*performer);
}

TEST_P(Receiver, StoppedReplicaIsNoWitness) {
    make_pair();
    replica_->run(mariadb() ? "STOP SLAVE" : "STOP REPLICA");
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;

    const auto report = perform(*performer, ask, 3s);

    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::refused);
    EXPECT_EQ(replica_->receiver(), "No");
    close(*performer);
}

TEST_P(Receiver, FrozenSourceDelaysNothing) {
    make_pair_with_short_timeout();
    replica_->receive_all(*primary_);
    primary_->freeze();
    const auto performer = servers_->performer("baton.test");

    const TimePoint begun = now();
    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    Step last = step(StepKind::promote, *replica_);
    last.source = primary_->id();
    const auto promoted = perform(*performer, last);
    ASSERT_DONE(promoted);

    EXPECT_LT(now() - begun, 1500ms);
    EXPECT_TRUE(replica_->writable());
    close(*performer);
}

TEST_P(ReceiverOfMariaDB, SemiSynchronousWitnessOfAFrozenSourceAnswersAsSoon) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;
    primary_->freeze();

    const auto report = perform(*performer, ask, 3s);
    primary_->thaw();

    ASSERT_DONE(report);
    EXPECT_FALSE(report->heard);
    EXPECT_LT(last_took_, 2500ms);  // one second more on MariaDB 11, instead of five
    EXPECT_TRUE(eventually([&] { return replica_->receiver() == "Yes"; }, 15s));
    close(*performer);
}

TEST_P(ReceiverOfMariaDB, SemiSynchronousWitnessOfALivingSourceLeavesNothingBehind) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("");
    Step ask = step(StepKind::witness, *replica_);
    ask.needs_lock = false;

    for (int i = 0; i < 5; ++i) {
        const auto report = perform(*performer, ask, 3s);
        ASSERT_DONE(report);
        EXPECT_TRUE(report->heard) << report->text;
        primary_->write();
    }

    replica_->receive_all(*primary_);
    EXPECT_TRUE(eventually([&] { return replica_->rows() == primary_->rows(); }, 5s));
    EXPECT_EQ(
        primary_->value(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND='Binlog Dump'"
        ),
        "1"
    );
    close(*performer);
}

TEST_P(ReceiverOfMariaDB, SemiSynchronousReceiverOfAFrozenSourceStopsAtOnce) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("baton.test");
    primary_->freeze();

    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    primary_->thaw();

    ASSERT_DONE(stopped);
    EXPECT_LT(last_took_, 1800ms);  // one second more on MariaDB 11, instead of five
    EXPECT_EQ(replica_->receiver(), "No");
    close(*performer);
}

TEST_P(Receiver, HangingAttemptDelaysNoPromotion) {
    if (!has_own_network()) {
        GTEST_SKIP() << "packets cannot be dropped here (needs root and iptables)";
    }
    make_pair_with_short_timeout();
    primary_->write();
    replica_->receive_all(*primary_);
    hang_in_a_connection_attempt();
    const auto performer = servers_->performer("baton.test");

    const TimePoint begun = now();
    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    Step last = step(StepKind::promote, *replica_);
    last.source = primary_->id();
    last.required_gtid_set = stopped->position->received_gtid_set;
    const auto promoted = perform(*performer, last);
    ASSERT_DONE(promoted);

    EXPECT_LT(now() - begun, 1500ms);
    EXPECT_TRUE(replica_->writable());
    EXPECT_EQ(replica_->rows(), "2");

    // What is left to be done is done when the server lets it.
    const TimePoint since = now();
    while (servers_->background_work() > 0 && now() - since < 15s) {
        run_for(20ms);
    }
    fmt::print("    forgot its source {} ms later\n", to_ms(now() - since));
    EXPECT_EQ(replica_->receiver(), "");
    close(*performer);
}

TEST_P(Receiver, HangingAttemptIsAStopThatWaits) {
    if (!has_own_network()) {
        GTEST_SKIP() << "packets cannot be dropped here (needs root and iptables)";
    }
    make_pair_with_short_timeout();
    hang_in_a_connection_attempt();
    const auto performer = servers_->performer("baton.test");

    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    EXPECT_LT(last_took_, 1s);
    const auto again = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(again);

    // The source is back: nothing may be received nevertheless.
    primary_->reconnect();
    primary_->write();
    run_for(3s);
    EXPECT_EQ(replica_->rows(), "1");
    const auto started = perform(*performer, step(StepKind::start_replication, *replica_));
    ASSERT_DONE(started);
    EXPECT_TRUE(eventually([&] { return replica_->rows() == "2"; }, 10s));
    close(*performer);
}

BATON_BOTH_KINDS(Receiver);
BATON_ONE_KIND(ReceiverOfMariaDB, Kind::mariadb);

}  // namespace
}  // namespace baton::test
