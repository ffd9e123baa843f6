// SPDX-License-Identifier: Apache-2.0
// What replicas say at which time, probe by probe.
#include "support.hpp"

namespace baton::analysis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Testimony, AKilledPrimaryIsDeadWithTheFirstProbesAfterwards) {
    Stage stage(two_replicas);
    stage.well();

    stage.fails("p1", ProbeFailure::refused, 1000).look(1001);
    EXPECT_EQ(stage.code("p1"), Code::unreachable_primary);
    EXPECT_EQ(stage.find("p1")->severity, Severity::notice);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("reprobe r1", "reprobe r2"));

    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 1004).look(1005);
    EXPECT_FALSE(stage.actionable("p1"));
    EXPECT_THAT(stage.asked("p1"), ElementsAre("reprobe r2"));

    stage.receiver("r2", ThreadState::connecting, lost).good("r2", 1005).look(1006);
    EXPECT_EQ(stage.code("p1"), Code::dead_primary);
    EXPECT_EQ(stage.find("p1")->recovery, RecoveryKind::dead_primary);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());
}

TEST(Testimony, AReceiverThatHasNotNoticedYetIsObservedAgainBeforeItIsDisturbed) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::refused, 1000).good("r1", 1004).look(1005);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("reprobe r1"));
    EXPECT_FALSE(stage.actionable("p1"));

    stage.good("r1", 1300).look(1301);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1"));

    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 1310).look(1311);
    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Testimony, ConnectionsLostBeforeTheFailureAreLookedAtAgain) {
    Stage stage(one_replica);
    stage.well().receiver("r1", ThreadState::connecting, lost).good("r1", 990);

    stage.fails("p1", ProbeFailure::refused, 1000).look(1001);

    EXPECT_FALSE(stage.actionable("p1"));
    EXPECT_THAT(stage.asked("p1"), ElementsAre("reprobe r1"));
}

TEST(Testimony, AReplicaInTheMiddleOfAWitnessTestIsNotDeaf) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);

    for (const auto& [state, text] :
         {std::pair{ThreadState::stopped, ""},
          std::pair{ThreadState::connecting, "Connecting to source"},
          std::pair{ThreadState::connecting, ""}}) {
        stage.receiver("r1", state, text).good("r1", 1700).look(1701);
        EXPECT_FALSE(stage.actionable("p1")) << text;
    }
}

TEST(Testimony, AReceiverStoppedJustNowMayBeAnotherWitnessInItsTest) {
    Stage stage(two_replicas);
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    stage.receiver("r1", ThreadState::connecting, lost, 2003).good("r1", 1700);

    stage.receiver("r2", ThreadState::stopped).good("r2", 1700).look(1701);
    EXPECT_EQ(stage.code("p1"), Code::dead_primary);
    EXPECT_FALSE(stage.actionable("p1"));
    EXPECT_THAT(
        stage.find("p1")->vetoes, ElementsAre("the receiver of r2:3306 was stopped just now")
    );
    EXPECT_THAT(stage.asked("p1"), testing::Contains("reprobe r2"));

    stage.good("r1", 6500).good("r2", 6500).look(6501);
    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Testimony, AReceiverThatWasStoppedBeforeTheFailureHoldsNothingUp) {
    Stage stage(two_replicas);
    stage.well().receiver("r2", ThreadState::stopped).good("r2", 1000).good("r2", 9000);
    stage.good("p1", 9000).good("r1", 9000).look(9001);

    stage.fails("p1", ProbeFailure::timeout, 10000).fails("p1", ProbeFailure::timeout, 10600);
    stage.receiver("r1", ThreadState::connecting, lost, 2003).good("r1", 10700);
    stage.good("r2", 10700).look(10701);

    EXPECT_EQ(stage.code("p1"), Code::dead_primary);
    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Testimony, AReportFromBeforeTheFailureDoesNotCount) {
    Stage stage(one_replica);
    stage.well().witness("r1", false, 300, 400);
    stage.fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);

    stage.good("r1", 1700).look(1701);

    EXPECT_FALSE(stage.actionable("p1"));
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1"));
}

TEST(Testimony, ADeafWitnessStaysDeafUntilItIsSeenConnected) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    stage.good("r1", 1700).witness("r1", false, 1700, 2700).look(2701);
    EXPECT_TRUE(stage.actionable("p1"));

    stage.receiver("r1", ThreadState::connecting, "Connecting to source").good("r1", 30000);
    stage.fails("p1", ProbeFailure::timeout, 30000).look(30001);
    EXPECT_TRUE(stage.actionable("p1")) << "else the verdict would flap";

    stage.receiver("r1", ThreadState::running, waiting).good("r1", 31000).look(31001);
    EXPECT_EQ(stage.code("p1"), Code::unreachable_primary);
    EXPECT_FALSE(stage.actionable("p1"));
}

TEST(Testimony, StoppingTheReceiversForTheRecoveryDoesNotChangeTheCode) {
    Stage stage(two_replicas);
    stage.well().fails("p1", ProbeFailure::refused, 1000);
    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 1004);
    stage.receiver("r2", ThreadState::connecting, lost).good("r2", 1004).look(1005);
    ASSERT_EQ(stage.code("p1"), Code::dead_primary);

    stage.receiver("r1", ThreadState::stopped).good("r1", 1100);
    stage.receiver("r2", ThreadState::stopped).good("r2", 1100).look(1101);

    EXPECT_EQ(stage.code("p1"), Code::dead_primary);
}

