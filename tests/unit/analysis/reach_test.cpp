// SPDX-License-Identifier: Apache-2.0
// A network that is broken between a primary and its replicas, seen probe by probe.
#include "support.hpp"

namespace baton::analysis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A second of a cluster in which the primary writes; `receiving` says whether replicas get it.
class Writing : public Stage {
public:
    explicit Writing(const std::string& text) : Stage(text) { well(); }

    Writing& second(int number, bool receiving) {
        for (auto& [name, server] : servers) {
            if (server.state.channels.empty()) {
                server.state.binlog.pos += 100;
            } else if (receiving) {
                channel(name).read.pos += 100;
            }
            good(name, 1000 * number);
        }
        look(1000 * number + 1);
        return *this;
    }
};

TEST(Reach, AReplicaThatReceivesWhatIsWrittenIsNotAsked) {
    Writing stage(two_replicas);

    for (int i = 1; i < 20; ++i) {
        stage.second(i, true);
        ASSERT_THAT(stage.findings, IsEmpty()) << i;
    }
}

TEST(Reach, NobodyIsAskedWhileNothingIsWritten) {
    Stage stage(two_replicas);
    stage.well();

    for (int i = 1; i < 60; ++i) {
        for (const char* name : {"p1", "r1", "r2"}) {
            stage.good(name, 1000 * i);
        }
        stage.look(1000 * i + 1);
        ASSERT_THAT(stage.findings, IsEmpty()) << i;
    }
}

TEST(Reach, ReplicasThatReceiveNothingOfWhatIsWrittenHaveToReconnect) {
    Writing stage(two_replicas);
    stage.second(1, true).second(2, true).second(3, false).second(4, false);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());

    stage.second(5, false);

    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2"));
    EXPECT_EQ(stage.code("p1"), Code::no_problem);
}

TEST(Reach, OneThatStillReceivesDecides) {
    Writing stage(two_replicas);
    for (int i = 1; i < 9; ++i) {
        stage.channel("r1").read.pos += 100;
        stage.second(i, false);
    }

    EXPECT_THAT(stage.asked("p1"), IsEmpty());
}

TEST(Reach, ASingleWriteThatNobodyReceivesIsEnough) {
    Writing stage(two_replicas);
    stage.second(1, true);
    stage.servers.at("p1").state.binlog.pos += 100;  // and waits for an acknowledgement
    for (int i = 2; i < 7; ++i) {
        for (const char* name : {"p1", "r1", "r2"}) {
            stage.good(name, 1000 * i);
        }
        stage.look(1000 * i + 1);
    }

    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2"));
}

TEST(Reach, AHeartbeatIsASignOfLife) {
    Writing stage(one_replica);
    for (int i = 1; i < 20; ++i) {
        stage.channel("r1").heartbeats_received += 1;
        stage.second(i, false);
        ASSERT_THAT(stage.asked("p1"), IsEmpty()) << i;
    }
}

TEST(Reach, AReceiverThatWaitsForItsApplierIsLeftAlone) {
    Writing stage(one_replica);
    stage.channel("r1").receiver_text =
        "Waiting for the replica SQL thread to free enough relay log space";
    for (int i = 1; i < 20; ++i) {
        stage.second(i, false);
    }

    EXPECT_THAT(stage.asked("p1"), IsEmpty());
}

TEST(Reach, ThoseWhoCouldNotReconnectAreCutOffAfterTheBound) {
    Writing stage(two_replicas);
    stage.second(1, true);
    for (int i = 2; i < 6; ++i) {
        stage.second(i, false);
    }
    stage.witness("r1", false, 5100, 5600).witness("r2", false, 5100, 5600);
    for (const char* name : {"r1", "r2"}) {
        stage.receiver(name, ThreadState::connecting, "Connecting to source", 2003);
    }
    stage.second(6, false).second(7, false);
    EXPECT_EQ(stage.code("p1"), Code::all_replicas_not_replicating);

    // Written since 08:00:02 and not received; cut_off_after is 8 s.
    stage.second(8, false).second(9, false).second(10, false);

    EXPECT_EQ(stage.code("p1"), Code::primary_cut_off);
}

