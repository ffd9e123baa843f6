// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <random>

// Recoveries that are cut off: the node dies after any part of any stage, with or without having
// journaled what it was about to do, and another one goes on from what it sees.

namespace baton::recovery {
namespace {

const std::string three = R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {source: p1, executed: "p1:1-90", retrieved: "p1:91-99"}
  r2: {source: p1, executed: "p1:1-92", retrieved: "p1:93-100"}
  r3: {source: p1, executed: "p1:1-80", retrieved: "p1:81-98"}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
  r3: {receiver: connecting}
)";

/// Cuts stage number `stage` after the steps in `mask`.
/// The steps not in the mask are not begun, or cut in the middle.
void run_cut(
    const scenario::Scenario& setting,
    std::size_t stage,
    unsigned mask,
    bool journaled,
    std::optional<unsigned> half
) {
    World world(setting);
    auto policy = enabled_policy();
    policy.has_pre_hooks = policy.has_post_hooks = true;
    Drive drive(world, begun(world, "p1", policy), policy);
    drive.journals_before = journaled;
    drive.crash = [&](const Stage& now) -> std::optional<std::vector<bool>> {
        if (drive.stages.size() != stage + 1) {
            return std::nullopt;
        }
        std::vector<bool> done;
        for (std::size_t i = 0; i < now.steps.size(); ++i) {
            done.push_back(((mask >> i) & 1U) != 0);
        }
        return done;
    };
    SCOPED_TRACE(
        "stage " + std::to_string(stage) + " mask " + std::to_string(mask) +
        (journaled ? " journaled" : "") + (half ? " half " + std::to_string(*half) : "")
    );
    if (half) {
        drive.on_cut = [&](const Step& step) { world.half(step, *half); };
    }
    bool two_writable = false;
    drive.on_stage = [&](const Stage&) { two_writable |= world.writable().size() > 1; };

    ASSERT_TRUE(drive.run()) << testing::PrintToString(drive.intents());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_FALSE(two_writable);
    EXPECT_TRUE(drive.record().lost.empty());
    expect_whole(world, drive.record());
    for (const auto& [name, server] : world.servers) {
        if (name != "p1") {
            EXPECT_EQ(server.state.executed_gtid_set, scenario::expand_gtids("p1:1-100")) << name;
        }
    }
}

TEST(Interrupted, EveryStageAfterEveryPartOfItsSteps) {
    auto catching_up = scene(three);
    catching_up.overlay.candidates[id("r2")] = {topology::PromotionRule::must_not, 0, 0};
    for (const auto& setting : {scene(three), catching_up}) {
        for (std::size_t stage = 0; stage < 8; ++stage) {
            for (unsigned mask = 0; mask < 16; ++mask) {
                for (const bool journaled : {true, false}) {
                    run_cut(setting, stage, mask, journaled, std::nullopt);
                    run_cut(setting, stage, mask, journaled, 0U);
                    run_cut(setting, stage, mask, journaled, 1U);
                }
            }
        }
    }
}

TEST(Interrupted, AHookThatWasStartedRunsAgainAndIsDoneOnce) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.has_pre_hooks = true;
    Drive drive(world, begun(world, "p1", policy), policy);
    unsigned crashes = 0;
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        if (stage.steps.back().kind == StepKind::hook && crashes++ == 0) {
            return std::vector<bool>(stage.steps.size(), true);
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(world.hooks, (std::vector<std::string>{"pre_failover", "pre_failover"}));
    EXPECT_EQ(drive.record().hooks.at("pre_failover"), "done");
}

/// A world and its faults, drawn from a seed.
class Trial {
public:
    explicit Trial(unsigned seed) : random_(seed) {}

    void run();

private:
    bool chance(unsigned percent) { return random_() % 100 < percent; }

    unsigned upto(unsigned limit) { return static_cast<unsigned>(random_() % (limit + 1)); }

    scenario::Scenario draw();
    void disturb(World& world);
    void check(const World& world, const Drive& drive);

