// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <functional>

namespace baton::election {
namespace {

TEST(LeaseChallenger, BeatsBeforeItLooks) {
    Driver node;

    node.answer(node.next());
    node.answer(node.next());
    node.answer(node.next());

    EXPECT_EQ(node.asked, (std::vector{Do::connect, Do::beat, Do::look}));
}

TEST(LeaseChallenger, GrabsAVersionThatStoodStillForTheWholeDuration) {
    Driver node;
    node.row->counter = 77;

    const auto grab = node.reach(Do::grab);

    EXPECT_EQ(node.shown_for(), challenger_time);
    EXPECT_EQ(grab.expected, *node.row);
    EXPECT_EQ(grab.epoch, 2U);
    EXPECT_EQ(grab.duration_ms, 3000U);
}

TEST(LeaseChallenger, CountsFromTheArrivalOfTheAnswer) {
    Driver node;
    const auto look = node.reach(Do::look);
    node.pass(400ms);
    const auto arrival = node.boot;
    node.answer(look);

    node.reach(Do::grab);

    EXPECT_GE(node.boot - arrival, challenger_time);
}

TEST(LeaseChallenger, WaitsByTheDurationOfTheRow) {
    Driver node;
    node.row->duration_ms = 9000;

    node.reach(Do::grab);

    EXPECT_GE(node.shown_for(), 9090ms);
}

TEST(LeaseChallenger, NeverWaitsLessThanTheShortestDuration) {
    Driver node;
    node.row->duration_ms = 1;

    node.reach(Do::grab);

    EXPECT_GE(node.shown_for(), 1010ms);
    EXPECT_TRUE(node.happened(EventKind::odd_duration));
}

struct Change {
    const char* name;
    std::function<void(Driver&)> make;
};

class LeaseObservation : public testing::TestWithParam<Change> {};

TEST_P(LeaseObservation, StartsAnewWhen) {
    Driver node;
    node.go_on(2900ms);
    ASSERT_FALSE(node.has_asked(Do::grab));
    const auto changed = node.boot;

    GetParam().make(node);
    node.reach(Do::grab);

    EXPECT_GE(node.boot - changed, challenger_time);
    EXPECT_GE(node.shown_for(), challenger_time);
}

void fail_next(Driver& node, Do what, unsigned number) {
    node.reach(what);
    node.error(number);
}

INSTANTIATE_TEST_SUITE_P(
    Every,
    LeaseObservation,
    testing::Values(
        Change{"the_epoch_changes", [](Driver& node) { node.row->epoch = 2; }},
        Change{"the_holder_changes", [](Driver& node) { node.row->holder = "third"; }},
        Change{"the_counter_changes", [](Driver& node) { ++node.row->counter; }},
        Change{"the_duration_changes", [](Driver& node) { node.row->duration_ms = 3001; }},
        Change{"the_server_changes", [](Driver& node) { node.server = "db2"; }},
        Change{
            "the_row_was_gone",
            [](Driver& node) {
                const auto look = node.reach(Do::look);
                node.machine.on_row(std::nullopt, node.server, node.clocks());
                EXPECT_EQ(look.what, Do::look);
                EXPECT_EQ(node.next().what, Do::create_row);
                node.affected(0);  // INSERT IGNORE: it is there again
            }},
        Change{"a_look_times_out", [](Driver& node) { fail_next(node, Do::look, 0); }},
        Change{"a_look_is_interrupted", [](Driver& node) { fail_next(node, Do::look, 1317); }},
        Change{"a_beat_waits_for_a_lock", [](Driver& node) { fail_next(node, Do::beat, 1205); }},
        Change{"a_beat_conflicts", [](Driver& node) { fail_next(node, Do::beat, 1213); }},
        Change{"a_beat_meets_read_only", [](Driver& node) { fail_next(node, Do::beat, 1290); }},
        Change{
            "the_connection_breaks",
            [](Driver& node) {
                node.answer(node.reach(Do::look));
                node.machine.on_connection_lost(node.clocks());
            }}
    ),
    [](const auto& parameter) { return std::string(parameter.param.name); }
);

TEST(LeaseChallenger, DoesNotCountWhereItCannotWrite) {
    Driver node;
    node.beat_error = 1205;

    node.go_on(20s);
    EXPECT_FALSE(node.has_asked(Do::grab));
    node.beat_error = 0;
    const auto healthy = node.boot;
    node.reach(Do::grab);

    EXPECT_GE(node.boot - healthy, challenger_time);
}

TEST(LeaseChallenger, ObservesAnewAfterALostGrab) {
    Driver node;
    node.reach(Do::grab);
    const auto lost = node.boot;
    ++node.row->counter;

    node.affected(0);
    const auto grab = node.reach(Do::grab);

    EXPECT_GE(node.boot - lost, challenger_time);
    EXPECT_EQ(grab.expected, *node.row);
}

class LeaseGrabError : public testing::TestWithParam<unsigned> {};

TEST_P(LeaseGrabError, NeverUsesTheEpochAgain) {
    Driver node;
    const auto first = node.reach(Do::grab);
    const auto failed = node.boot;

    node.error(GetParam());
    const auto second = node.reach(Do::grab);

    EXPECT_GT(second.epoch, first.epoch);
    EXPECT_GE(node.boot - failed, challenger_time);
}

INSTANTIATE_TEST_SUITE_P(
    EveryClass,
    LeaseGrabError,
    testing::Values(0U, 2013U, 1213U, 1205U, 1317U, 1180U, 1290U, 1040U, 1142U, 1146U, 1064U)
);

TEST(LeaseChallenger, TakesALateAnswerAtTheValueItWouldHaveHad) {
    Driver node;
    const auto grab = node.reach(Do::grab);
    const auto sent = node.boot;
    node.pass(300ms);
    node.error(2013);
    node.take_row(grab);

    node.answer(node.reach(Do::look));

    EXPECT_EQ(node.machine.role(), Role::holder);
    EXPECT_EQ(node.machine.epoch(), grab.epoch);
    EXPECT_EQ(node.machine.valid_until(), sent + holder_time);
}

struct LateRow {
    const char* name;
    std::function<void(Driver&)> make;
};

class LeaseLateAnswer : public testing::TestWithParam<LateRow> {};

TEST_P(LeaseLateAnswer, IsWorthNothingWhen) {
    Driver node;
    const auto grab = node.reach(Do::grab);
    node.error(2013);
    node.take_row(grab);
    const auto look = node.reach(Do::look);

    GetParam().make(node);
    node.answer(look);

    EXPECT_EQ(node.machine.role(), Role::challenger);
    EXPECT_FALSE(node.may_act());
}

INSTANTIATE_TEST_SUITE_P(
    Every,
    LeaseLateAnswer,
    testing::Values(
        LateRow{"its_time_has_passed", [](Driver& node) { node.pass(holder_time); }},
        LateRow{"it_is_released", [](Driver& node) { node.row->released = true; }},
        LateRow{"it_is_another_epoch", [](Driver& node) { ++node.row->epoch; }},
        LateRow{"it_is_of_another_process", [](Driver& node) { node.row->holder = other; }},
        LateRow{"the_machine_was_frozen", [](Driver& node) { node.freeze(10s); }}
    ),
    [](const auto& parameter) { return std::string(parameter.param.name); }
);

TEST(LeaseChallenger, TakesAFreshReleaseAtOnce) {
    Driver node;
    node.go_on(1s);
    node.row->released = true;
    ++node.row->counter;

    const auto grab = node.reach(Do::grab);

    EXPECT_EQ(node.shown_for(), 0ns);
    EXPECT_EQ(grab.expected, *node.row);
}

TEST(LeaseChallenger, LeavesAReleaseToTheNodeThatIsMeantForAWhile) {
    Driver node;
    node.go_on(1s);
    node.machine.stand_back(node.boot + 700ms);
    const auto since = node.boot;
    node.row->released = true;
    ++node.row->counter;

    node.reach(Do::grab);

    EXPECT_GE(node.boot - since, 700ms);
    EXPECT_LT(node.boot - since, 1s) << "and takes it when that node does not";
}

TEST(LeaseChallenger, StandsBackNoLongerWhenItIsMeantItself) {
    Driver node;
    node.go_on(1s);
    node.machine.stand_back(node.boot + 1h);
    const auto since = node.boot;
    node.row->released = true;
    ++node.row->counter;

    node.machine.look_soon(node.clocks());
    node.reach(Do::grab);

    EXPECT_LT(node.boot - since, 50ms);
}

TEST(LeaseChallenger, StandingBackDoesNotConcernALeaseThatRunsOut) {
    Driver node;
    const auto usual = [] {
        Driver other;
        const auto since = other.boot;
        other.reach(Do::grab);
        return other.boot - since;
    }();
    const auto since = node.boot;

    node.machine.stand_back(node.boot + 1h);
    node.reach(Do::grab);

    EXPECT_EQ(node.boot - since, usual);
}

class LeaseStaleRelease : public testing::TestWithParam<Change> {};

TEST_P(LeaseStaleRelease, IsObservedLikeAnyOther) {
    auto options = some_node();
    options.epoch_high = 1;
    Driver node(options);

    GetParam().make(node);
    const auto since = node.boot;
    node.row->released = true;
    ++node.row->counter;
    node.reach(Do::grab);

    EXPECT_GE(node.boot - since, challenger_time);
}

INSTANTIATE_TEST_SUITE_P(
    Every,
    LeaseStaleRelease,
    testing::Values(
        Change{"seen_at_the_first_look", [](Driver& /*node*/) {}},
        Change{
            "another_holder_was_seen",
            [](Driver& node) {
                node.go_on(1s);
                node.row->holder = "third";
            }},
        Change{
            "another_epoch_was_seen",
            [](Driver& node) {
                node.go_on(1s);
                ++node.row->epoch;
            }},
        Change{
            "seen_on_another_connection",
            [](Driver& node) {
                node.go_on(1s);
                node.answer(node.reach(Do::look));
                node.machine.on_connection_lost(node.clocks());
            }},
        Change{
            "seen_on_another_server",
            [](Driver& node) {
                node.go_on(1s);
                node.server = "db2";
            }},
        Change{
            "a_higher_epoch_was_seen",
            [](Driver& node) {
                node.row->epoch = 9;
                node.go_on(1s);
                node.row->epoch = 5;
                node.go_on(1s);
            }}
    ),
    [](const auto& parameter) { return std::string(parameter.param.name); }
);

TEST(LeaseChallenger, CreatesAMissingRowAndObservesIt) {
    auto options = some_node();
    options.epoch_high = 41;
    Driver node(options);
    node.row.reset();

    const auto create = node.reach(Do::create_row);
    node.answer(create);
    const auto grab = node.reach(Do::grab);

    EXPECT_EQ(create.epoch, 41U);
    EXPECT_EQ(create.duration_ms, 3000U);
    EXPECT_EQ(grab.epoch, 42U);
    EXPECT_GE(node.shown_for(), challenger_time);
}

TEST(LeaseChallenger, RegistersItselfWhenItsNodeRowIsMissing) {
    Driver node;
    node.reach(Do::beat);

    node.affected(0);

    EXPECT_EQ(node.next().what, Do::register_node);
}

TEST(LeaseChallenger, PreparesTheSchemaWhenATableIsMissing) {
    Driver node;
    node.reach(Do::beat);

    node.error(1146);
    const auto prepare = node.next();

    EXPECT_EQ(prepare.what, Do::prepare_schema);
    EXPECT_EQ(prepare.until, node.boot + 30s);
    node.error(1142);
    EXPECT_FALSE(node.may_act());
    EXPECT_TRUE(node.happened(EventKind::needs_operator));
}

TEST(LeaseChallenger, ReportsABackendThatLostItsPast) {
    Driver node;
    node.row->epoch = 7;
    node.go_on(1s);
    ASSERT_FALSE(node.happened(EventKind::epoch_regressed));
    node.row->epoch = 6;

    const auto grab = node.reach(Do::grab);

    EXPECT_TRUE(node.happened(EventKind::epoch_regressed));
    EXPECT_EQ(grab.epoch, 8U);
}

// Of a backend that was split and grew one epoch on each side.
TEST(LeaseChallenger, ReportsAnEpochThatIsAnothersNow) {
    Driver node;
    node.row->epoch = 7;
    node.row->holder = "one";
    node.go_on(1s);
    ASSERT_FALSE(node.happened(EventKind::epoch_regressed));

    node.row->holder = "another";
    node.go_on(1s);

    EXPECT_TRUE(node.happened(EventKind::epoch_regressed));
}

TEST(LeaseChallenger, ReportsItsOwnLastEpochAsAnothers) {
    Driver node;
    node.answer(node.reach(Do::grab));
    const auto epoch = node.machine.epoch();
    ASSERT_GT(epoch, 0U);
    node.row->holder = "another";
    node.reach(Do::renew);
    node.affected(0);

    node.go_on(1s);

    EXPECT_EQ(node.row->epoch, epoch);
    EXPECT_TRUE(node.happened(EventKind::epoch_regressed));
}

TEST(LeaseChallenger, LooksAtOnceWhenToldOfARelease) {
    Driver node;
    node.answer(node.reach(Do::look));
    ASSERT_EQ(node.next().what, Do::wait);

    node.machine.look_soon(node.clocks());

    EXPECT_EQ(node.next().what, Do::look);
}

TEST(LeaseChallenger, LooksOftenForAWhileWhenToldOfAReleaseThatItDoesNotSeeYet) {
    Driver node;
    node.go_on(1s);
    node.machine.look_soon(node.clocks());
    const auto told = node.boot;
    node.asked.clear();

    node.go_on(100ms);  // on another server of the backend it is not written yet
    const auto looks = node.asked.size();
    node.row->released = true;
    ++node.row->counter;
    node.reach(Do::grab);

    EXPECT_GE(looks, 5U);
    EXPECT_LT(node.boot - told, 150ms);
    EXPECT_GT(node.boot - told, 99ms);
}

TEST(LeaseChallenger, TriesAllAddressesBeforeItPauses) {
    Driver node;
    std::vector<std::size_t> tried;

    const auto begun = node.boot;
    for (int attempt = 0; attempt < 4; ++attempt) {
        tried.push_back(node.reach(Do::connect).address);
        node.error(2003);
    }

    EXPECT_EQ(tried, (std::vector<std::size_t>{0, 1, 0, 1}));
    EXPECT_EQ(node.boot - begun, 250ms);
}

TEST(LeaseChallenger, NeverPausesLongAfterErrorsHoweverLongTheLeaseIs) {
    Driver node(some_node(), LeasePolicy::of_duration(60s));

    const auto begun = node.boot;
    for (int attempt = 0; attempt < 3; ++attempt) {
        node.reach(Do::connect);
        node.error(2003);
    }
    const auto unreachable_for = node.boot - begun;
    node.reach(Do::look);
    const auto refused_at = node.boot;
    node.error(1205);
    node.reach(Do::look);

    EXPECT_EQ(unreachable_for, 250ms);
    EXPECT_LE(node.boot - refused_at, 250ms);
}

TEST(LeaseChallenger, GivesConnectingMoreTimeWhenEveryAddressTookTooLong) {
    Driver node;
    std::vector<Span> limits;
    const auto limit = [&node] { return node.reach(Do::connect).until - node.boot; };

    for (int attempt = 0; attempt < 6; ++attempt) {
        limits.push_back(limit());
        node.error(0);
    }
    limit();
    node.error(2003);
    const auto after_a_refusal = limit();

    EXPECT_EQ(limits, (std::vector<Span>{1s, 1s, 2s, 2s, 3s, 3s}));
    EXPECT_EQ(after_a_refusal, Span(1s));
}

TEST(LeaseChallenger, ForgetsThatConnectingWasSlowOnceItIsConnected) {
    Driver node;
    for (int attempt = 0; attempt < 4; ++attempt) {
        node.reach(Do::connect);
        node.error(0);
    }
    node.reach(Do::look);

    node.error(2013);

    const auto action = node.reach(Do::connect);
    EXPECT_EQ(action.until - node.boot, Span(1s));
}

TEST(LeaseChallenger, MovesOnFromAServerThatTakesNoWrites) {
    Driver node;
    node.reach(Do::beat);
    ASSERT_EQ(node.machine.address(), 0U);

    node.error(1290);

    EXPECT_EQ(node.reach(Do::connect).address, 1U);
}

// ---------------------------------------------------------------------------- peers, priorities

class LeasePeers : public testing::Test {
protected:
    static LeasePolicy asking() {
        LeasePolicy policy;
        policy.peer_check = true;
        return policy;
    }

