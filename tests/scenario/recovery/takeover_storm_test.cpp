// SPDX-License-Identifier: Apache-2.0
#include "unit/recovery/support.hpp"

#include <map>
#include <random>

// Ordered changes of a living primary, planned or by force, and the return of the old one, in
// worlds drawn from a seed: clients write all the time, servers die and return, steps fail or are
// cut in the middle, nodes take over from each other. Whatever happens, never two servers take
// writes at one time, and nothing that was acknowledged is lost. A failure names its seed.

namespace baton::recovery {
namespace {

constexpr unsigned seeds = 4000;

class TakeoverStorm {
public:
    explicit TakeoverStorm(unsigned seed) : random_(seed) {}

    /// How it ended; nullopt: it was refused.
    std::optional<State> run();

    [[nodiscard]] bool by_force() const { return by_force_; }

private:
    bool chance(unsigned percent) { return random_() % 100 < percent; }

    unsigned upto(unsigned limit) { return static_cast<unsigned>(random_() % (limit + 1)); }

    scenario::Scenario draw();
    std::variant<Record, Refusal> order(const World& world);
    void write(World& world);
    void disturb(World& world);
    std::optional<Error> trouble(World& world, const Step& step);
    void check_now(const World& world);
    void check_end(World& world);
    void check_return(World& world);
    [[nodiscard]] std::string story(const World& world) const;

