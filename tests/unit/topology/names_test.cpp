// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::topology {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(Names, SourcesReplicasAndGroupMembersAreToBeDiscovered) {
    Builder builder;
    auto state = a_replica("r1", "p");
    state.reported_replicas = {id("below")};
    state.group.members.push_back({id("member"), uuid("member"), "ONLINE", "SECONDARY"});
    builder.apply(good(id("r1"), state, 0));

    EXPECT_THAT(builder.undiscovered(), UnorderedElementsAre(id("p"), id("below"), id("member")));
    builder.add(id("p"));
    EXPECT_THAT(builder.undiscovered(), UnorderedElementsAre(id("below"), id("member")));
}

TEST(Names, WhatCannotBeAnAddressIsNotDiscovered) {
    Builder builder;
    auto state = a_server("p");
    state.reported_replicas = {
        {"", 3306},
        {"a", 0},
        {"//gone", 3306},
        {"_", 3306},
        {"a b", 3306},
        {"<script>alert(1)</script>", 3306},
        {"a\n", 3306},
        {std::string(5000, 'x'), 3306}};
    builder.apply(good(id("p"), state, 0));

    EXPECT_THAT(builder.undiscovered(), IsEmpty());
}

TEST(Names, AServerThatNamesMillionsIsBounded) {
    Builder builder;
    auto state = a_server("p");
    for (int i = 0; i < 5000; ++i) {
        state.reported_replicas.push_back(id("ghost" + std::to_string(i)));
    }
    builder.apply(good(id("p"), state, 0));

    EXPECT_EQ(builder.undiscovered().size(), 1000U);
}

TEST(Names, ASourceIsRecognisedByItsUuidUnderAnotherName) {
    Builder builder;
    builder.apply(good(id("db1.example.com"), a_server("db1"), 0));
    auto replica = a_replica("r1", "10.0.0.1");
    replica.channels[0].source_uuid = uuid("db1");
    builder.apply(good(id("r1"), replica, 0));

    EXPECT_THAT(builder.undiscovered(), IsEmpty());
    const auto topology = build(builder, 0);
    EXPECT_EQ(topology->find(id("r1"))->source(), id("db1.example.com"));
    EXPECT_EQ(topology->replicas_of(id("db1.example.com")).size(), 1U);
    EXPECT_EQ(topology->clusters().size(), 1U);
}

TEST(Names, AReplicaIsRecognisedByWhatItReports) {
    Builder builder;
    auto replica = a_replica("r1", "p");
    replica.identity.report_host = "Replica-One";
    builder.apply(good(id("10.0.0.2"), replica, 0));
    auto primary = a_server("p");
    primary.reported_replicas = {id("replica-one")};
    builder.apply(good(id("p"), primary, 0));

    EXPECT_THAT(builder.undiscovered(), IsEmpty());
    EXPECT_THAT(
        build(builder, 0)->find(id("p"))->state.reported_replicas, ElementsAre(id("10.0.0.2"))
    );
}

TEST(Names, ANameThatTwoServersCarryMeansNeither) {
    Builder builder;
    auto one = a_server("one");
    auto two = a_server("two");
    one.identity.hostname = two.identity.hostname = "mysql";  // containers
    builder.apply(good(id("10.0.0.1"), one, 0));
    builder.apply(good(id("10.0.0.2"), two, 0));
    auto primary = a_server("p");
    primary.reported_replicas = {id("mysql")};
    builder.apply(good(id("p"), primary, 0));

    EXPECT_THAT(builder.undiscovered(), ElementsAre(id("mysql")));
}

TEST(Names, LocalhostInAReplicasConfigurationIsJudgedByUuid) {
    Builder builder;
    builder.apply(good(id("127.0.0.1"), a_server("here"), 0));
    builder.apply(good(id("there"), a_server("there"), 0));
    auto replica = a_replica("r1", "127.0.0.1");
    replica.channels[0].source_uuid = uuid("there");
    builder.apply(good(id("r1"), replica, 0));

    EXPECT_EQ(build(builder, 0)->find(id("r1"))->source(), id("there"));
}

