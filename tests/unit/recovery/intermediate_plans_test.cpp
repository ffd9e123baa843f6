// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// Where the replicas of a dead intermediate source, group member or deposed primary go, beyond the
// plain cases of dead_intermediate_test.cpp.

namespace baton::recovery {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr auto kind = analysis::RecoveryKind::dead_intermediate;

/// p1 in the east; i1 with a, b, c in the west. i1 has died, and nobody else is there.
const std::string far_away = R"(
defaults: {executed: "p1:1-100", data_center: west}
servers:
  p1: {data_center: east}
  i1: {source: p1}
  a: {source: i1}
  b: {source: i1}
  c: {source: i1}
meanwhile:
  i1: {probe: refused}
  a: {receiver: connecting}
  b: {receiver: connecting}
  c: {receiver: connecting}
)";

Record recover(World& world, const std::string& subject = "i1") {
    const auto policy = enabled_policy();
    Drive drive(world, begun(world, subject, policy, std::nullopt, kind), policy);
    EXPECT_TRUE(drive.run()) << testing::PrintToString(drive.intents());
    return drive.record();
}

InstanceId source_of(World& world, const std::string& name) {
    return world.at(name).state.channels.at(0).source;
}

TEST(IntermediatePlans, OneOfThemBecomesTheLocalSourceAcrossADistance) {
    World world(scene(far_away));

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("a"));
    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_EQ(source_of(world, "b"), id("a"));
    EXPECT_EQ(source_of(world, "c"), id("a"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"}) << "nobody is promoted";
}

TEST(IntermediatePlans, TheLocalSourceIsTheOneThatHasMost) {
    auto setting = scene(far_away);
    for (const char* name : {"a", "b"}) {
        setting.meanwhile.at(name).state.executed_gtid_set = scenario::expand_gtids("p1:1-90");
    }
    World world(setting);

    EXPECT_EQ(recover(world).successor, id("c"));
    EXPECT_EQ(source_of(world, "a"), id("c"));
}

TEST(IntermediatePlans, TheLocalSourceAppliesWhatOthersHaveBeforeTheyFollowIt) {
    auto setting = scene(far_away);
    setting.meanwhile.at("a").state.executed_gtid_set = scenario::expand_gtids("p1:1-90");
    setting.overlay.candidates[id("a")] = {topology::PromotionRule::prefer, 0, 0};
    // It can be no source itself.
    for (const char* name : {"b", "c"}) {
        setting.meanwhile.at(name).state.identity.log_bin = false;
    }
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.successor, id("a")) << record.outcome;
    EXPECT_EQ(source_of(world, "b"), id("a"));
}

TEST(IntermediatePlans, AnotherLocalSourceWhenTheFirstCannotBeMoved) {
    World world(scene(far_away));
    world.trouble = [](const Step& step) -> std::optional<Error> {
        return step.target == id("a") ? std::optional(fail(Errc::server_error, "denied"))
                                      : std::nullopt;
    };

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done);
    EXPECT_EQ(source_of(world, "b"), id("p1"));
    EXPECT_EQ(source_of(world, "c"), id("b"));
    EXPECT_THAT(record.outcome, HasSubstr("left: a:3306 (it could not be repointed)"));
}

TEST(IntermediatePlans, TheLocalSourceIsTheSameForTheNextHolder) {
    World world(scene(far_away));
    const auto policy = enabled_policy();
    Drive drive(world, begun(world, "i1", policy, std::nullopt, kind), policy);
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        return drive.stages.size() == 1
                   ? std::optional(std::vector<bool>(stage.steps.size(), false))
                   : std::nullopt;
    };
    drive.on_cut = [&](const Step& step) {
        world.half(step, 1);
        // A better one by now.
        world.at("b").state.executed_gtid_set = scenario::expand_gtids("p1:1-100,p1:101");
        world.at("p1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().successor, id("a"));
    EXPECT_EQ(source_of(world, "b"), id("a"));
}

TEST(IntermediatePlans, WhoFitsNowhereElseFollowsOneThatWasMoved) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  i1: {source: p1}
  a: {source: i1}
  late: {source: i1, executed: "p1:1-10"}
meanwhile:
  p1: {purged: "p1:1-50"}
  i1: {probe: refused}
  a: {receiver: connecting}
  late: {receiver: connecting}
)");
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done);
    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_EQ(source_of(world, "late"), id("a"));
}

