// SPDX-License-Identifier: Apache-2.0
// Whom to ask to reconnect, and when the last one.
#include "support.hpp"

namespace baton::analysis {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

std::string semi_sync_cluster(const std::string& waits) {
    return "  p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 3, waits: " + waits +
           "}}\n"
           "  r1: {source: p1, semi_sync: {replica: yes}}\n"
           "  r2: {source: p1, semi_sync: {replica: yes}}\n"
           "  r3: {source: p1, semi_sync: {replica: yes}}\n";
}

/// The primary has not answered twice, and all replicas believe to be connected.
class Silent : public Stage {
public:
    explicit Silent(const std::string& text) : Stage(text) {
        well();
        fails("p1", ProbeFailure::timeout, 1500);
        fails("p1", ProbeFailure::timeout, 2500);
        for (const char* name : {"r1", "r2", "r3"}) {
            good(name, 2510);
        }
        look(2511);
    }

    Silent& begins(const std::string& name, int ms) {
        builder.set_witness_begun(id(name), at_ms(ms));
        return *this;
    }

    Silent& ends(const std::string& name, bool heard, int asked_ms, int answered_ms) {
        builder.set_witness_begun(id(name), TimePoint{});
        witness(name, heard, asked_ms, answered_ms);
        return *this;
    }
};

TEST(Witnesses, TheLastAcknowledgerIsLeftAloneWhileTheOthersMayFindThePrimary) {
    Silent stage(semi_sync_cluster("yes"));
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2"));

    stage.begins("r1", 2520).begins("r2", 2520).look(2700);

    EXPECT_THAT(stage.asked("p1"), Not(Contains("witness r3")));
}

TEST(Witnesses, TheLastAcknowledgerIsAskedWhenTheOthersTakeLong) {
    Silent stage(semi_sync_cluster("yes"));

    stage.begins("r1", 2520).begins("r2", 2520).look(2820);

    EXPECT_THAT(stage.asked("p1"), Contains("witness r3"));
}

TEST(Witnesses, NotBeforeAllOthersTakeLong) {
    Silent stage(semi_sync_cluster("yes"));

    stage.begins("r1", 2520).begins("r2", 2700).look(2900);

    EXPECT_THAT(stage.asked("p1"), Not(Contains("witness r3")));
}

TEST(Witnesses, APrimaryThatGoesOnWithoutAcknowledgersKeepsTheLastUntilTheOthersHaveFailed) {
    Silent stage(semi_sync_cluster("no"));
    stage.begins("r1", 2520).begins("r2", 2520).look(3400);
    EXPECT_THAT(stage.asked("p1"), Not(Contains("witness r3")));

    stage.ends("r1", false, 2520, 3530).ends("r2", false, 2520, 3530).look(3531);

    EXPECT_THAT(stage.asked("p1"), Contains("witness r3"));
}

TEST(Witnesses, NobodyElseIsAskedWhenOneHasFoundIt) {
    Silent stage(semi_sync_cluster("yes"));

    stage.begins("r1", 2520).begins("r2", 2520);
    stage.ends("r1", true, 2520, 2560).look(2900);

    EXPECT_THAT(stage.asked("p1"), IsEmpty());
    EXPECT_FALSE(stage.actionable("p1"));
}

TEST(Witnesses, AllAreAskedAtOnceWhereNobodyWaitsForThem) {
    Silent stage("  p1: {}\n  r1: {source: p1}\n  r2: {source: p1}\n  r3: {source: p1}\n");

    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2", "witness r3"));
}

/// A primary that is seen, whose last write has reached all replicas, and whose session waits.
class Unacknowledged : public Stage {
public:
    Unacknowledged() : Stage(semi_sync_cluster("yes")) {
        well();
        for (auto& [name, server] : servers) {
            if (server.state.channels.empty()) {
                server.state.binlog.pos += 100;
            } else {
                channel(name).read.pos += 100;
            }
        }
        second(1, 0);
        second(2, 0);
    }

    /// `waited`: what the session list says of the one that waits for an acknowledgement.
    Unacknowledged& second(int number, unsigned waited) {
        auto& waiters = servers.at("p1").state.strain.acknowledgement;
        waiters.sessions = number > 2 ? 1 : 0;
        waiters.seconds = waited;
        for (auto& [name, server] : servers) {
            good(name, 1000 * number);
        }
        look(1000 * number + 1);
        return *this;
    }

    Unacknowledged& cut(const std::string& name, int asked_ms, int answered_ms) {
        witness(name, false, asked_ms, answered_ms);
        receiver(name, ThreadState::connecting, "Connecting to source", 2003);
        return *this;
    }
};

TEST(Witnesses, ASessionThatWaitsForQuietReplicasMakesThemReconnect) {
    Unacknowledged stage;
    stage.second(3, 0).second(4, 1);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());

    stage.second(5, 2);

    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2"));
}

TEST(Witnesses, ReplicasThatCannotReconnectAreCutOffSinceTheLastWrite) {
    Unacknowledged stage;
    stage.second(3, 0).second(4, 1);
    stage.cut("r1", 4100, 4500).cut("r2", 4100, 4500).cut("r3", 4500, 4900);
    for (unsigned i = 5; i < 9; ++i) {
        stage.second(static_cast<int>(i), i - 3);
        ASSERT_NE(stage.code("p1"), Code::primary_cut_off) << i;
    }

    stage.second(9, 6);  // written in the first second; cut_off_after is 8 s

    EXPECT_EQ(stage.code("p1"), Code::primary_cut_off);
    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Witnesses, OneThatReconnectedWasOnlySlowToAcknowledge) {
    Unacknowledged stage;
    stage.second(3, 0).second(4, 1);
    stage.cut("r1", 4100, 4500).witness("r2", true, 4100, 4150);
    for (unsigned i = 5; i < 12; ++i) {
        stage.second(static_cast<int>(i), i - 3);
        EXPECT_NE(stage.code("p1"), Code::primary_cut_off) << i;
        EXPECT_THAT(stage.asked("p1"), Not(Contains("witness r3"))) << i;
    }
}

TEST(Witnesses, HeartbeatsSayThatTheConnectionsAreGood) {
    Unacknowledged stage;
    for (unsigned i = 3; i < 12; ++i) {
        for (const char* name : {"r1", "r2", "r3"}) {
            stage.channel(name).heartbeats_received += 1;
        }
        stage.second(static_cast<int>(i), i - 3);
        ASSERT_THAT(stage.asked("p1"), IsEmpty()) << i;
    }
}

}  // namespace
}  // namespace baton::analysis
