// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::topology {
namespace {

using Change = Builder::Change;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Builder, KeepsTheLastGoodStateWhenAProbeFails) {
    Builder builder;
    builder.apply(good(id("p"), a_server("p"), 1));

    EXPECT_EQ(builder.apply(failed(id("p"), ProbeFailure::timeout, 2)), Change::decisive);
    builder.apply(failed(id("p"), ProbeFailure::refused, 3));

    const auto* p = build(builder, 3)->find(id("p"));
    EXPECT_TRUE(p->ever_seen);
    EXPECT_EQ(p->state.identity.hostname, "p");
    EXPECT_FALSE(p->reachable());
    EXPECT_EQ(p->health.consecutive_failures, 2U);
    EXPECT_EQ(p->health.failure, ProbeFailure::refused);
    EXPECT_EQ(p->health.first_failure, at(1.5));  // the start of the first failed probe
    EXPECT_EQ(p->health.first_failure_ms, wall(1.5));
    EXPECT_EQ(p->health.last_seen, at(1));
    EXPECT_EQ(p->health.last_attempt, at(3));

    builder.apply(good(id("p"), a_server("p"), 4));
    const auto* back = build(builder, 4)->find(id("p"));
    EXPECT_TRUE(back->reachable());
    EXPECT_EQ(back->health.consecutive_failures, 0U);
    EXPECT_EQ(back->health.first_failure, TimePoint{});
}

TEST(Builder, KeepsThePlaceOfAServerThatDoesNotTellItAnyMore) {
    Builder builder;
    auto state = a_server("p");
    state.identity.data_center = "east";
    state.identity.region = "eu";
    builder.apply(good(id("p"), state, 1));
    state.identity.data_center.clear();
    state.identity.region = "us";

    builder.apply(good(id("p"), state, 2));

    EXPECT_EQ(build(builder, 2)->find(id("p"))->state.identity.data_center, "east");
    EXPECT_EQ(build(builder, 2)->find(id("p"))->state.identity.region, "us");

    auto another = a_server("p");
    another.identity.uuid = "another server at the address";
    builder.apply(good(id("p"), another, 3));
    EXPECT_EQ(build(builder, 3)->find(id("p"))->state.identity.data_center, "");
}

TEST(Builder, CountsAbsenceAnewAfterTheServerProvedToLive) {
    Builder builder;
    for (int second = 1; second <= 100; ++second) {
        builder.apply(failed(id("p"), ProbeFailure::too_many_connections, second));
    }

    builder.apply(failed(id("p"), ProbeFailure::timeout, 101));

    const auto* p = build(builder, 101)->find(id("p"));
    EXPECT_EQ(p->health.consecutive_failures, 1U);
    EXPECT_EQ(p->health.first_failure, at(100.5));
}

TEST(Builder, IgnoresAnObservationThatWasOvertaken) {
    Builder builder;
    builder.apply(good(id("p"), a_server("p"), 5));

    EXPECT_EQ(builder.apply(failed(id("p"), ProbeFailure::timeout, 4)), Change::none);

    EXPECT_TRUE(build(builder, 5)->find(id("p"))->reachable());
}

TEST(Builder, TakesSuccessWithoutStateForAnAnswerItCannotUnderstand) {
    Builder builder;
    auto odd = good(id("p"), a_server("p"), 1);
    odd.state.reset();

    builder.apply(odd);

    const auto* p = build(builder, 1)->find(id("p"));
    EXPECT_FALSE(p->reachable());
    EXPECT_EQ(p->health.failure, ProbeFailure::error);
}

TEST(Builder, TellsProgressFromDecisiveNews) {
    auto builder = a_cluster(1);
    build(builder, 0);
    auto state = a_replica("r1", "p");

    EXPECT_EQ(builder.apply(good(id("r1"), state, 1)), Change::none);
    state.channels[0].read.pos += 10;
    EXPECT_EQ(builder.apply(good(id("r1"), state, 2)), Change::progress);
    state.channels[0].seconds_behind = 3;
    EXPECT_EQ(builder.apply(good(id("r1"), state, 3)), Change::progress);
    state.channels[0].receiver = ThreadState::connecting;
    EXPECT_EQ(builder.apply(good(id("r1"), state, 4)), Change::decisive);
    state.read_only = false;
    EXPECT_EQ(builder.apply(good(id("r1"), state, 5)), Change::decisive);
    state.uptime_seconds = 0;
    EXPECT_EQ(builder.apply(good(id("r1"), state, 6)), Change::decisive);
}

