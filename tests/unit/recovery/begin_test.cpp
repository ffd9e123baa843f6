// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::variant<Record, Refusal> automatic(
    const World& world, const History& history, const Policy& policy = enabled_policy()
) {
    return begin_at(world, "p1", policy, std::nullopt, history);
}

Record finished(State state, const std::string& failed, Phase phase) {
    Record record;
    record.id = "earlier";
    record.kind = analysis::RecoveryKind::dead_primary;
    record.state = state;
    record.phase = phase;
    record.failed = id(failed);
    record.outcome = "as it was";
    return record;
}

History after_a(const Record& record, Duration since, Duration healthy = {}) {
    History history;
    history.last_finished = &record;
    history.since_last_finished = since;
    history.healthy_since_last = healthy;
    return history;
}

TEST(Begin, NotesWhatIsKnownOfTheCluster) {
    World world(scene(plain));

    const auto record = begun(world);

    EXPECT_EQ(record.failed, id("p1"));
    EXPECT_EQ(record.failed_uuid, scenario::uuid_of("p1"));
    EXPECT_THAT(record.replicas, ElementsAre(id("r1"), id("r2")));
    EXPECT_FALSE(record.forced);
    EXPECT_THAT(record.evidence, ElementsAre("refuses connections"));
}

TEST(Begin, IsOptInByPattern) {
    World world(scene(plain));
    Policy policy;

    const auto refusal = refused(automatic(world, {}, policy));

    EXPECT_EQ(refusal.kind, Refusal::Kind::not_enabled_for_cluster);
    EXPECT_THAT(refusal.reason, HasSubstr("recovery.primary.clusters does not match p1:3306"));
    policy.primary_clusters = {"^p"};
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, {}, policy)));
    // The other kind of recovery is another option.
    policy.primary_clusters = {};
    policy.intermediate_clusters = {"*"};
    EXPECT_EQ(refused(automatic(world, {}, policy)).kind, Refusal::Kind::not_enabled_for_cluster);
}

TEST(Begin, LeavesDowntimedServersAlone) {
    auto setting = scene(plain);
    setting.overlay.downtimes[id("p1")] = {"dba", "disk", 0, scenario::start_wall_ms * 2};
    World world(setting);

    const auto refusal = refused(automatic(world, {}));

    EXPECT_EQ(refusal.kind, Refusal::Kind::downtimed);
    EXPECT_THAT(refusal.reason, HasSubstr("downtimed by dba (disk)"));
}

TEST(Begin, IsRefusedWhileDisabledIgnoredOrUnderMaintenance) {
    World world(scene(plain));
    History history;
    history.globally_disabled = true;
    EXPECT_EQ(refused(automatic(world, history)).kind, Refusal::Kind::globally_disabled);

    auto policy = enabled_policy();
    policy.ignore_hosts = {"^p1:"};
    EXPECT_EQ(refused(automatic(world, {}, policy)).kind, Refusal::Kind::ignored_host);

    history = {};
    history.maintenance = true;
    EXPECT_EQ(refused(automatic(world, history)).kind, Refusal::Kind::maintenance);
}

TEST(Begin, NeverBesideAnotherRecoveryOfTheClusterNotEvenByOrder) {
    World world(scene(plain));
    const auto other = finished(State::running, "r1", Phase::quiesced);
    History history;
    history.running = &other;

    EXPECT_EQ(refused(automatic(world, history)).kind, Refusal::Kind::already_running);
    EXPECT_EQ(
        refused(begin_at(world, "p1", enabled_policy(), Order{"alice", {}, false}, history)).kind,
        Refusal::Kind::already_running
    );
}

TEST(Begin, AntiFlappingEndsWithHealthAcknowledgementOrTime) {
    World world(scene(plain));
    auto last = finished(State::done, "p0", Phase::finished);

    const auto refusal = refused(automatic(world, after_a(last, 10min)));

    EXPECT_EQ(refusal.kind, Refusal::Kind::anti_flapping);
    EXPECT_THAT(refusal.reason, HasSubstr("Acknowledge recovery earlier"));
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, after_a(last, 10min, 31s))));
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, after_a(last, 61min))));
    last.acknowledged = true;
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, after_a(last, 10min))));
    last.acknowledged = false;
    EXPECT_TRUE(std::holds_alternative<Record>(
        begin_at(world, "p1", enabled_policy(), Order{"alice", {}, false}, after_a(last, 10min))
    ));
}

