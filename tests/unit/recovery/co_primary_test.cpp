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

/// p2 lacks what r1 has and follows r1 for that; then r1 is gone.
Record caught_up_in_vain(
    World& world, const std::function<std::optional<Error>(const Step&)>& trouble = {}
) {
    world.trouble = trouble;
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage& stage) {
        const auto& step = stage.steps.front();
        if (step.kind == StepKind::repoint && step.source == id("r1")) {
            world.unreached.insert("r1");  // so that nothing of it arrives
        } else if (step.kind == StepKind::wait_applied && step.target == id("p2")) {
            world.kill("r1");
        }
    };
    EXPECT_TRUE(drive.run()) << testing::PrintToString(drive.intents());
    EXPECT_THAT(world.done, testing::Contains("let p2:3306 replicate from r1:3306"));
    return drive.record();
}

scenario::Scenario one_ahead() {
    auto setting = pair_of(false);
    setting.meanwhile.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
    return setting;
}

TEST(CoPrimary, OneThatCannotBeCaughtUpIsPointedBackToItsPartner) {
    World world(one_ahead());

    const auto record = caught_up_in_vain(world);

    EXPECT_EQ(record.state, State::failed) << record.outcome;
    EXPECT_THAT(world.writable(), testing::IsEmpty());
    const auto& channel = world.at("p2").state.channels.at(0);
    EXPECT_EQ(channel.source, id("p1"));
    EXPECT_NE(channel.receiver, ThreadState::stopped) << "it waits for p1 as before";
    EXPECT_THAT(record.outcome, testing::Not(HasSubstr("still follows")));
    EXPECT_THAT(record.stopped_by_us, testing::Not(testing::Contains(id("p2"))));

    world.revive("p1");
    world.flow();
    EXPECT_EQ(
        gtid::missing_from(World::executed(world.at("p1")), World::received(world.at("p2"))), 0U
    ) << "it gets again what p1 writes";
}

TEST(CoPrimary, OneThatItsHelperServesNothingIsPointedBack) {
    // As MariaDB does when r1 has purged what p2 needs: it follows r1, and its receiver gives up.
    World world(one_ahead());
    Drive drive(world, begun(world), enabled_policy());
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::repoint && step.source == id("r1")) {
            world.half(step, 1);
            return Error(Errc::server_error, "receiver: 1236 purged");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run()) << testing::PrintToString(drive.intents());

    EXPECT_EQ(drive.record().state, State::failed);
    const auto& channel = world.at("p2").state.channels.at(0);
    EXPECT_EQ(channel.source, id("p1"));
    EXPECT_NE(channel.receiver, ThreadState::stopped);
}

TEST(CoPrimary, OneThatCannotBePointedBackIsToldWithTheRemedy) {
    World world(one_ahead());

    const auto record = caught_up_in_vain(world, [](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::repoint && step.source == id("p1")) {
            return Error(Errc::refused, "its relay logs would be dropped");
        }
        return std::nullopt;
    });

    EXPECT_EQ(record.state, State::failed);
    EXPECT_EQ(world.at("p2").state.channels.at(0).source, id("r1"));
    EXPECT_THAT(
        record.outcome,
        HasSubstr("p2:3306 still follows r1:3306, from which it was to get what it lacked, because "
                  "it could not be pointed back (see the steps). When it has applied what it "
                  "received: STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='p1', "
                  "SOURCE_PORT=3306; START REPLICA")
    );
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
