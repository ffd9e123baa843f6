// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

namespace baton::election {
namespace {

TEST(LeaseRelease, StopsActingAtOnceAndGivesBackAfterTheSteps) {
    Driver node;
    node.become_holder();

    node.machine.request_release(AfterRelease::challenge, node.clocks());

    EXPECT_FALSE(node.may_act());
    EXPECT_FALSE(node.machine.view().fence(node.boot));
    EXPECT_EQ(node.machine.role(), Role::releasing);
    const auto wait = node.next();
    ASSERT_EQ(wait.what, Do::wait);  // a step is still running
    node.answer(wait);

    node.machine.steps_stopped(node.clocks());
    const auto release = node.next();
    ASSERT_EQ(release.what, Do::release);
    EXPECT_EQ(release.epoch, 2U);
    node.answer(release);
    EXPECT_EQ(node.machine.role(), Role::challenger);
    EXPECT_TRUE(node.happened(EventKind::released));
}

TEST(LeaseRelease, EndsTheMachineAtShutdown) {
    Driver node;
    node.become_holder();
    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.machine.steps_stopped(node.clocks());

    node.answer(node.next());

    EXPECT_EQ(node.machine.role(), Role::stopped);
    EXPECT_EQ(node.next().what, Do::stop);
}

TEST(LeaseRelease, EndsAChallengerWithoutAWord) {
    Driver node;
    node.go_on(1s);
    node.asked.clear();

    node.machine.request_release(AfterRelease::stop, node.clocks());

    EXPECT_EQ(node.next().what, Do::stop);
}

TEST(LeaseRelease, IsSkippedByALapsedHolderOnANewConnection) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    node.error(2013);
    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.machine.steps_stopped(node.clocks());
    const auto connect = node.reach(Do::connect);
    node.asked.clear();

    node.pass(3s);
    node.answer(connect);
    node.reach(Do::stop);

    EXPECT_FALSE(node.has_asked(Do::release));
    EXPECT_TRUE(node.happened(EventKind::release_skipped));
}

TEST(LeaseRelease, IsSentByALapsedHolderOnTheOldConnection) {
    Driver node;
    node.become_holder();
    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.pass(10s);  // the last step took long

    node.machine.steps_stopped(node.clocks());

    EXPECT_EQ(node.next().what, Do::release);
}

TEST(LeaseRelease, IsNotUndoneByARenewalUnderWay) {
    Driver node;
    node.become_holder();
    const auto renew = node.reach(Do::renew);

    node.machine.request_release(AfterRelease::challenge, node.clocks());
    node.answer(renew);

    EXPECT_FALSE(node.may_act());
    EXPECT_EQ(node.machine.valid_until(), Instant{});
}

TEST(LeaseRelease, IsLeftOutWhenTheRenewalUnderWayFoundAnotherHolder) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.machine.steps_stopped(node.clocks());
    node.asked.clear();

    node.affected(0);
    node.reach(Do::stop);

    EXPECT_FALSE(node.has_asked(Do::release));
}

TEST(LeaseRelease, CoversAGrabUnderWay) {
    Driver node;
    const auto grab = node.reach(Do::grab);

    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.answer(grab);

    EXPECT_FALSE(node.may_act());
    node.machine.steps_stopped(node.clocks());
    EXPECT_EQ(node.next().what, Do::release);
}

TEST(LeaseRelease, NeverTakesItsOwnRowUpAgain) {
    Driver node;
    node.become_holder();
    node.machine.request_release(AfterRelease::challenge, node.clocks());
    node.machine.steps_stopped(node.clocks());
    for (int attempt = 0; attempt < 5; ++attempt) {
        ASSERT_EQ(node.reach(Do::release).what, Do::release);
        node.error(1205);  // the row stays ours
    }
    node.asked.clear();

    const auto grab = node.reach(Do::grab);

    EXPECT_FALSE(node.has_asked(Do::renew));
    EXPECT_EQ(grab.epoch, 3U);
    EXPECT_GE(node.shown_for(), challenger_time);
}

TEST(LeaseRelease, CountsAsDoneWhenAnEarlierAttemptWas) {
    Driver node;
    node.become_holder();
    node.machine.request_release(AfterRelease::challenge, node.clocks());
    node.machine.steps_stopped(node.clocks());
    node.reach(Do::release);
    node.error(1317);  // executed, but not answered

    node.reach(Do::release);
    node.affected(0);

    EXPECT_TRUE(node.happened(EventKind::released));
}

}  // namespace
}  // namespace baton::election
