// SPDX-License-Identifier: Apache-2.0
// The high-water mark of what a replica received.
#include "world.hpp"

#include "baton/topology/json.hpp"

#include <gtest/gtest.h>

namespace baton::topology {
namespace {

using Change = Builder::Change;

std::string gtids(const std::string& intervals) {
    return uuid("p") + ":" + intervals;
}

ServerState a_primary(const std::string& executed) {
    auto out = a_server("p");
    out.executed_gtid_set = gtids(executed);
    return out;
}

/// r1 of p: received up to `retrieved`, applied up to `executed`.
ServerState a_follower(const std::string& executed, const std::string& retrieved) {
    auto out = a_replica("r1", "p");
    out.executed_gtid_set = gtids(executed);
    out.channels[0].retrieved_gtid_set = retrieved.empty() ? "" : gtids(retrieved);
    return out;
}

ServerState a_mariadb(const std::string& host, const std::string& executed) {
    auto out = host == "p" ? a_server("p") : a_replica(host, "p");
    out.identity.flavor = Flavor::mariadb;
    out.identity.gtid_mode.clear();
    out.executed_gtid_set = executed;
    for (auto& channel : out.channels) {
        channel.auto_position = false;
        channel.using_gtid = "Slave_Pos";
    }
    return out;
}

class Received : public testing::Test {
protected:
    Change primary(const std::string& executed, double seconds) {
        return builder.apply(good(id("p"), a_primary(executed), seconds));
    }

    Change replica(const std::string& executed, const std::string& retrieved, double seconds) {
        return builder.apply(good(id("r1"), a_follower(executed, retrieved), seconds));
    }

    std::string lost(double seconds) {
        return build(builder, seconds)->find(id("r1"))->received_lost;
    }