    Driver node{some_node(), asking()};
};

TEST_F(LeasePeers, AreAskedBeforeAGrab) {
    node.reach(Do::ask_peers);

    node.machine.on_peers(false, node.clocks());

    EXPECT_EQ(node.next().what, Do::grab);
}

TEST_F(LeasePeers, PutTheGrabOffWhenOneHolds) {
    node.reach(Do::ask_peers);
    const auto told = node.boot;

    node.machine.on_peers(true, node.clocks());
    node.reach(Do::grab);

    EXPECT_GE(node.boot - told, challenger_time);
    EXPECT_TRUE(node.happened(EventKind::peer_holds));
}

TEST_F(LeasePeers, DoNotPreventWhenNobodyCanBeAsked) {
    node.reach(Do::ask_peers);

    node.error(0);

    EXPECT_EQ(node.next().what, Do::grab);
}

TEST_F(LeasePeers, AreNotAskedAboutAFreshRelease) {
    node.go_on(1s);
    node.row->released = true;
    ++node.row->counter;

    node.reach(Do::grab);

    EXPECT_FALSE(node.has_asked(Do::ask_peers));
}

Span delay_of(int priority, std::uint64_t seed) {
    auto options = some_node();
    options.priority = priority;
    options.jitter_seed = seed;
    Driver node(options);
    node.reach(Do::grab);
    return node.shown_for() - challenger_time;
}

TEST(LeaseChallenger, GrabsInTheOrderOfPriorities) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        EXPECT_EQ(delay_of(1, seed), 0ms);
        EXPECT_LE(delay_of(0, seed), 50ms);
        EXPECT_GE(delay_of(-1, seed), 50ms);
        EXPECT_LE(delay_of(-1, seed), 100ms);
    }
}

}  // namespace
}  // namespace baton::election
