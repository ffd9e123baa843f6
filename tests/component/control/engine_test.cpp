// SPDX-License-Identifier: Apache-2.0
#include "baton/control/engine.hpp"

#include "component/control/engine_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::control {

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

}  // namespace

TEST_F(EngineTest, FindsTheTopologyFromOneSeedAndTheStandbySeesIt) {
    start(settings());

    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    EXPECT_TRUE(a->engine.view()->active);
    EXPECT_TRUE(until([&] { return complete(*b, 4); }));
    EXPECT_FALSE(b->engine.view()->active);
    EXPECT_EQ(b->engine.view()->topology->clusters().front().name, "p:3306");
}

TEST_F(EngineTest, AServerThatNeverLetUsInKeepsNothingFromBeingStored) {
    auto with_stranger = settings();
    with_stranger.seeds.emplace_back("stranger", 3306);
    start(with_stranger);
    a->servers.refused = [](const InstanceId& id) { return id.host == "stranger"; };
    const auto found = [&](const Node& node) {
        const auto view = node.engine.view();
        return std::any_of(view->findings.begin(), view->findings.end(), [](const auto& finding) {
            return finding.subject.host == "stranger";
        });
    };

    ASSERT_TRUE(until([&] { return found(*a); }));

    EXPECT_TRUE(until([&] {
        return found(*b) && b->engine.view()->topology->instances().size() == 5;
    }));
}

TEST_F(EngineTest, ReplacesADeadPrimaryWithoutLoss) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(world.write("p"));
    }
    world.at("r1").cut_from_source = true;  // r1 lags behind the others
    world.write("p");

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    const auto record = a->engine.view()->recoveries.front()->record;
    EXPECT_NE(record.successor.host, "r1") << "it lacks a transaction";
    EXPECT_THAT(world.writable(), ElementsAre(record.successor.host));
    for (const auto* name : {"r1", "r2", "r3"}) {
        if (name != record.successor.host) {
            EXPECT_EQ(world.at(name).source, record.successor) << name;
        }
        EXPECT_EQ(world.at(name).executed[world.at("p").uuid], 11U) << name;
    }
    EXPECT_TRUE(until([&] { return !b->engine.view()->recoveries.empty() && recovered(*b); }))
        << "the standby tells it too";
}

TEST_F(EngineTest, LeavesClustersAloneThatAreNotOptedIn) {
    auto s = settings();
    s.recovery.primary_clusters.clear();
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    world.kill("p");

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    EXPECT_EQ(
        a->engine.view()->blocked.front().kind,
        recovery::to_string(recovery::Refusal::Kind::not_enabled_for_cluster)
    );
    EXPECT_TRUE(a->engine.view()->recoveries.empty());
    EXPECT_TRUE(world.performed.empty());
}

TEST_F(EngineTest, ChangesNothingInShadowMode) {
    auto s = settings();
    s.shadow = true;
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    world.kill("p");

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    EXPECT_THAT(a->engine.view()->blocked.front().reason, HasSubstr("shadow"));
    EXPECT_TRUE(world.performed.empty());
}

TEST_F(EngineTest, AFrozenPrimaryIsReplacedAfterAWitnessCouldNotHearIt) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    world.at("p").frozen = true;

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_THAT(world.performed, Contains(HasSubstr("try to reach its source")));
    EXPECT_EQ(world.writable().size(), 2U) << "the frozen one could not be told yet";
    world.at("p").frozen = false;
    EXPECT_TRUE(until([&] { return world.at("p").read_only; }))
        << "it is made read-only when it is back";
    EXPECT_EQ(world.writable().size(), 1U);
}

TEST_F(EngineTest, DoesNotPromoteWithALeaseThatIsAboutToEnd) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    a->lease.left = 100ms;

    world.kill("p");

    ASSERT_TRUE(until([&] {
        return std::count_if(world.performed.begin(), world.performed.end(), [](const auto& step) {
                   return step.find("stop the receiver") != std::string::npos;
               }) >= 3;
    }));
    io.restart();
    io.run_for(200ms);
    EXPECT_THAT(world.writable(), ElementsAre());
    a->lease.left = 2s;
    EXPECT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_EQ(world.writable().size(), 1U);
}

