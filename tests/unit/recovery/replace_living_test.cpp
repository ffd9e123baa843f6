// SPDX-License-Identifier: Apache-2.0
// A primary that answers and is of no use is made read-only first, and replaced then, or serves on.
#include "support.hpp"

namespace baton::recovery {
namespace {

using analysis::Code;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// No replica reaches p1.
const std::string cut = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: p1}
meanwhile:
  r1: {receiver: connecting, receiver_errno: 2003}
  r2: {receiver: connecting, receiver_errno: 2003}
)";

const std::string waiting = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 0}}
  r1: {source: p1, semi_sync: {replica: yes}}
  r2: {source: p1, semi_sync: {replica: yes}}
meanwhile:
  r1: {receiver: connecting, receiver_errno: 2003}
  r2: {receiver: connecting, receiver_errno: 2003}
)";

World cut_off_world(const std::string& text = cut) {
    World world(scene(text));
    world.unreached = {"p1"};
    return world;
}

Record begun_for(const World& world, Code code = Code::primary_cut_off) {
    auto finding = finding_of(world, analysis::RecoveryKind::dead_primary, "p1");
    finding.code = code;
    auto answer = begin(finding, *world.topology, enabled_policy(), History{}, std::nullopt);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        ADD_FAILURE() << "refused: " << refusal->reason;
        return {};
    }
    return std::get<Record>(std::move(answer));
}

TEST(ReplaceLiving, KeepsWritersOutBeforeAnythingElse) {
    auto world = cut_off_world();
    Drive drive(world, begun_for(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    ASSERT_GE(drive.stages.size(), 3U);
    EXPECT_THAT(kinds(drive.stages[0]), ElementsAre(StepKind::set_read_only));
    EXPECT_TRUE(drive.stages[0].steps.at(0).kill_writers);
    EXPECT_EQ(drive.stages[0].steps.at(0).target, id("p1"));
    EXPECT_EQ(drive.record().fencing, "read-only");
    EXPECT_TRUE(world.at("p1").state.read_only);
    expect_whole(world, drive.record());
}

TEST(ReplaceLiving, LetsItServeOnWhenAWriteHasSlippedIn) {
    auto world = cut_off_world();
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::set_read_only) {
            world.at("p1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
        }
        return std::nullopt;
    };
    Drive drive(world, begun_for(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_NE(drive.record().state, State::done);
    EXPECT_THAT(world.writable(), ElementsAre("p1"));
    EXPECT_THAT(world.done, Not(Contains(HasSubstr("promote"))));
}

TEST(ReplaceLiving, WhatNobodyWasToldIsSafeHoldsNothingUp) {
    auto world = cut_off_world(waiting);
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::set_read_only) {
            // Ending its session commits what waited for an acknowledgement.
            world.at("p1").state.executed_gtid_set = scenario::expand_gtids("p1:1-101");
        }
        return std::nullopt;
    };
    Drive drive(world, begun_for(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(world.writable().size(), 1U);
    EXPECT_TRUE(world.at("p1").state.read_only);
}

TEST(ReplaceLiving, PromotesNobodyBesideOneThatStaysWritable) {
    auto world = cut_off_world();
    world.trouble = [](const Step& step) -> std::optional<Error> {
        return step.kind == StepKind::set_read_only
                   ? std::optional(fail(Errc::timeout, "read_only waits for commits"))
                   : std::nullopt;
    };
    Drive drive(world, begun_for(world, Code::primary_disk_full), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("could not be made read-only"));
    EXPECT_THAT(world.writable(), ElementsAre("p1"));
    EXPECT_THAT(world.done, Not(Contains(HasSubstr("promote"))));
}

TEST(ReplaceLiving, GoesOnWhenItDiesMeanwhile) {
    auto world = cut_off_world();
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::set_read_only) {
            world.kill("p1");
            return fail(Errc::unreachable, "it refuses connections");
        }
        return std::nullopt;
    };
    Drive drive(world, begun_for(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    expect_whole(world, drive.record());
}

}  // namespace
}  // namespace baton::recovery
