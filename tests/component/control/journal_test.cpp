// SPDX-License-Identifier: Apache-2.0
// What the journal of a recovery tells when its node is interrupted, or the backend or the lease is
// late; and that somebody goes on with it then.
#include "component/control/engine_fixture.hpp"

#include <gmock/gmock.h>

#include <set>

namespace baton::control {
namespace {

using recovery::StepState;

class JournalTest : public EngineTest {
protected:
    void start_and_kill() {
        start(settings());
        ASSERT_TRUE(until([&] { return complete(*a, 4) && complete(*b, 4); }));
        world.kill("p");
    }

    void b_takes_over() {
        a->lease.lose();
        b->lease.take();
        a->engine.role_changed();
        b->engine.role_changed();
    }

    [[nodiscard]] std::set<StepState> written_states() const {
        std::set<StepState> states;
        for (const auto& [name, document] : backend.documents) {
            if (name.first == "step") {
                states.insert(recovery::step_from_json(document.data)->state);
            }
        }
        return states;
    }

    [[nodiscard]] bool end_is_written() const {
        return std::any_of(
            backend.documents.begin(),
            backend.documents.end(),
            [](const auto& entry) {
                return entry.first.first == "recovery" &&
                       !recovery::record_from_json(entry.second.data)->running();
            }
        );
    }

    static std::set<StepState> states_of(const Node& node) {
        std::set<StepState> states;
        for (const auto& step : node.engine.view()->recoveries.front()->steps) {
            states.insert(step.state);
        }
        return states;
    }

    void expect_whole(const Node& node) {
        ASSERT_EQ(node.engine.view()->recoveries.size(), 1U);
        ASSERT_EQ(world.writable().size(), 1U);
        const InstanceId successor(world.writable().front(), 3306);
        for (const auto* name : {"r1", "r2", "r3"}) {
            if (name != successor.host) {
                EXPECT_EQ(world.at(name).source, successor) << name;
            }
        }
        const auto& steps = node.engine.view()->recoveries.front()->steps;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            EXPECT_EQ(steps[i].number, i + 1) << "none is missing, none is there twice";
        }
    }
};

TEST_F(JournalTest, WhoReadsOfTheEndReadsHowEachStepEnded) {
    std::set<StepState> at_the_end;
    bool ended = false;
    backend.on_write = [&] {
        if (!ended && end_is_written()) {
            ended = true;
            at_the_end = written_states();
        }
    };

    start_and_kill();

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_TRUE(ended);
    EXPECT_EQ(at_the_end, std::set{StepState::done});
    expect_whole(*a);
}

TEST_F(JournalTest, WhatANodeHadBegunWhenItWasInterruptedIsNoted) {
    world.after_step = [&](const recovery::Step& step) {
        if (step.kind == recovery::StepKind::promote && a->lease.may_act()) {
            b_takes_over();
        }
    };

    start_and_kill();

    ASSERT_TRUE(until([&] { return recovered(*b); }));
    for (const auto& step : b->engine.view()->recoveries.front()->steps) {
        const bool interrupted = step.kind == recovery::StepKind::promote;
        EXPECT_EQ(step.state, interrupted ? StepState::interrupted : StepState::done) << step.text;
        EXPECT_FALSE(step.outcome.empty()) << step.text;
    }
    expect_whole(*b);
}

TEST_F(JournalTest, ARecoveryGoesOnWhenTheLeaseWasOnlyLate) {
    // So short that the loop which ends a leadership need not see it.
    bool late = false;
    asio::steady_timer renewal(io);
    world.after_step = [&](const recovery::Step& step) {
        if (step.kind == recovery::StepKind::promote && !late) {
            late = true;
            a->lease.lose();
            renewal.expires_after(15ms);
            renewal.async_wait([&](const auto&) { a->lease.renew(); });
        }
    };

    start_and_kill();

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_TRUE(late);
    expect_whole(*a);
    EXPECT_EQ(states_of(*a).count(StepState::intended), 0U);
}

TEST_F(JournalTest, WhatCouldNotBeJournaledIsNotBegunAndTold) {
    bool refused = false;
    world.after_step = [&](const recovery::Step& step) {
        if (step.kind == recovery::StepKind::stop_receiver && !refused) {
            refused = backend.takes_no_writes = true;
        }
    };
    world.before_step = [&](const recovery::Step& step) {
        EXPECT_FALSE(backend.takes_no_writes && step.kind != recovery::StepKind::stop_receiver)
            << step.text();
        return true;
    };

    start_and_kill();

    ASSERT_TRUE(until([&] {
        const auto view = a->engine.view();
        return !view->recoveries.empty() && states_of(*a).contains(StepState::skipped);
    })) << "it is given up after two seconds";
    backend.takes_no_writes = false;
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_EQ(states_of(*a), (std::set{StepState::done, StepState::skipped}));
    expect_whole(*a);
}

TEST_F(JournalTest, ATakeOverThatCannotBeWrittenIsTriedAgain) {
    std::optional<TimePoint> taken_over;
    world.after_step = [&](const recovery::Step& step) {
        if (step.kind == recovery::StepKind::promote && a->lease.may_act()) {
            backend.takes_no_writes = true;
            taken_over = fake::now();
            b_takes_over();
        }
    };

    start_and_kill();

    // Longer than the attempt to write it lasts.
    ASSERT_TRUE(until([&] { return taken_over && fake::now() - *taken_over > 3s; }));
    backend.takes_no_writes = false;
    ASSERT_TRUE(until([&] { return recovered(*b); }));
    expect_whole(*b);
}

}  // namespace
}  // namespace baton::control
