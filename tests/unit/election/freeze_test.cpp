// SPDX-License-Identifier: Apache-2.0
// A machine frozen without its boot clock counting: seen only by its wall clock, which runs ahead.
#include "driver.hpp"

namespace baton::election {
namespace {

class LeaseFreeze : public testing::Test {
protected:
    LeaseFreeze() { node.become_holder(); }

    Driver node;
};

TEST_F(LeaseFreeze, EndsThePermissionToAct) {
    node.freeze(10s);
    node.next();

    EXPECT_FALSE(node.may_act());
    EXPECT_TRUE(node.happened(EventKind::clock_jumped));
}

TEST_F(LeaseFreeze, IsFollowedByARenewalAtOnce) {
    node.freeze(10s);

    const auto renew = node.next();
    ASSERT_EQ(renew.what, Do::renew);
    node.answer(renew);

    EXPECT_EQ(node.machine.valid_until(), node.boot + holder_time);
}

TEST_F(LeaseFreeze, MakesARenewalSentBeforeItWorthless) {
    const auto renew = node.reach(Do::renew);

    node.freeze(10s);
    node.answer(renew);

    EXPECT_FALSE(node.may_act());
    EXPECT_EQ(node.machine.role(), Role::holder);
}

TEST_F(LeaseFreeze, MakesAFenceTakenBeforeItWorthlessEvenAtTheSameInstant) {
    const auto fence = node.machine.view().fence(node.boot);
    ASSERT_TRUE(fence);
    node.freeze(10s);
    ASSERT_EQ(node.next().what, Do::renew);

    node.machine.on_fenced_write(*fence, true, node.clocks());

    EXPECT_FALSE(node.may_act());
}

TEST_F(LeaseFreeze, MakesAFenceFromAnOlderViewWorthless) {
    const auto view = node.machine.view();
    node.freeze(10s);
    ASSERT_EQ(node.next().what, Do::renew);
    node.pass(1ms);

    const auto fence = view.fence(node.boot);  // by a thread that has not seen the new view
    ASSERT_TRUE(fence);
    node.machine.on_fenced_write(*fence, true, node.clocks());

    EXPECT_FALSE(node.may_act());
}

TEST_F(LeaseFreeze, LeavesAFenceOfTheNewViewItsWorth) {
    node.freeze(10s);
    node.answer(node.next());
    node.pass(100ms);

    const auto fence = node.machine.view().fence(node.boot);
    ASSERT_TRUE(fence);
    node.machine.on_fenced_write(*fence, true, node.clocks());

    EXPECT_EQ(node.machine.valid_until(), node.boot + holder_time);
}

TEST_F(LeaseFreeze, IsToldByTheViewBeforeTheMachineKnows) {
    const auto view = node.machine.view();
    const auto ahead = [this] { return node.wall - node.boot.time_since_epoch(); };
    EXPECT_EQ(view.wall_ahead, ahead());

    node.freeze(10s);

    EXPECT_EQ(ahead() - node.machine.view().wall_ahead, 10s);
    node.next();
    EXPECT_EQ(node.machine.view().wall_ahead, ahead());
}

TEST_F(LeaseFreeze, MakesAGrabSentBeforeItWorthless) {
    Driver late;
    const auto grab = late.reach(Do::grab);

    late.freeze(10s);
    late.answer(grab);

    EXPECT_FALSE(late.may_act());
    EXPECT_EQ(late.next().what, Do::renew);
}

TEST_F(LeaseFreeze, CannotBeReleasedOnANewConnection) {
    node.reach(Do::renew);
    node.error(2013);
    node.machine.request_release(AfterRelease::stop, node.clocks());
    node.machine.steps_stopped(node.clocks());
    const auto connect = node.reach(Do::connect);
    node.asked.clear();

    node.freeze(10s);
    node.answer(connect);
    node.reach(Do::stop);

    EXPECT_FALSE(node.has_asked(Do::release));
}

TEST_F(LeaseFreeze, IsNotHiddenByAWallClockSetBackMeanwhile) {
    node.reach(Do::renew);
    node.freeze(536ms);
    node.freeze(-1h);

    node.affected(1);

    EXPECT_FALSE(node.may_act());
}

TEST_F(LeaseFreeze, IsNotSeenInAWallClockThatIsSlewed) {
    node.freeze(90ms);  // within the margin
    node.pass(10ms);
    node.machine.look_soon(node.clocks());
    EXPECT_TRUE(node.may_act());
    EXPECT_FALSE(node.happened(EventKind::clock_jumped));
}

}  // namespace
}  // namespace baton::election
