// SPDX-License-Identifier: Apache-2.0
#include "unit/recovery/support.hpp"

#include <map>
#include <random>

// The replicas of a dead intermediate source are moved in trees drawn from a seed, while steps fail
// or are cut in the middle, targets die and nodes take over from each other. What must hold:
//
// * nobody but the primary is writable, and no ring is made;
// * every replica that was there all the time follows a living source, or is named with the reason;
// * what an operator stopped stays stopped, everything else runs; a delay stays;
// * nobody is moved below a server that cannot hand on transactions, or that operators set aside;
// * what a replica had received, it still has, or its new source has it.

namespace baton::recovery {
namespace {

constexpr unsigned seeds = 4000;
constexpr auto kind = analysis::RecoveryKind::dead_intermediate;

class Storm {
public:
    explicit Storm(unsigned seed) : random_(seed) {}

    std::optional<State> run();

private:
    bool chance(unsigned percent) { return random_() % 100 < percent; }

    unsigned upto(unsigned limit) { return static_cast<unsigned>(random_() % (limit + 1)); }

    [[nodiscard]] std::string gtids(unsigned first, unsigned last) const {
        return mariadb_ ? "0-1-" + std::to_string(last)
                        : scenario::expand_gtids(
                              "p1:" + std::to_string(first) + "-" + std::to_string(last)
                          );
    }

    scenario::Server& add(
        scenario::Scenario& out, const std::string& name, const std::string& source
    );
    scenario::Scenario draw();
    void check_move(const World& world, const Step& step);
    void check_end(World& world, const Record& record);

