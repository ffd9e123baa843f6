// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <thread>

namespace baton::test {
namespace {

class ReadOnly : public ServerTest {};

TEST_P(ReadOnly, EndsTheWriters) {
    make_pair();
    auto idle = primary_->writer();
    auto open = primary_->writer();
    ASSERT_TRUE(open.query("BEGIN", in(5s)).ok());
    ASSERT_TRUE(open.query("INSERT INTO ledger (t) VALUES (7)", in(5s)).ok());
    const auto performer = servers_->performer("baton.test");
    Step fence = step(StepKind::set_read_only, *primary_);
    fence.kill_writers = true;

    const auto fenced = perform(*performer, fence);

    ASSERT_DONE(fenced);
    primary_->leave();  // an administrator may write, so that session has ended as well
    EXPECT_EQ(primary_->value("SELECT @@global.read_only"), "1");
    if (!mariadb()) {
        EXPECT_EQ(primary_->value("SELECT @@global.super_read_only"), "1");
    }
    EXPECT_FALSE(idle.query("SELECT 1", in(5s)).ok());
    EXPECT_FALSE(open.query("COMMIT", in(5s)).ok());
    auto late = primary_->writer();
    EXPECT_FALSE(late.query("INSERT INTO ledger (t) VALUES (8)", in(5s)).ok());
    EXPECT_EQ(primary_->rows(), "1");
    EXPECT_EQ(replica_->receiver(), "Yes") << "replicas must go on";

    ASSERT_DONE(perform(*performer, fence));  // done already
    primary_->leave();
    ASSERT_DONE(perform(*performer, step(StepKind::set_writable, *primary_)));
    EXPECT_TRUE(primary_->writable());
    primary_->write();
    close(*performer);
}

TEST_P(ReadOnly, LeavesReadersAloneWhenNotAsked) {
    primary_ = server();
    primary_->started();
    auto reader = primary_->writer();
    const auto performer = servers_->performer("baton.test");

    ASSERT_DONE(perform(*performer, step(StepKind::set_read_only, *primary_)));

    EXPECT_TRUE(reader.query("SELECT 1", in(5s)).ok());
    EXPECT_FALSE(reader.query("INSERT INTO ledger (t) VALUES (8)", in(5s)).ok());
    close(*performer);
}

TEST_P(ReadOnly, EndsWhoHoldsTablesLocked) {
    primary_ = server();
    primary_->started();
    auto holder = primary_->writer();
    ASSERT_TRUE(holder.query("LOCK TABLES ledger WRITE", in(5s)).ok());
    const auto performer = servers_->performer("baton.test");
    Step fence = step(StepKind::set_read_only, *primary_);
    fence.kill_writers = true;

    const auto fenced = perform(*performer, fence, 2s);

    ASSERT_DONE(fenced);
    primary_->leave();
    EXPECT_FALSE(primary_->writable());
    close(*performer);
}

TEST_P(ReadOnly, EndsCommitsThatWaitForAnAcknowledgement) {
    ServerOptions options;
    if (!mariadb()) {
        options.more = {"--plugin-load-add=semisync_source.so"};
    }
    const std::string source = mariadb() ? "master" : "source";
    primary_ = server(options);
    primary_->started();
    primary_->run("SET GLOBAL rpl_semi_sync_" + source + "_timeout=600000");
    primary_->run("SET GLOBAL rpl_semi_sync_" + source + "_enabled=1");
    auto writer = primary_->writer();
    bool told_ok = true;
    std::thread client([&] {
        told_ok = writer.query("INSERT INTO ledger (t) VALUES (9)", in(30s)).ok();
    });
    EXPECT_TRUE(eventually(
        [&] {
            return primary_->value(
                       "SELECT COUNT(*) FROM information_schema.processlist"
                       " WHERE info LIKE 'INSERT%' AND state LIKE '%semi-sync%'"
                   ) == "1";
        },
        10s
    ));
    const auto performer = servers_->performer("baton.test");
    Step fence = step(StepKind::set_read_only, *primary_);
    fence.kill_writers = true;

    const auto fenced = perform(*performer, fence, 5s);

    client.join();
    EXPECT_FALSE(told_ok) << "nobody has received it";
    ASSERT_DONE(fenced);
    primary_->leave();
    EXPECT_FALSE(primary_->writable());
    EXPECT_EQ(primary_->value("SELECT @@global.rpl_semi_sync_" + source + "_enabled"), "1");
    close(*performer);
}

BATON_BOTH_KINDS(ReadOnly);

}  // namespace
}  // namespace baton::test