    Builder builder;
};

TEST_F(Received, NothingIsLostWhileARelayLogIsApplied) {
    primary("1-100", 1);
    replica("1-60", "50-100", 1);
    EXPECT_EQ(lost(1), "");

    replica("1-100", "50-100", 2);
    EXPECT_EQ(lost(2), "");
    replica("1-100", "", 3);  // restarted with all applied: nothing is missing
    EXPECT_EQ(lost(3), "");
}

TEST_F(Received, ARelayLogThatWasDroppedIsNoticedAsDecisiveNews) {
    primary("1-100", 1);
    replica("1-60", "50-100", 1);
    build(builder, 1);
    builder.apply(failed(id("p"), ProbeFailure::refused, 2));

    EXPECT_EQ(replica("1-60", "", 3), Change::decisive);

    EXPECT_EQ(lost(3), gtids("61-100"));
    replica("1-60", "", 4);
    EXPECT_EQ(lost(4), gtids("61-100")) << "still so, though nothing changed";
}

TEST_F(Received, WhatComesAgainIsNotLost) {
    primary("1-100", 1);
    replica("1-60", "50-100", 1);
    replica("1-60", "", 2);
    EXPECT_EQ(lost(2), gtids("61-100"));

    replica("1-60", "61-90", 3);
    EXPECT_EQ(lost(3), gtids("91-100"));
    replica("1-60", "61-120", 4);
    EXPECT_EQ(lost(4), "");
}

TEST_F(Received, TheMarkIsTheHighestOfAllTimesNotTheLastOne) {
    replica("1-60", "50-100", 1);
    replica("1-60", "50-80", 2);
    replica("1-60", "", 3);

    EXPECT_EQ(lost(3), gtids("61-100"));
}

TEST_F(Received, WhatTheLivingPrimaryDoesNotHaveWasAcknowledgedToNobody) {
    primary("1-90", 1);
    replica("1-60", "50-100", 1);
    replica("1-60", "", 2);
    EXPECT_EQ(lost(2), gtids("61-100")) << "the primary was seen before: it may have more by now";

    primary("1-90", 3);
    EXPECT_EQ(lost(3), gtids("61-90"));
}

TEST_F(Received, AClusterThatBeganAnewForgetsItsPast) {
    primary("1-100", 1);
    replica("1-100", "", 1);
    primary("1-5", 2);  // RESET on all of them
    replica("1-5", "", 2.1);

    EXPECT_EQ(lost(2.2), gtids("6-100"));
    primary("1-5", 3);
    EXPECT_EQ(lost(3), "");
}

TEST_F(Received, ALeafBelowAnIntermediateSourceIsMeasuredByThePrimary) {
    primary("1-90", 1);
    builder.apply(good(id("r1"), a_follower("1-90", ""), 1));
    auto leaf = a_replica("leaf", "r1");
    leaf.executed_gtid_set = gtids("1-60");
    leaf.channels[0].retrieved_gtid_set = gtids("1-100");
    builder.apply(good(id("leaf"), leaf, 1));
    leaf.channels[0].retrieved_gtid_set.clear();
    builder.apply(good(id("leaf"), leaf, 2));
    EXPECT_EQ(build(builder, 2)->find(id("leaf"))->received_lost, gtids("61-100"));

    primary("1-90", 3);
    builder.apply(good(id("leaf"), leaf, 4));

    EXPECT_EQ(build(builder, 4)->find(id("leaf"))->received_lost, gtids("61-90"));
}

TEST_F(Received, AnotherServerAtTheAddressHasLostNothing) {
    primary("1-100", 1);
    replica("1-60", "50-100", 1);

    auto other = a_follower("1-10", "");
    other.identity.uuid = uuid("other");
    builder.apply(good(id("r1"), other, 2));

    EXPECT_EQ(lost(2), "");
}

TEST_F(Received, APromotedServerIsItselfTheMeasure) {
    replica("1-60", "50-100", 1);
    replica("1-60", "", 2);
    EXPECT_EQ(lost(2), gtids("61-100"));

    auto promoted = a_follower("1-60", "");
    promoted.channels.clear();
    promoted.read_only = false;
    builder.apply(good(id("r1"), promoted, 3));

    EXPECT_EQ(lost(3), "");
}

TEST_F(Received, TheNextHolderKnowsIt) {
    primary("1-100", 1);
    replica("1-60", "50-100", 1);
    const auto before = *build(builder, 1)->find(id("r1"));
    replica("1-60", "", 2);
    const auto after = *build(builder, 2)->find(id("r1"));

    // It was stored before the loss, and the loss is seen by the next holder.
    Builder next;
    auto stored = instance_from_json(stable_json(before), progress_json(before));
    ASSERT_TRUE(stored);
    next.restore(*stored);
    next.apply(good(id("r1"), a_follower("1-60", ""), 3));
    EXPECT_EQ(build(next, 3)->find(id("r1"))->received_lost, gtids("61-100"));

    // It was stored after it.
    Builder later;
    stored = instance_from_json(stable_json(after), progress_json(after));
    ASSERT_TRUE(stored);
    later.restore(*stored);
    EXPECT_EQ(build(later, 3)->find(id("r1"))->received_lost, gtids("61-100"));
    later.apply(good(id("r1"), a_follower("1-60", ""), 4));
    EXPECT_EQ(build(later, 4)->find(id("r1"))->received_lost, gtids("61-100"));
}

TEST_F(Received, WhatCannotBeReadProvesNothing) {
    replica("1-60", "50-100", 1);
    auto odd = a_follower("1-60", "");
    odd.executed_gtid_set = "nonsense";
    builder.apply(good(id("r1"), odd, 2));
    EXPECT_EQ(lost(2), "");

    replica("1-60", "", 3);
    EXPECT_EQ(lost(3), gtids("61-100"));
}

TEST_F(Received, MariadbDropsItsRelayLogAtARestart) {
    builder.apply(good(id("p"), a_mariadb("p", "0-1-100"), 1));
    auto state = a_mariadb("r1", "0-1-60");
    state.channels[0].gtid_io_pos = "0-1-100";
    builder.apply(good(id("r1"), state, 1));
    EXPECT_EQ(lost(1), "");

    state.channels[0].gtid_io_pos = "";
    builder.apply(good(id("r1"), state, 2));
    EXPECT_EQ(lost(2), "0-1-100");

    builder.apply(good(id("p"), a_mariadb("p", "0-1-100"), 3));
    EXPECT_EQ(lost(3), "0-1-100");
    state.channels[0].gtid_io_pos = "0-1-101";
    builder.apply(good(id("r1"), state, 4));
    EXPECT_EQ(lost(4), "");
}

}  // namespace
}  // namespace baton::topology
