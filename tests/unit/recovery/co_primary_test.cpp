// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// Two co-primaries, each with replicas of its own, and one of them has died.

namespace baton::recovery {
namespace {

using testing::HasSubstr;

/// p1 <-> p2; p1 > r1, p2 > x1. p1 has died.
scenario::Scenario pair_of(bool both_writable) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {source: p2, read_only: no}
  p2: {source: p1}
  r1: {source: p1}
  x1: {source: p2}
meanwhile:
  p1: {probe: refused}
  p2: {receiver: connecting}
  r1: {receiver: connecting}
operators:
  cluster: {p1: [p1, p2, r1, x1]}
)");
    for (auto* moment : {&setting.before, &setting.meanwhile}) {
        auto& state = moment->at("p2").state;
        state.read_only = state.super_read_only = !both_writable;
    }
    return setting;
}

Record outcome_in(
    World& world,
    const Policy& policy = enabled_policy(),
    const std::optional<Order>& order = std::nullopt
) {
    auto answer = begin_at(world, "p1", policy, order);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        Record record;
        record.outcome = refusal->reason;
        record.state = State::failed;
        return record;
    }
    Drive drive(world, std::get<Record>(std::move(answer)), policy);
    EXPECT_TRUE(drive.run()) << testing::PrintToString(drive.intents());
    return drive.record();
}

void expect_p2_serves_all(World& world, const Record& record) {
    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("p2"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p2"});
    EXPECT_FALSE(world.at("p2").state.channels.size()) << "it has forgotten p1";
    for (const char* name : {"r1", "x1"}) {
        const auto& channel = world.at(name).state.channels.at(0);
        EXPECT_EQ(channel.source, id("p2")) << name;
        EXPECT_EQ(channel.receiver, ThreadState::running) << name;
    }
}

TEST(CoPrimary, ThePassiveOneTakesOver) {
    World world(pair_of(false));

    const auto record = outcome_in(world);

    expect_p2_serves_all(world, record);
    EXPECT_THAT(
        verdict(record.candidates, "r1"),
        HasSubstr("0 its co-primary p2:3306 has to take over (recovery.co_primary_must_take_over)")
    );
}

TEST(CoPrimary, ThePassiveOneIsCaughtUpFirst) {
    auto setting = pair_of(false);
    setting.meanwhile.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
    World world(setting);

    const auto record = outcome_in(world);

    expect_p2_serves_all(world, record);
    EXPECT_THAT(world.done, testing::Contains("let p2:3306 replicate from r1:3306"));
}

TEST(CoPrimary, TheOneThatIsWritableGoesOnAndGetsTheReplicas) {
    World world(pair_of(true));
    world.at("p2").state.executed_gtid_set = scenario::expand_gtids("p1:1-100,p2:1-7");
    world.look();

    expect_p2_serves_all(world, outcome_in(world));
}

TEST(CoPrimary, NobodyBesideTheOneThatIsWritable) {
    // It cannot get what r1 has; r1 must not be promoted beside it all the same.
    auto setting = pair_of(true);
    setting.meanwhile.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
    setting.meanwhile.at("r1").state.identity.log_bin = false;
    auto policy = enabled_policy();
    policy.co_primary_must_take_over = false;
    World world(setting);

    const auto record = outcome_in(world, policy);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p2"});
    EXPECT_EQ(world.at("p2").state.channels.at(0).receiver, ThreadState::connecting)
        << "it waits for p1 as before";
}

TEST(CoPrimary, NobodyWhileTheOtherMayBeWritable) {
    auto setting = pair_of(true);
    setting.meanwhile.at("p2").probe = topology::ProbeFailure::timeout;
    World world(setting);

    const auto record = outcome_in(world);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("accepted writes when it was seen last"));
}

TEST(CoPrimary, AReplicaWhenThePassiveOneIsGoneToo) {
    auto setting = pair_of(false);
    setting.meanwhile.at("p2").probe = topology::ProbeFailure::refused;
    World world(setting);

    EXPECT_EQ(outcome_in(world).successor, id("r1"));
}

TEST(CoPrimary, AReplicaOnlyByOrderOrWhenTheOptionIsOff) {
    auto setting = pair_of(false);
    setting.meanwhile.at("p2").state.identity.log_bin = false;
    {
        World world(setting);
        const auto record = outcome_in(world);
        EXPECT_EQ(record.state, State::failed);
        EXPECT_THAT(record.outcome, HasSubstr("recovery.co_primary_must_take_over"));
    }
    {
        World world(setting);
        const Order order{"alice", id("r1"), false};
        EXPECT_EQ(outcome_in(world, enabled_policy(), order).successor, id("r1"));
    }
    auto policy = enabled_policy();
    policy.co_primary_must_take_over = false;
    World world(setting);
    EXPECT_EQ(outcome_in(world, policy).successor, id("r1"));
}

TEST(CoPrimary, TheReplicasOfAPassiveOneFollowTheOther) {
    auto setting = pair_of(false);
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::none;
    setting.meanwhile.at("p1").state.channels.at(0).receiver = ThreadState::connecting;
    setting.meanwhile.at("p2").probe = topology::ProbeFailure::refused;
    setting.meanwhile.at("x1").state.channels.at(0).receiver = ThreadState::connecting;
    setting.meanwhile.at("r1").state.channels.at(0).receiver = ThreadState::running;
    // r1 has it all too, but p1 is asked for nothing new: either will do for x1.
    World world(setting);
    const auto kind = analysis::RecoveryKind::dead_intermediate;
    Drive drive(world, begun(world, "p2", enabled_policy(), std::nullopt, kind), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_NE(world.at("x1").state.channels.at(0).source, id("p2"));
    EXPECT_EQ(world.at("p1").state.channels.at(0).source, id("p2")) << "p1 waits for its partner";
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
}

}  // namespace
}  // namespace baton::recovery
