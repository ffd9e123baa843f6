// SPDX-License-Identifier: Apache-2.0
#include "component/control/engine_fixture.hpp"

// A second failure of a cluster soon after the first one is left to people; a real one later is
// not.

namespace baton::control {
namespace {

using testing::HasSubstr;

class FlappingTest : public EngineTest {
protected:
    /// The primary has died once and was replaced, and its successor dies at once; nothing is done
    /// about that.
    void two_failures(Settings s) {
        start(std::move(s));
        ASSERT_TRUE(until([&] { return complete(*a, 4); }));
        world.kill("p");
        ASSERT_TRUE(until([&] { return recovered(*a); }));
        first = latest().successor.host;
        world.kill(first);
        ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    }

    [[nodiscard]] recovery::Record latest() const {
        return a->engine.view()->recoveries.front()->record;
    }

    bool second_recovery() {
        return until([&] { return a->engine.view()->recoveries.size() == 2 && recovered(*a); });
    }

    /// Whether it holds within the next second.
    bool until_soon(const std::function<bool()>& condition) {
        const auto end = fake::now() + 1s;
        return until([&] { return condition() || fake::now() > end; }) && condition();
    }

    Task<void> acknowledge_all(std::optional<std::size_t>* count) {
        AckScope scope;
        auto done = co_await a->engine.acknowledge(scope, "seen", "somebody");
        *count = done ? done->size() : 0;
    }

    static Settings careful(Settings s) {
        s.recovery.anti_flapping_window = 1h;
        s.recovery.healthy_again = 30s;
        return s;
    }

    std::string first;  // who was promoted first
};

TEST_F(FlappingTest, ASecondFailureAtOnceIsRecordedWithItsReasonAndLeftToPeople) {
    ASSERT_NO_FATAL_FAILURE(two_failures(careful(settings())));

    const auto blocked = a->engine.view()->blocked.front();
    EXPECT_EQ(blocked.failed.host, first);
    EXPECT_EQ(blocked.kind, recovery::to_string(recovery::Refusal::Kind::anti_flapping));
    EXPECT_THAT(blocked.reason, HasSubstr("(p:3306 replaced) and was not healthy for 30 s since"));
    EXPECT_THAT(blocked.reason, HasSubstr("Acknowledge recovery"));
    EXPECT_EQ(blocked.blocking_recovery, latest().number);
    EXPECT_EQ(a->engine.view()->recoveries.size(), 1U);
    EXPECT_TRUE(world.writable().empty());
    EXPECT_TRUE(until([&] { return !b->engine.view()->blocked.empty(); })) << "it is stored";
    EXPECT_EQ(b->engine.view()->blocked.front().reason, blocked.reason);
}

TEST_F(FlappingTest, TheSameIsActedUponWhenTheWindowHasPassed) {
    ASSERT_NO_FATAL_FAILURE(two_failures(careful(settings())));

    ahead = 59min;
    EXPECT_FALSE(until_soon([&] { return a->engine.view()->recoveries.size() == 2; }));
    ahead = 61min;

    ASSERT_TRUE(second_recovery());
    EXPECT_EQ(latest().failed.host, first);
    EXPECT_EQ(world.writable(), std::vector<std::string>{latest().successor.host});
    EXPECT_TRUE(until([&] { return a->engine.view()->blocked.empty(); }));
}

TEST_F(FlappingTest, AFailureAnHourLaterIsActedUpon) {
    auto s = careful(settings());
    s.recovery.healthy_again = 24h;  // that is not what lets it pass
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    world.kill("p");
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    first = latest().successor.host;

    ahead = 61min;
    world.kill(first);

    ASSERT_TRUE(second_recovery());
    EXPECT_EQ(latest().failed.host, first);
    EXPECT_EQ(world.writable(), std::vector<std::string>{latest().successor.host});
}

TEST_F(FlappingTest, AFailureAfterTheClusterWasHealthyAgainIsActedUpon) {
    auto s = careful(settings());
    s.recovery.healthy_again = 300ms;
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    world.kill("p");
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    first = latest().successor.host;
    EXPECT_FALSE(until_soon([] { return false; })) << "time passes";

    world.kill(first);

    ASSERT_TRUE(second_recovery());
    EXPECT_EQ(latest().failed.host, first);
    EXPECT_TRUE(a->engine.view()->blocked.empty());
}

TEST_F(FlappingTest, TheTimeBeforeTheFirstFailureDoesNotCountAsHealth) {
    auto s = careful(settings());
    s.recovery.healthy_again = 400ms;
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    EXPECT_FALSE(until_soon([] { return false; })) << "it is healthy for longer than that";
    world.kill("p");
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    first = latest().successor.host;

    world.kill(first);

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    EXPECT_EQ(
        a->engine.view()->blocked.front().kind,
        recovery::to_string(recovery::Refusal::Kind::anti_flapping)
    );
}

TEST_F(FlappingTest, AnAcknowledgedRecoveryBlocksNothing) {
    ASSERT_NO_FATAL_FAILURE(two_failures(careful(settings())));
    std::optional<std::size_t> acknowledged;

    asio::co_spawn(io, acknowledge_all(&acknowledged), asio::detached);

    ASSERT_TRUE(second_recovery());
    EXPECT_EQ(acknowledged, std::optional<std::size_t>(1));
}

}  // namespace
}  // namespace baton::control
