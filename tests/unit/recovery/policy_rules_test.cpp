// SPDX-License-Identifier: Apache-2.0
// What rules of the policy change in the decisions of this module.
#include "support.hpp"

namespace baton::recovery {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string two_places = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {data_center: a, region: eu}
  r1: {source: p1, data_center: a, region: eu}
  r2: {source: p1, data_center: b, region: us}
  r3: {source: p1}
)";

Forecast foreseen(const World& world, const Policy& policy, const History& history = {}) {
    return forecast(*world.topology->cluster_of(id("p1")), *world.topology, policy, history);
}

TEST(Rules, ASwitchWinsOverTheListsOfClusters) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.switches["primary"] = {false, "rule 2 (orders)"};

    const auto refusal = refused(begin_at(world, "p1", policy));

    EXPECT_EQ(refusal.kind, Refusal::Kind::not_enabled_for_cluster);
    EXPECT_THAT(refusal.reason, HasSubstr("rule 2 (orders) switches recovery.primary off"));
    Policy none;
    none.switches["primary"] = {true, "rule 1"};
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", none)));
}

TEST(Rules, AnOrderWinsOverASwitch) {
    World world(scene(plain));
    Policy policy;
    policy.switches["primary"] = {false, "rule 1"};
    Order order;
    order.by = "ann";

    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, order)));
}

TEST(Rules, CoPrimariesCanBeSwitchedOffApart) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.switches["primary"] = {true, ""};
    policy.switches["co_primary"] = {false, "rule 1"};
    auto finding = finding_of(world, analysis::RecoveryKind::dead_primary, "p1");
    EXPECT_TRUE(
        std::holds_alternative<Record>(begin(finding, *world.topology, policy, {}, std::nullopt))
    );

    finding.code = analysis::Code::dead_co_primary;

    EXPECT_THAT(
        refused(begin(finding, *world.topology, policy, {}, std::nullopt)).reason,
        HasSubstr("recovery.co_primary off")
    );
}

TEST(Rules, AFindingMustHoldAsLongAsTheRuleSays) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.wait_before_acting = 5s;
    History history;
    history.since_detected = 4999ms;

    EXPECT_EQ(
        refused(begin_at(world, "p1", policy, std::nullopt, history)).kind, Refusal::Kind::waiting
    );
    history.since_detected = 5s;
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, std::nullopt, history))
    );
    Order order;
    order.by = "ann";
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, order)));
}

TEST(Rules, AClusterHasABudgetOfItsOwn) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.cluster_budget = 2;
    History history;
    history.begun_lately_here = 2;

    const auto refusal = refused(begin_at(world, "p1", policy, std::nullopt, history));

    EXPECT_EQ(refusal.kind, Refusal::Kind::budget_spent);
    EXPECT_THAT(refusal.reason, HasSubstr("budget.recoveries allows 2"));
    history.begun_lately_here = 1;
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, std::nullopt, history))
    );
    policy.cluster_budget = 0;
    history.begun_lately_here = 9;
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, std::nullopt, history))
    );
}

TEST(Rules, WithoutSemiSyncNothingIsPromotedWhereItIsRequired) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.require_semi_sync = true;

    const auto refusal = refused(begin_at(world, "p1", policy));

    EXPECT_EQ(refusal.kind, Refusal::Kind::unsafe);
    EXPECT_THAT(refusal.reason, HasSubstr("has no semi-synchronous replication"));
}

TEST(Rules, PlacesAreAllowedByName) {
    World world(scene(two_places));
    auto policy = enabled_policy();
    policy.data_centers = {"b"};
    const auto elsewhere = foreseen(world, policy);
    EXPECT_EQ(elsewhere.successor, id("r2"));
    EXPECT_THAT(
        verdict(elsewhere.candidates, "r1"), HasSubstr("candidates.data_centers allows only b")
    );
    EXPECT_THAT(verdict(elsewhere.candidates, "r3"), HasSubstr("data centre is not known"));

    policy.regions = {"eu"};

    const auto nowhere = foreseen(world, policy);
    EXPECT_TRUE(nowhere.successor.empty());
    EXPECT_THAT(nowhere.blockers, Contains(HasSubstr("candidates.regions allows only eu")));
}

TEST(Rules, CandidatesArePreferredAndRestrictedByName) {
    World world(scene(two_places));
    auto policy = enabled_policy();
    policy.prefer_hosts = {"^r3"};
    EXPECT_EQ(foreseen(world, policy).successor, id("r3"));

    policy.only_hosts = {"^r[12]"};

    const auto answer = foreseen(world, policy);
    EXPECT_EQ(answer.successor, id("r1"));
    EXPECT_THAT(verdict(answer.candidates, "r3"), HasSubstr("candidates.only does not name it"));
}

TEST(Rules, WhoIsTooFarBehindIsNotPromoted) {
    auto setting = scene(two_places);
    setting.meanwhile.at("r1").state.channels.front().seconds_behind = 120;
    World world(setting);
    auto policy = enabled_policy();
    policy.prefer_hosts = {"^r1"};
    EXPECT_EQ(foreseen(world, policy).successor, id("r1"));

    policy.max_candidate_lag = 60s;

    const auto answer = foreseen(world, policy);
    EXPECT_NE(answer.successor, id("r1"));
    EXPECT_THAT(verdict(answer.candidates, "r1"), HasSubstr("120 s behind"));
}

TEST(Rules, TheForecastTellsTheTimeInPartsAndItsSum) {
    auto setting = scene(two_places);
    for (const auto* name : {"r1", "r2", "r3"}) {
        setting.meanwhile.at(name).state.channels.front().seconds_behind = 7;
    }
    World world(setting);
    auto policy = enabled_policy();
    policy.wait_before_acting = 2s;
    policy.has_pre_hooks = true;

    const auto answer = foreseen(world, policy);

    std::int64_t sum = 0;
    std::vector<std::string> parts;
    for (const auto& part : answer.duration) {
        sum += part.ms;
        parts.push_back(part.what);
        EXPECT_FALSE(part.basis.empty()) << part.what;
    }
    EXPECT_EQ(answer.duration_ms(), sum);
    EXPECT_GE(sum, 9000) << "two seconds of waiting and seven to apply";
    EXPECT_LT(sum, 10000);
    EXPECT_THAT(parts, Contains("waiting"));
    EXPECT_THAT(parts, Contains("applying what was received"));
    EXPECT_THAT(parts, Contains("hooks"));
    EXPECT_EQ(answer.successor_lag_seconds, 7);
    EXPECT_THAT(answer.loss, HasSubstr("7 s late costs time and no transaction"));
}

TEST(Rules, TheForecastTellsWhyAReplicaWouldBeLost) {
    auto setting = scene(two_places);
    setting.meanwhile.at("r3").probe = topology::ProbeFailure::timeout;
    World world(setting);

    const auto answer = foreseen(world, enabled_policy());

    ASSERT_EQ(answer.lost.size(), 1U);
    EXPECT_EQ(answer.lost.front().id, id("r3"));
    EXPECT_THAT(answer.lost.front().reason, HasSubstr("does not answer"));
    EXPECT_THAT(foreseen(World(scene(two_places)), enabled_policy()).lost, IsEmpty());
}

}  // namespace
}  // namespace baton::recovery
