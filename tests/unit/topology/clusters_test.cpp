// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::topology {
namespace {

/// Snapshot, with what it recorded stored and given back as the control loops do.
TopologyPtr settle(Builder& builder, double seconds) {
    auto topology = build(builder, seconds);
    const auto recorded = builder.take_recorded();
    auto overlay = builder.overlay();
    for (const auto& cluster : recorded.clusters) {
        overlay.clusters[cluster.id] = cluster;
    }
    for (const auto& [server, cluster] : recorded.membership) {
        overlay.membership[server] = cluster;
    }
    builder.set_overlay(overlay);
    return topology;
}

ServerState promoted(const std::string& host) {
    return a_server(host);
}

TEST(Clusters, ARootWithItsReplicasIsOneNamedAfterIt) {
    auto builder = a_cluster(2);
    builder.apply(good(id("other"), a_server("other"), 0));

    const auto topology = build(builder, 0);

    ASSERT_EQ(topology->clusters().size(), 2U);
    EXPECT_EQ(topology->clusters()[0].name, "other:3306");
    EXPECT_EQ(topology->clusters()[1].name, "p:3306");
    EXPECT_EQ(topology->clusters()[1].primary, id("p"));
    EXPECT_EQ(topology->clusters()[1].alias, "p:3306");
    EXPECT_EQ(topology->clusters()[1].id.rfind("c-", 0), 0U);
    EXPECT_EQ(topology->find(id("r2"))->cluster_id, topology->clusters()[1].id);
    EXPECT_EQ(topology->find(id("r2"))->cluster_name, "p:3306");
    EXPECT_EQ(topology->find(id("r2"))->depth, 1U);
}

TEST(Clusters, ReplicasOfAnUnknownSourceFormTheClusterOfItsAddress) {
    Builder builder;
    builder.apply(good(id("r1"), a_replica("r1", "p"), 0));
    const auto before = settle(builder, 0);
    ASSERT_EQ(before->clusters().size(), 1U);
    EXPECT_EQ(before->clusters()[0].name, "p:3306");
    EXPECT_TRUE(before->clusters()[0].primary.empty());

    builder.apply(good(id("p"), a_server("p"), 1));

    const auto after = settle(builder, 1);
    ASSERT_EQ(after->clusters().size(), 1U);
    EXPECT_EQ(after->clusters()[0].primary, id("p"));
    EXPECT_EQ(after->clusters()[0].id, before->clusters()[0].id);
}

TEST(Clusters, ADeadPrimaryStaysThePrimaryWhileItsReplicasPointAtIt) {
    auto builder = a_cluster(2);
    settle(builder, 0);

    builder.apply(failed(id("p"), ProbeFailure::refused, 1));
    builder.apply(failed(id("p"), ProbeFailure::refused, 2));

    EXPECT_EQ(settle(builder, 2)->clusters()[0].primary, id("p"));
}

TEST(Clusters, IdSurvivesAFailoverAndTheOldPrimaryStaysAMember) {
    auto builder = a_cluster(3);
    const auto id_before = settle(builder, 0)->clusters()[0].id;
    builder.apply(failed(id("p"), ProbeFailure::refused, 1));

    // r1 is promoted; r2 and r3 are moved one after the other.
    builder.apply(good(id("r1"), promoted("r1"), 2));
    EXPECT_EQ(settle(builder, 2)->clusters().size(), 1U);
    EXPECT_EQ(settle(builder, 2)->clusters()[0].primary, id("p"));
    builder.apply(good(id("r2"), a_replica("r2", "r1"), 3));
    EXPECT_EQ(settle(builder, 3)->clusters().size(), 1U);
    builder.apply(good(id("r3"), a_replica("r3", "r1"), 4));

    const auto after = settle(builder, 4);
    ASSERT_EQ(after->clusters().size(), 1U);
    EXPECT_EQ(after->clusters()[0].id, id_before);
    EXPECT_EQ(after->clusters()[0].primary, id("r1"));
    EXPECT_EQ(after->clusters()[0].name, "r1:3306");
    EXPECT_EQ(after->clusters()[0].members.size(), 4U);

    // It comes back, writable and alone.
    builder.apply(good(id("p"), a_server("p"), 100));
    const auto back = settle(builder, 100);
    ASSERT_EQ(back->clusters().size(), 1U);
    EXPECT_EQ(back->clusters()[0].primary, id("r1"));
    EXPECT_EQ(back->find(id("p"))->cluster_id, id_before);
}

TEST(Clusters, ADeposedPrimaryGivesWayToItsSuccessorAtOnce) {
    auto builder = a_cluster(3);
    const auto id_before = settle(builder, 0)->clusters()[0].id;
    builder.apply(failed(id("p"), ProbeFailure::timeout, 1));
    builder.apply(good(id("r1"), promoted("r1"), 2));
    auto overlay = builder.overlay();
    overlay.deposed[id("p")] = {uuid("p"), id_before, "rec-1", id("r1"), wall(2), false, ""};
    builder.set_overlay(overlay);

    const auto topology = settle(builder, 3);

    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].primary, id("r1"));
    EXPECT_EQ(topology->clusters()[0].id, id_before);
    EXPECT_EQ(topology->overlay().clusters.at(id_before).primary, id("r1"));
}

