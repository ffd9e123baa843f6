// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// A relay log that was dropped just before the primary died.

namespace baton::recovery {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// r1 had received all and applied little; it was restarted, and its relay log is gone. r2 is
/// behind.
scenario::Scenario dropped(const std::string& semi_sync_source, const std::string& semi_sync) {
    return scene(
        R"(
servers:
  p1: {executed: "p1:1-100")" +
        semi_sync_source + R"(}
  r1: {source: p1, executed: "p1:1-40", retrieved: "p1:30-100")" +
        semi_sync + R"(}
  r2: {source: p1, executed: "p1:1-80")" +
        semi_sync + R"(}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting, retrieved: ""}
  r2: {receiver: connecting}
)"
    );
}

Record outcome_of(const scenario::Scenario& setting, const Policy& policy = enabled_policy()) {
    World world(setting);
    auto answer = begin_at(world, "p1", policy);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        Record record;
        record.state = State::failed;
        record.outcome = refusal->reason;
        return record;
    }
    Drive drive(world, std::get<Record>(std::move(answer)), policy);
    EXPECT_TRUE(drive.run());
    return drive.record();
}

const std::string waits_for_one = ", semi_sync: {source: yes, status: yes, wait: 1, clients: 2}";
const std::string acknowledges = ", semi_sync: {replica: yes}";

TEST(ReceivedLost, AnotherThatHasAllIsPromotedAndNothingIsLost) {
    auto setting = dropped(waits_for_one, acknowledges);
    setting.before.at("r2").state.executed_gtid_set = scenario::expand_gtids("p1:1-100");
    setting.meanwhile.at("r2").state.executed_gtid_set = scenario::expand_gtids("p1:1-100");

    const auto record = outcome_of(setting);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(record.loss, AllOf(HasSubstr("none"), Not(HasSubstr("had received"))));
}

TEST(ReceivedLost, WithoutSemiSyncTheLossIsStatedAndTheFailoverGoesOn) {
    const auto record = outcome_of(dropped("", ""));

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(record.loss, HasSubstr("20 transactions that r1:3306 had received"));
}

TEST(ReceivedLost, UnderSemiSyncItRefuses) {
    const auto record = outcome_of(dropped(waits_for_one, acknowledges));

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(
        record.outcome,
        AllOf(
            HasSubstr("Not safe"),
            HasSubstr("r1:3306 had received 20 transactions"),
            HasSubstr("recovery.require_all_acknowledgers")
        )
    );
}

TEST(ReceivedLost, ThePolicyMayAcceptIt) {
    auto policy = enabled_policy();
    policy.require_all_acknowledgers = false;

    const auto record = outcome_of(dropped(waits_for_one, acknowledges), policy);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(
        record.loss,
        AllOf(HasSubstr("20 transactions that r1:3306"), HasSubstr("Acknowledged transactions may"))
    );
}

TEST(ReceivedLost, OneOfTwoAcknowledgersMayLoseWhatTheOtherHas) {
    auto setting =
        dropped(", semi_sync: {source: yes, status: yes, wait: 2, clients: 2}", acknowledges);

    const auto record = outcome_of(setting);

    // What was acknowledged by two is on r2; what only r1 had was acknowledged to nobody.
    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_THAT(
        record.loss, AllOf(HasSubstr("20 transactions that r1:3306"), HasSubstr("not lost"))
    );
}

TEST(ReceivedLost, OneThatHasNotConnectedAgainCountsAsWell) {
    auto setting = dropped(waits_for_one, acknowledges);
    auto& restarted = setting.meanwhile.at("r1").state;
    restarted.semi_sync.replica_status = false;
    restarted.uptime_seconds = 1;

    EXPECT_THAT(outcome_of(setting).outcome, HasSubstr("r1:3306 had received 20 transactions"));
}

/// r1 is restarted at `uptime` seconds before the last look, and has all that was ever seen on it.
std::string outcome_after_restart(std::uint64_t uptime, bool drops, bool connected) {
    auto setting = dropped(waits_for_one, acknowledges);
    for (auto* servers : {&setting.before, &setting.meanwhile}) {
        auto& r1 = servers->at("r1").state;
        r1.executed_gtid_set = scenario::expand_gtids("p1:1-100");
        r1.channels[0].retrieved_gtid_set.clear();
        r1.identity.relay_log_recovery = drops;
        servers->at("r2").state.executed_gtid_set = scenario::expand_gtids("p1:1-100");
    }
    auto& restarted = setting.meanwhile.at("r1").state;
    restarted.uptime_seconds = uptime;
    restarted.semi_sync.replica_status = connected;
    const auto record = outcome_of(setting);
    return record.state == State::done ? "done: " + record.loss : record.outcome;
}

TEST(ReceivedLost, ARestartThatDropsWhatNobodySawIsNotTrusted) {
    // In the scenario the primary was seen last a minute before it was lost.
    for (const bool connected : {true, false}) {
        EXPECT_THAT(
            outcome_after_restart(0, true, connected),
            AllOf(HasSubstr("Not safe"), HasSubstr("r1:3306 was started when p1:3306 was lost"))
        );
    }
}

TEST(ReceivedLost, ARestartThatKeepsTheRelayLogLosesNothing) {
    EXPECT_THAT(outcome_after_restart(0, false, true), HasSubstr("done: none"));
    EXPECT_THAT(outcome_after_restart(0, false, false), HasSubstr("done: none"))
        << "the primary counted it, and it is known which one it was";
}

TEST(ReceivedLost, WhatWasAcknowledgedLongBeforeThePrimaryWasSeenIsOnThePrimary) {
    EXPECT_THAT(outcome_after_restart(1000, true, true), HasSubstr("done: none"));
}

TEST(ReceivedLost, TheForecastSaysItBefore) {
    auto setting = dropped(waits_for_one, acknowledges);
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::none;
    setting.meanwhile.at("r2").state.channels[0].receiver = topology::ThreadState::stopped;
    const World world(setting);
    const auto* cluster = world.topology->cluster_of(id("p1"));
    ASSERT_NE(cluster, nullptr);

    const auto forecast = recovery::forecast(*cluster, *world.topology, enabled_policy(), {});

    EXPECT_THAT(forecast.blockers, testing::Contains(HasSubstr("r1:3306 had received 20")));
}

}  // namespace
}  // namespace baton::recovery