TEST_F(EngineTest, AHookThatFailsStopsTheRecoveryBeforeItPromotes) {
    auto s = settings();
    s.recovery.has_pre_hooks = true;
    s.hooks["pre_failover"] = {"check {failedHost}"};
    start(s);
    a->hooks.exit_code = 1;
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    world.kill("p");

    ASSERT_TRUE(until([&] {
        return !a->engine.view()->recoveries.empty() &&
               !a->engine.view()->recoveries.front()->record.running();
    }));
    EXPECT_EQ(a->engine.view()->recoveries.front()->record.state, recovery::State::failed);
    EXPECT_THAT(world.writable(), ElementsAre());
    ASSERT_FALSE(a->hooks.calls.empty());
    EXPECT_EQ(a->hooks.calls.front().first, "check 'p'");
    EXPECT_EQ(a->hooks.calls.front().second.at("ORC_FAILED_HOST"), "p");
}

/// A second cluster: q with s1, s2. Node b answers a's questions.
class BrakeTest : public EngineTest {
protected:
    BrakeTest() {
        world.add("q");
        world.add("s1", "q");
        world.add("s2", "q");
        for (const auto* name : {"a", "b"}) {
            ports::NodeRow row;
            row.name = row.token = name;
            row.alive = true;
            backend.nodes.push_back(row);
        }
    }

    void start_both(Settings s) {
        s.seeds = {InstanceId("p", 3306), InstanceId("q", 3306)};
        start(s);
        peers.engines = {{"a", &a->engine}, {"b", &b->engine}};
        ASSERT_TRUE(until([&] { return sees_all(*a) && sees_all(*b); }));
        ASSERT_TRUE(until([&] { return !a->engine.view()->nodes.empty(); }));
    }

    static bool sees_all(const Node& node) {
        const auto view = node.engine.view();
        return view->topology->clusters().size() == 2 && view->topology->instances().size() == 7 &&
               std::all_of(
                   view->topology->instances().begin(),
                   view->topology->instances().end(),
                   [](const auto& i) { return i->health.valid; }
               );
    }

    void b_takes_over() {
        b->lease.take();
        b->engine.role_changed();
    }

    void run_for(std::chrono::milliseconds time) {
        io.restart();
        io.run_for(time);
    }

    Task<void> acknowledge_all(std::optional<std::size_t>* count) {
        AckScope scope;
        auto done = co_await a->engine.acknowledge(scope, "seen", "somebody");
        *count = done ? done->size() : 0;
    }

    static Task<void> try_it(
        Node* node, InstanceId id, std::optional<Result<topology::Observation>>* seen
    ) {
        auto observed = co_await node->engine.probe(std::move(id));
        seen->emplace(std::move(observed));
    }

    std::string last_hand_over() const {
        for (const auto& entry : b->engine.view()->audit) {
            if (entry->type == "hand-over") {
                return entry->message;
            }
        }
        return "none";
    }
};

TEST_F(BrakeTest, ANodeThatAloneLostMostServersHandsOverAndRecoversNothing) {
    start_both(settings());
    // Two replicas are left in sight, and they have lost their sources too: as after a split
    // between the node with them and the rest of the world.
    a->servers.cut = [](const InstanceId& id) { return id.host != "r3" && id.host != "s2"; };
    world.at("r3").cut_from_source = true;
    world.at("s2").cut_from_source = true;

    ASSERT_TRUE(until([&] { return !a->lease.may_act(); })) << "it gives the lease back";

    EXPECT_FALSE(peers.asked.empty());
    b_takes_over();
    ASSERT_TRUE(until([&] { return b->engine.view()->active && sees_all(*b); }));
    run_for(300ms);
    EXPECT_THAT(last_hand_over(), HasSubstr("node b reaches"));
    EXPECT_TRUE(b->engine.view()->recoveries.empty());
    EXPECT_THAT(world.writable(), ElementsAre("p", "q"));
    EXPECT_TRUE(b->lease.may_act()) << "the other one has no reason to give it away";
}

TEST_F(BrakeTest, ItDoesNotHandOverAgainAtOnceAndStillRecoversNothing) {
    start_both(settings());
    a->servers.cut = [](const InstanceId& id) { return id.host != "r3" && id.host != "s2"; };
    world.at("r3").cut_from_source = true;
    world.at("s2").cut_from_source = true;
    ASSERT_TRUE(until([&] { return !a->lease.may_act(); }));

    run_for(50ms);
    a->lease.take();  // nobody else did
    a->engine.role_changed();

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    run_for(500ms);
    EXPECT_TRUE(a->lease.may_act());
    EXPECT_TRUE(a->engine.view()->recoveries.empty());
    EXPECT_THAT(a->engine.view()->brake, HasSubstr("vanished from this node's sight"));
    EXPECT_EQ(
        a->engine.view()->blocked.front().kind,
        recovery::to_string(recovery::Refusal::Kind::seen_by_others)
    );
    EXPECT_THAT(world.writable(), ElementsAre("p", "q"));
}

