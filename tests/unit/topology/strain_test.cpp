// SPDX-License-Identifier: Apache-2.0
// What builds up over several probes: silence, lost connections, strain.
#include "world.hpp"

#include <gtest/gtest.h>

namespace baton::topology {
namespace {

const Instance& look(Builder& builder, const std::string& name, TopologyPtr& kept) {
    kept = builder.build(at(1000), wall(1000));
    return *kept->find(id(name));
}

TEST(Silence, BeginsWithTheProbeThatShowedTheLastNews) {
    Builder builder;
    TopologyPtr topology;
    auto primary = a_server("p");
    auto replica = a_replica("r", "p");
    for (int second = 0; second < 5; ++second) {
        primary.binlog = {"binlog.000001", 100 + 10ULL * static_cast<unsigned>(second)};
        replica.channels[0].read.pos = primary.binlog.pos;
        builder.apply(good(id("p"), primary, second));
        builder.apply(good(id("r"), replica, second + 0.1));
    }
    EXPECT_EQ(look(builder, "r", topology).quiet_since, at(4.098));
    EXPECT_EQ(look(builder, "r", topology).unheard_since, TimePoint{});

    for (int second = 5; second < 9; ++second) {
        primary.binlog.pos += 10;
        builder.apply(good(id("p"), primary, second));
        builder.apply(good(id("r"), replica, second + 0.1));
    }
    EXPECT_EQ(look(builder, "r", topology).quiet_since, at(4.098));
    EXPECT_EQ(look(builder, "r", topology).unheard_since, at(4.098)) << "it has been writing on";

    replica.channels[0].read.pos = primary.binlog.pos;
    builder.apply(good(id("r"), replica, 9.1));
    EXPECT_EQ(look(builder, "r", topology).unheard_since, TimePoint{});
}

TEST(Silence, OfAReplicaIsNothingWhileItsSourceIsSilent) {
    Builder builder;
    TopologyPtr topology;
    for (int second = 0; second < 60; ++second) {
        builder.apply(good(id("p"), a_server("p"), second));
        builder.apply(good(id("r"), a_replica("r", "p"), second + 0.1));
    }
    EXPECT_EQ(look(builder, "r", topology).unheard_since, TimePoint{});
    EXPECT_EQ(look(builder, "r", topology).quiet_since, at(0.098));
}

/// Semi-synchronous writes hang from the moment on at which the replicas are cut off.
TEST(Silence, CountsAlsoWhenTheSourceWroteForTheLastTimeJustBefore) {
    for (const unsigned missing : {10U, 0U}) {
        Builder builder;
        TopologyPtr topology;
        auto primary = a_server("p");
        auto replica = a_replica("r", "p");
        for (int second = 0; second < 3; ++second) {
            primary.binlog = {"binlog.000001", 100 + 10ULL * static_cast<unsigned>(second)};
            replica.channels[0].read.pos = primary.binlog.pos - (second == 2 ? missing : 0);
            replica.channels[0].read.pos += second == 2 && missing > 0 ? 5 : 0;
            builder.apply(good(id("p"), primary, second));
            builder.apply(good(id("r"), replica, second + 0.1));
        }
        for (int second = 3; second < 6; ++second) {
            builder.apply(good(id("p"), primary, second));
            builder.apply(good(id("r"), replica, second + 0.1));
        }

        EXPECT_EQ(look(builder, "r", topology).unheard_since, missing > 0 ? at(2.098) : TimePoint{})
            << missing;
    }
}

TEST(Silence, StartsAnewBelowAnotherSource) {
    Builder builder;
    TopologyPtr topology;
    for (const char* name : {"p", "q"}) {
        builder.apply(good(id(name), a_server(name), 0));
    }
    builder.apply(good(id("r"), a_replica("r", "p"), 0.1));
    builder.apply(good(id("r"), a_replica("r", "p"), 5.1));
    builder.apply(good(id("r"), a_replica("r", "q"), 6.1));
    EXPECT_EQ(look(builder, "r", topology).quiet_since, at(6.098));
}

TEST(Connection, IsLostSinceTheFirstProbeThatSaysSo) {
    Builder builder;
    TopologyPtr topology;
    auto replica = a_replica("r", "p");
    builder.apply(good(id("p"), a_server("p"), 0));
    builder.apply(good(id("r"), replica, 0.1));
    EXPECT_EQ(look(builder, "r", topology).unconnected_since, TimePoint{});

    replica.channels[0].receiver = ThreadState::connecting;
    builder.apply(good(id("r"), replica, 1.1));
    replica.channels[0].receiver = ThreadState::stopped;
    builder.apply(good(id("r"), replica, 2.1));
    EXPECT_EQ(look(builder, "r", topology).unconnected_since, at(1.1));

    replica.channels[0].receiver = ThreadState::running;
    builder.apply(good(id("r"), replica, 3.1));
    EXPECT_EQ(look(builder, "r", topology).unconnected_since, TimePoint{});
}

TEST(ReadOnly, IsCountedWithoutInterruption) {
    Builder builder;
    TopologyPtr topology;
    auto primary = a_server("p");
    for (const int second : {0, 1, 2}) {
        primary.read_only = second > 0;
        builder.apply(good(id("p"), primary, second));
    }
    builder.apply(failed(id("p"), ProbeFailure::timeout, 3));
    builder.apply(good(id("p"), primary, 4));
    EXPECT_EQ(look(builder, "p", topology).read_only_since, at(1));

    primary.read_only = false;
    builder.apply(good(id("p"), primary, 5));
    EXPECT_EQ(look(builder, "p", topology).read_only_since, TimePoint{});
}

TEST(StrainOf, AServerThatHangsIsKept) {
    Builder builder;
    TopologyPtr topology;
    builder.apply(good(id("p"), a_server("p"), 0));
    auto hanging = failed(id("p"), ProbeFailure::hangs, 1);
    hanging.strain.emplace().disk = {3, 20};
    builder.apply(hanging);

    const auto& instance = look(builder, "p", topology);
    EXPECT_EQ(instance.state.strain.disk, (Waiters{3, 20}));
    EXPECT_FALSE(is_absence(instance.health.failure)) << "it lives";
}

TEST(StrainOf, AServerIsDecisiveWhenAFindingCouldChange) {
    Builder builder;
    auto primary = a_server("p");
    builder.apply(good(id("p"), primary, 0));

    primary.strain.commit = {1, 0};
    EXPECT_NE(builder.apply(good(id("p"), primary, 1)), Builder::Change::decisive);
    primary.strain.commit = {1, 11};
    EXPECT_EQ(builder.apply(good(id("p"), primary, 2)), Builder::Change::decisive);
    primary.strain.commit = {1, 12};
    EXPECT_NE(builder.apply(good(id("p"), primary, 3)), Builder::Change::decisive);
    primary.strain.turns_away = true;
    EXPECT_EQ(builder.apply(good(id("p"), primary, 4)), Builder::Change::decisive);
}

}  // namespace
}  // namespace baton::topology
