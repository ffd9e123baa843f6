// SPDX-License-Identifier: Apache-2.0
// The rule of docs/operations.md: a hook that ended well is never run again in its recovery; one
// that was begun and did not is run again by the successor, who says so.
#include "component/control/engine_fixture.hpp"

#include <gmock/gmock.h>

namespace baton::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class HooksTest : public EngineTest {
protected:
    void start_with(std::map<std::string, std::vector<std::string>> lists) {
        auto s = settings();
        s.recovery.has_pre_hooks = lists.contains("pre_failover");
        s.recovery.has_post_hooks = lists.contains("post_failover");
        s.hooks = std::move(lists);
        start(s);
        ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    }

    /// Node a is paused or cut off; b has the lease.
    void b_takes_over() {
        a->lease.lose();
        b->lease.take();
        a->engine.role_changed();
        b->engine.role_changed();
    }

    static std::vector<recovery::StepRecord> hook_steps(const Node& node) {
        std::vector<recovery::StepRecord> steps;
        for (const auto& step : node.engine.view()->recoveries.front()->steps) {
            if (step.kind == recovery::StepKind::hook) {
                steps.push_back(step);
            }
        }
        return steps;
    }
};

TEST_F(HooksTest, GetTheRecoveryItsEpochAndTheNumberOfTheirStep) {
    start_with({{"pre_failover", {"one"}}, {"post_failover", {"two"}}});

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    auto steps = hook_steps(*a);
    std::erase_if(steps, [](const auto& step) { return step.commands.empty(); });
    ASSERT_EQ(steps.size(), 2U) << "the list between is empty";
    const auto& id = a->engine.view()->recoveries.front()->record.id;
    for (std::size_t i = 0; i < 2; ++i) {
        const std::string command = i == 0 ? "one" : "two";
        EXPECT_EQ(a->hooks.variable(command, "BATON_RECOVERY_ID"), id);
        EXPECT_EQ(a->hooks.variable(command, "ORC_RECOVERY_UID"), id);
        EXPECT_EQ(a->hooks.variable(command, "BATON_STEP"), std::to_string(steps[i].number));
        EXPECT_EQ(a->hooks.variable(command, "BATON_EPOCH"), std::to_string(a->lease.epoch()));
        EXPECT_EQ(a->hooks.variable(command, "BATON_RESUMED"), "false");
        EXPECT_THAT(steps[i].commands, ElementsAre(command));
    }
    EXPECT_EQ(a->hooks.variable("one", "BATON_HOOK"), "pre_failover");
}

TEST_F(HooksTest, ThatEndedWellAreNotRunAgainAndTheInterruptedOneIsResumed) {
    start_with({{"pre_failover", {"one", "two", "three"}}});
    a->hooks.takes["two"] = 1h;

    world.kill("p");
    ASSERT_TRUE(until([&] { return a->hooks.count("two") == 1; }));
    const auto step = a->hooks.variable("two", "BATON_STEP");
    b_takes_over();

    ASSERT_TRUE(until([&] { return recovered(*b); }));
    EXPECT_EQ(b->hooks.count("one"), 0) << "it had ended well";
    EXPECT_EQ(b->hooks.count("two"), 1);
    EXPECT_EQ(b->hooks.variable("two", "BATON_RESUMED"), "true");
    EXPECT_EQ(b->hooks.variable("three", "BATON_RESUMED"), "false");
    EXPECT_EQ(
        b->hooks.variable("two", "BATON_RECOVERY_ID"), a->hooks.variable("two", "BATON_RECOVERY_ID")
    );
    EXPECT_GT(
        std::stoul(b->hooks.variable("two", "BATON_EPOCH")),
        std::stoul(a->hooks.variable("two", "BATON_EPOCH"))
    );
    EXPECT_GT(std::stoul(b->hooks.variable("two", "BATON_STEP")), std::stoul(step));
    EXPECT_THAT(a->hooks.ended, ElementsAre("one"));
    EXPECT_THAT(b->hooks.ended, ElementsAre("two", "three"));
    const auto steps = hook_steps(*b);
    EXPECT_THAT(steps.back().outcome, HasSubstr("'one' had ended well before"));
    EXPECT_EQ(
        std::count_if(
            steps.begin(),
            steps.end(),
            [](const auto& s) { return s.state == recovery::StepState::done; }
        ),
        1
    ) << "one success in the journal";
}

/// It ended well, and its node was fenced before that was written: nobody can know it.
TEST_F(HooksTest, WhoseSuccessWasNotWrittenAreRunAgainAsResumed) {
    start_with({{"pre_failover", {"one"}}});
    a->hooks.on_end = [&](const std::string&) { b_takes_over(); };

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*b); }));
    EXPECT_EQ(b->hooks.count("one"), 1);
    EXPECT_EQ(b->hooks.variable("one", "BATON_RESUMED"), "true");
    const auto steps = hook_steps(*b);
    EXPECT_EQ(
        std::count_if(
            steps.begin(), steps.end(), [](const auto& s) { return !s.commands.empty(); }
        ),
        1
    ) << "one success in the journal";
}

TEST_F(HooksTest, OfAListThatWasDoneAreNotRunBySuccessors) {
    start_with({{"pre_failover", {"one"}}, {"post_failover", {"two"}}});
    a->hooks.takes["two"] = 1h;

    world.kill("p");
    ASSERT_TRUE(until([&] { return a->hooks.count("two") == 1; }));
    b_takes_over();

    ASSERT_TRUE(until([&] { return recovered(*b); }));
    EXPECT_EQ(b->hooks.count("one"), 0);
    EXPECT_EQ(b->hooks.variable("two", "BATON_RESUMED"), "true");
}

TEST_F(HooksTest, ThatFailedAreNotRunAgainInTheSameRecovery) {
    start_with({{"post_failover", {"one", "two"}}});
    a->hooks.exit_codes["one"] = 1;

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_EQ(a->hooks.count("one"), 1);
    EXPECT_EQ(a->hooks.count("two"), 0) << "the first that fails ends the list";
    EXPECT_THAT(
        a->engine.view()->recoveries.front()->record.hooks.at("post_failover"), HasSubstr("failed")
    );
    EXPECT_TRUE(hook_steps(*a).front().commands.empty());
}

}  // namespace
}  // namespace baton::control
