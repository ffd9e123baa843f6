// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// Semi-synchronous replication, and an acknowledging replica that was down before the primary died.

namespace baton::recovery {
namespace {

using testing::HasSubstr;

/// r1 dies, the primary goes on with r2 and r3 to transaction 150, and dies as well.
World after_both_died(const std::string& r2_has, bool primary_seen_since = true) {
    World world(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 3}}
  r1: {source: p1, semi_sync: {replica: yes}}
  r2: {source: p1, semi_sync: {replica: yes}}
  r3: {source: p1, semi_sync: {replica: yes}}
meanwhile:
  r1: {probe: refused}
)"));
    world.at("p1").state.semi_sync.clients = primary_seen_since ? 2 : 3;
    world.at("p1").state.executed_gtid_set = scenario::expand_gtids("p1:1-150");
    world.at("r2").state.executed_gtid_set = scenario::expand_gtids(r2_has);
    for (int looks = 0; looks < 60; ++looks) {  // more than a second
        world.look();
    }
    world.at("p1").probe = topology::ProbeFailure::refused;
    for (const char* name : {"r2", "r3"}) {
        world.at(name).state.channels.front().receiver = topology::ThreadState::connecting;
    }
    world.look();
    return world;
}

Record outcome_of(World world) {
    Drive drive(world, begun(world), enabled_policy());
    EXPECT_TRUE(drive.run());
    return drive.record();
}

TEST(Acknowledgers, OneThatWasDownForLongHoldsNothingUp) {
    const auto record = outcome_of(after_both_died("p1:1-152"));

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(record.loss, HasSubstr("none"));
}

TEST(Acknowledgers, OneThatWasDownForLongMayHaveWhatNobodyElseHas) {
    const auto record = outcome_of(after_both_died("p1:1-149"));

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("only r1:3306 received"));
}

TEST(Acknowledgers, OneThatThePrimaryStillCountedMayHaveAcknowledgedTheLast) {
    auto world = after_both_died("p1:1-152", false);
    const auto refusal = refused(begin_at(world, "p1"));

    EXPECT_THAT(refusal.reason, HasSubstr("only r1:3306 received"));
}

}  // namespace
}  // namespace baton::recovery
