// SPDX-License-Identifier: Apache-2.0
// Who may act: the lock on the target, and may_act() right before each statement.
#include "harness.hpp"

namespace baton::test {
namespace {

class Lock : public ServerTest {};

TEST_P(Lock, SuccessorEndsTheSessionOfAnOlderHolder) {
    make_pair();
    const auto others = make_servers();
    const auto first = servers_->performer("baton.test");
    const auto second = others->performer("baton.test");
    ASSERT_DONE(perform(*first, step(StepKind::stop_receiver, *replica_)));

    const auto taken = perform(*second, step(StepKind::start_replication, *replica_));
    ASSERT_DONE(taken);

    for (int i = 0; i < 2; ++i) {
        const auto late = perform(*first, step(StepKind::promote, *replica_), 3s);
        ASSERT_FALSE(late) << "a former holder must not carry on";
        EXPECT_TRUE(late.error().code == Errc::conflict || late.error().code == Errc::unreachable)
            << late.error().what;
    }
    EXPECT_FALSE(replica_->writable());
    ASSERT_DONE(perform(*second, step(StepKind::stop_receiver, *replica_)));
    ASSERT_DONE(perform(*second, step(StepKind::promote, *replica_)));
    EXPECT_TRUE(replica_->writable());
    close(*first);
    close(*second);
    while (others->background_work() > 0) {
        run_for(5ms);
    }
}

TEST_P(Lock, ClustersDoNotDisturbEachOther) {
    make_pair();
    const auto first = servers_->performer("baton.one");
    const auto second = servers_->performer("baton.two");
    ASSERT_DONE(perform(*first, step(StepKind::stop_receiver, *replica_)));
    ASSERT_DONE(perform(*second, step(StepKind::start_replication, *replica_)));
    ASSERT_DONE(perform(*first, step(StepKind::stop_receiver, *replica_)));
    close(*first);
    close(*second);
}

TEST_P(Lock, LostSessionIsTakenAnewWhenNobodyElseCame) {
    make_pair();
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *replica_)));
    replica_->kill();
    replica_->restart();
    replica_->run("SET GLOBAL read_only=1");

    const auto next = perform(*performer, step(StepKind::stop_receiver, *replica_));

    ASSERT_DONE(next);
    close(*performer);
}

TEST_P(Lock, NothingIsChangedWithoutTheLease) {
    make_pair();
    const auto config = [this] {
        return fmt::format(
            "{} {} {} {}:{}",
            replica_->writable(),
            replica_->receiver(),
            replica_->applier(),
            replica_->status("Master_Host", "Source_Host"),
            replica_->status("Master_Port", "Source_Port")
        );
    };
    const std::string before = config();
    for (const StepKind kind :
         {StepKind::stop_receiver,
          StepKind::promote,
          StepKind::repoint,
          StepKind::set_writable,
          StepKind::set_read_only,
          StepKind::witness}) {
        // It is asked when the step begins, and again right before the statement.
        for (int answers = 0; answers < 2; ++answers) {
            int left = answers;
            may_act_ = [&left] { return left-- > 0; };
            const auto performer = servers_->performer("baton.test");
            Step forbidden = step(kind, kind == StepKind::set_read_only ? *primary_ : *replica_);
            forbidden.source = primary_->id();
            if (kind == StepKind::repoint) {
                forbidden.source = InstanceId("127.0.0.1", 3306);
            }
            const auto result = perform(*performer, forbidden, 3s);
            ASSERT_FALSE(result) << to_string(kind);
            EXPECT_EQ(result.error().code, Errc::not_leader) << result.error().what;
            EXPECT_EQ(config(), before) << to_string(kind);
            EXPECT_TRUE(primary_->writable());
            close(*performer);
        }
    }
    may_act_ = [] { return true; };
}

TEST_P(Lock, PromotionStopsAtEachStatement) {
    make_pair();
    // Cut after each number of statements, the step leaves a server from which it can be repeated.
    for (int answers = 1; answers < 10; ++answers) {
        int left = answers;
        may_act_ = [&left] { return left-- > 0; };
        const auto performer = servers_->performer("baton.test");
        Step last = step(StepKind::promote, *replica_);
        last.source = primary_->id();
        const auto result = perform(*performer, last, 3s);
        close(*performer);
        if (result && replica_->receiver().empty()) {
            EXPECT_TRUE(replica_->writable());
            return;
        }
        if (!result) {
            EXPECT_EQ(result.error().code, Errc::not_leader) << result.error().what;
            EXPECT_FALSE(replica_->writable());
        }
    }
    ADD_FAILURE() << "it never ended";
}

TEST_P(Lock, FrozenServerIsNotWritableWhenItWakesUp) {
    make_pair();
    const auto performer = servers_->performer("baton.test");
    ASSERT_DONE(perform(*performer, step(StepKind::stop_receiver, *replica_)));
    // Right before the statement is sent, which then waits in the server's socket.
    bool frozen = false;
    may_act_ = [this, &frozen] {
        if (!frozen) {
            frozen = true;
            replica_->freeze();
        }
        return true;
    };

    const auto late = perform(*performer, step(StepKind::set_writable, *replica_), 1s);

    ASSERT_TRUE(frozen);
    EXPECT_FALSE(late);
    close(*performer);
    run_for(1s);
    replica_->thaw();
    for (int i = 0; i < 20; ++i) {
        run_for(50ms);
        EXPECT_FALSE(replica_->writable()) << "the statement was given up long ago";
    }
}

BATON_BOTH_KINDS(Lock);

}  // namespace
}  // namespace baton::test