TEST(Builder, TakesEveryWordFromAReplicaOfAFailingSourceForDecisive) {
    auto builder = a_cluster(1);
    build(builder, 0);
    EXPECT_EQ(builder.apply(good(id("r1"), a_replica("r1", "p"), 1)), Change::none);

    builder.apply(failed(id("p"), ProbeFailure::timeout, 2));

    EXPECT_EQ(builder.apply(good(id("r1"), a_replica("r1", "p"), 3)), Change::decisive);
}

TEST(Builder, FailuresWithoutEndStopBeingNews) {
    Builder builder;
    for (int second = 1; second <= 10; ++second) {
        EXPECT_EQ(builder.apply(failed(id("p"), ProbeFailure::refused, second)), Change::decisive);
    }
    EXPECT_EQ(builder.apply(failed(id("p"), ProbeFailure::refused, 11)), Change::none);
    EXPECT_EQ(builder.apply(failed(id("p"), ProbeFailure::timeout, 12)), Change::decisive);
}

TEST(Builder, DatesReceiptBackToTheProbeBeforeTheNews) {
    auto builder = a_cluster(1);
    auto state = a_replica("r1", "p");
    builder.apply(good(id("r1"), state, 1));
    EXPECT_EQ(build(builder, 1)->find(id("r1"))->received_at, TimePoint{});

    // The source may have died right after the probe at second 1 and still have sent this.
    state.channels[0].read.pos += 10;
    builder.apply(good(id("r1"), state, 2));
    EXPECT_EQ(build(builder, 2)->find(id("r1"))->received_at, at(0.998));

    builder.apply(good(id("r1"), state, 3));
    EXPECT_EQ(build(builder, 3)->find(id("r1"))->received_at, at(0.998));

    state.channels[0].heartbeats_received += 1;
    builder.apply(good(id("r1"), state, 4));
    EXPECT_EQ(build(builder, 4)->find(id("r1"))->received_at, at(2.998));
}

TEST(Builder, TakesAReconnectionForReceiptButNotARepoint) {
    auto builder = a_cluster(2);
    auto state = a_replica("r1", "p");
    state.channels[0].receiver = ThreadState::connecting;
    builder.apply(good(id("r1"), state, 1));
    state.channels[0].receiver = ThreadState::running;
    builder.apply(good(id("r1"), state, 2));
    EXPECT_EQ(build(builder, 2)->find(id("r1"))->received_at, at(0.998));

    auto moved = a_replica("r1", "r2");
    moved.channels[0].read = {"other.000009", 7};
    builder.apply(good(id("r1"), moved, 3));
    EXPECT_EQ(build(builder, 3)->find(id("r1"))->received_at, at(0.998));
}

TEST(Builder, DoesNotCountARestoredServerAsChecked) {
    auto before = a_cluster(1);
    const auto stored = *build(before, 0)->find(id("p"));
    Builder builder;

    builder.restore(stored);

    const auto* p = build(builder, 1)->find(id("p"));
    EXPECT_TRUE(p->ever_seen);
    EXPECT_FALSE(p->health.checked);
    EXPECT_EQ(p->health.last_seen, TimePoint{});

    auto failing = stored;
    failing.health.consecutive_failures = 50;
    failing.health.failure = ProbeFailure::timeout;
    failing.health.valid = false;
    builder.restore(failing);
    builder.apply(failed(id("p"), ProbeFailure::timeout, 10));
    const auto* failed_once = build(builder, 10)->find(id("p"));
    EXPECT_EQ(failed_once->health.consecutive_failures, 1U);  // others' failures do not count
    EXPECT_EQ(failed_once->health.first_failure, at(9.5));
}

TEST(Builder, SharesUnchangedServersBetweenSnapshots) {
    auto builder = a_cluster(2);
    const auto first = build(builder, 0);
    auto state = a_replica("r1", "p");
    state.channels[0].read.pos += 1;
    builder.apply(good(id("r1"), state, 1));

    const auto second = build(builder, 1);

    EXPECT_EQ(first->find(id("p")), second->find(id("p")));
    EXPECT_EQ(first->find(id("r2")), second->find(id("r2")));
    EXPECT_NE(first->find(id("r1")), second->find(id("r1")));
    EXPECT_EQ(first->find(id("r1"))->state.channels[0].read.pos, 100U);  // immutable
    EXPECT_GT(second->version(), first->version());
}

