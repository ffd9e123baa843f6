// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

// The steps of a planned change of the primary, and of the return of a former one, on real servers.

namespace baton::test {
namespace {

class Takeover : public ServerTest {
protected:
    /// With the user of replication configured, as topology.replication_user does.
    void configure_replication_user() {
        server::Options options;
        options.user = baton_user;
        options.password = baton_password;
        options.replication_user = "repl";
        options.replication_password = "repl-secret";
        servers_ = std::make_unique<server::ManagedServers>(
            loop_.get_executor(), connector_, options, [this] { return may_act_(); }
        );
    }

    [[nodiscard]] Step freezing() const {
        Step freeze = step(StepKind::set_read_only, *primary_);
        freeze.grace = 300ms;
        freeze.end_transactions = true;
        return freeze;
    }

    [[nodiscard]] Step promoting(const std::string& required) const {
        Step promote = step(StepKind::promote, *replica_);
        promote.source = primary_->id();
        promote.required_gtid_set = required;
        promote.await_required = true;
        promote.guard = primary_->id();
        return promote;
    }

    [[nodiscard]] Step returning() const {
        Step back = step(StepKind::repoint, *primary_);
        back.source = replica_->id();
        back.former_primary = true;
        return back;
    }

    void allow(RealServer& server, const std::string& grant) {
        const bool super = !mariadb();
        const auto before = super ? server.value("SELECT @@global.super_read_only") : "0";
        if (super) {
            server.run("SET GLOBAL super_read_only=0");
        }
        server.run("SET SESSION sql_log_bin=0");
        server.run(grant);
        server.run("SET SESSION sql_log_bin=1");
        if (super) {
            server.run("SET GLOBAL super_read_only=" + before);
        }
    }
};

TEST_P(Takeover, ThePrimaryAndItsReplicaChangePlaces) {
    make_pair();
    configure_replication_user();
    auto open = primary_->writer();
    ASSERT_TRUE(open.query("BEGIN", in(5s)).ok());
    ASSERT_TRUE(open.query("INSERT INTO ledger (t) VALUES (7)", in(5s)).ok());
    auto idle = primary_->writer();
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::wait_applied, *replica_)));
    ASSERT_DONE(perform(*performer, step(StepKind::read_credentials, *replica_)));

    const auto frozen = perform(*performer, freezing());

    ASSERT_DONE(frozen);
    ASSERT_TRUE(frozen->position.has_value());
    EXPECT_FALSE(open.query("COMMIT", in(5s)).ok()) << "an open transaction is ended";
    EXPECT_TRUE(idle.query("SELECT 1", in(5s)).ok()) << "others need not connect anew";
    const auto promoted = perform(*performer, promoting(frozen->position->executed_gtid_set));
    ASSERT_DONE(promoted);
    EXPECT_TRUE(replica_->writable());
    const auto back = perform(*performer, returning());
    ASSERT_DONE(back);

    replica_->leave();
    replica_->write();
    primary_->leave();
    EXPECT_TRUE(eventually([&] { return primary_->rows() == "2"; }, 10s))
        << primary_->receiver() << primary_->applier();
    EXPECT_FALSE(primary_->writable());
    if (mariadb()) {
        EXPECT_EQ(primary_->status("Using_Gtid", "Using_Gtid"), "Slave_Pos");
    }
    ASSERT_DONE(perform(*performer, returning()));  // done already
    close(*performer);
}

TEST_P(Takeover, NobodyIsPromotedBesideAWritablePrimary) {
    make_pair();
    const auto performer = servers_->performer("baton.test");

    const auto promoted = perform(*performer, promoting(""), 2s);

    ASSERT_FALSE(promoted.has_value());
    EXPECT_NE(promoted.error().what.find("writable again"), std::string::npos);
    EXPECT_FALSE(replica_->writable());
    ASSERT_DONE(perform(*performer, step(StepKind::start_replication, *replica_)));
    close(*performer);
}

/// On MySQL super_read_only keeps them out.
class TakeoverOfMariaDB : public Takeover {};

TEST_P(TakeoverOfMariaDB, WhatAPrivilegedAccountWroteAfterTheFreezeIsNoticed) {
    make_pair();
    const auto performer = servers_->performer("baton.test");
    const auto frozen = perform(*performer, freezing());
    ASSERT_DONE(frozen);
    primary_->write();

    const auto promoted = perform(*performer, promoting(frozen->position->executed_gtid_set), 3s);

    ASSERT_FALSE(promoted.has_value());
    EXPECT_NE(promoted.error().what.find("although it is read-only"), std::string::npos);
    EXPECT_FALSE(replica_->writable());
    close(*performer);
}