TEST_F(BrakeTest, LooksAtAllServersBeforeTheFirstOfSeveralIsRecovered) {
    auto s = settings();
    s.poll_interval = 3s;  // the others' failure would be noticed long after
    start_both(s);
    a->servers.cut = [](const InstanceId& id) { return id.host != "r3" && id.host != "s2"; };
    world.at("r3").cut_from_source = true;
    world.at("s2").cut_from_source = true;

    ASSERT_TRUE(until([&] { return !a->lease.may_act(); }));

    EXPECT_THAT(world.performed, testing::Not(Contains(HasSubstr("promote"))));
    EXPECT_THAT(world.writable(), ElementsAre("p", "q"));
}

TEST_F(BrakeTest, AHiccupIsNoReasonToHandOver) {
    auto s = settings();
    s.analysis.timeouts_before_unreachable = 10;
    start_both(s);
    a->servers.cut = [](const InstanceId&) { return true; };
    ASSERT_TRUE(until([&] { return !a->engine.view()->brake.empty(); }));
    a->servers.cut = [](const InstanceId&) { return false; };

    EXPECT_TRUE(until([&] { return sees_all(*a) && a->engine.view()->brake.empty(); }));
    EXPECT_TRUE(a->lease.may_act());
}

TEST_F(BrakeTest, WhatIsReallyDeadIsRecoveredAfterTheOthersWereAsked) {
    start_both(settings());
    for (const auto* name : {"p", "q", "r1", "s1"}) {
        world.kill(name);
    }

    ASSERT_TRUE(until([&] {
        const auto view = a->engine.view();
        return view->recoveries.size() == 2 &&
               std::all_of(view->recoveries.begin(), view->recoveries.end(), [](const auto& r) {
                   return r->record.state == recovery::State::done;
               });
    }));

    EXPECT_TRUE(a->lease.may_act());
    for (const auto& recovery : a->engine.view()->recoveries) {
        EXPECT_THAT(
            recovery->record.evidence,
            Contains(
                HasSubstr("node b does not reach " + recovery->record.failed.text() + " either")
            )
        );
    }
    EXPECT_EQ(world.writable().size(), 2U);
}

TEST_F(BrakeTest, WithoutAnotherNodeItGoesOn) {
    backend.nodes.clear();
    auto s = settings();
    s.seeds = {InstanceId("p", 3306), InstanceId("q", 3306)};
    start(s);
    ASSERT_TRUE(until([&] { return sees_all(*a); }));

    for (const auto* name : {"p", "q", "r1", "s1"}) {
        world.kill(name);
    }

    ASSERT_TRUE(until([&] { return a->engine.view()->recoveries.size() == 2; }));
    EXPECT_TRUE(peers.asked.empty());
    EXPECT_THAT(
        a->engine.view()->recoveries.front()->record.evidence,
        Contains(HasSubstr("no other node is there"))
    );
}

TEST_F(BrakeTest, OneDeadPrimaryIsReplacedWithoutAskingAnybody) {
    start_both(settings());

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_TRUE(peers.asked.empty());
    EXPECT_EQ(a->engine.view()->brake, "");
}

TEST_F(BrakeTest, ANodeThatReachesNeitherServersNorLivingNodesHandsOver) {
    start_both(settings());
    peers.engines.clear();
    a->servers.cut = [](const InstanceId&) { return true; };

    ASSERT_TRUE(until([&] { return !a->lease.may_act(); }));

    b_takes_over();
    ASSERT_TRUE(until([&] { return b->engine.view()->active && sees_all(*b); }));
    EXPECT_THAT(last_hand_over(), HasSubstr("although the backend shows that b lives"));
}

TEST_F(BrakeTest, ANodeThatDiedWithTheServersIsNoReasonToHandOver) {
    start_both(settings());
    peers.engines.clear();
    for (auto& row : backend.nodes) {
        row.since_beat = 30s;  // alive only as far as was noticed
    }

    for (const auto* name : {"p", "q", "r1", "s1"}) {
        world.kill(name);
    }

    ASSERT_TRUE(until([&] { return a->engine.view()->recoveries.size() == 2; }));
    EXPECT_TRUE(a->lease.may_act());
    EXPECT_THAT(
        a->engine.view()->recoveries.front()->record.evidence,
        Contains(HasSubstr("node b could not be asked"))
    );
}