TEST(IntermediatePlans, SomeAreMovedAndTheOthersLeftWithTheReason) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  i1: {source: p1}
  a: {source: i1}
  old: {source: i1, version: "5.7.40"}
meanwhile:
  i1: {probe: refused}
  a: {receiver: connecting}
  old: {receiver: connecting}
)");
    for (auto* moment : {&setting.before, &setting.meanwhile}) {
        moment->at("i1").state.identity.version = "5.7.44";
    }
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done);
    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_EQ(source_of(world, "old"), id("i1"));
    EXPECT_THAT(record.outcome, HasSubstr("left: old:3306 (version 5.7 is older than 8.0"));
}

TEST(IntermediatePlans, EverySiblingThatIsNoTargetHasAReason) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  i1: {source: p1}
  i2: {source: p1}
  i3: {source: p1}
  a: {source: i1}
meanwhile:
  i1: {probe: refused}
  i2: {delay: 600}
  i3: {applier: stopped}
  a: {receiver: connecting}
)");
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_THAT(verdict(record.candidates, "p1"), HasSubstr("1 the source above"));
    EXPECT_THAT(verdict(record.candidates, "i2"), HasSubstr("0 it is delayed by 600 s"));
    EXPECT_THAT(verdict(record.candidates, "i3"), HasSubstr("0 it does not replicate"));
}

TEST(IntermediatePlans, WhatAnOperatorStoppedIsMovedAndStaysStopped) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  i1: {source: p1}
  a: {source: i1}
  b: {source: i1}
  c: {source: i1}
meanwhile:
  i1: {probe: refused}
  a: {receiver: connecting}
  b: {receiver: stopped, applier: stopped}
  c: {receiver: connecting, applier: stopped}
)");
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    for (const char* name : {"a", "b", "c"}) {
        EXPECT_EQ(source_of(world, name), id("p1")) << name;
    }
    EXPECT_EQ(world.at("a").state.channels.at(0).receiver, ThreadState::running);
    EXPECT_EQ(world.at("b").state.channels.at(0).receiver, ThreadState::stopped);
    EXPECT_EQ(world.at("b").state.channels.at(0).applier, ThreadState::stopped);
    EXPECT_EQ(world.at("c").state.channels.at(0).receiver, ThreadState::running);
    EXPECT_EQ(world.at("c").state.channels.at(0).applier, ThreadState::stopped);
}

TEST(IntermediatePlans, ADelayedReplicaIsMovedWithItsDelay) {
    auto setting = scene(far_away);
    setting.meanwhile.at("a").state.channels.at(0).delay_seconds = 3600;
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.successor, id("b")) << "a delayed one serves nobody";
    EXPECT_EQ(source_of(world, "a"), id("b"));
    EXPECT_EQ(world.at("a").state.channels.at(0).delay_seconds, 3600U);
}

TEST(IntermediatePlans, MariaDbToo) {
    auto setting = scene(R"(
defaults: {version: "10.11.6-MariaDB", executed: "0-1-100", data_center: west}
servers:
  p1: {data_center: east}
  i1: {source: p1}
  a: {source: i1}
  b: {source: i1, executed: "0-1-99"}
meanwhile:
  i1: {probe: refused}
  a: {receiver: connecting}
  b: {receiver: connecting}
)");
    World world(setting);

    const auto record = recover(world);

    EXPECT_EQ(record.successor, id("a")) << record.outcome;
    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_EQ(source_of(world, "b"), id("a"));
}