TEST(Builder, KeepsTheNewestWitnessReport) {
    auto builder = a_cluster(1);
    WitnessReport report;
    report.asked = at(1);
    report.answered = at(2);
    report.heard = true;
    EXPECT_EQ(builder.apply_witness(id("r1"), report), Change::decisive);
    EXPECT_EQ(builder.apply_witness(id("r1"), report), Change::none);
    auto older = report;
    older.answered = at(1.5);
    older.heard = false;
    EXPECT_EQ(builder.apply_witness(id("r1"), older), Change::none);
    EXPECT_EQ(builder.apply_witness(id("nobody"), report), Change::none);

    EXPECT_TRUE(build(builder, 2)->find(id("r1"))->witness->heard);
}

TEST(Builder, RemovesAServerWithItsMembership) {
    auto builder = a_cluster(1);
    build(builder, 0);

    EXPECT_TRUE(builder.remove(id("r1")));
    EXPECT_FALSE(builder.remove(id("r1")));

    const auto topology = build(builder, 1);
    EXPECT_EQ(topology->find(id("r1")), nullptr);
    EXPECT_THAT(topology->replicas_of(id("p")), IsEmpty());
    EXPECT_EQ(topology->overlay().membership.count(id("r1")), 0U);
}

TEST(Builder, ReportsErrantTransactionsOnlyAgainstANewerLookAtTheSource) {
    auto builder = a_cluster(1);
    auto p = a_server("p");
    auto r = a_replica("r1", "p");
    p.executed_gtid_set = uuid("p") + ":1-10";
    r.executed_gtid_set = uuid("p") + ":1-12," + uuid("other") + ":1";
    builder.apply(good(id("p"), p, 1));
    builder.apply(good(id("r1"), r, 2));
    EXPECT_EQ(build(builder, 2)->find(id("r1"))->errant_gtid, "");  // could have come from p

    p.executed_gtid_set = uuid("p") + ":1-12";
    builder.apply(good(id("p"), p, 3));
    EXPECT_EQ(build(builder, 3)->find(id("r1"))->errant_gtid, uuid("other") + ":1");

    p.executed_gtid_set += "," + uuid("other") + ":1";  // the operator injected it at the source
    builder.apply(good(id("p"), p, 4));
    EXPECT_EQ(build(builder, 4)->find(id("r1"))->errant_gtid, "");
}

/// Errant transactions of a replica, as seen below a source that has written nothing.
std::string errant_below_nothing(const ServerState& source, const ServerState& replica) {
    Builder builder;
    builder.apply(good(id("r1"), replica, 1));
    builder.apply(good(id("p"), source, 2));
    return build(builder, 2)->find(id("r1"))->errant_gtid;
}

TEST(Builder, ReportsErrantTransactionsBelowASourceThatHasWrittenNothing) {
    auto p = a_server("p");
    auto r = a_replica("r1", "p");
    r.executed_gtid_set = uuid("p") + ":1," + uuid("r1") + ":1-2";
    EXPECT_EQ(errant_below_nothing(p, r), uuid("r1") + ":1-2");

    p.identity.gtid_mode = "OFF_PERMISSIVE";  // what it has written has no GTIDs
    EXPECT_EQ(errant_below_nothing(p, r), "");
}

TEST(Builder, ReportsErrantTransactionsBelowAMariadbSourceThatHasWrittenNothing) {
    auto p = a_server("p");
    auto r = a_replica("r1", "p");
    for (auto* state : {&p, &r}) {
        state->identity.flavor = Flavor::mariadb;
        state->identity.version = "10.11.6-MariaDB-log";
        state->identity.gtid_mode.clear();
    }
    r.executed_gtid_set = "0-" + std::to_string(r.identity.server_id) + "-3";
    EXPECT_EQ(errant_below_nothing(p, r), r.executed_gtid_set);

    p.identity.log_bin = false;  // without a binary log it does not count what it writes
    EXPECT_EQ(errant_below_nothing(p, r), "");
}

TEST(Builder, ReportsWhatAReplicaMadeItselfThoughTheSourceIsSeenNoMore) {
    auto builder = a_cluster(1);
    auto p = a_server("p");
    auto r = a_replica("r1", "p");
    p.executed_gtid_set = uuid("p") + ":1-10," + uuid("r1") + ":1-5";  // r1 was the primary once
    r.executed_gtid_set = uuid("p") + ":1-12," + uuid("r1") + ":1-6," + uuid("other") + ":1";
    builder.apply(good(id("p"), p, 1));
    builder.apply(good(id("r1"), r, 2));

    EXPECT_EQ(build(builder, 2)->find(id("r1"))->errant_gtid, uuid("r1") + ":6");
}