    std::mt19937 random_;
    Policy policy_;
    Drive* drive_ = nullptr;
    bool mariadb_ = false, deaths_ = false, failing_ = false, by_force_ = false;
    bool old_died_ = false;
    std::set<std::string> died_;
    std::vector<std::string> replicas_;
    gtid::GtidSet acknowledged_;
};

scenario::Scenario TakeoverStorm::draw() {
    scenario::Scenario out;
    out.now = scenario::start_time + scenario::meanwhile_after;
    const std::string base = mariadb_ ? "0-1-100" : scenario::expand_gtids("p1:1-100");
    const auto add = [&](const std::string& name, const std::string& source) {
        auto server = scenario::make_server(name);
        server.state.identity.server_id = 1 + out.before.size();
        if (mariadb_) {
            scenario::detail::set_version(server, "10.11.6-MariaDB");
        }
        server.state.executed_gtid_set = base;
        if (!source.empty()) {
            scenario::detail::follow(server, source);
            if (chance(15)) {
                out.overlay.candidates[id(name)] = {
                    static_cast<topology::PromotionRule>(upto(4)), 0, 0};
            }
            replicas_.push_back(name);
        }
        out.before.emplace(name, server);
    };
    add("p1", "");
    const unsigned count = 1 + upto(3);
    for (unsigned i = 1; i <= count; ++i) {
        add("r" + std::to_string(i), "p1");
    }
    if (chance(25)) {
        add("x1", "r1");
    }
    out.meanwhile = out.before;
    return out;
}

std::variant<Record, Refusal> TakeoverStorm::order(const World& world) {
    Order order;
    order.by = "dba";
    order.start_old = chance(80);
    order.skip_hooks = chance(20);
    if (chance(50)) {
        order.candidate = id(replicas_.at(upto(static_cast<unsigned>(replicas_.size()) - 1)));
    }
    const auto& cluster = *world.topology->cluster_of(id("p1"));
    if (by_force_) {
        order.command = "force-master-failover";
        return begin_forced_failover(cluster, *world.topology, policy_, {}, order);
    }
    return begin_switchover(cluster, *world.topology, policy_, {}, order);
}

std::string TakeoverStorm::story(const World& world) const {
    return testing::PrintToString(world.done) + "\n" +
           (drive_ == nullptr ? ""
                              : drive_->record().outcome + "\n" +
                                    testing::PrintToString(drive_->record().errors));
}

/// Clients write wherever they can, and are told so.
void TakeoverStorm::write(World& world) {
    world.flow();
    for (const auto& name : world.writable()) {
        acknowledged_ = acknowledged_.united(World::executed(world.at(name)));
    }
}

void TakeoverStorm::disturb(World& world) {
    if (deaths_ && chance(6)) {
        const auto& name = replicas_.at(upto(static_cast<unsigned>(replicas_.size()) - 1));
        world.at(name).probe =
            chance(50) ? topology::ProbeFailure::refused : topology::ProbeFailure::timeout;
        died_.insert(name);
    }
    if (deaths_ && chance(3)) {
        world.kill("p1");
        old_died_ = true;
        for (auto& [name, server] : world.servers) {
            if (!server.state.channels.empty() &&
                server.state.channels.front().source == id("p1") &&
                server.state.channels.front().receiver == ThreadState::running) {
                server.state.channels.front().receiver = ThreadState::connecting;
            }
        }
    }
    if (deaths_ && chance(6)) {
        for (auto& [name, server] : world.servers) {
            world.revive(name);
        }
    }
    if (chance(70)) {
        write(world);
    }
    check_now(world);
}

std::optional<Error> TakeoverStorm::trouble(World& world, const Step& step) {
    check_now(world);
    if (failing_ && chance(8)) {
        if (chance(50)) {
            world.half(step, upto(1));
        }
        return fail(chance(50) ? Errc::timeout : Errc::unreachable, "it went wrong");
    }
    return std::nullopt;
}

void TakeoverStorm::check_now(const World& world) {
    auto writable = world.writable();
    // Promoted, died before anybody knew, and counted as deposed: it is contained when it returns.
    std::erase_if(writable, [&](const std::string& name) {
        return drive_ != nullptr && died_.contains(name) &&
               drive_->record().displaced.contains(id(name));
    });
    if (by_force_ && old_died_) {
        std::erase(writable, "p1");  // it may return as it was, and is contained then
    }
    EXPECT_LE(writable.size(), 1U) << testing::PrintToString(writable) << "\n" << story(world);
}

void TakeoverStorm::check_end(World& world) {
    const auto& record = drive_->record();
    EXPECT_FALSE(record.outcome.empty());
    check_now(world);
    if (record.state != State::done) {
        for (const auto& name : world.writable()) {
            EXPECT_TRUE(name == "p1" || died_.contains(name) || id(name) == record.successor)
                << name << "\n"
                << story(world);
        }
        const bool by_plan = !by_force_ && record.phase < Phase::promoted;
        if (by_plan && !old_died_ && !failing_) {
            EXPECT_FALSE(world.at("p1").state.read_only) << "nobody can write any more\n"
                                                         << story(world);
        }
        return;
    }
    const auto& successor = world.at(record.successor);
    EXPECT_FALSE(successor.state.read_only) << story(world);
    // What a server took in the moment before it died is not to be had; who died is not asked.
    if (died_.empty()) {
        EXPECT_EQ(gtid::missing_from(acknowledged_, World::executed(successor)), 0U)
            << "acknowledged and lost\n"
            << story(world);
    }
    if (!by_force_ && !old_died_ && !failing_ && died_.empty()) {
        const auto& old = world.at("p1");
        ASSERT_FALSE(old.state.channels.empty()) << story(world);
        EXPECT_EQ(old.state.channels.at(0).source, record.successor) << story(world);
        EXPECT_TRUE(old.state.read_only) << story(world);
    }
}

/// After a failover the old primary comes back, with or without transactions that nobody else has.
void TakeoverStorm::check_return(World& world) {
    world.trouble = nullptr;
    world.depose(drive_->record());
    for (auto& [name, server] : world.servers) {
        world.revive(name);
    }
    auto& old = world.at("p1");
    if (!old.state.channels.empty()) {
        return;  // back already
    }
    const bool more = !mariadb_ && chance(40);
    if (more) {
        old.state.executed_gtid_set =
            World::executed(old)
                .united(World::set_of(old.state.identity.uuid + ":5001-5003"))
                .text();
    }
    old.state.read_only = true;
    old.state.super_read_only = !mariadb_;
    world.look();
    Record deposing = drive_->record();
    History history;
    history.deposed_by = &deposing;
    Order order;
    order.by = "dba";
    order.method = "repoint";
    auto answer = begin_rejoin(id("p1"), *world.topology, policy_, history, order);
    if (more) {
        ASSERT_TRUE(std::holds_alternative<Refusal>(answer)) << story(world);
        EXPECT_EQ(std::get<Refusal>(answer).kind, Refusal::Kind::diverged);
        order.method = "clone";
        answer = begin_rejoin(id("p1"), *world.topology, policy_, history, order);
    }
    ASSERT_TRUE(std::holds_alternative<Record>(answer)) << std::get<Refusal>(answer).reason;
    Drive rejoin(world, std::get<Record>(std::move(answer)), policy_);
    rejoin.journals_before = chance(80);
    unsigned crashes = 0;
    rejoin.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        if (crashes++ > 0 || !chance(30)) {
            return std::nullopt;
        }
        return std::vector<bool>(stage.steps.size(), chance(50));
    };
    ASSERT_TRUE(rejoin.run(100));
    EXPECT_EQ(rejoin.record().state, State::done) << rejoin.record().outcome;
    EXPECT_TRUE(old.state.read_only);
    EXPECT_EQ(
        gtid::missing_from(
            World::executed(old), World::executed(world.at(drive_->record().successor))
        ),
        0U
    ) << "it has more than its source\n"
      << story(world);
}

std::optional<State> TakeoverStorm::run() {
    mariadb_ = chance(25);
    deaths_ = chance(40);
    failing_ = chance(40);
    by_force_ = chance(35);
    policy_ = enabled_policy();
    policy_.has_pre_graceful_hooks = policy_.has_post_graceful_hooks = chance(30);
    policy_.has_pre_hooks = policy_.has_post_hooks = policy_.has_failed_hooks = chance(30);
    policy_.has_replication_credentials = chance(50);
    World world(draw());
    write(world);
    world.look();
    auto answer = order(world);
    if (std::holds_alternative<Refusal>(answer)) {
        EXPECT_FALSE(std::get<Refusal>(answer).reason.empty());
        return std::nullopt;
    }
    Drive drive(world, std::get<Record>(std::move(answer)), policy_);
    drive_ = &drive;
    world.trouble = [&](const Step& step) { return trouble(world, step); };
    drive.journals_before = chance(80);
    const bool crashing = chance(60);
    drive.crash = [&](const Stage& stage) -> std::optional<std::vector<bool>> {
        if (!crashing || !chance(20)) {
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
    drive.on_stage = [&](const Stage& stage) {
        // A session does one thing at a time.
        std::set<InstanceId> targets;
        for (const auto& step : stage.steps) {
            EXPECT_TRUE(step.kind == StepKind::hook || targets.insert(step.target).second)
                << stage.intent;
        }
        disturb(world);
    };

    EXPECT_TRUE(drive.run(250)) << testing::PrintToString(drive.intents());
    check_end(world);
    if (drive.record().state == State::done && !deaths_) {
        check_return(world);
    }
    return drive.record().state;
}

TEST(TakeoverStorm, NeverTwoPrimariesAndNothingLost) {
    std::map<State, unsigned> ends, forced;
    unsigned refused = 0;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        TakeoverStorm storm(seed);
        const auto end = storm.run();
        if (end) {
            ++(storm.by_force() ? forced : ends)[*end];
        } else {
            ++refused;
        }
        if (testing::Test::HasFailure()) {
            return;  // one story is enough to read
        }
    }
    // Most must succeed, and each other end must be met.
    EXPECT_GT(ends[State::done], seeds / 4);
    EXPECT_GT(ends[State::failed], seeds / 40);
    EXPECT_GT(forced[State::done], seeds / 8);
    EXPECT_GT(refused, seeds / 200);
    RecordProperty("switched", static_cast<int>(ends[State::done]));
    RecordProperty("forced", static_cast<int>(forced[State::done]));
}

}  // namespace
}  // namespace baton::recovery