TEST(Names, ANameLearntLaterReducesWhatWasSaidBefore) {
    Builder builder;
    auto replica = a_replica("r1", "vip");
    replica.channels[0].source_uuid = uuid("db1");
    builder.apply(good(id("r1"), replica, 0));
    EXPECT_EQ(build(builder, 0)->find(id("r1"))->source(), id("vip"));

    builder.apply(good(id("db1"), a_server("db1"), 1));
    EXPECT_EQ(build(builder, 1)->find(id("r1"))->source(), id("db1"));

    builder.remove(id("db1"));
    EXPECT_EQ(build(builder, 2)->find(id("r1"))->source(), id("vip"));
}

TEST(Names, TwoAddressesOfOneServerAreAliases) {
    Builder builder;
    builder.apply(good(id("localhost"), a_server("db1"), 0));
    builder.apply(good(id("127.0.0.1"), a_server("db1"), 1));

    EXPECT_THAT(builder.aliases(), ElementsAre(Pair(id("127.0.0.1"), id("localhost"))));
}

TEST(Names, TheNameThatReplicasUseIsKept) {
    Builder builder;
    builder.apply(good(id("localhost"), a_server("db1"), 0));
    builder.apply(good(id("127.0.0.1"), a_server("db1"), 0));
    auto replica = a_replica("r1", "127.0.0.1");
    replica.channels[0].source_uuid = uuid("db1");
    builder.apply(good(id("r1"), replica, 0));

    EXPECT_THAT(builder.aliases(), ElementsAre(Pair(id("localhost"), id("127.0.0.1"))));
}

TEST(Names, TheReportedNameIsKeptBeforeTheOlderOne) {
    Builder builder;
    auto state = a_server("db1");
    state.identity.report_host = "db1";
    builder.apply(good(id("10.0.0.1"), state, 0));
    builder.apply(good(id("db1"), state, 0));

    EXPECT_THAT(builder.aliases(), ElementsAre(Pair(id("10.0.0.1"), id("db1"))));
}

TEST(Names, AnAddressThatDoesNotAnswerIsNoAliasYet) {
    Builder builder;
    builder.apply(good(id("localhost"), a_server("db1"), 0));
    builder.apply(good(id("127.0.0.1"), a_server("db1"), 0));
    builder.apply(failed(id("localhost"), ProbeFailure::timeout, 1));

    EXPECT_THAT(builder.aliases(), IsEmpty());
}

TEST(Names, ClonesWithOneUuidAreDifferentServers) {
    const auto clone = [](const auto& change) {
        Builder builder;
        builder.apply(good(id("one"), a_server("db1"), 0));
        auto copy = a_server("db1");
        change(copy);
        builder.apply(good(id("two"), copy, 0));
        return builder.aliases();
    };
    EXPECT_EQ(clone([](ServerState&) {}).size(), 1U);  // nothing tells them apart

    EXPECT_THAT(clone([](ServerState& s) { s.identity.server_id = 7; }), IsEmpty());
    EXPECT_THAT(clone([](ServerState& s) { s.identity.hostname = "db2"; }), IsEmpty());
    EXPECT_THAT(clone([](ServerState& s) { s.identity.report_port = 3307; }), IsEmpty());
    EXPECT_THAT(clone([](ServerState& s) { s.identity.report_host = "db2"; }), IsEmpty());
    EXPECT_THAT(clone([](ServerState& s) { s.uptime_seconds += 60; }), IsEmpty());
}

TEST(Names, ARemovedAliasIsNotDiscoveredAgain) {
    Builder builder;
    builder.apply(good(id("db1"), a_server("db1"), 0));
    auto replica = a_replica("r1", "db1");
    builder.apply(good(id("r1"), replica, 0));
    auto primary = a_server("db1");
    primary.reported_replicas = {id("10.0.0.9")};  // r1's address in the process list
    builder.apply(good(id("db1"), primary, 1));
    ASSERT_THAT(builder.undiscovered(), ElementsAre(id("10.0.0.9")));
    builder.apply(good(id("10.0.0.9"), replica, 1));
    ASSERT_THAT(builder.aliases(), ElementsAre(Pair(id("10.0.0.9"), id("r1"))));

    builder.remove(id("10.0.0.9"));

    EXPECT_THAT(builder.undiscovered(), IsEmpty());
    EXPECT_THAT(builder.aliases(), IsEmpty());
    EXPECT_THAT(build(builder, 2)->find(id("db1"))->state.reported_replicas, ElementsAre(id("r1")));
}

}  // namespace
}  // namespace baton::topology
