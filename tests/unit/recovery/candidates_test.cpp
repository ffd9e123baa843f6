// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// The order of candidates and why somebody may not, seen through whole recoveries.

namespace baton::recovery {
namespace {

using testing::HasSubstr;

/// A dead p1 with three equal replicas, and what the test changes.
scenario::Scenario trio() {
    return scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {data_center: a, region: x}
  r1: {source: p1, data_center: a, region: x}
  r2: {source: p1, data_center: a, region: x}
  r3: {source: p1, data_center: a, region: x}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
  r3: {receiver: connecting}
)");
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
    EXPECT_TRUE(drive.run());
    if (drive.record().state == State::done) {
        expect_whole(world, drive.record());
    }
    return drive.record();
}

Record outcome_of(
    const scenario::Scenario& setting,
    const Policy& policy = enabled_policy(),
    const std::optional<Order>& order = std::nullopt
) {
    World world(setting);
    return outcome_in(world, policy, order);
}

void rule(scenario::Scenario& setting, const std::string& name, topology::PromotionRule rule) {
    setting.overlay.candidates[id(name)] = {rule, 0, 0};
}

TEST(Candidates, TheMostReceivedComesBeforeThePromotionRule) {
    auto setting = trio();
    rule(setting, "r1", topology::PromotionRule::prefer);
    setting.meanwhile.at("r2").state.channels[0].retrieved_gtid_set =
        scenario::expand_gtids("p1:101-2000");
    setting.meanwhile.at("r2").state.executed_gtid_set = scenario::expand_gtids("p1:1-60");

    const auto record = outcome_of(setting);

    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("lacks"));
}

TEST(Candidates, APreferredOneThatLacksAFewIsCaughtUpFirst) {
    auto setting = trio();
    rule(setting, "r1", topology::PromotionRule::prefer);
    setting.meanwhile.at("r2").state.executed_gtid_set = scenario::expand_gtids("p1:1-120");

    World world(setting);

    const auto record = outcome_in(world);

    EXPECT_EQ(record.successor, id("r1"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("promotion rule prefer"));
    EXPECT_THAT(world.done, testing::Contains("let r1:3306 replicate from r2:3306"));
}

TEST(Candidates, ThePromotionRuleComesBeforeThePlace) {
    auto setting = trio();
    rule(setting, "r3", topology::PromotionRule::prefer);
    setting.before.at("r3").state.identity.data_center = "b";
    setting.meanwhile.at("r3").state.identity.data_center = "b";

    EXPECT_EQ(outcome_of(setting).successor, id("r3"));
}

TEST(Candidates, OneThatTheOthersCanFollowComesBeforeThePlace) {
    auto setting = trio();
    setting.meanwhile.at("r3").state.executed_gtid_set = scenario::expand_gtids("p1:1-50");
    for (const char* name : {"r1"}) {
        setting.meanwhile.at(name).state.purged_gtid_set = scenario::expand_gtids("p1:1-80");
    }
    setting.meanwhile.at("r2").state.identity.data_center = "b";

    const auto record = outcome_of(setting);

    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("could not follow it"));
}

TEST(Candidates, TheSameDataCentreIsPreferredAndMayBeDemanded) {
    auto setting = trio();
    for (const char* name : {"r1", "r2"}) {
        setting.meanwhile.at(name).state.identity.data_center = "b";
    }
    EXPECT_EQ(outcome_of(setting).successor, id("r3"));

    rule(setting, "r3", topology::PromotionRule::must_not);
    EXPECT_EQ(outcome_of(setting).successor, id("r1"));

    auto policy = enabled_policy();
    policy.prevent_cross_data_center = true;
    const auto record = outcome_of(setting, policy);
    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("another data centre (b, not a)"));

    // What is not known is not another place.
    setting.meanwhile.at("r1").state.identity.data_center = "";
    EXPECT_EQ(outcome_of(setting, policy).successor, id("r1"));
}

TEST(Candidates, NeverOneOfTheIgnoreList) {
    auto policy = enabled_policy();
    policy.promotion_ignore_hosts = {"^r1:"};

    const auto record = outcome_of(trio(), policy);

    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("0 recovery.promotion_ignore_hosts"));
}

TEST(Candidates, NeverADowntimedOneUnlessTheOperatorNamesIt) {
    auto setting = trio();
    setting.overlay.downtimes[id("r1")] = {"dba", "disk", 0, scenario::start_wall_ms * 2};

    EXPECT_EQ(outcome_of(setting).successor, id("r2"));
    EXPECT_EQ(
        outcome_of(setting, enabled_policy(), Order{"alice", id("r1"), false}).successor, id("r1")
    );
}

