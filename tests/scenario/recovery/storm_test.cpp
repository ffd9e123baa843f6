// SPDX-License-Identifier: Apache-2.0
#include "unit/recovery/support.hpp"

#include <map>
#include <random>

// Recoveries in worlds drawn from a seed, while servers die and return, steps fail, hang or are cut
// in the middle, nodes take over from each other and clients write. After every step the invariants
// of docs/internals/recovery-plans.md are checked. A failure names its seed.

namespace baton::recovery {
namespace {

constexpr unsigned seeds = 6000;

class Storm {
public:
    explicit Storm(unsigned seed) : random_(seed) {}

    /// How the recovery ended; nullopt: it was refused.
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

    scenario::Scenario draw();
    void draw_replica(scenario::Scenario& out, const std::string& name, const std::string& source);
    void disturb(World& world);
    void check_promotion(const World& world, const Step& step);
    void check_end(const World& world);
    void check_left_stopped(const World& world, const Record& record);
    void check_successor(const World& world, const Record& record);
    void check_containment(World& world);
    [[nodiscard]] gtid::GtidSet shared(const scenario::Server& server) const;
    [[nodiscard]] bool followed_from_the_start(const scenario::Server& server) const;

    [[nodiscard]] std::string story(const World& world) const {
        return testing::PrintToString(world.done) + "\n" + drive_->record().outcome + "\n" +
               testing::PrintToString(drive_->record().errors);
    }