TEST(Reach, WritesThatHaltAndGoOnDoNotPutItOff) {
    Writing stage(two_replicas);
    stage.second(1, true);
    for (int i = 2; i < 12; ++i) {
        if (i == 5) {
            stage.witness("r1", false, 4600, 4900).witness("r2", false, 4600, 4900);
            for (const char* name : {"r1", "r2"}) {
                stage.receiver(name, ThreadState::connecting, "Connecting to source", 2003);
            }
        }
        if (i % 3 == 0) {
            stage.servers.at("p1").state.binlog.pos -= 100;  // as before: the others wait
        }
        stage.second(i, false);
        EXPECT_EQ(stage.code("p1") == Code::primary_cut_off, i >= 9) << i;
    }
}

TEST(Reach, OneThatReconnectedReachesIt) {
    Writing stage(two_replicas);
    stage.second(1, true);
    for (int i = 2; i < 6; ++i) {
        stage.second(i, false);
    }
    stage.witness("r1", false, 5100, 5600).witness("r2", true, 5100, 5600);
    stage.receiver("r1", ThreadState::connecting, "Connecting to source", 2003);
    for (int i = 6; i < 13; ++i) {
        stage.second(i, false);
        EXPECT_NE(stage.code("p1"), Code::primary_cut_off) << i;
    }
}

TEST(Reach, AWordThatGetsOldIsRenewed) {
    Stage stage(one_replica);
    stage.well().receiver("r1", ThreadState::connecting, "Waiting to reconnect", 2003);
    stage.good("p1", 1000).good("r1", 1000).look(1001);
    EXPECT_THAT(stage.asked("p1"), testing::Not(testing::Contains("witness r1"))) << "too soon";
    stage.good("p1", 4100).good("r1", 4100).look(4101);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1"));
    stage.witness("r1", false, 4110, 4600).good("p1", 5000).good("r1", 5000).look(5001);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());

    stage.good("p1", 12'000).good("r1", 12'000).look(12'001);

    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1"));
    EXPECT_EQ(stage.code("p1"), Code::primary_cut_off);
}

TEST(Reach, WhoGaveUpLongAgoIsNoWitness) {
    Stage stage(one_replica);
    stage.well().receiver("r1", ThreadState::stopped, "", 2003);
    stage.good("p1", 1000).good("r1", 1000);

    stage.good("p1", 90'000).good("r1", 90'000).look(90'001);

    EXPECT_EQ(stage.code("p1"), Code::single_primary_replica_not_replicating);
}

TEST(Reach, ANewObserverDoesNotTakeAnOldFailureForANewOne) {
    Stage stage(one_replica);
    stage.receiver("r1", ThreadState::stopped, "", 2003).well();

    stage.good("p1", 9000).good("r1", 9000).look(9001);

    EXPECT_EQ(stage.code("p1"), Code::single_primary_replica_not_replicating);
}

TEST(Reach, AskedAreFewAtATime) {
    std::string text = "  p1: {}\n";
    for (int i = 1; i <= 9; ++i) {
        text += "  r" + std::to_string(i) + ": {source: p1}\n";
    }
    Writing stage(text);
    stage.second(1, true);
    for (int i = 2; i < 6; ++i) {
        stage.second(i, false);
    }
    EXPECT_EQ(stage.asked("p1").size(), 4U);

    for (const char* name : {"r1", "r2", "r3", "r4"}) {
        stage.witness(name, false, 5100, 5600);
        stage.receiver(name, ThreadState::connecting, "Connecting to source", 2003);
    }
    stage.second(6, false);

    EXPECT_EQ(stage.asked("p1").size(), 5U);
}

}  // namespace
}  // namespace baton::analysis