TEST(Candidates, NeverANewerVersionThanAnAnsweringReplica) {
    auto setting = trio();
    setting.meanwhile.at("r3").state.identity.version = "8.4.3";
    // It alone has the last transaction: nobody can get it, so nobody is promoted.
    setting.meanwhile.at("r3").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
    setting.meanwhile.at("r3").state.channels[0].receiver = ThreadState::stopped;

    auto record = outcome_of(setting);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("lacks 1 transaction that r3:3306 received"));
    EXPECT_THAT(record.outcome, HasSubstr("version 8.0 is older than 8.4"));

    // When nobody older answers it may.
    setting.meanwhile.at("r1").probe = setting.meanwhile.at("r2").probe =
        topology::ProbeFailure::refused;
    record = outcome_of(setting);
    EXPECT_EQ(record.successor, id("r3"));
    EXPECT_THAT(verdict(record.candidates, "r3"), HasSubstr("nobody better is left"));
}

/// r1 has errant transactions, and the others must not be promoted.
World errant_world(scenario::Scenario setting) {
    rule(setting, "r2", topology::PromotionRule::must_not);
    rule(setting, "r3", topology::PromotionRule::must_not);
    World world(setting);
    world.revive("p1");  // errant is what the living primary does not have
    world.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-100,r1:1-3");
    world.look();
    world.kill("p1");
    world.look();
    return world;
}

TEST(Candidates, ErrantTransactionsNeverEvenWhenNobodyElseCan) {
    World world = errant_world(trio());

    const auto record = outcome_in(world);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("r1:3306: it has errant transactions"));
    EXPECT_THAT(record.outcome, HasSubstr("set recovery.promote_errant"));
    const Order order{"alice", id("r1"), false};
    EXPECT_EQ(outcome_in(world, enabled_policy(), order).state, State::failed);
    EXPECT_EQ(world.writable(), std::vector<std::string>{});
}

TEST(Candidates, ErrantTransactionsAreSeenThoughThePrimaryHasWrittenNothing) {
    auto setting = trio();
    for (auto* moment : {&setting.before, &setting.meanwhile}) {
        for (auto& [name, server] : *moment) {
            server.state.executed_gtid_set.clear();
        }
    }
    World world(setting);
    world.revive("p1");
    world.at("r1").state.executed_gtid_set = scenario::expand_gtids("r1:1-3");
    world.look();
    world.kill("p1");
    world.look();

    const auto record = outcome_in(world);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2")) << "r1 would be the first by name";
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("0 it has errant transactions"));
}

TEST(Candidates, ErrantTransactionsWhenThePolicyAllowsItAndNobodyElseCan) {
    auto policy = enabled_policy();
    policy.promote_errant = true;
    World world = errant_world(trio());

    const auto record = outcome_in(world, policy);

    EXPECT_EQ(record.successor, id("r1"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("nobody better is left"));
}

TEST(Candidates, AnotherOneComesBeforeErrantTransactions) {
    auto policy = enabled_policy();
    policy.promote_errant = true;
    auto setting = trio();
    World world(setting);
    world.revive("p1");
    world.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-100,r1:1-3");
    world.look();
    world.kill("p1");
    world.look();

    const auto record = outcome_in(world, policy);

    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_THAT(verdict(record.candidates, "r1"), HasSubstr("errant transactions"));
}

TEST(Candidates, ADelayedOneOnlyWhenNobodyElseCan) {
    auto setting = trio();
    setting.meanwhile.at("r1").state.channels[0].delay_seconds = 3600;
    EXPECT_EQ(outcome_of(setting).successor, id("r2"));

    // Then its delay is skipped, and that is said.
    rule(setting, "r2", topology::PromotionRule::must_not);
    rule(setting, "r3", topology::PromotionRule::must_not);
    setting.meanwhile.at("r1").state.executed_gtid_set = scenario::expand_gtids("p1:1-40");
    setting.meanwhile.at("r1").state.channels[0].retrieved_gtid_set =
        scenario::expand_gtids("p1:41-100");
    World world(setting);

    const auto record = outcome_in(world);

    EXPECT_EQ(record.successor, id("r1")) << record.outcome;
    EXPECT_THAT(record.changes, testing::ElementsAre("the delay of r1:3306 was ended"));
    EXPECT_EQ(world.at("r1").state.executed_gtid_set, scenario::expand_gtids("p1:1-100"));
}

TEST(Candidates, EveryLoserHasAReason) {
    auto setting = trio();
    setting.meanwhile.at("r2").state.identity.log_bin = false;
    setting.meanwhile.at("r3").probe = topology::ProbeFailure::timeout;

    const auto record = outcome_of(setting);

    ASSERT_EQ(record.candidates.size(), 3U);
    for (const auto& candidate : record.candidates) {
        EXPECT_FALSE(candidate.reason.empty()) << candidate.id.text();
    }
}

TEST(Candidates, TheAnswerIsTheSameAtEachLook) {
    World world(trio());
    const auto record = begun(world);
    const auto first = next(record, *world.topology, enabled_policy());
    world.look();
    const auto second = next(record, *world.topology, enabled_policy());

    EXPECT_EQ(kinds(std::get<Stage>(first)), kinds(std::get<Stage>(second)));
}

}  // namespace
}  // namespace baton::recovery