    std::mt19937 random_;
    bool deaths_ = false, back_ = false;
    std::set<std::string> died_;
    std::vector<std::string> replicas_;
};

scenario::Scenario Trial::draw() {
    scenario::Scenario out;
    out.now = scenario::start_time + scenario::meanwhile_after;
    auto primary = scenario::make_server("p1");
    primary.state.executed_gtid_set = scenario::expand_gtids("p1:1-100");
    out.before.emplace("p1", primary);
    const unsigned count = 2 + upto(3);
    for (unsigned i = 1; i <= count; ++i) {
        const std::string name = "r" + std::to_string(i);
        auto replica = scenario::make_server(name);
        scenario::detail::follow(replica, "p1");
        const unsigned executed = 80 + upto(20);
        const unsigned received = executed + upto(100 - executed);
        auto& channel = replica.state.channels.front();
        replica.state.executed_gtid_set =
            scenario::expand_gtids("p1:1-" + std::to_string(executed));
        channel.retrieved_gtid_set = scenario::expand_gtids("p1:50-" + std::to_string(received));
        replica.state.identity.log_bin = !chance(10);
        channel.has_filters = chance(5);
        channel.delay_seconds = chance(8) ? 10 : 0;
        if (chance(8)) {
            channel.applier_errno = 1062;
            channel.applier = ThreadState::stopped;
        }
        if (chance(30)) {
            out.overlay.candidates[id(name)] = {
                static_cast<topology::PromotionRule>(upto(4)), 0, 0};
        }
        if (chance(10)) {
            replica.state.identity.version = "8.4.1";
        }
        out.before.emplace(name, replica);
        replicas_.push_back(name);
    }
    out.meanwhile = out.before;
    out.meanwhile.at("p1").probe = topology::ProbeFailure::refused;
    for (const auto& name : replicas_) {
        auto& server = out.meanwhile.at(name);
        server.state.channels.front().receiver = ThreadState::connecting;
        if (chance(8)) {
            server.probe = topology::ProbeFailure::timeout;
            died_.insert(name);
        }
    }
    return out;
}

void Trial::disturb(World& world) {
    if (deaths_ && chance(4)) {
        const auto& name = replicas_.at(upto(static_cast<unsigned>(replicas_.size()) - 1));
        world.at(name).probe =
            chance(50) ? topology::ProbeFailure::refused : topology::ProbeFailure::timeout;
        died_.insert(name);
    }
    if (deaths_ && chance(4)) {
        for (const auto& name : replicas_) {
            world.revive(name);
        }
    }
    if (back_ && chance(6)) {
        world.revive("p1");
    }
}

void Trial::check(const World& world, const Drive& drive) {
    const auto& record = drive.record();
    const auto story = testing::PrintToString(world.done) + "\n" + record.outcome + "\n" +
                       testing::PrintToString(record.errors);
    const bool p1_writable =
        world.up(world.servers.at("p1")) && !world.servers.at("p1").state.read_only;
    if (record.state == State::done) {
        std::vector<std::string> others = world.writable();
        std::erase_if(others, [&](const std::string& name) {
            return record.displaced.count(id(name)) != 0;  // contained when they return
        });
        EXPECT_EQ(others, std::vector{scenario::name_of(record.successor)}) << story;
        const auto& successor = world.servers.at(scenario::name_of(record.successor));
        for (const auto& name : replicas_) {
            const auto& server = world.servers.at(name);
            if (died_.count(name) != 0) {
                continue;
            }
            EXPECT_EQ(gtid::missing_from(World::received(server), World::executed(successor)), 0U)
                << name << " has more\n"
                << story;
            if (id(name) != record.successor &&
                !std::count(record.lost.begin(), record.lost.end(), id(name))) {
                EXPECT_EQ(server.state.channels.at(0).source, record.successor) << name << story;
            }
        }
    } else if (died_.empty() || !deaths_) {
        EXPECT_TRUE(world.writable().empty() || p1_writable) << story;
        EXPECT_FALSE(record.outcome.empty());
        for (const auto& name : replicas_) {
            const auto& server = world.servers.at(name);
            EXPECT_TRUE(
                !world.up(server) || server.state.channels.at(0).receiver != ThreadState::stopped ||
                record.attempts.contains("start_replication " + id(name).text())
            ) << name
              << " is left stopped\n"
              << story;
        }
    }
}

void Trial::run() {
    deaths_ = chance(40);
    back_ = chance(25);
    World world(draw());
    auto policy = enabled_policy();
    policy.has_pre_hooks = chance(30);
    policy.has_post_hooks = policy.has_failed_hooks = chance(30);
    auto answer = begin_at(world, "p1", policy);
    if (std::holds_alternative<Refusal>(answer)) {
        return;
    }
    const bool failing = chance(40);
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (failing && chance(8)) {
            return fail(
                chance(50) ? Errc::timeout : Errc::server_error, step.text() + " went wrong"
            );
        }
        return std::nullopt;
    };
    Drive drive(world, std::get<Record>(std::move(answer)), policy);
    drive.journals_before = chance(80);
    const bool crashing = chance(60);
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        if (!crashing || !chance(25)) {
            return std::nullopt;
        }
        std::vector<bool> done;
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            done.push_back(chance(50));
        }
        return done;
    };
    drive.on_stage = [&](const Stage&) { disturb(world); };

    ASSERT_TRUE(drive.run(200)) << testing::PrintToString(drive.intents());
    check(world, drive);
}

TEST(Interrupted, RandomWorldsAndFaultsEndWellOrGiveUpCleanly) {
    for (unsigned seed = 1; seed <= 3000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Trial(seed).run();
        if (testing::Test::HasFailure()) {
            break;  // one story is enough to read
        }
    }
}

}  // namespace
}  // namespace baton::recovery