TEST(Clusters, ADeposedPrimaryWithAStragglerNeverFormsAClusterOfItsOwn) {
    auto builder = a_cluster(3);
    const auto id_before = settle(builder, 0)->clusters()[0].id;
    auto overlay = builder.overlay();
    overlay.deposed[id("p")] = {uuid("p"), id_before, "rec-1", id("r1"), wall(2), false, ""};
    builder.set_overlay(overlay);
    builder.apply(good(id("r1"), promoted("r1"), 2));
    builder.apply(good(id("r2"), a_replica("r2", "r1"), 2));

    settle(builder, 3);
    const auto topology = settle(builder, 300);

    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].primary, id("r1"));
    EXPECT_EQ(topology->find(id("r3"))->cluster_id, id_before);
}

TEST(Clusters, AnotherServerAtTheAddressOfADeposedOneIsNotMeant) {
    auto builder = a_cluster(1);
    const auto id_before = settle(builder, 0)->clusters()[0].id;
    auto overlay = builder.overlay();
    overlay.deposed[id("p")] = {uuid("someone"), id_before, "rec-1", id("r1"), wall(2), false, ""};
    builder.set_overlay(overlay);

    EXPECT_EQ(settle(builder, 3)->clusters()[0].primary, id("p"));
}

TEST(Clusters, ADeposedEntryIsVoidOnceItsSuccessorFollowsTheOldPrimary) {
    auto builder = a_cluster(2);
    const auto id_before = settle(builder, 0)->clusters()[0].id;
    auto overlay = builder.overlay();
    overlay.deposed[id("p")] = {uuid("p"), id_before, "rec-1", id("r1"), wall(2), true, ""};
    builder.set_overlay(overlay);

    EXPECT_EQ(settle(builder, 3)->clusters()[0].primary, id("p"));
}

TEST(Clusters, ALivingSplitSettlesAsAClusterOfItsOwnAfterAMinute) {
    auto builder = a_cluster(3);
    builder.apply(good(id("leaf"), a_replica("leaf", "r3"), 0));
    const auto id_before = settle(builder, 0)->clusters()[0].id;

    builder.apply(good(id("r3"), promoted("r3"), 1));
    EXPECT_EQ(settle(builder, 1)->clusters().size(), 1U);
    EXPECT_EQ(settle(builder, 60)->clusters().size(), 1U);

    const auto topology = settle(builder, 62);
    ASSERT_EQ(topology->clusters().size(), 2U);
    EXPECT_EQ(topology->cluster_of(id("p"))->id, id_before);
    EXPECT_EQ(topology->cluster_of(id("p"))->primary, id("p"));
    EXPECT_EQ(topology->cluster_of(id("leaf"))->primary, id("r3"));
    EXPECT_NE(topology->cluster_of(id("leaf"))->id, id_before);
    EXPECT_EQ(settle(builder, 200)->clusters().size(), 2U);
}

TEST(Clusters, ADetachedReplicaWithoutReplicasStaysWhereItWas) {
    auto builder = a_cluster(2);
    settle(builder, 0);

    builder.apply(good(id("r2"), promoted("r2"), 1));

    const auto topology = settle(builder, 500);
    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].primary, id("p"));
    EXPECT_EQ(topology->find(id("r2"))->depth, 0U);
}

