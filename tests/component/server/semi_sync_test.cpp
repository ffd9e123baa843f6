// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <fmt/format.h>

namespace baton::test {
namespace {

/// The step set_semi_sync: who acknowledges, and on how many replicas a source waits.
class SetSemiSync : public ServerTest {
protected:
    /// A source that waits for acknowledgements, for at most a second, and a replica that does not
    /// acknowledge.
    void make_semi_sync_pair() {
        ServerOptions options;
        if (!mariadb()) {
            options.more = {
                "--plugin-load-add=semisync_source.so", "--plugin-load-add=semisync_replica.so"};
        }
        primary_ = server(options);
        options.read_only = true;
        replica_ = server(options);
        primary_->started();
        replica_->started();
        primary_->run(fmt::format("SET GLOBAL rpl_semi_sync_{}_timeout=1000", source_word()));
        primary_->run(fmt::format("SET GLOBAL rpl_semi_sync_{}_enabled=1", source_word()));
        primary_->write();
        replica_->follow(*primary_);
        ASSERT_TRUE(eventually([&] { return replica_->rows() == "1"; }, 10s));
    }

    [[nodiscard]] std::string source_word() const { return mariadb() ? "master" : "source"; }

    [[nodiscard]] std::string replica_word() const { return mariadb() ? "slave" : "replica"; }

    /// Acknowledging replicas that the source counts.
    std::string clients() {
        return primary_->value(fmt::format(
            "SELECT variable_value FROM {}.global_status WHERE variable_name="
            "'Rpl_semi_sync_{}_clients'",
            mariadb() ? "information_schema" : "performance_schema",
            source_word()
        ));
    }

    std::string enabled_on_replica() {
        return replica_->value(
            fmt::format("SELECT @@global.rpl_semi_sync_{}_enabled", replica_word())
        );
    }

    static Step acknowledge(const RealServer& replica, bool on) {
        Step change = step(StepKind::set_semi_sync, replica);
        change.semi_sync_replica = on;
        return change;
    }
};

TEST_P(SetSemiSync, AReplicaAcknowledgesAndIsCountedWhenTheStepEnds) {
    make_semi_sync_pair();
    ASSERT_EQ(clients(), "0");
    const auto performer = servers_->performer("baton.test");

    const auto on = perform(*performer, acknowledge(*replica_, true));

    ASSERT_DONE(on);
    EXPECT_EQ(on->text, "acknowledges");
    EXPECT_EQ(clients(), "1") << "a plan counts them right after the step";
    EXPECT_EQ(enabled_on_replica(), "1");
    EXPECT_EQ(replica_->receiver(), "Yes");

    const auto again = perform(*performer, acknowledge(*replica_, true));
    ASSERT_DONE(again);
    EXPECT_EQ(again->text, "acknowledges already");
    EXPECT_EQ(clients(), "1") << "it was not connected anew";

    const auto off = perform(*performer, acknowledge(*replica_, false));

    ASSERT_DONE(off);
    EXPECT_EQ(off->text, "acknowledges no more");
    EXPECT_TRUE(eventually([&] { return clients() == "0"; }, 5s)) << clients();
    EXPECT_EQ(replica_->receiver(), "Yes");
    primary_->write();
    EXPECT_TRUE(eventually([&] { return replica_->rows() == "2"; }, 10s)) << "it goes on";
    close(*performer);
}

TEST_P(SetSemiSync, AReceiverThatSomebodyStoppedStaysStopped) {
    make_semi_sync_pair();
    replica_->run("STOP " + std::string(mariadb() ? "SLAVE" : "REPLICA") + " IO_THREAD");
    const auto performer = servers_->performer("baton.test");

    const auto on = perform(*performer, acknowledge(*replica_, true));

    ASSERT_DONE(on);
    EXPECT_EQ(replica_->receiver(), "No");
    EXPECT_EQ(enabled_on_replica(), "1") << "for when it is started";
    close(*performer);
}

TEST_P(SetSemiSync, ThatItsSourceIsGoneIsSaidAndTheReceiverRuns) {
    make_semi_sync_pair();
    primary_->kill();
    const auto performer = servers_->performer("baton.test");

    const auto on = perform(*performer, acknowledge(*replica_, true), 2s);

    ASSERT_FALSE(on);
    EXPECT_EQ(on.error().code, Errc::timeout) << on.error().what;
    EXPECT_TRUE(eventually([&] { return replica_->receiver() == "Connecting"; }, 10s))
        << replica_->receiver();
    EXPECT_EQ(enabled_on_replica(), "1");
    close(*performer);
}

TEST_P(SetSemiSync, ASourceWaitsForNobodyAndWaitsAgain) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("baton.test");
    Step change = step(StepKind::set_semi_sync, *primary_);
    const auto enabled = fmt::format("SELECT @@global.rpl_semi_sync_{}_enabled", source_word());

    change.semi_sync_source = false;
    ASSERT_DONE(perform(*performer, change));
    EXPECT_EQ(primary_->value(enabled), "0");

    change.semi_sync_source = true;
    ASSERT_DONE(perform(*performer, change));
    EXPECT_EQ(primary_->value(enabled), "1");
    close(*performer);
}

TEST_P(SetSemiSync, ForHowManyReplicasASourceWaits) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("baton.test");
    Step change = step(StepKind::set_semi_sync, *primary_);
    change.wait_for_replicas = 2;

    const auto changed = perform(*performer, change);

    if (mariadb()) {  // it always waits for one
        ASSERT_FALSE(changed);
        EXPECT_EQ(changed.error().code, Errc::refused) << changed.error().what;
    } else {
        ASSERT_DONE(changed);
        EXPECT_EQ(
            primary_->value("SELECT @@global.rpl_semi_sync_source_wait_for_replica_count"), "2"
        );
    }
    close(*performer);
}

/// Built in on MariaDB.
class SetSemiSyncOfMySql : public SetSemiSync {};

TEST_P(SetSemiSyncOfMySql, WithoutThePluginNothingIsTouched) {
    make_pair();
    const auto performer = servers_->performer("baton.test");

    const auto on = perform(*performer, acknowledge(*replica_, true));

    ASSERT_FALSE(on);
    EXPECT_EQ(on.error().code, Errc::refused) << on.error().what;
    EXPECT_EQ(replica_->receiver(), "Yes");
    close(*performer);
}

TEST_P(SetSemiSync, AnotherServerAtTheAddressIsNotChanged) {
    make_semi_sync_pair();
    const auto performer = servers_->performer("baton.test");
    Step change = acknowledge(*replica_, true);
    change.expected_uuid = "00000000-0000-0000-0000-000000000001";

    const auto on = perform(*performer, change);

    ASSERT_FALSE(on);
    EXPECT_EQ(enabled_on_replica(), "0");
    close(*performer);
}

BATON_BOTH_KINDS(SetSemiSync);
BATON_ONE_KIND(SetSemiSyncOfMySql, Kind::mysql);

}  // namespace
}  // namespace baton::test
