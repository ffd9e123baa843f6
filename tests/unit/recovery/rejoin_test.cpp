// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string returned(const std::string& executed, const std::string& more = "") {
    return "servers:\n"
           "  p1: {executed: \"" +
           executed + "\", read_only: true}\n" +
           "  r1: {executed: \"p1:1-100,r1:1-7\"}\n"
           "  r2: {source: r1, executed: \"p1:1-100,r1:1-7\"}\n" +
           more +
           "operators:\n"
           "  cluster: {r1: [p1, r1, r2]}\n"
           "  deposed: {p1: {successor: r1}}\n";
}

std::variant<Record, Refusal> ordered(
    const World& world, const std::string& method, const Policy& policy = {}
) {
    Order order;
    order.by = "dba";
    order.method = method;
    return begin_rejoin(id("p1"), *world.topology, policy, {}, order);
}

TEST(Rejoin, ACleanOneFollowsItsSuccessor) {
    World world(scene(returned("p1:1-100")));
    Drive drive(world, std::get<Record>(ordered(world, "repoint")), Policy{});

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(world.at("p1").state.channels.at(0).source, id("r1"));
    EXPECT_TRUE(world.at("p1").state.super_read_only);
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
    EXPECT_TRUE(drive.stages.at(0).steps.at(0).former_primary);
    EXPECT_THAT(drive.stages.at(0).steps.at(0).credentials_from, ElementsAre(id("r2")));
}

TEST(Rejoin, BeginsByItselfUnlessItIsSwitchedOff) {
    World world(scene(returned("p1:1-100")));
    auto policy = enabled_policy();

    const auto by_itself =
        begin_at(world, "p1", policy, std::nullopt, {}, analysis::RecoveryKind::rejoin);
    policy.rejoin_clean = false;
    const auto off =
        begin_at(world, "p1", policy, std::nullopt, {}, analysis::RecoveryKind::rejoin);

    ASSERT_TRUE(std::holds_alternative<Record>(by_itself));
    EXPECT_FALSE(std::get<Record>(by_itself).forced);
    EXPECT_THAT(refused(off).reason, HasSubstr("baton rejoin p1:3306"));
}

TEST(Rejoin, TransactionsInExcessAreNeverSkipped) {
    World world(scene(returned("p1:1-103")));

    const auto refusal = refused(ordered(world, "repoint"));

    EXPECT_EQ(refusal.kind, Refusal::Kind::diverged);
    EXPECT_THAT(refusal.reason, HasSubstr(":101-103 (3)"));
    EXPECT_THAT(refusal.reason, HasSubstr("baton rejoin p1:3306 --clone"));
}

TEST(Rejoin, ACopyReplacesWhatDoesNotFit) {
    World world(scene(returned("p1:1-103")));
    Drive drive(world, std::get<Record>(ordered(world, "clone")), Policy{});
    drive.on_stage = [&](const Stage&) { world.flow(); };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().donor, id("r2")) << "the primary is spared";
    EXPECT_EQ(world.at("p1").state.channels.at(0).source, id("r1"));
    EXPECT_TRUE(world.at("p1").state.read_only);
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
}

TEST(Rejoin, ACopyThatFailsIsNotBegunAgain) {
    World world(scene(returned("p1:1-103")));
    world.trouble = [](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::clone) {
            return fail(Errc::server_error, "the plugin is not there");
        }
        return std::nullopt;
    };
    Drive drive(world, std::get<Record>(ordered(world, "clone")), Policy{});

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("the plugin is not there"));
    EXPECT_EQ(drive.stages.size(), 1U);
}

TEST(Rejoin, AHookMayReplaceTheData) {
    World world(scene(returned("p1:1-103")));
    Policy policy;
    EXPECT_THAT(refused(ordered(world, "hook", policy)).reason, HasSubstr("hooks.reclone"));
    policy.has_reclone_hooks = true;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.hook == "reclone") {
            world.at("p1").state.executed_gtid_set = world.at("r2").state.executed_gtid_set;
        }
        return std::nullopt;
    };
    Drive drive(world, std::get<Record>(ordered(world, "hook", policy)), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_THAT(world.hooks, ElementsAre("reclone"));
    EXPECT_EQ(drive.stages.at(0).steps.at(0).limit, policy.clone_limit);
}

TEST(Rejoin, AHookThatChangedNothingIsNoSuccess) {
    World world(scene(returned("p1:1-103")));
    Policy policy;
    policy.has_reclone_hooks = true;
    Drive drive(world, std::get<Record>(ordered(world, "hook", policy)), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("still does not fit"));
    EXPECT_TRUE(world.at("p1").state.channels.empty());
}

TEST(Rejoin, WantsTheSameVersionForAClone) {
    auto setting = scene(returned("p1:1-103"));
    setting.meanwhile.at("p1").state.identity.version = "8.0.30";
    World world(setting);

    EXPECT_THAT(refused(ordered(world, "clone")).reason, HasSubstr("the same version"));
}

TEST(Rejoin, OnlyAReplacedPrimaryReturns) {
    World world(scene(plain));

    EXPECT_THAT(
        refused(ordered(world, "repoint")).reason, HasSubstr("no primary that was replaced")
    );
}

}  // namespace
}  // namespace baton::recovery
