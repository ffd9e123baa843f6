// SPDX-License-Identifier: Apache-2.0
// What nodes find wrong with themselves, and handing over to a certain one.
#include "component/control/engine_fixture.hpp"

#include <gmock/gmock.h>

namespace baton::control {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class NodesTest : public EngineTest {
protected:
    NodesTest() {
        for (const auto* name : {"a", "b", "c"}) {
            ports::NodeRow row;
            row.name = row.token = name;
            row.alive = true;
            backend.nodes.push_back(row);
        }
    }

    void start_checking(std::map<std::string, std::vector<std::string>> hooks = {}) {
        auto s = settings();
        s.self_check = 20ms;
        s.hooks = std::move(hooks);
        s.config_fingerprint = "0123";
        start(s);
        ASSERT_TRUE(until([&] { return complete(*a, 4) && complete(*b, 4); }));
        ASSERT_TRUE(until([&] { return !a->engine.view()->nodes.empty(); }));
    }

    [[nodiscard]] const ports::NodeRow& row(const std::string& name) const {
        return *std::find_if(backend.nodes.begin(), backend.nodes.end(), [&](const auto& node) {
            return node.name == name;
        });
    }

    Task<void> hand_over(std::string to, std::optional<Result<void>>* done) {
        auto result = co_await a->engine.hand_over(std::move(to), "somebody");
        done->emplace(std::move(result));
    }

    /// `meanwhile` once the lease was given back. The error, or "".
    std::string handed_over(const std::string& to, const std::function<void()>& meanwhile) {
        std::optional<Result<void>> done;
        group->spawn("hand over", hand_over(to, &done));
        bool asked = false;
        EXPECT_TRUE(until([&] {
            if (!asked && !a->lease.may_act()) {
                asked = true;
                meanwhile();
            }
            return done.has_value();
        }));
        return *done ? "" : done->error().what;
    }
};

TEST_F(NodesTest, AStandbyWhoseAccountIsRefusedSaysSoToAll) {
    start_checking();
    EXPECT_THAT(b->engine.status().warnings, IsEmpty());

    b->servers.refused = [](const InstanceId& id) { return id.host == "r2"; };

    ASSERT_TRUE(until([&] { return !row("b").warnings.empty(); }));
    EXPECT_THAT(
        row("b").warnings,
        ElementsAre("the account of topology.user is refused by r2:3306: Access denied for user "
                    "'baton'")
    );
    EXPECT_EQ(b->engine.status().warnings, row("b").warnings);
    EXPECT_THAT(row("a").warnings, IsEmpty());
    EXPECT_TRUE(until([&] {
        const auto nodes = a->engine.view()->nodes;
        return std::any_of(nodes.begin(), nodes.end(), [](const auto& node) {
            return node.name == "b" && !node.warnings.empty();
        });
    })) << "it is seen on the other node";

    b->servers.refused = [](const InstanceId&) { return false; };
    EXPECT_TRUE(until([&] { return row("b").warnings.empty(); }));
}

TEST_F(NodesTest, AStandbyThatReachesNoServerSaysSo) {
    start_checking();

    b->servers.cut = [](const InstanceId&) { return true; };

    EXPECT_TRUE(until([&] { return !row("b").warnings.empty(); }));
    EXPECT_THAT(row("b").warnings, Contains(HasSubstr("none of the servers that were tried")));
}

TEST_F(NodesTest, OneServerThatIsNotReachedIsNoFaultOfTheStandby) {
    start_checking();

    b->servers.cut = [](const InstanceId& id) { return id.host == "r1"; };
    io.restart();
    io.run_for(300ms);

    EXPECT_THAT(row("b").warnings, IsEmpty());
}

TEST_F(NodesTest, AHookThatIsNotThereIsToldByEachNodeForItself) {
    start_checking({{"pre_failover", {"/opt/check", "other"}}});

    b->hooks.absent = {"/opt/check"};

    ASSERT_TRUE(until([&] { return !row("b").warnings.empty(); }));
    EXPECT_THAT(
        row("b").warnings,
        ElementsAre("the hook of pre_failover cannot be run here: /opt/check is not there")
    );
    EXPECT_THAT(row("a").warnings, IsEmpty());
}

TEST_F(NodesTest, TheFingerprintInForceIsReported) {
    start_checking();

    EXPECT_TRUE(until([&] { return row("b").config_fingerprint == "0123"; }));
    auto s = settings();
    s.self_check = 1h;
    s.config_fingerprint = "4567";
    b->engine.apply(s);
    EXPECT_TRUE(until([&] { return row("b").config_fingerprint == "4567"; }));
    EXPECT_EQ(b->engine.status().config_fingerprint, "4567");
}

TEST_F(NodesTest, WhatDoesNotChangeIsReportedOnce) {
    start_checking();
    ASSERT_TRUE(until([&] { return row("a").config_fingerprint == "0123"; }));
    io.restart();
    io.run_for(1200ms);  // the rows are read once a second
    const auto before = a->store.reports;

    io.restart();
    io.run_for(500ms);

    EXPECT_EQ(a->store.reports, before);
}

/// Its own age: not that of what it read before it became active, nor that of the process.
TEST_F(NodesTest, ANodeThatLostLeaseAndBackendTellsHowOldWhatItShowsIs) {
    start_checking();
    backend.down = true;
    a->lease.lose();
    a->engine.role_changed();

    ASSERT_TRUE(until([&] { return !a->engine.view()->active; }));
    io.restart();
    io.run_for(300ms);

    const auto age = a->engine.status().state_age;
    EXPECT_GE(age, 250ms);
    EXPECT_LT(age, 5s);
    EXPECT_THAT(a->engine.view()->source, HasSubstr("memory"));
    EXPECT_EQ(a->engine.view()->topology->instances().size(), 4U) << "it still shows what it knew";
}

TEST_F(NodesTest, HandsOverToTheOneThatIsNamed) {
    start_checking();

    const auto error = handed_over("b", [&] {
        EXPECT_THAT(peers.told_to_stand_back, ElementsAre("c")) << "before the lease is given back";
        b->lease.take();
        b->engine.role_changed();
    });

    EXPECT_EQ(error, "");
    EXPECT_FALSE(a->lease.may_act());
    // b by a, which gave the lease back; the others by b, whose epoch they must have seen held to
    // take its release at once.
    EXPECT_THAT(peers.told_to_look, UnorderedElementsAre("b", "a", "c"));
}

TEST_F(NodesTest, SaysWhenAnotherOneTookIt) {
    start_checking();

    EXPECT_EQ(handed_over("c", [&] { b->lease.take(); }), "b took the lease, and not c");
}

TEST_F(NodesTest, SaysWhenNobodyTookItYet) {
    start_checking();

    EXPECT_THAT(handed_over("c", [] {}), HasSubstr("c has not taken it yet"));
}

TEST_F(NodesTest, RefusesToHandOverToWhoCannotTakeIt) {
    backend.nodes[2].alive = false;
    start_checking();
    const auto untouched = [] { FAIL() << "the lease was given back"; };

    EXPECT_EQ(handed_over("nobody", untouched), "there is no node 'nobody'; alive are: b");
    EXPECT_THAT(handed_over("c", untouched), HasSubstr("node c is not alive"));
    EXPECT_EQ(handed_over("a", untouched), "a is the active node already");
    EXPECT_TRUE(a->lease.may_act());
}

}  // namespace
}  // namespace baton::control