    std::mt19937 random_;
    Policy policy_;
    Drive* drive_ = nullptr;
    bool mariadb_ = false, deaths_ = false, back_ = false, failing_ = false;
    bool returned_ = false;  // the old primary
    std::set<std::string> died_, hanging_, unstopped_, errant_;
    std::set<std::string> caught_up_;         // from a helper, to be promoted
    std::set<std::string> stopped_;           // by an operator, before
    bool pair_ = false, both_write_ = false;  // r1 and p1 are co-primaries
    std::vector<std::string> replicas_;       // direct ones
    std::string below_;                       // a replica of a replica
};

void Storm::draw_replica(
    scenario::Scenario& out, const std::string& name, const std::string& source
) {
    auto replica = scenario::make_server(name);
    replica.state.identity.server_id = 10 + replicas_.size();
    if (mariadb_) {
        scenario::detail::set_version(replica, "10.11.6-MariaDB");
    }
    scenario::detail::follow(replica, source);
    auto& channel = replica.state.channels.front();
    const unsigned executed = 80 + upto(20);
    const unsigned received = chance(60) ? executed : executed + upto(100 - executed);
    replica.state.executed_gtid_set = gtids(1, executed);
    (mariadb_ ? channel.gtid_io_pos : channel.retrieved_gtid_set) = gtids(50, received);
    replica.state.identity.log_bin = !chance(7);
    channel.has_filters = chance(4);
    channel.delay_seconds = chance(6) ? 10 : 0;
    if (chance(6)) {
        channel.applier_errno = 1062;
        channel.applier = ThreadState::stopped;
    }
    if (chance(10)) {
        replica.state.identity.version = mariadb_ ? "11.4.2-MariaDB" : "8.4.1";
    }
    if (!mariadb_ && chance(8)) {
        replica.state.purged_gtid_set = gtids(1, 85);
    }
    if (!mariadb_ && chance(8)) {
        errant_.insert(name);
    }
    if (chance(7)) {
        stopped_.insert(name);
    }
    if (chance(25)) {
        out.overlay.candidates[id(name)] = {static_cast<topology::PromotionRule>(upto(4)), 0, 0};
    }
    if (chance(6)) {
        out.overlay.downtimes[id(name)] = {"dba", "disk", 0, scenario::start_wall_ms * 2};
    }
    if (chance(5)) {
        policy_.promotion_ignore_hosts.push_back("^" + name + ":");
    }
    out.before.emplace(name, replica);
}

scenario::Scenario Storm::draw() {
    scenario::Scenario out;
    out.now = scenario::start_time + scenario::meanwhile_after;
    auto primary = scenario::make_server("p1");
    primary.state.identity.server_id = 1;
    if (mariadb_) {
        scenario::detail::set_version(primary, "10.11.6-MariaDB");
    }
    primary.state.executed_gtid_set = gtids(1, 100);
    out.before.emplace("p1", primary);
    const unsigned count = 1 + upto(4);
    for (unsigned i = 1; i <= count; ++i) {
        replicas_.push_back("r" + std::to_string(i));
        draw_replica(out, replicas_.back(), "p1");
    }
    if (pair_) {
        // Each follows the other.
        auto& partner = out.before.at("r1").state;
        auto& first = out.before.at("p1");
        scenario::detail::follow(first, "r1");
        first.state.read_only = first.state.super_read_only = false;
        partner.read_only = partner.super_read_only = !both_write_;
        errant_.erase("r1");
        stopped_.erase("r1");
    }
    if (chance(20)) {
        below_ = "x1";
        draw_replica(out, below_, replicas_.front());
        // It has what its source has, at most.
        const auto& source = out.before.at(replicas_.front());
        auto& server = out.before.at(below_);
        server.state.executed_gtid_set = source.state.executed_gtid_set;
        server.state.channels.front().retrieved_gtid_set.clear();
        server.state.channels.front().gtid_io_pos.clear();
        errant_.erase(below_);
    }
    out.meanwhile = out.before;
    return out;
}

gtid::GtidSet Storm::shared(const scenario::Server& server) const {
    const auto all = World::received(server);
    if (!errant_.contains(server.name) || all.mysql() == nullptr) {
        return all;
    }
    const auto own = World::set_of(server.state.identity.uuid + ":1-3");
    return gtid::GtidSet{all.mysql()->minus(*own.mysql())};
}

void Storm::disturb(World& world) {
    if (deaths_ && chance(5)) {
        const auto& name = replicas_.at(upto(static_cast<unsigned>(replicas_.size()) - 1));
        world.at(name).probe =
            chance(50) ? topology::ProbeFailure::refused : topology::ProbeFailure::timeout;
        died_.insert(name);
    }
    if (deaths_ && chance(5)) {
        for (const auto& name : replicas_) {
            world.revive(name);
        }
    }
    if (back_ && chance(6)) {
        world.revive("p1");
        // Whose receiver could not be stopped may get from it what nobody else has; no plan can
        // know.
        returned_ = true;
        died_.insert(unstopped_.begin(), unstopped_.end());
        if (chance(40)) {
            world.at("p1").state.read_only = world.at("p1").state.super_read_only = true;
        }
    }
    if (chance(50)) {
        world.flow();
    }
}

bool Storm::followed_from_the_start(const scenario::Server& server) const {
    return !died_.contains(server.name) &&
           std::find(replicas_.begin(), replicas_.end(), server.name) != replicas_.end();
}

/// What must be true whenever a promotion is sent.
void Storm::check_promotion(const World& world, const Step& step) {
    const auto& server = world.servers.at(scenario::name_of(step.target));
    if (!world.up(server) || !server.state.read_only) {
        return;  // refused anyway, or a repetition
    }
    const auto& identity = server.state.identity;
    const auto rule = world.topology->promotion_rule(step.target);
    EXPECT_NE(rule, topology::PromotionRule::must_not) << story(world);
    for (const auto& pattern : policy_.promotion_ignore_hosts) {
        EXPECT_NE(pattern, "^" + server.name + ":") << story(world);
    }
    EXPECT_TRUE(identity.log_bin) << story(world);
    if (errant_.contains(server.name)) {
        EXPECT_TRUE(policy_.promote_errant) << "errant transactions\n" << story(world);
    }
    if (both_write_ && !drive_->record().displaced.contains(id("r1"))) {
        EXPECT_EQ(server.name, "r1") << "beside a co-primary that takes writes\n" << story(world);
    }
    EXPECT_EQ(world.topology->downtime(step.target), nullptr) << story(world);
    for (const auto& [name, other] : world.servers) {
        const auto* seen = world.topology->find(id(name));
        const bool seen_alive = seen != nullptr && seen->reachable() && world.up(other);
        if (name == server.name || !seen_alive) {
            continue;
        }
        EXPECT_TRUE(other.state.read_only) << "a second primary beside " << name << story(world);
        if (followed_from_the_start(other)) {
            EXPECT_EQ(gtid::missing_from(shared(other), World::executed(server)), 0U)
                << name << " has more than the promoted " << server.name << "\n"
                << story(world);
            EXPECT_FALSE(
                other.state.identity.version.starts_with("8.0") &&
                identity.version.starts_with("8.4")
            ) << name
              << " could not follow\n"
              << story(world);
        }
    }
}

void Storm::check_successor(const World& world, const Record& record) {
    const auto& successor = world.servers.at(scenario::name_of(record.successor));
    std::vector<std::string> writable = world.writable();
    std::erase_if(writable, [&](const std::string& name) {
        // Gone when last seen: contained when they return.
        return record.displaced.contains(id(name)) && died_.contains(name);
    });
    EXPECT_EQ(writable, std::vector{successor.name}) << story(world);
    for (const auto& name : replicas_) {
        const auto& server = world.servers.at(name);
        if (died_.contains(name) || name == successor.name) {
            continue;
        }
        EXPECT_EQ(gtid::missing_from(shared(server), World::executed(successor)), 0U)
            << name << " has more\n"
            << story(world);
        if (std::count(record.lost.begin(), record.lost.end(), id(name)) == 0) {
            EXPECT_EQ(server.state.channels.at(0).source, record.successor) << name << story(world);
            if (!stopped_.contains(name)) {
                EXPECT_NE(server.state.channels.at(0).receiver, ThreadState::stopped)
                    << name << story(world);
            } else if (!caught_up_.contains(name)) {
                EXPECT_EQ(server.state.channels.at(0).receiver, ThreadState::stopped)
                    << name << " was stopped by an operator\n"
                    << story(world);
            }
        }
    }
    EXPECT_FALSE(record.loss.empty());
}

/// It is known of each receiver that is left stopped, so that it can be started.
void Storm::check_left_stopped(const World& world, const Record& record) {
    for (const auto& name : replicas_) {
        const auto& channels = world.servers.at(name).state.channels;
        if (channels.empty() || channels.front().receiver != ThreadState::stopped ||
            stopped_.contains(name) || id(name) == record.successor ||
            record.displaced.contains(id(name)) || !drive_->journals_before) {
            continue;
        }
        EXPECT_EQ(std::count(record.stopped_by_us.begin(), record.stopped_by_us.end(), id(name)), 1)
            << name << " is left stopped, and nobody knows\n"
            << story(world);
    }
}

void Storm::check_end(const World& world) {
    const auto& record = drive_->record();
    EXPECT_FALSE(record.outcome.empty());
    check_left_stopped(world, record);
    if (record.state == State::done) {
        check_successor(world, record);
        return;
    }
    for (const auto& name : world.writable()) {
        EXPECT_TRUE(
            name == "p1" || died_.contains(name) || id(name) == record.successor ||
            (both_write_ && name == "r1")
        ) << name
          << "\n"
          << story(world);
    }
    if (!deaths_ && !failing_) {
        for (const auto& name : replicas_) {
            if (stopped_.contains(name)) {
                continue;
            }
            EXPECT_NE(world.servers.at(name).state.channels.at(0).receiver, ThreadState::stopped)
                << name << " is left stopped\n"
                << story(world);
            if (record.displaced.empty() &&
                record.outcome.find(id(name).text() + " still follows") == std::string::npos) {
                EXPECT_EQ(world.servers.at(name).state.channels.at(0).source, id("p1"))
                    << name << " is left below another one, and nobody is told\n"
                    << story(world);
            }
        }
    }
}

/// The old primary returns, writable: it must not stay so.
void Storm::check_containment(World& world) {
    world.trouble = nullptr;
    world.depose(drive_->record());
    world.revive("p1");
    world.look();
    if (world.at("p1").state.read_only) {
        return;
    }
    auto answer =
        begin_at(world, "p1", Policy{}, std::nullopt, {}, analysis::RecoveryKind::contain_deposed);
    ASSERT_TRUE(std::holds_alternative<Record>(answer)) << std::get<Refusal>(answer).reason;
    Drive contain(world, std::get<Record>(std::move(answer)), Policy{});
    ASSERT_TRUE(contain.run());
    EXPECT_EQ(contain.record().state, State::done);
    EXPECT_TRUE(world.at("p1").state.read_only);
    // And nobody takes the replicas that it still has for a cluster without a primary.
    world.kill("p1");
    world.look();
    EXPECT_TRUE(std::holds_alternative<Refusal>(begin_at(world, "p1")));
}

std::optional<State> Storm::run() {
    mariadb_ = chance(25);
    deaths_ = chance(40);
    back_ = chance(25);
    failing_ = chance(40);
    policy_ = enabled_policy();
    policy_.promote_errant = chance(30);
    policy_.co_primary_must_take_over = chance(50);
    pair_ = !mariadb_ && chance(15);
    both_write_ = pair_ && chance(40);
    policy_.has_pre_hooks = chance(30);
    policy_.has_post_hooks = policy_.has_failed_hooks = chance(30);
    World world(draw());
    for (const auto& name : errant_) {
        auto& server = world.at(name);
        server.state.executed_gtid_set =
            World::executed(server)
                .united(World::set_of(server.state.identity.uuid + ":1-3"))
                .text();
    }
    world.look();  // errant is what the living primary does not have
    world.kill("p1");
    for (const auto& name : replicas_) {
        auto& server = world.at(name);
        server.state.channels.front().receiver = ThreadState::connecting;
        if (stopped_.contains(name)) {
            server.state.channels.front().receiver = ThreadState::stopped;
            if (server.state.channels.front().applier_errno == 0) {
                server.state.channels.front().applier = ThreadState::stopped;
            }
        }
        if (chance(8)) {
            server.probe = topology::ProbeFailure::timeout;
            died_.insert(name);
        }
        if (chance(6)) {
            hanging_.insert(name);
        }
        if (chance(15)) {
            world.forgets_late.insert(name);
        }
        if (chance(5)) {
            world.cannot_apply.insert(name);
        }
    }
    world.look();
    auto answer = begin_at(world, "p1", policy_);
    if (std::holds_alternative<Refusal>(answer)) {
        EXPECT_FALSE(std::get<Refusal>(answer).reason.empty());
        return std::nullopt;
    }
    Drive drive(world, std::get<Record>(std::move(answer)), policy_);
    drive_ = &drive;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::promote) {
            check_promotion(world, step);
        }
        if (step.kind == StepKind::repoint && step.start) {
            caught_up_.insert(scenario::name_of(step.target));
        }
        const auto unstopped = [&] {
            if (step.kind == StepKind::stop_receiver) {
                (returned_ ? died_ : unstopped_).insert(scenario::name_of(step.target));
            }
        };
        if (step.kind == StepKind::start_replication) {
            // Given up, by a node that died and had not journaled that it gives up.
            (returned_ ? died_ : unstopped_).insert(scenario::name_of(step.target));
        }
        if (step.kind == StepKind::stop_receiver &&
            hanging_.contains(scenario::name_of(step.target))) {
            unstopped();
            return fail(Errc::timeout, "STOP REPLICA hangs");
        }
        if (failing_ && chance(8)) {
            unstopped();
            if (chance(50)) {
                world.half(step, upto(1));
            }
            return fail(chance(50) ? Errc::timeout : Errc::unreachable, "it went wrong");
        }
        return std::nullopt;
    };
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
            if (step.kind == StepKind::promote) {
                check_promotion(world, step);
            }
            world.half(step, upto(1));
        }
    };
    drive.on_stage = [&](const Stage&) { disturb(world); };

    EXPECT_TRUE(drive.run(250)) << testing::PrintToString(drive.intents());
    check_end(world);
    if (drive.record().state == State::done && !deaths_) {
        check_containment(world);
    }
    return drive.record().state;
}

TEST(Storm, KeepsTheInvariantsInEveryWorld) {
    std::map<State, unsigned> ends;
    unsigned refused = 0;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto end = Storm(seed).run();
        if (end) {
            ++ends[*end];
        } else {
            ++refused;
        }
        if (testing::Test::HasFailure()) {
            return;  // one story is enough to read
        }
    }
    // The storm must be one in which most recoveries succeed, and each other end is met.
    EXPECT_GT(ends[State::done], seeds / 2);
    EXPECT_GT(ends[State::failed], seeds / 100);
    EXPECT_GT(ends[State::abandoned], seeds / 100);
    EXPECT_GT(refused, seeds / 100);
    RecordProperty("done", static_cast<int>(ends[State::done]));
}

}  // namespace
}  // namespace baton::recovery
