// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kind = analysis::RecoveryKind::dead_intermediate;

/// p1 > i1 > (a, b), p1 > i2, and i1 has died.
const std::string tree = R"(
defaults: {executed: "p1:1-100", data_center: east}
servers:
  p1: {}
  i1: {source: p1}
  i2: {source: p1}
  a: {source: i1}
  b: {source: i1}
meanwhile:
  i1: {probe: refused}
  a: {receiver: connecting}
  b: {receiver: connecting}
)";

Record recover(World& world, const Policy& policy = enabled_policy()) {
    Drive drive(world, begun(world, "i1", policy, std::nullopt, kind), policy);
    EXPECT_TRUE(drive.run()) << testing::PrintToString(drive.intents());
    return drive.record();
}

InstanceId source_of(World& world, const std::string& name) {
    return world.at(name).state.channels.at(0).source;
}

TEST(DeadIntermediate, MovesTheReplicasToASiblingInTheSameDataCentre) {
    World world(scene(tree));

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("i2"));
    EXPECT_EQ(source_of(world, "a"), id("i2"));
    EXPECT_EQ(source_of(world, "b"), id("i2"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
}

TEST(DeadIntermediate, TheGrandparentComesBeforeASiblingElsewhere) {
    auto setting = scene(tree);
    setting.meanwhile.at("i2").state.identity.data_center = "west";
    World world(setting);

    EXPECT_EQ(recover(world).successor, id("p1"));
}

TEST(DeadIntermediate, ASiblingThatLagsIsNotUsed) {
    auto setting = scene(tree);
    setting.meanwhile.at("i2").state.executed_gtid_set = scenario::expand_gtids("p1:1-99");
    World world(setting);

    EXPECT_EQ(recover(world).successor, id("p1"));
}

TEST(DeadIntermediate, ASiblingThatOperatorsWorkOnIsNotUsed) {
    auto setting = scene(tree);
    setting.overlay.downtimes[id("i2")] = {"dba", "disk", 0, scenario::start_wall_ms * 2};
    World world(setting);

    EXPECT_EQ(recover(world).successor, id("p1"));
}

TEST(DeadIntermediate, TheNextBestIsTriedAfterAFailure) {
    World world(scene(tree));
    world.trouble = [](const Step& step) -> std::optional<Error> {
        return step.source == id("i2") ? std::optional(fail(Errc::server_error, "denied"))
                                       : std::nullopt;
    };

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done);
    EXPECT_EQ(source_of(world, "a"), id("p1"));
}

TEST(DeadIntermediate, WithItsSourceReplacedThePrimaryOfTheClusterStandsIn) {
    World world(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r2: {}
  i1: {source: p1}
  a: {source: i1}
meanwhile:
  p1: {probe: refused}
  i1: {probe: refused}
  a: {receiver: connecting}
operators:
  cluster: {r2: [p1, r2, i1, a]}
  deposed: {p1: {successor: r2}}
)"));

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(source_of(world, "a"), id("r2"));
}

TEST(DeadIntermediate, AReplicaWithTransactionsThatTheStandInLacksIsLeft) {
    World world(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r2: {}
  i1: {source: p1}
  a: {source: i1, executed: "p1:1-103"}
meanwhile:
  p1: {probe: refused}
  i1: {probe: refused}
  a: {receiver: connecting}
operators:
  cluster: {r2: [p1, r2, i1, a]}
  deposed: {p1: {successor: r2}}
)"));

    const auto record = recover(world);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.errors, Contains(HasSubstr("r2:3306 lacks 3 transactions")));
    EXPECT_EQ(source_of(world, "a"), id("i1"));
}

TEST(DeadIntermediate, HalfAMoveIsFinishedByTheNextHolder) {
    World world(scene(tree));
    Drive drive(world, begun(world, "i1", enabled_policy(), std::nullopt, kind), enabled_policy());
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        return drive.stages.size() == 1
                   ? std::optional(std::vector<bool>(stage.steps.size(), false))
                   : std::nullopt;
    };
    drive.on_cut = [&](const Step& step) { world.half(step, 1); };

    ASSERT_TRUE(drive.run());

    for (const char* name : {"a", "b"}) {
        EXPECT_EQ(source_of(world, name), id("i2"));
        EXPECT_EQ(world.at(name).state.channels.at(0).receiver, ThreadState::running) << name;
    }
}

TEST(DeadIntermediate, IsAbandonedWhenItIsBack) {
    auto setting = scene(tree);
    World world(setting);
    const auto record = begun(world, "i1", enabled_policy(), std::nullopt, kind);
    world.revive("i1");
    world.look();

    const auto move = next(record, *world.topology, enabled_policy());

    ASSERT_TRUE(std::holds_alternative<Finish>(move));
    EXPECT_EQ(std::get<Finish>(move).state, State::abandoned);
}

TEST(DeadIntermediate, RunsItsHooks) {
    auto policy = enabled_policy();
    policy.has_pre_hooks = policy.has_post_hooks = policy.has_failed_hooks = true;
    World world(scene(tree));

    recover(world, policy);

    EXPECT_THAT(
        world.hooks, ElementsAre("pre_failover", "post_intermediate_failover", "post_failover")
    );
}

}  // namespace
}  // namespace baton::recovery
