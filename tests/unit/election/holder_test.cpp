// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <array>

namespace baton::election {
namespace {

TEST(LeaseHolder, CountsItsLeaseFromTheSendingOfTheGrab) {
    Driver node;
    const auto grab = node.reach(Do::grab);
    const auto sent = node.boot;

    node.pass(400ms);
    node.answer(grab);

    EXPECT_EQ(node.machine.role(), Role::holder);
    EXPECT_EQ(node.machine.epoch(), 2U);
    EXPECT_EQ(node.machine.valid_until(), sent + holder_time);
}

TEST(LeaseHolder, CountsARenewalFromItsSending) {
    Driver node;
    node.become_holder();
    const auto renew = node.reach(Do::renew);
    const auto sent = node.boot;

    node.pass(700ms);
    node.answer(renew);

    EXPECT_EQ(node.machine.valid_until(), sent + holder_time);
}

TEST(LeaseHolder, StopsActingBeforeAChallengerMayGrab) {
    Driver node;
    node.become_holder();
    const auto end = node.machine.valid_until();

    EXPECT_TRUE(node.machine.may_act(end - 1ns));
    EXPECT_FALSE(node.machine.may_act(end));
}

TEST(LeaseHolder, RenewsAtTheIntervalCountedFromSending) {
    Driver node;
    node.become_holder();
    const auto grabbed = node.boot;

    node.answer(node.reach(Do::renew));
    const auto first = node.boot;
    node.reach(Do::renew);

    EXPECT_EQ(first - grabbed, 500ms);
    EXPECT_EQ(node.boot - first, 500ms);
}

TEST(LeaseHolder, SendsEachStatementWithATimeLimit) {
    Driver node;
    node.become_holder();

    const auto renew = node.reach(Do::renew);

    EXPECT_EQ(renew.until, node.boot + 1000ms);
    EXPECT_EQ(renew.epoch, 2U);
}

class LeaseHolderError : public testing::TestWithParam<unsigned> {};

TEST_P(LeaseHolderError, NeitherEndsNorProlongsTheLease) {
    Driver node;
    node.become_holder();
    const auto end = node.machine.valid_until();
    node.reach(Do::renew);

    node.pass(10ms);
    node.error(GetParam());

    EXPECT_EQ(node.machine.role(), Role::holder);
    EXPECT_EQ(node.machine.valid_until(), end);
    node.answer(node.reach(Do::renew));  // again in time, if need be on another connection
    EXPECT_EQ(node.machine.epoch(), 2U);
    EXPECT_GT(node.machine.valid_until(), end);
}

INSTANTIATE_TEST_SUITE_P(
    EveryClass,
    LeaseHolderError,
    testing::Values(
        0U,
        2013U,
        1927U,
        1213U,
        3101U,
        1205U,
        1317U,
        1180U,
        3100U,
        1290U,
        1047U,
        1040U,
        1021U,
        1142U,
        1146U,
        1064U,
        9999U
    )
);

TEST(LeaseHolder, ReconnectsToTheNextAddress) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    const auto before = node.machine.address();

    node.error(2013);

    EXPECT_EQ(node.next().what, Do::connect);
    EXPECT_EQ(node.machine.address(), (before + 1) % 2);
}

TEST(LeaseHolder, LosesTheLeaseWhenTheRowIsNotItsOwn) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    node.row = row_of(other, 3);

    node.affected(0);

    EXPECT_EQ(node.machine.role(), Role::challenger);
    EXPECT_FALSE(node.may_act());
    EXPECT_TRUE(node.happened(EventKind::lost));
    const auto grab = node.reach(Do::grab);
    EXPECT_EQ(grab.epoch, 4U);
    EXPECT_GE(node.shown_for(), challenger_time);
}

TEST(LeaseHolder, NeverTakesUpAnEpochThatEnded) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    node.affected(0);  // the backend lost the grab ...
    node.asked.clear();

    node.row = row_of(me, 2);  // ... and shows it once more
    const auto grab = node.reach(Do::grab);

    EXPECT_EQ(node.machine.role(), Role::challenger);
    EXPECT_FALSE(node.has_asked(Do::renew));
    EXPECT_GT(grab.epoch, 2U);
    EXPECT_GE(node.shown_for(), challenger_time);
}