TEST(Builder, DoesNotCallErrantWhatAFormerPrimaryMayStillHandOn) {
    auto builder = a_cluster(1);
    auto heir = a_replica("p", "r1");
    heir.executed_gtid_set = uuid("r1") + ":1-10";
    auto former = a_replica("r1", "p");
    former.executed_gtid_set = uuid("r1") + ":1-12";
    builder.apply(good(id("p"), heir, 1));
    builder.apply(good(id("r1"), former, 2));

    EXPECT_EQ(build(builder, 2)->find(id("r1"))->errant_gtid, "");
}

TEST(Builder, DoesNotCallTransactionsOfAnAncestorErrant) {
    auto builder = a_cluster(1);
    auto leaf = a_replica("leaf", "r1");
    leaf.executed_gtid_set = uuid("p") + ":1-100";
    auto middle = a_replica("r1", "p");
    middle.executed_gtid_set = uuid("p") + ":1-90";  // restored from an older state, say
    builder.apply(good(id("leaf"), leaf, 1));
    builder.apply(good(id("r1"), middle, 2));

    EXPECT_EQ(build(builder, 2)->find(id("leaf"))->errant_gtid, "");
    EXPECT_EQ(
        build(builder, 2)->find(id("leaf"))->ancestry_uuid,
        uuid("p") + "," + uuid("r1") + "," + uuid("leaf")
    );
}

TEST(Builder, IgnoresGtidSetsThatAreNone) {
    auto builder = a_cluster(1);
    auto p = a_server("p");
    auto r = a_replica("r1", "p");
    p.executed_gtid_set = "'; DROP TABLE x; --";
    r.executed_gtid_set = "\xff\xfe:1-";
    builder.apply(good(id("r1"), r, 1));
    builder.apply(good(id("p"), p, 2));

    EXPECT_EQ(build(builder, 2)->find(id("r1"))->errant_gtid, "");
}

TEST(Topology, AnswersForDowntimeAndRulesOnlyWhileTheyLast) {
    auto builder = a_cluster(1);
    Overlay overlay;
    overlay.downtimes[id("r1")] = {"dba", "disk", wall(10), wall(20)};
    overlay.candidates[id("r1")] = {PromotionRule::must_not, wall(0), wall(20)};
    builder.set_overlay(overlay);

    EXPECT_EQ(build(builder, 5)->downtime(id("r1")), nullptr);
    EXPECT_NE(build(builder, 10)->downtime(id("r1")), nullptr);
    EXPECT_EQ(build(builder, 10)->promotion_rule(id("r1")), PromotionRule::must_not);
    EXPECT_EQ(build(builder, 20)->downtime(id("r1")), nullptr);
    EXPECT_EQ(build(builder, 20)->promotion_rule(id("r1")), PromotionRule::neutral);
    EXPECT_EQ(build(builder, 20)->promotion_rule(id("p")), PromotionRule::neutral);
}

TEST(Topology, ListsReplicasAndMembersInOrder) {
    auto builder = a_cluster(2);
    builder.apply(good(id("leaf"), a_replica("leaf", "r1"), 0));
    const auto topology = build(builder, 0);

    ASSERT_EQ(topology->replicas_of(id("p")).size(), 2U);
    EXPECT_EQ(topology->replicas_of(id("p"))[0]->id, id("r1"));
    ASSERT_EQ(topology->clusters().size(), 1U);
    const auto members = topology->members(topology->clusters()[0]);
    ASSERT_EQ(members.size(), 4U);
    EXPECT_EQ(members[0]->id, id("p"));
    EXPECT_EQ(members[3]->id, id("leaf"));
    EXPECT_EQ(members[3]->depth, 2U);
    EXPECT_EQ(topology->cluster_of(id("leaf")), &topology->clusters()[0]);
    EXPECT_EQ(topology->find_cluster("p:3306"), &topology->clusters()[0]);
    EXPECT_EQ(topology->find_cluster("leaf"), &topology->clusters()[0]);
    EXPECT_EQ(topology->find_cluster("nowhere"), nullptr);
    EXPECT_EQ(topology->find_cluster(""), nullptr);
}

TEST(Instance, NamesOfPromotionRulesRoundTrip) {
    for (const auto rule :
         {PromotionRule::must,
          PromotionRule::prefer,
          PromotionRule::neutral,
          PromotionRule::prefer_not,
          PromotionRule::must_not}) {
        EXPECT_EQ(parse_promotion_rule(to_string(rule)), rule);
    }
    EXPECT_EQ(parse_promotion_rule("perhaps"), std::nullopt);
}

}  // namespace
}  // namespace baton::topology
