// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto contain_kind = analysis::RecoveryKind::contain_deposed;

const std::string returned = R"(
servers:
  p1: {executed: "p1:1-105"}
  r1: {executed: "p1:1-100,r1:1-7"}
  r2: {source: r1, executed: "p1:1-100,r1:1-7"}
operators:
  cluster: {r1: [p1, r1, r2]}
  deposed: {p1: {successor: r1}}
)";

Record contain(World& world) {
    Drive drive(world, begun(world, "p1", Policy{}, std::nullopt, contain_kind), Policy{});
    EXPECT_TRUE(drive.run());
    return drive.record();
}

TEST(ContainDeposed, MakesItReadOnlyAndSaysWhatItHasTooMuch) {
    World world(scene(returned));

    const auto record = contain(world);

    EXPECT_EQ(record.state, State::done);
    EXPECT_THAT(world.done, ElementsAre("make p1:3306 read-only and end its writers' connections"));
    EXPECT_TRUE(world.at("p1").state.super_read_only);
    EXPECT_THAT(record.classification, HasSubstr(":101-105 (5)"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
}

TEST(ContainDeposed, NeedsNoPatternAndIgnoresTheDowntimeOfTheReplaced) {
    auto setting = scene(returned);
    setting.overlay.downtimes[id("p1")] = {"baton", "replaced", 0, scenario::start_wall_ms * 2};
    World world(setting);

    EXPECT_EQ(contain(world).state, State::done);
}

TEST(ContainDeposed, LeavesAloneWhatIsThePrimaryAgain) {
    auto setting = scene(returned);
    for (auto* servers : {&setting.before, &setting.meanwhile}) {
        scenario::detail::follow(servers->at("r2"), "p1");
        scenario::detail::follow(servers->at("r1"), "r2");
    }
    World world(setting);

    const auto refusal = refused(begin_at(world, "p1", Policy{}, std::nullopt, {}, contain_kind));

    EXPECT_THAT(refusal.reason, HasSubstr("r1:3306 replicates from p1:3306 by way of r2:3306"));
    EXPECT_FALSE(world.at("p1").state.read_only);
}

TEST(ContainDeposed, ASuccessorThatHasNotForgottenItsSourceYetDoesNotFollowIt) {
    auto setting = scene(returned);
    for (auto* servers : {&setting.before, &setting.meanwhile}) {
        auto& successor = servers->at("r1");
        scenario::detail::follow(successor, "p1");
        successor.state.channels[0].receiver = ThreadState::stopped;
        successor.state.read_only = successor.state.super_read_only = false;
    }
    World world(setting);

    EXPECT_EQ(contain(world).state, State::done);
    EXPECT_TRUE(world.at("p1").state.super_read_only);
}

TEST(ContainDeposed, LeavesAnotherServerAtTheAddressAlone) {
    auto setting = scene(returned);
    for (auto* servers : {&setting.before, &setting.meanwhile}) {
        servers->at("p1").state.identity.uuid = scenario::uuid_of("new");
    }
    World world(setting);

    const auto refusal = refused(begin_at(world, "p1", Policy{}, std::nullopt, {}, contain_kind));

    EXPECT_THAT(refusal.reason, HasSubstr("another server answers"));
}

TEST(ContainDeposed, FailsLoudlyAfterThreeTries) {
    World world(scene(returned));
    world.trouble = [](const Step&) { return std::optional(fail(Errc::timeout, "hangs")); };

    const auto record = contain(world);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("cannot be made read-only. Stop it"));
    EXPECT_EQ(world.done.size(), 3U);
    EXPECT_THAT(record.errors, testing::Not(IsEmpty()));
}

TEST(ClassifyDeposed, MariadbIsComparedWithThePositionOfThePromotion) {
    auto setting = scene(R"(
defaults: {version: "10.11.6-MariaDB"}
servers:
  p1: {executed: "0-1-105", server_id: 1}
  r1: {executed: "0-2-140", server_id: 2}
)");
    World world(setting);
    const auto& p1 = *world.topology->find(id("p1"));
    const auto* r1 = world.topology->find(id("r1"));

    EXPECT_EQ(classify_deposed(p1, r1, "0-1-105"), "clean");
    EXPECT_THAT(classify_deposed(p1, r1, "0-1-100"), HasSubstr("extra transactions: 0-1-105 (5)"));
    EXPECT_THAT(classify_deposed(p1, r1, ""), HasSubstr("unknown"));
}

TEST(ClassifyDeposed, MysqlIsComparedWithTheSuccessor) {
    World world(scene(returned));
    const auto& p1 = *world.topology->find(id("p1"));

    EXPECT_THAT(classify_deposed(p1, nullptr, ""), HasSubstr("unknown"));
    EXPECT_EQ(classify_deposed(p1, &p1, ""), "clean");
}

}  // namespace
}  // namespace baton::recovery
