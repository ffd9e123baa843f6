// SPDX-License-Identifier: Apache-2.0
// What was received is applied before anything else is done with it.
#include "harness.hpp"

namespace baton::test {
namespace {

class Drain : public ServerTest {
protected:
    void stop_applier() {
        replica_->run(mariadb() ? "STOP SLAVE SQL_THREAD" : "STOP REPLICA SQL_THREAD");
    }

    /// Three transactions that only the replica's relay log has.
    void leave_backlog() {
        make_pair();
        stop_applier();
        for (int i = 0; i < 3; ++i) {
            primary_->write();
        }
        replica_->receive_all(*primary_);
        received_ = primary_->position();
        primary_->kill();
    }

    Step wait_for(const std::string& set) {
        Step wait = step(StepKind::wait_applied, *replica_);
        wait.required_gtid_set = set;
        return wait;
    }

    std::string received_;
};

TEST_P(Drain, AppliesWhatADeadSourceHasSent) {
    leave_backlog();
    const auto performer = servers_->performer("baton.test");
    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    ASSERT_EQ(stopped->position->received_gtid_set, received_);
    ASSERT_EQ(replica_->rows(), "1");

    const auto waited = perform(*performer, wait_for(received_));

    ASSERT_DONE(waited);
    EXPECT_EQ(waited->position->executed_gtid_set, received_);
    EXPECT_EQ(replica_->rows(), "4");

    Step last = step(StepKind::promote, *replica_);
    last.source = primary_->id();
    last.required_gtid_set = received_;
    const auto promoted = perform(*performer, last);
    ASSERT_DONE(promoted);
    EXPECT_EQ(replica_->rows(), "4");
    EXPECT_TRUE(replica_->writable());
    close(*performer);
}

TEST_P(Drain, PromotionIsRefusedBeforeIt) {
    leave_backlog();
    const auto performer = servers_->performer("baton.test");

    const auto promoted = perform(*performer, step(StepKind::promote, *replica_));

    ASSERT_FALSE(promoted);
    EXPECT_EQ(promoted.error().code, Errc::refused);
    EXPECT_FALSE(replica_->writable());
    EXPECT_NE(replica_->receiver(), "") << "the source must not be forgotten";
    close(*performer);
}

TEST_P(Drain, SurvivesARestartOfTheReplica) {
    leave_backlog();
    replica_->kill();
    replica_->restart();  // starts its replication by itself, from relay logs or not at all
    replica_->run("SET GLOBAL read_only=1");
    const auto performer = servers_->performer("baton.test");
    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);

    // What it still has is told truly, and what it has lost is not waited for.
    const auto waited = perform(*performer, wait_for(received_), 5s);
    if (stopped->position->received_gtid_set == received_) {
        EXPECT_TRUE(waited) << waited.error().what;
        EXPECT_EQ(replica_->rows(), "4");
    } else {
        ASSERT_FALSE(waited);
        EXPECT_EQ(waited.error().code, Errc::refused);
        EXPECT_LT(last_took_, 1s);
    }
    close(*performer);
}

TEST_P(Drain, WhatNeverCameIsNotWaitedFor) {
    make_pair();
    const std::string more = mariadb() ? fmt::format("0-{}-1000", primary_->id().port)
                                       : primary_->value("SELECT @@server_uuid") + ":1-1000";
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *replica_)));

    const auto waited = perform(*performer, wait_for(more));
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, Errc::refused);
    EXPECT_LT(last_took_, 1s);

    Step last = step(StepKind::promote, *replica_);
    last.required_gtid_set = more;
    const auto promoted = perform(*performer, last);
    ASSERT_FALSE(promoted);
    EXPECT_EQ(promoted.error().code, Errc::refused);
    EXPECT_FALSE(replica_->writable());
    close(*performer);
}

TEST_P(Drain, BrokenApplierIsTold) {
    make_pair();
    replica_->run("SET SESSION sql_log_bin=0");
    replica_->run("SET GLOBAL read_only=0");
    replica_->run("INSERT INTO app.ledger (n,t) VALUES (2,0)");
    replica_->run("SET GLOBAL read_only=1");
    primary_->write();  // n = 2
    ASSERT_TRUE(eventually([&] { return replica_->applier() == "No"; }, 10s));
    const auto performer = servers_->performer("baton.test");

    const auto stopped = perform(*performer, step(StepKind::stop_receiver, *replica_));
    ASSERT_DONE(stopped);
    EXPECT_TRUE(stopped->position->applier_broken);
    EXPECT_NE(stopped->position->applier_error, "");
    EXPECT_EQ(stopped->position->received_gtid_set, primary_->position());

    const auto waited = perform(*performer, wait_for(primary_->position()));
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, Errc::refused);
    const auto promoted = perform(*performer, step(StepKind::promote, *replica_));
    ASSERT_FALSE(promoted);
    EXPECT_EQ(promoted.error().code, Errc::refused);
    EXPECT_FALSE(replica_->writable());
    close(*performer);
}

TEST_P(Drain, DeathOfTheReplicaEndsTheWait) {
    make_pair();
    const std::string more = mariadb() ? fmt::format("0-{}-1000", primary_->id().port)
                                       : primary_->value("SELECT @@server_uuid") + ":1-1000";
    const auto performer = servers_->performer("baton.test");
    auto waiting = begin(performer->perform(wait_for(more), in(20s)));
    run_for(300ms);
    ASSERT_FALSE(waiting.done());

    const TimePoint killed = now();
    replica_->kill();
    const StepResult result = waiting.get();

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unreachable) << result.error().what;
    EXPECT_LT(now() - killed, 2s);
    close(*performer);
}

BATON_BOTH_KINDS(Drain);

}  // namespace
}  // namespace baton::test