TEST(Clusters, MergingBelowAnotherPrimaryTakesItsId) {
    auto builder = a_cluster(5);
    builder.apply(good(id("x"), a_server("x"), 0));
    builder.apply(good(id("x1"), a_replica("x1", "x"), 0));
    const auto before = settle(builder, 0);
    const auto id_of_x = before->cluster_of(id("x"))->id;

    builder.apply(good(id("p"), a_replica("p", "x"), 1));

    const auto topology = settle(builder, 1);
    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].id, id_of_x);
}

TEST(Clusters, ANewServerPutOnTopTakesTheIdOfTheClusterBelow) {
    auto builder = a_cluster(2);
    builder.apply(good(id("x"), a_server("x"), 0));
    const auto id_of_p = settle(builder, 0)->cluster_of(id("p"))->id;

    builder.apply(good(id("p"), a_replica("p", "x"), 1));

    const auto topology = settle(builder, 1);
    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].id, id_of_p);
    EXPECT_EQ(topology->clusters()[0].primary, id("x"));
}

TEST(Clusters, OfTwoCoPrimariesTheWritableOneIsThePrimary) {
    Builder builder;
    auto a = a_replica("a", "b");
    auto b = a_replica("b", "a");
    b.read_only = false;
    builder.apply(good(id("a"), a, 0));
    builder.apply(good(id("b"), b, 0));
    builder.apply(good(id("r"), a_replica("r", "a"), 0));

    const auto topology = settle(builder, 0);

    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].primary, id("b"));
    EXPECT_TRUE(topology->find(id("a"))->is_co_primary);
    EXPECT_TRUE(topology->find(id("b"))->is_co_primary);
    EXPECT_FALSE(topology->find(id("r"))->is_co_primary);
    EXPECT_EQ(topology->find(id("b"))->depth, 0U);
    EXPECT_EQ(topology->find(id("a"))->depth, 1U);
    EXPECT_EQ(topology->find(id("r"))->depth, 2U);

    builder.apply(failed(id("b"), ProbeFailure::refused, 1));
    EXPECT_EQ(settle(builder, 1)->clusters()[0].primary, id("b"));
}

TEST(Clusters, TwoWritableCoPrimariesAreAmbiguousUntilOneIsKnown) {
    Builder builder;
    auto a = a_replica("a", "b");
    auto b = a_replica("b", "a");
    a.read_only = b.read_only = false;
    builder.apply(good(id("a"), a, 0));
    builder.apply(good(id("b"), b, 0));

    const auto topology = settle(builder, 0);

    EXPECT_TRUE(topology->clusters()[0].primary.empty());
    EXPECT_EQ(topology->clusters()[0].name, "a:3306");
    EXPECT_TRUE(settle(builder, 1)->clusters()[0].primary.empty());
}

TEST(Clusters, SurvivesRingsAndServersThatFollowThemselves) {
    Builder builder;
    builder.apply(good(id("self"), a_replica("self", "self"), 0));
    builder.apply(good(id("a"), a_replica("a", "b"), 0));
    builder.apply(good(id("b"), a_replica("b", "c"), 0));
    builder.apply(good(id("c"), a_replica("c", "a"), 0));
    builder.apply(good(id("below"), a_replica("below", "b"), 0));

    const auto topology = settle(builder, 0);

    ASSERT_EQ(topology->clusters().size(), 2U);
    EXPECT_EQ(topology->cluster_of(id("self"))->primary, id("self"));
    EXPECT_EQ(topology->cluster_of(id("below"))->members.size(), 4U);
    EXPECT_EQ(topology->find(id("below"))->depth, topology->find(id("b"))->depth + 1);
    EXPECT_TRUE(topology->replicas_of(id("self")).empty());
}

TEST(Clusters, AChainOfThousandsIsNoProblem) {
    Builder builder;
    builder.apply(good(id("s0"), a_server("s0"), 0));
    for (int i = 1; i < 3000; ++i) {
        builder.apply(good(
            id("s" + std::to_string(i)),
            a_replica("s" + std::to_string(i), "s" + std::to_string(i - 1)),
            0
        ));
    }

    EXPECT_EQ(build(builder, 0)->find(id("s2999"))->depth, 2999U);
}

