// SPDX-License-Identifier: Apache-2.0
// Receivers that a recovery has stopped and could not start again (left_stopped.cpp): of r3, which
// hangs when the recovery of p fails and the others are started again.
#include "component/control/engine_fixture.hpp"

namespace baton::control {
namespace {

class LeftStoppedTest : public EngineTest {
protected:
    /// The recovery of p is forbidden by a hook, after the receivers were stopped; r3 hangs by
    /// then.
    void fail_the_recovery() {
        auto s = settings();
        s.recovery.has_pre_hooks = true;
        s.hooks["pre_failover"] = {"forbid"};
        s.recovery.retry_failed_after = 1h;
        start(s);
        a->hooks.takes["forbid"] = 50ms;
        a->hooks.exit_code = 1;
        a->hooks.on_end = [&](const std::string&) { world.at("r3").frozen = true; };
        ASSERT_TRUE(until([&] { return complete(*a, 4) && complete(*b, 4); }));
        receiver_was_on_ = world.at("r3").receiver_on;
        world.kill("p");
        ASSERT_TRUE(until([&] { return ended(1, *a); }));
        ASSERT_EQ(first(*a)->record.state, recovery::State::failed);
        ASSERT_TRUE(world.at("r1").receiver_on);
        ASSERT_TRUE(world.at("r2").receiver_on);
        ASSERT_FALSE(world.at("r3").receiver_on);
        world.at("p").up = true;
    }

    static bool ended(std::size_t count, const Node& node) {
        const auto view = node.engine.view();
        return view->recoveries.size() == count && !view->recoveries.front()->record.running();
    }

    static std::shared_ptr<const RecoveryView> first(const Node& node) {
        return node.engine.view()->recoveries.front();
    }

    [[nodiscard]] bool marked() const {
        const auto mark = backend.documents.find({"left_stopped", "r3:3306"});
        return mark != backend.documents.end() && !mark->second.data.empty();
    }

    void expect_started_by(const Node& node) {
        ASSERT_TRUE(until([&] { return ended(2, node); }));
        const auto& repair = first(node)->record;
        EXPECT_EQ(repair.kind, analysis::RecoveryKind::restart_receiver);
        EXPECT_EQ(repair.failed, InstanceId("r3", 3306));
        EXPECT_EQ(repair.state, recovery::State::done) << repair.outcome;
        EXPECT_TRUE(world.at("r3").receiver_on);
        EXPECT_TRUE(until([&] { return !marked(); }));
        expect_nothing_is_done(node, 2);
        EXPECT_EQ(deposed(), 0) << "a repair replaces nobody";
    }

    /// What would be done is done within a few looks.
    void expect_nothing_is_done(const Node& node, std::size_t recoveries = 1) {
        const auto looked = fake::now();
        EXPECT_TRUE(until([&] { return fake::now() - looked > 500ms; }));
        EXPECT_TRUE(ended(recoveries, node));
    }

    bool receiver_was_on_ = false;
};

TEST_F(LeftStoppedTest, IsStartedWhenItsServerAnswersAgain) {
    fail_the_recovery();
    EXPECT_TRUE(until([&] { return marked(); }));
    expect_nothing_is_done(*a);

    world.at("r3").frozen = false;

    expect_started_by(*a);
}

TEST_F(LeftStoppedTest, IsStartedByTheNextActiveNode) {
    fail_the_recovery();
    a->lease.lose();
    b->lease.take();
    a->engine.role_changed();
    b->engine.role_changed();

    world.at("r3").frozen = false;

    expect_started_by(*b);
}

TEST_F(LeftStoppedTest, IsForgottenWhenSomebodyHasStartedIt) {
    fail_the_recovery();

    world.at("r3").receiver_on = true;
    world.at("r3").frozen = false;

    EXPECT_TRUE(until([&] { return !marked(); }));
    expect_nothing_is_done(*a);
    // Whoever stops it from now on wants it so.
    world.at("r3").receiver_on = false;
    expect_nothing_is_done(*a);
    EXPECT_FALSE(world.at("r3").receiver_on);
}

TEST_F(LeftStoppedTest, IsForgottenWhenItsServerWasRestarted) {
    fail_the_recovery();

    // How a server starts its replication is for its configuration to say.
    world.at("r3").uptime_seconds = 0;
    world.at("r3").frozen = false;

    EXPECT_TRUE(until([&] { return !marked(); }));
    expect_nothing_is_done(*a);
    EXPECT_FALSE(world.at("r3").receiver_on);
}

TEST_F(LeftStoppedTest, WhatAnOperatorHadStoppedIsNotMarked) {
    world.at("r3").receiver_on = false;
    fail_the_recovery();
    ASSERT_FALSE(receiver_was_on_);

    world.at("r3").frozen = false;

    EXPECT_FALSE(marked());
    expect_nothing_is_done(*a);
    EXPECT_FALSE(world.at("r3").receiver_on);
}

}  // namespace
}  // namespace baton::control