TEST(Testimony, ASourceThatAnswersAWitnessWithAnErrorLives) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    stage.good("r1", 1700).witness("r1", false, 1700, 1900);

    stage.receiver("r1", ThreadState::connecting, "Connecting to source", 1040)
        .good("r1", 1950)
        .look(1951);

    EXPECT_EQ(stage.code("p1"), Code::unreachable_primary);
    EXPECT_THAT(stage.find("p1")->vetoes, ElementsAre("still heard by r1:3306"));
}

TEST(Testimony, AWitnessThatHeardIsAskedAgainBeforeItsWordGetsOld) {
    Stage stage(two_replicas);
    stage.channel("r1").heartbeats_received = stage.channel("r2").heartbeats_received = 0;
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    stage.good("r1", 1700).good("r2", 1700).witness("r1", true, 1700, 1800).look(1801);
    EXPECT_EQ(stage.find("p1")->counts.hearing, 1U);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());

    const auto later = [&](int ms) {
        stage.fails("p1", ProbeFailure::timeout, ms).good("r1", ms).good("r2", ms).look(ms + 1);
    };
    later(8000);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());
    later(9000);
    EXPECT_EQ(stage.find("p1")->counts.hearing, 1U);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1"));
    later(13000);
    EXPECT_EQ(stage.find("p1")->counts.hearing, 0U);
    EXPECT_FALSE(stage.actionable("p1"));
    EXPECT_THAT(stage.asked("p1"), ElementsAre("witness r1", "witness r2"));
}

TEST(Testimony, OfManySilentReplicasSomeAreAskedFirst) {
    std::string servers = "  p1: {}\n";
    for (int i = 10; i < 40; ++i) {
        servers += "  r" + std::to_string(i) + ": {source: p1}\n";
    }
    Stage stage(servers);
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    const auto again = [&](int ms) {
        stage.fails("p1", ProbeFailure::timeout, ms);
        for (int i = 10; i < 40; ++i) {
            stage.good("r" + std::to_string(i), ms);
        }
    };
    again(1700);
    stage.look(1701);
    EXPECT_EQ(stage.asked("p1").size(), 4U);

    for (const auto& inquiry : stage.find("p1")->inquiries) {
        stage.witness(inquiry.target.host, false, 1702, 1800);
    }
    stage.look(1801);
    EXPECT_EQ(stage.asked("p1").size(), 26U);
    EXPECT_FALSE(stage.actionable("p1"));
}

TEST(Testimony, AReplicaThatNobodyObservesDoesNotKeepTheVerdictOpenForEver) {
    Stage stage(two_replicas);
    stage.well().fails("p1", ProbeFailure::refused, 1000);
    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 1100).look(1101);
    EXPECT_EQ(stage.code("p1"), Code::unreachable_primary);

    stage.good("r1", 16900).look(17000);

    EXPECT_EQ(stage.code("p1"), Code::dead_primary_and_some_replicas);
    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Testimony, APrimaryThatRefusedAnHourLongAndThenIsGoneIsJudgedFromThen) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::access_denied, 1000);
    stage.fails("p1", ProbeFailure::timeout, 3'600'000);
    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 3'600'100).look(3'600'101);
    EXPECT_FALSE(stage.actionable("p1"));

    stage.fails("p1", ProbeFailure::timeout, 3'600'700).good("r1", 3'600'800).look(3'600'801);

    EXPECT_TRUE(stage.actionable("p1"));
}

TEST(Testimony, AReplicaThatLostThePrimaryFirstMakesItObservedAtOnce) {
    Stage stage(two_replicas);
    stage.well().receiver("r1", ThreadState::connecting, lost).good("r1", 500).look(501);
    EXPECT_THAT(stage.asked("r1"), ElementsAre("reprobe p1"));

    stage.receiver("r2", ThreadState::connecting, lost).good("r2", 500).look(501);
    EXPECT_THAT(stage.asked("p1"), ElementsAre("reprobe p1"));

    stage.good("p1", 510).look(511);
    EXPECT_THAT(stage.asked("p1"), IsEmpty());
    EXPECT_THAT(stage.asked("r1"), IsEmpty());
}

TEST(Testimony, APrimaryThatIsSeenAgainIsWell) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::refused, 1000);
    stage.receiver("r1", ThreadState::connecting, lost).good("r1", 1100).look(1101);
    ASSERT_TRUE(stage.actionable("p1"));

    stage.good("p1", 1200)
        .receiver("r1", ThreadState::running, waiting)
        .good("r1", 1200)
        .look(1201);

    EXPECT_THAT(stage.findings, IsEmpty());
}

TEST(Testimony, AFindingDoesNotChangeWhileNothingChanges) {
    Stage stage(two_replicas);
    stage.channel("r2").applier = ThreadState::stopped;
    stage.well().fails("p1", ProbeFailure::refused, 1000);
    const auto later = [&](int ms) {
        stage.fails("p1", ProbeFailure::refused, ms);
        stage.receiver("r1", ThreadState::connecting, lost, 2003).good("r1", ms + 5);
        stage.receiver("r2", ThreadState::stopped).good("r2", ms + 5).look(ms + 10);
        return stage.findings;
    };
    const auto first = later(2000);

    EXPECT_EQ(first, later(5000));
    EXPECT_EQ(first, later(500'000));
}

}  // namespace
}  // namespace baton::analysis