TEST(Clusters, AliasIsTheOperatorsElseTheWritablePrimarysSuggestionElseTheName) {
    auto builder = a_cluster(1);
    auto p = a_server("p");
    p.identity.suggested_cluster_alias = "orders";
    builder.apply(good(id("p"), p, 1));
    auto x = a_server("x");
    x.identity.suggested_cluster_alias = "orders";
    builder.apply(good(id("x"), x, 1));

    auto topology = settle(builder, 1);
    EXPECT_EQ(topology->cluster_of(id("p"))->alias, "orders");
    EXPECT_EQ(topology->cluster_of(id("x"))->alias, "x:3306");
    EXPECT_EQ(topology->find_cluster("orders"), topology->cluster_of(id("p")));

    auto overlay = builder.overlay();
    overlay.clusters[topology->cluster_of(id("x"))->id].alias = "billing";
    builder.set_overlay(overlay);
    topology = settle(builder, 2);
    EXPECT_EQ(topology->cluster_of(id("x"))->alias, "billing");
}

TEST(Clusters, AServerNobodySawAndNobodyFollowsIsInNone) {
    Builder builder;
    builder.add(id("seed"));
    builder.apply(failed(id("seed"), ProbeFailure::refused, 0));

    const auto topology = build(builder, 0);
    EXPECT_TRUE(topology->clusters().empty());
    ASSERT_NE(topology->find(id("seed")), nullptr);
    EXPECT_EQ(topology->find(id("seed"))->cluster_id, "");
}

TEST(Clusters, AReplicaThatNeverAnsweredBelongsToTheServerThatNamesIt) {
    Builder builder;
    auto p = a_server("p");
    p.reported_replicas = {id("dead")};
    builder.apply(good(id("p"), p, 0));
    builder.apply(failed(id("dead"), ProbeFailure::refused, 0));

    const auto topology = build(builder, 0);
    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].members.size(), 2U);
}

TEST(Clusters, SecondariesOfAGroupBelongToItsPrimary) {
    Builder builder;
    for (const char* host : {"g1", "g2", "g3"}) {
        auto state = a_server(host);
        state.read_only = std::string(host) != "g1";
        state.group.name = "g";
        state.group.single_primary = true;
        state.group.member_state = "ONLINE";
        state.group.member_role = std::string(host) == "g1" ? "PRIMARY" : "SECONDARY";
        for (const char* member : {"g1", "g2", "g3"}) {
            state.group.members.push_back(
                {id(member),
                 uuid(member),
                 "ONLINE",
                 std::string(member) == "g1" ? "PRIMARY" : "SECONDARY"}
            );
        }
        builder.apply(good(id(host), state, 0));
    }

    const auto topology = build(builder, 0);
    ASSERT_EQ(topology->clusters().size(), 1U);
    EXPECT_EQ(topology->clusters()[0].primary, id("g1"));
    EXPECT_TRUE(topology->replicas_of(id("g1")).empty());  // no asynchronous channel
}

TEST(Clusters, RecordsAreReportedOnce) {
    auto builder = a_cluster(1);
    build(builder, 0);

    const auto recorded = builder.take_recorded();
    EXPECT_EQ(recorded.clusters.size(), 1U);
    EXPECT_EQ(recorded.membership.size(), 2U);
    build(builder, 1);
    EXPECT_TRUE(builder.take_recorded().clusters.empty());
    EXPECT_TRUE(builder.take_recorded().membership.empty());
}

TEST(Clusters, AnOverlayReadBeforeTheRecordsWereStoredDoesNotLoseThem) {
    auto builder = a_cluster(2);
    const auto id_before = build(builder, 0)->clusters()[0].id;
    builder.set_overlay(Overlay{});
    builder.apply(failed(id("p"), ProbeFailure::refused, 1));
    builder.apply(good(id("r1"), promoted("r1"), 1));
    builder.apply(good(id("r2"), a_replica("r2", "r1"), 1));

    EXPECT_EQ(build(builder, 2)->clusters()[0].id, id_before);
}

TEST(Clusters, ARestartedObserverKeepsIdsWithTheStoredOverlay) {
    auto first = a_cluster(2);
    settle(first, 0);
    first.apply(failed(id("p"), ProbeFailure::refused, 1));
    first.apply(good(id("r1"), promoted("r1"), 2));
    first.apply(good(id("r2"), a_replica("r2", "r1"), 2));
    const auto id_before = settle(first, 3)->clusters()[0].id;

    Builder second;
    second.set_overlay(first.overlay());
    second.apply(good(id("r2"), a_replica("r2", "r1"), 10));

    EXPECT_EQ(build(second, 10)->clusters()[0].id, id_before);
}

}  // namespace
}  // namespace baton::topology