TEST(LeaseHolder, RevivesALapsedLeaseOnTheSameConnection) {
    Driver node;
    node.become_holder();
    const auto renew = node.reach(Do::renew);
    node.pass(3s);
    node.answer(renew);  // sent too long ago to be worth anything
    EXPECT_FALSE(node.may_act());
    EXPECT_TRUE(node.happened(EventKind::lapsed));

    const auto again = node.next();
    ASSERT_EQ(again.what, Do::renew);
    const auto sent = node.boot;
    node.answer(again);

    EXPECT_TRUE(node.may_act());
    EXPECT_EQ(node.machine.epoch(), 2U);
    EXPECT_EQ(node.machine.valid_until(), sent + holder_time);
    EXPECT_TRUE(node.happened(EventKind::revived));
}

TEST(LeaseHolder, DoesNotReviveALapsedLeaseOnANewConnection) {
    Driver node;
    node.become_holder();
    node.reach(Do::renew);
    node.error(2013);
    const auto connect = node.reach(Do::connect);
    node.pass(3s);
    node.answer(connect);
    node.asked.clear();

    const auto grab = node.reach(Do::grab);

    EXPECT_FALSE(node.has_asked(Do::renew));
    EXPECT_GT(grab.epoch, 2U);
    EXPECT_GE(node.shown_for(), challenger_time);
}

TEST(LeaseHolder, MayRenewOnANewConnectionWhatWasSentInTime) {
    Driver node;
    node.become_holder();
    const auto end = node.machine.valid_until();
    node.reach(Do::renew);
    node.error(2013);
    const auto renew = node.reach(Do::renew);
    ASSERT_LT(node.boot, end);

    node.pass(end - node.boot + 100ms);  // the answer comes after the lapse
    node.answer(renew);

    EXPECT_TRUE(node.may_act());
    EXPECT_EQ(node.machine.epoch(), 2U);
}

TEST(LeaseHolder, IsProlongedByAFencedWriteFromItsSending) {
    Driver node;
    node.become_holder();
    node.pass(200ms);
    const auto fence = node.machine.view().fence(node.boot);
    ASSERT_TRUE(fence);
    const auto sent = node.boot;

    node.pass(100ms);
    node.machine.on_fenced_write(*fence, true, node.clocks());

    EXPECT_EQ(fence->epoch, 2U);
    EXPECT_EQ(fence->holder, me);
    EXPECT_EQ(node.machine.valid_until(), sent + holder_time);
}

TEST(LeaseHolder, LosesTheLeaseByAFencedWriteThatFoundAnother) {
    Driver node;
    node.become_holder();
    const auto fence = node.machine.view().fence(node.boot);

    node.machine.on_fenced_write(*fence, false, node.clocks());

    EXPECT_FALSE(node.may_act());
    EXPECT_EQ(node.machine.role(), Role::challenger);
}

TEST(LeaseHolder, IgnoresFencedWritesOfAnEpochThatEnded) {
    Driver node;
    node.become_holder();
    const auto fence = node.machine.view().fence(node.boot);
    node.reach(Do::renew);
    node.affected(0);
    node.become_holder();
    const auto end = node.machine.valid_until();

    node.machine.on_fenced_write(*fence, false, node.clocks());
    node.machine.on_fenced_write(*fence, true, node.clocks());

    EXPECT_EQ(node.machine.role(), Role::holder);
    EXPECT_EQ(node.machine.valid_until(), end);
}

TEST(LeaseHolder, GetsNoFenceOnceItsTimeHasPassed) {
    Driver node;
    node.become_holder();
    const auto view = node.machine.view();

    EXPECT_TRUE(view.fence(view.valid_until - 1ns));
    EXPECT_FALSE(view.fence(view.valid_until));
}

TEST(LeaseHolder, WaitsNoLongerThanItsLease) {
    Driver node;
    node.become_holder();

    for (int step = 0; step < 50; ++step) {
        const auto action = node.next();
        if (action.what == Do::wait) {
            EXPECT_LE(action.until, node.machine.valid_until());
        }
        node.answer(action);
    }
}

TEST(LeaseHolder, KeepsAtMostTheNewestEvents) {
    Driver node;
    node.become_holder();

    for (int step = 0; step < 1000; ++step) {
        node.reach(Do::renew);
        node.error(1213);
        node.answer(node.reach(Do::renew));
    }

    EXPECT_LE(node.machine.take_events().size(), 256U);
    EXPECT_TRUE(node.machine.take_events().empty());
}

}  // namespace
}  // namespace baton::election