    std::mt19937 random_;
    bool mariadb_ = false, failing_ = false, deaths_ = false, crashing_ = false;
    std::vector<std::string> orphans_, siblings_;
    std::set<std::string> died_, stopped_;
    std::map<std::string, gtid::GtidSet> had_;
    std::string story_;
};

scenario::Server& Storm::add(
    scenario::Scenario& out, const std::string& name, const std::string& source
) {
    auto server = scenario::make_server(name);
    server.state.identity.server_id = 2 + out.before.size();
    if (mariadb_) {
        scenario::detail::set_version(server, "10.11.6-MariaDB");
    }
    if (chance(50)) {
        server.state.identity.data_center = chance(50) ? "east" : "west";
    }
    scenario::detail::follow(server, source);
    const unsigned executed = source == "i1" ? 80 + upto(18) : 90 + upto(10);
    server.state.executed_gtid_set = gtids(1, executed);
    if (!server.state.channels.empty()) {
        auto& channel = server.state.channels.front();
        (mariadb_ ? channel.gtid_io_pos : channel.retrieved_gtid_set) =
            gtids(50, std::min(98U, executed + upto(3)));
        channel.delay_seconds = chance(10) ? 600 : 0;
    }
    server.state.identity.log_bin = !chance(8);
    if (!mariadb_ && chance(10)) {
        server.state.purged_gtid_set = gtids(1, 85);
    }
    if (chance(6)) {
        out.overlay.downtimes[id(name)] = {"dba", "disk", 0, scenario::start_wall_ms * 2};
    }
    if (chance(20)) {
        out.overlay.candidates[id(name)] = {static_cast<topology::PromotionRule>(upto(4)), 0, 0};
    }
    return out.before.emplace(name, server).first->second;
}

scenario::Scenario Storm::draw() {
    scenario::Scenario out;
    out.now = scenario::start_time + scenario::meanwhile_after;
    auto& primary = add(out, "p1", "none");
    primary.state.executed_gtid_set = gtids(1, 100);
    primary.state.identity.log_bin = true;
    add(out, "i1", "p1").state.executed_gtid_set = gtids(1, 98);
    for (unsigned i = 1; i <= upto(2); ++i) {
        siblings_.push_back("s" + std::to_string(i));
        add(out, siblings_.back(), "p1");
    }
    const unsigned count = 1 + upto(4);
    for (unsigned i = 1; i <= count; ++i) {
        orphans_.push_back("a" + std::to_string(i));
        add(out, orphans_.back(), "i1");
    }
    out.meanwhile = out.before;
    return out;
}

void Storm::check_move(const World& world, const Step& step) {
    const auto target = scenario::name_of(step.target);
    const auto& source = world.servers.at(scenario::name_of(step.source));
    EXPECT_NE(target, "p1") << story_;
    EXPECT_TRUE(source.state.identity.log_bin) << step.text() << story_;
    const bool above = source.name == "p1";
    EXPECT_TRUE(above || world.topology->downtime(step.source) == nullptr) << step.text() << story_;
    EXPECT_TRUE(above || source.state.channels.front().delay_seconds == 0) << step.text() << story_;
}

void Storm::check_end(World& world, const Record& record) {
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"}) << story_;
    EXPECT_FALSE(record.outcome.empty());
    for (const auto& name : orphans_) {
        const auto& server = world.at(name);
        std::set<std::string> chain{name};
        for (auto at = scenario::name_of(server.state.channels.front().source);
             at != "p1" && at != "i1";
             at = scenario::name_of(world.at(at).state.channels.front().source)) {
            ASSERT_TRUE(chain.insert(at).second) << "a ring at " << at << story_;
        }
        const auto source = server.state.channels.front().source;
        const auto now = World::received(server).united(World::executed(world.at(source)));
        EXPECT_EQ(gtid::missing_from(had_.at(name), now), 0U) << name << story_;
        if (died_.contains(name)) {
            continue;
        }
        const bool lost = std::count(record.lost.begin(), record.lost.end(), id(name)) > 0;
        if (record.state == State::done && source == id("i1")) {
            EXPECT_TRUE(lost) << name << " is left without a reason\n" << story_;
        }
        if (stopped_.contains(name)) {
            EXPECT_EQ(server.state.channels.front().receiver, ThreadState::stopped)
                << name << " was stopped by an operator\n"
                << story_;
        } else if (!lost && source != id("i1")) {
            EXPECT_NE(server.state.channels.front().receiver, ThreadState::stopped)
                << name << story_;
        }
    }
}

std::optional<State> Storm::run() {
    mariadb_ = chance(30);
    failing_ = chance(40);
    deaths_ = chance(30);
    crashing_ = chance(50);
    World world(draw());
    world.look();
    world.kill("i1");
    for (const auto& name : orphans_) {
        auto& channel = world.at(name).state.channels.front();
        channel.receiver = ThreadState::connecting;
        if (chance(10)) {
            stopped_.insert(name);
            channel.receiver = ThreadState::stopped;
            channel.applier = chance(50) ? ThreadState::stopped : ThreadState::running;
        }
        if (chance(8)) {
            world.at(name).probe = topology::ProbeFailure::timeout;
            died_.insert(name);
        }
        had_[name] = World::received(world.at(name));
    }
    world.look();
    const auto policy = enabled_policy();
    auto answer = begin_at(world, "i1", policy, std::nullopt, {}, kind);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        EXPECT_FALSE(refusal->reason.empty());
        return std::nullopt;
    }
    Drive drive(world, std::get<Record>(std::move(answer)), policy);
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        story_ = testing::PrintToString(world.done) + "\n" + drive.record().outcome;
        if (step.kind == StepKind::repoint) {
            check_move(world, step);
        }
        if (failing_ && chance(10)) {
            if (chance(50)) {
                world.half(step, upto(1));
            }
            return fail(Errc::server_error, "it went wrong");
        }
        return std::nullopt;
    };
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        if (!crashing_ || !chance(20)) {
            return std::nullopt;
        }
        std::vector<bool> done;
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            done.push_back(chance(50));
        }
        return done;
    };
    drive.on_cut = [&](const Step& step) {
        if (chance(50)) {
            world.half(step, upto(1));
        }
    };
    drive.on_stage = [&](const Stage&) {
        if (deaths_ && chance(10)) {
            auto& all = chance(50) && !siblings_.empty() ? siblings_ : orphans_;
            const auto& name = all.at(upto(static_cast<unsigned>(all.size()) - 1));
            world.kill(name);
            died_.insert(name);
        }
        if (chance(50)) {
            world.flow();
        }
    };
    EXPECT_TRUE(drive.run(200)) << testing::PrintToString(drive.intents());
    story_ = "\n" + testing::PrintToString(world.done) + "\n" + drive.record().outcome + "\n" +
             testing::PrintToString(drive.record().errors);
    check_end(world, drive.record());
    return drive.record().state;
}

TEST(IntermediateStorm, KeepsTheInvariantsInEveryTree) {
    std::map<State, unsigned> ends;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        if (const auto end = Storm(seed).run()) {
            ++ends[*end];
        }
        if (testing::Test::HasFailure()) {
            return;  // one story is enough to read
        }
    }
    EXPECT_GT(ends[State::done], seeds / 2);
    EXPECT_GT(ends[State::failed], seeds / 200);
}

}  // namespace
}  // namespace baton::recovery