TEST_F(BrakeTest, TheBudgetOfRecoveriesIsKeptUntilSomebodyAcknowledges) {
    auto s = settings();
    s.recovery.budget = 1;
    start_both(s);
    world.kill("p");
    ASSERT_TRUE(until([&] { return recovered(*a); }));

    world.kill("q");

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    EXPECT_EQ(
        a->engine.view()->blocked.front().kind,
        recovery::to_string(recovery::Refusal::Kind::budget_spent)
    );
    EXPECT_THAT(a->engine.view()->blocked.front().reason, HasSubstr("Acknowledge"));
    EXPECT_EQ(a->engine.view()->recoveries.size(), 1U);
    std::optional<std::size_t> acknowledged;
    asio::co_spawn(io, acknowledge_all(&acknowledged), asio::detached);
    ASSERT_TRUE(until([&] { return acknowledged.has_value(); }));
    EXPECT_EQ(*acknowledged, 1U);
    EXPECT_TRUE(until([&] { return a->engine.view()->recoveries.size() == 2 && recovered(*a); }));
    EXPECT_TRUE(until([&] { return a->engine.view()->blocked.empty(); }));
}

TEST_F(BrakeTest, AStandbyTriesKnownServersOnly) {
    start_both(settings());
    world.kill("s1");
    std::vector<std::optional<Result<topology::Observation>>> seen(3);

    asio::co_spawn(io, try_it(b.get(), InstanceId("p", 3306), &seen[0]), asio::detached);
    asio::co_spawn(io, try_it(b.get(), InstanceId("s1", 3306), &seen[1]), asio::detached);
    asio::co_spawn(io, try_it(b.get(), InstanceId("elsewhere", 22), &seen[2]), asio::detached);

    ASSERT_TRUE(until([&] { return seen[0] && seen[1] && seen[2]; }));
    EXPECT_EQ((*seen[0])->failure, topology::ProbeFailure::none);
    EXPECT_EQ((*seen[1])->failure, topology::ProbeFailure::refused);
    ASSERT_FALSE(*seen[2]);
    EXPECT_EQ(seen[2]->error().code, Errc::not_found);
}

/// The holder vanishes before step n; its successor must bring it to the same end.
class TakeOver : public EngineTest, public testing::WithParamInterface<std::tuple<int, bool>> {};

TEST_P(TakeOver, ARecoveryIsCarriedToItsEndByTheNextHolder) {
    const auto [step_number, after] = GetParam();
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4) && complete(*b, 4); }));
    for (int i = 0; i < 5; ++i) {
        world.write("p");
    }
    int steps = 0;
    bool handed_over = false;
    const auto hand_over = [&] {
        handed_over = true;
        a->lease.lose();
        b->lease.take();
        a->engine.role_changed();
        b->engine.role_changed();
    };
    world.may_act = [&] { return handed_over ? b->lease.may_act() : a->lease.may_act(); };
    world.before_step = [&, step_number = step_number, after = after](const recovery::Step&) {
        if (!handed_over && !after && ++steps == step_number) {
            hand_over();
            return false;
        }
        return true;
    };
    world.after_step = [&, step_number = step_number, after = after](const recovery::Step&) {
        if (!handed_over && after && ++steps == step_number) {
            hand_over();
        }
    };

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(handed_over ? *b : *a); }));
    EXPECT_EQ(world.writable().size(), 1U);
    const auto successor = InstanceId(world.writable().front(), 3306);
    for (const auto* name : {"r1", "r2", "r3"}) {
        if (name != successor.host) {
            EXPECT_EQ(world.at(name).source, successor) << name;
            EXPECT_TRUE(world.at(name).receiver_on) << name;
        }
        EXPECT_EQ(world.at(name).executed[world.at("p").uuid], 5U) << name;
    }
    const auto& node = handed_over ? *b : *a;
    EXPECT_EQ(node.engine.view()->recoveries.size(), 1U) << "one coherent story";
    EXPECT_EQ(node.engine.view()->recoveries.front()->record.successor, successor);
}

INSTANTIATE_TEST_SUITE_P(
    AtEachStep, TakeOver, testing::Combine(testing::Range(1, 9), testing::Bool())
);

}  // namespace baton::control