/// On MariaDB the sessions that it waits for are ended.
class TakeoverOfMySql : public Takeover {};

TEST_P(TakeoverOfMySql, AFreezeThatIsGivenUpDoesNotComeTrueLater) {
    primary_ = server();
    primary_->started();
    // An administrator's session cannot be ended by Baton's account.
    primary_->run("LOCK TABLES app.ledger WRITE");
    const auto performer = servers_->performer("baton.test");

    const auto frozen = perform(*performer, freezing(), 2s);

    if (!frozen) {
        primary_->run("UNLOCK TABLES");
        pause_briefly();
        EXPECT_TRUE(primary_->writable()) << frozen.error().what;
    }
    close(*performer);
}

TEST_P(Takeover, TakesTheUserOfTheReplicaWhereTheServerTellsIt) {
    make_pair();
    const auto performer = servers_->performer("baton.test");
    if (mariadb()) {
        const auto read = perform(*performer, step(StepKind::read_credentials, *replica_));
        ASSERT_FALSE(read.has_value());
        EXPECT_NE(read.error().what.find("topology.replication_user"), std::string::npos);
        close(*performer);
        return;
    }
    allow(*replica_, "GRANT SELECT ON mysql.slave_master_info TO baton@'%'");
    ASSERT_DONE(perform(*performer, step(StepKind::read_credentials, *replica_)));
    const auto frozen = perform(*performer, freezing());
    ASSERT_DONE(frozen);
    ASSERT_DONE(perform(*performer, promoting(frozen->position->executed_gtid_set)));

    const auto back = perform(*performer, returning());

    ASSERT_DONE(back);
    EXPECT_EQ(back->text.find("repl-secret"), std::string::npos);
    primary_->leave();
    EXPECT_EQ(primary_->receiver(), "Yes");
    close(*performer);
}

TEST_P(Takeover, CanBeLeftStopped) {
    make_pair();
    configure_replication_user();
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::read_credentials, *replica_)));
    const auto frozen = perform(*performer, freezing());
    ASSERT_DONE(frozen);
    ASSERT_DONE(perform(*performer, promoting(frozen->position->executed_gtid_set)));
    Step back = returning();
    back.start = false;

    ASSERT_DONE(perform(*performer, back));

    primary_->leave();
    EXPECT_EQ(primary_->receiver(), "No");
    primary_->run(mariadb() ? "START SLAVE" : "START REPLICA");
    EXPECT_TRUE(eventually([&] { return primary_->receiver() == "Yes"; }, 10s));
    close(*performer);
}

TEST_P(Takeover, TheClonePluginReplacesTheData) {
    if (mariadb()) {
        primary_ = server();
        primary_->started();
        const auto performer = servers_->performer("baton.test");
        EXPECT_FALSE(perform(*performer, step(StepKind::clone, *primary_)).has_value());
        close(*performer);
        return;
    }
    make_pair();
    const auto returned = server();
    returned->started();
    returned->write();  // nobody else has it
    for (RealServer* one : {replica_.get(), returned.get()}) {
        allow(*one, "GRANT BACKUP_ADMIN, CLONE_ADMIN ON *.* TO baton@'%'");
        allow(*one, "INSTALL PLUGIN clone SONAME 'mysql_clone.so'");
    }
    returned->run("SET GLOBAL super_read_only=1");
    returned->leave();
    const auto performer = servers_->performer("baton.test");
    Step clone = step(StepKind::clone, *returned);
    clone.source = replica_->id();

    auto cloning = begin(performer->perform(clone, in(90s)));
    // Nobody supervises it, so it stops when it has the data.
    const TimePoint end = in(60s);
    const auto gone = [&] {
        try {
            returned->value("SELECT 1");
            return false;
        } catch (const std::exception&) {
            return true;
        }
    };
    while (!cloning.done() && now() < end && !gone()) {
        run_for(200ms);
    }
    ASSERT_FALSE(cloning.done()) << cloning.get().error().what;
    returned->kill();
    returned->restart();
    const auto cloned = cloning.get();

    ASSERT_DONE(cloned);
    returned->leave();
    EXPECT_EQ(returned->rows(), "1");
    EXPECT_FALSE(returned->writable()) << "not for a moment";
    EXPECT_EQ(returned->value("SELECT COUNT(*) FROM performance_schema.persisted_variables"), "0")
        << "nothing of it outlives the next restart";
    close(*performer);
}

BATON_BOTH_KINDS(Takeover);
BATON_ONE_KIND(TakeoverOfMariaDB, Kind::mariadb);
BATON_ONE_KIND(TakeoverOfMySql, Kind::mysql);

}  // namespace
}  // namespace baton::test