TEST(Begin, AFailedAttemptIsRepeatedAfterAWhileAnAbandonedOneAtOnce) {
    World world(scene(plain));
    const auto failed = finished(State::failed, "p1", Phase::quiesced);

    EXPECT_EQ(refused(automatic(world, after_a(failed, 10s))).kind, Refusal::Kind::anti_flapping);
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, after_a(failed, 61s))));
    const auto abandoned = finished(State::abandoned, "p1", Phase::quiesced);
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, after_a(abandoned, 1s))));
}

TEST(Begin, AFailureAfterThePromotionCountsAsAPromotion) {
    World world(scene(plain));
    const auto failed = finished(State::failed, "p0", Phase::promoted);

    EXPECT_EQ(refused(automatic(world, after_a(failed, 2min))).kind, Refusal::Kind::anti_flapping);
}

TEST(Begin, ADeposedPrimaryIsNotRecoveredAgainForTheReplicasItStillHas) {
    // r3 was down during the failover and follows the old primary still.
    const std::string text = R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {executed: "p1:1-100"}
  r3: {source: p1, executed: "p1:1-90"}
meanwhile:
  p1: {probe: refused}
  r3: {receiver: connecting}
operators:
  cluster: {r1: [p1, r1, r3]}
  deposed: {p1: {successor: r1}}
)";
    World world(scene(text));

    for (const auto& order : {std::optional<Order>{}, std::optional(Order{"alice", {}, false})}) {
        const auto refusal = refused(begin_at(world, "p1", enabled_policy(), order));

        EXPECT_EQ(refusal.kind, Refusal::Kind::unsafe);
        EXPECT_THAT(refusal.reason, HasSubstr("p1:3306 was replaced by r1:3306"));
    }
}

TEST(Begin, ADeposedOneThatWasMadeThePrimaryAgainIsRecovered) {
    const std::string text = R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {source: p1, executed: "p1:1-100"}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
operators:
  cluster: {p1: [p1, r1]}
  deposed: {p1: {successor: r1}}
)";
    World world(scene(text));

    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, {})));
}

TEST(Begin, AClusterThatHasAWritablePrimaryGetsNoSecondOne) {
    World world(scene(R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {executed: "p1:1-100"}
  r3: {source: p1, executed: "p1:1-90"}
meanwhile:
  p1: {probe: refused}
  r3: {receiver: connecting}
operators:
  cluster: {p1: [p1, r1, r3]}
)"));

    const auto refusal = refused(automatic(world, {}));

    EXPECT_EQ(refusal.kind, Refusal::Kind::unsafe);
    EXPECT_THAT(refusal.reason, HasSubstr("r1:3306 is writable"));
}

TEST(Begin, AnOrderMustNameADirectReplica) {
    World world(scene(plain));

    const auto refusal =
        refused(begin_at(world, "p1", enabled_policy(), Order{"alice", id("stranger"), false}));

    EXPECT_EQ(refusal.kind, Refusal::Kind::no_candidate);
    EXPECT_THAT(refusal.reason, HasSubstr("r1:3306, r2:3306"));
}

TEST(Begin, RefusesBeforeTouchingAnythingWhenNobodyCanBePromoted) {
    auto setting = scene(plain);
    setting.overlay.candidates[id("r1")] = {topology::PromotionRule::must_not, 0, 0};
    setting.meanwhile.at("r2").state.identity.log_bin = false;
    World world(setting);

    const auto refusal = refused(automatic(world, {}));

    EXPECT_EQ(refusal.kind, Refusal::Kind::no_candidate);
    EXPECT_THAT(refusal.reason, HasSubstr("r1:3306: its promotion rule is must_not"));
    EXPECT_THAT(refusal.reason, HasSubstr("r2:3306: its binary log is off"));
}

TEST(Begin, SemiSyncRefusesWhenAnAcknowledgerIsOutOfReach) {
    const std::string text = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {semi_sync: {source: yes, status: yes, clients: 2}}
  r1: {source: p1, semi_sync: {replica: yes}}
  r2: {source: p1, semi_sync: {replica: yes}}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {probe: timeout}
)";
    World world(scene(text));

    const auto refusal = refused(automatic(world, {}));

    EXPECT_EQ(refusal.kind, Refusal::Kind::unsafe);
    EXPECT_THAT(refusal.reason, HasSubstr("only r2:3306 received"));
    auto policy = enabled_policy();
    policy.require_all_acknowledgers = false;
    EXPECT_TRUE(std::holds_alternative<Record>(automatic(world, {}, policy)));
}

}  // namespace
}  // namespace baton::recovery