TEST(IntermediatePlans, ReplicasOfAGroupMemberFollowItsPrimaryMember) {
    const std::string group = "members: [g1, g2, g3], primary: g3";
    auto setting = scene(
        "defaults: {executed: \"g1:1-100\"}\nservers:\n"
        "  g1: {group: {name: g, role: SECONDARY, " +
        group +
        "}}\n"
        "  g2: {read_only: yes, group: {name: g, role: SECONDARY, " +
        group +
        "}}\n"
        "  g3: {group: {name: g, role: PRIMARY, " +
        group +
        "}}\n"
        "  a: {source: g1}\n"
        "  b: {source: g1, executed: \"g1:1-101\"}\n"
        "meanwhile:\n"
        "  g1: {probe: refused}\n"
        "  a: {receiver: connecting}\n"
        "  b: {receiver: connecting}\n"
    );
    World world(setting);

    const auto record = recover(world, "g1");

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(source_of(world, "a"), id("g3"));
    EXPECT_EQ(source_of(world, "b"), id("g3")) << "what a member committed comes to the others";
    EXPECT_TRUE(world.at("g2").state.read_only) << "nobody is promoted";
}

TEST(IntermediatePlans, AMemberThatIsNotOnlineIsNoTarget) {
    const std::string group = "members: [g1, g2], primary: g1";
    auto setting = scene(
        "defaults: {executed: \"g1:1-100\"}\nservers:\n"
        "  g1: {group: {name: g, role: PRIMARY, " +
        group +
        "}}\n"
        "  g2: {read_only: yes, group: {name: g, role: SECONDARY, " +
        group +
        "}}\n"
        "  a: {source: g1}\n"
        "meanwhile:\n"
        "  g1: {probe: refused}\n"
        "  g2: {group: {name: g, role: SECONDARY, state: ERROR, " +
        group +
        "}}\n"
        "  a: {receiver: connecting}\n"
    );
    World world(setting);

    const auto record = recover(world, "g1");

    EXPECT_EQ(record.state, State::failed);
    EXPECT_EQ(source_of(world, "a"), id("g1"));
    EXPECT_THAT(verdict(record.candidates, "g2"), HasSubstr("in state ERROR"));
}

TEST(IntermediatePlans, ReplicasOfADeadDeposedPrimaryFollowItsSuccessor) {
    World world(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r2: {executed: "p1:1-100,r2:1-9"}
  a: {source: p1}
  b: {source: p1, executed: "p1:1-103"}
meanwhile:
  p1: {probe: refused}
  a: {receiver: connecting}
  b: {receiver: connecting}
operators:
  cluster: {r2: [p1, r2, a, b]}
  deposed: {p1: {successor: r2}}
)"));

    const auto record = recover(world, "p1");

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(source_of(world, "a"), id("r2"));
    EXPECT_EQ(source_of(world, "b"), id("p1")) << "it has what was lost with p1";
    EXPECT_THAT(record.outcome, HasSubstr("left: b:3306 (r2:3306 lacks 3 transactions"));
}

TEST(IntermediatePlans, ASourceThatItsReplicasCannotReachIsLeftThoughItAnswers) {
    World world(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  i1: {source: p1}
  a: {source: i1}
  b: {source: i1}
meanwhile:
  a: {receiver: connecting, receiver_errno: 2003}
  b: {receiver: connecting, receiver_errno: 2003}
)"));
    auto record = begun(world, "i1", enabled_policy(), std::nullopt, kind);
    record.code = analysis::Code::intermediate_replicas_failing_to_connect_or_dead;
    world.at("b").state.channels.at(0).receiver = ThreadState::running;
    world.look();
    Drive drive(world, record, enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(source_of(world, "a"), id("p1"));
    EXPECT_EQ(source_of(world, "b"), id("i1")) << "it can connect again";
}

}  // namespace
}  // namespace baton::recovery
