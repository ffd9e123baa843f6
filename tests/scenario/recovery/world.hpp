// SPDX-License-Identifier: Apache-2.0
#pragma once

// Model servers that recoveries are carried out on: what a step does to a server, with the traps of
// the real ones (changing the source throws the relay log away, a promotion forgets the source). No
// I/O, no clock.

#include "scenario/scenario_reader.hpp"

#include "baton/gtid/gtid_set.hpp"
#include "baton/recovery/planner.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::recovery {

using topology::ThreadState;

class World {
public:
    explicit World(scenario::Scenario scenario)
        : servers(scenario.meanwhile),
          builder_(scenario.builder()),
          now_(scenario.now),
          name_(scenario.about) {
        look();
    }

    /// Now all servers are probed again, and that is what `topology` is.
    void look() {
        // The failures first, as everybody sees a dead server before what follows from it; and "p1"
        // last, since only a source seen later than its replica tells what is errant there.
        for (const bool failing : {true, false}) {
            for (auto entry = servers.rbegin(); entry != servers.rend(); ++entry) {
                auto& server = entry->second;
                if ((server.probe != topology::ProbeFailure::none) == failing && server.seen) {
                    now_ += std::chrono::milliseconds(10);
                    builder_.apply(
                        failing ? scenario::failed_probe(server, now_)
                                : scenario::good_probe(server, now_)
                    );
                }
            }
        }
        now_ += std::chrono::milliseconds(10);
        topology = builder_.build(now_, scenario::wall_at(now_));
    }

    [[nodiscard]] scenario::Server& at(const std::string& name) { return servers.at(name); }

    [[nodiscard]] scenario::Server& at(const InstanceId& id) {
        return servers.at(scenario::name_of(id));
    }

    [[nodiscard]] bool up(const scenario::Server& server) const {
        return server.probe == topology::ProbeFailure::none;
    }

    static gtid::GtidSet set_of(const std::string& text) { return *gtid::GtidSet::parse(text); }

    static gtid::GtidSet executed(const scenario::Server& server) {
        return set_of(server.state.executed_gtid_set);
    }

    static gtid::GtidSet received(const scenario::Server& server) {
        auto out = executed(server);
        for (const auto& channel : server.state.channels) {
            out = out.united(set_of(channel.retrieved_gtid_set));
            out = out.united(set_of(channel.gtid_io_pos));
        }
        return out;
    }

    [[nodiscard]] std::vector<std::string> writable() const {
        std::vector<std::string> out;
        for (const auto& [name, server] : servers) {
            if (up(server) && !server.state.read_only) {
                out.push_back(name);
            }
        }
        return out;
    }

    /// As the loop does when a recovery has promoted somebody.
    void depose(const Record& record) {
        auto overlay = builder_.overlay();
        topology::Deposed deposed;
        deposed.uuid = record.failed_uuid;
        deposed.cluster_id = record.cluster_id;
        deposed.recovery_id = record.id;
        deposed.successor = record.successor;
        overlay.deposed[record.failed] = deposed;
        builder_.set_overlay(std::move(overlay));
        look();
    }

    void kill(const std::string& name) { at(name).probe = topology::ProbeFailure::refused; }

    void revive(const std::string& name) { at(name).probe = topology::ProbeFailure::none; }

    /// Steps that shall fail: consulted first. nullopt: let it happen.
    std::function<std::optional<Error>(const Step&)> trouble;

    Result<StepReport> perform(const Step& step) {
        done.push_back(step.text());
        if (trouble) {
            if (auto error = trouble(step)) {
                return *error;
            }
        }
        if (step.kind == StepKind::hook) {
            hooks.push_back(step.hook);
            return StepReport{};
        }
        auto& server = at(step.target);
        if (!up(server)) {
            return fail(Errc::unreachable, step.target.text() + " refuses connections");
        }
        if (!step.expected_uuid.empty() && step.expected_uuid != server.state.identity.uuid) {
            return fail(Errc::refused, "another server answers at " + step.target.text());
        }
        return act(server, step);
    }

    /// As `perform`, cut off in the middle by the death of the node: `part` 0 is the least.
    void half(const Step& step, unsigned part) {
        if (step.kind == StepKind::hook || !up(at(step.target))) {
            return;
        }
        auto& server = at(step.target);
        if (step.kind == StepKind::set_read_only && part > 0) {
            static_cast<void>(act(server, step));
        }
        if (server.state.channels.empty()) {
            return;
        }
        auto& channel = server.state.channels.front();
        switch (step.kind) {
            case StepKind::promote:
                if (part > 0 && !unready(server, step)) {
                    channel.receiver = ThreadState::stopped;
                    server.state.read_only = server.state.super_read_only = false;
                }
                break;
            case StepKind::repoint:
                channel.receiver = ThreadState::stopped;
                if (part > 0 && secured(server, step.source, step.start_applier)) {
                    change_source(server, step.source);
                    channel.receiver = ThreadState::stopped;
                    channel.receiver_errno = 2003;  // of the old source; MariaDB keeps it
                }
                break;
            case StepKind::stop_receiver:
                channel.receiver = ThreadState::stopped;
                break;
            case StepKind::start_replication:
            case StepKind::wait_applied:
            case StepKind::set_read_only:
            case StepKind::set_writable:
            case StepKind::witness:
            case StepKind::read_credentials:
            case StepKind::clone:
            case StepKind::set_semi_sync:
            case StepKind::hook:
                break;
        }
    }

    /// Clients write to whatever is writable, and replication runs where it is running.
    void flow() {
        ++written_;
        for (auto& [name, server] : servers) {
            if (up(server) && !server.state.read_only) {
                const bool maria = detail_mariadb(server);
                const auto own =
                    maria ? "0-" + std::to_string(server.state.identity.server_id) + "-" +
                                std::to_string(1000 + written_)
                          : server.state.identity.uuid + ":" + std::to_string(1000 + written_);
                server.state.executed_gtid_set = executed(server).united(set_of(own)).text();
            }
        }
        for (auto& [name, server] : servers) {
            if (up(server) && !server.state.channels.empty()) {
                auto& channel = server.state.channels.front();
                if (channel.receiver != ThreadState::stopped) {
                    connect(server);
                }
                if (channel.applier == ThreadState::running && channel.delay_seconds == 0) {
                    apply(server);
                }
            }
        }
    }

    std::map<std::string, scenario::Server> servers;
    std::set<std::string> cannot_apply;  // waits on these end without any progress
    std::set<std::string> unreached;     // up, and no replica can connect to them
    std::set<std::string> uncounted;     // switched on, and the source does not count them
    std::set<std::string> forgets_late;  // the promoted one keeps its channel, stopped
    std::vector<std::string> done, hooks;
    topology::TopologyPtr topology;

private:
    Result<StepReport> act(scenario::Server& server, const Step& step) {
        switch (step.kind) {
            case StepKind::stop_receiver:
                if (server.state.channels.empty()) {
                    return fail(Errc::refused, "it has no channel");
                }
                server.state.channels.front().receiver = ThreadState::stopped;
                return position_of(server);
            case StepKind::start_replication:
                connect(server);
                apply(server);
                return StepReport{};
            case StepKind::wait_applied:
                return wait(server, step);
            case StepKind::promote:
                return promote(server, step);
            case StepKind::repoint:
                return repoint(server, step);
            case StepKind::set_read_only:
                server.state.read_only = true;
                server.state.super_read_only = server.state.identity.has_super_read_only;
                return position_of(server);
            case StepKind::set_writable:
                server.state.read_only = server.state.super_read_only = false;
                return StepReport{};
            case StepKind::set_semi_sync:
                return set_semi_sync(server, step);
            case StepKind::read_credentials:
                return StepReport{};
            case StepKind::clone:
                return clone(server, step);
            case StepKind::witness:
            case StepKind::hook:
                break;
        }
        return fail(Errc::invalid_argument, "no such step in a recovery");
    }

    static StepReport position_of(const scenario::Server& server) {
        StepReport report;
        ReplicaPosition position;
        position.executed_gtid_set = server.state.executed_gtid_set;
        position.received_gtid_set = received(server).text();
        position.applier_broken =
            !server.state.channels.empty() && server.state.channels.front().applier_errno != 0;
        report.position = position;
        return report;
    }

    void connect(scenario::Server& server) {
        if (server.state.channels.empty()) {
            return;
        }
        auto& channel = server.state.channels.front();
        const auto found = servers.find(scenario::name_of(channel.source));
        const bool connected =
            found != servers.end() && up(found->second) && unreached.count(found->first) == 0;
        channel.receiver = connected ? ThreadState::running : ThreadState::connecting;
        if (connected) {
            const auto got = set_of(channel.retrieved_gtid_set).united(executed(found->second));
            (server.state.identity.flavor == topology::Flavor::mariadb
                 ? channel.gtid_io_pos
                 : channel.retrieved_gtid_set) = got.text();
        }
    }

    void apply(scenario::Server& server) {
        if (server.state.channels.empty() || cannot_apply.count(server.name) != 0 ||
            server.state.channels.front().applier_errno != 0) {
            return;
        }
        server.state.channels.front().applier = ThreadState::running;
        server.state.executed_gtid_set = received(server).text();
    }

    Result<StepReport> set_semi_sync(scenario::Server& server, const Step& step) {
        auto& semi_sync = server.state.semi_sync;
        if (!semi_sync.available) {
            return fail(Errc::refused, "it has no semi-sync plugin");
        }
        if (step.semi_sync_replica) {
            semi_sync.replica_enabled = semi_sync.replica_status = *step.semi_sync_replica;
        }
        if (step.wait_for_replicas) {
            semi_sync.wait_for_replica_count = *step.wait_for_replicas;
        }
        count_acknowledgers();
        return StepReport{};
    }

    /// As each source counts them.
    void count_acknowledgers() {
        for (auto& [name, source] : servers) {
            source.state.semi_sync.clients = static_cast<std::uint64_t>(std::count_if(
                servers.begin(),
                servers.end(),
                [&, &id = name](const auto& entry) {
                    const auto& [other, server] = entry;
                    return up(server) && server.state.semi_sync.replica_status &&
                           !server.state.channels.empty() &&
                           scenario::name_of(server.state.channels.front().source) == id &&
                           server.state.channels.front().receiver == ThreadState::running &&
                           uncounted.count(other) == 0;
                }
            ));
        }
    }

    Result<StepReport> wait(scenario::Server& server, const Step& step) {
        if (!server.state.channels.empty() && server.state.channels.front().delay_seconds > 0) {
            auto& channel = server.state.channels.front();
            if (!step.skip_delay && std::chrono::seconds(channel.delay_seconds) > step.limit) {
                return fail(Errc::timeout, "it waits on purpose");
            }
            channel.delay_seconds = step.skip_delay ? 0 : channel.delay_seconds;
        }
        if (!server.state.channels.empty() && server.state.channels.front().applier_errno != 0) {
            return fail(Errc::server_error, "its applier is broken");
        }
        if (!server.state.channels.empty() &&
            server.state.channels.front().receiver != ThreadState::stopped) {
            connect(server);
        }
        apply(server);
        if (gtid::missing_from(set_of(step.required_gtid_set), executed(server)) > 0) {
            return fail(Errc::timeout, "it has not applied everything in time");
        }
        return position_of(server);
    }

    /// It has the data of the donor, and restarts read-only, as the performer sees to it.
    Result<StepReport> clone(scenario::Server& server, const Step& step) {
        const auto donor = servers.find(scenario::name_of(step.source));
        if (donor == servers.end() || !up(donor->second)) {
            return fail(Errc::unreachable, "the donor does not answer");
        }
        server.state.executed_gtid_set = donor->second.state.executed_gtid_set;
        server.state.channels.clear();
        return StepReport{};
    }

    /// Why the performer would not promote it now.
    [[nodiscard]] std::optional<Error> unready(scenario::Server& server, const Step& step) {
        if (step.await_required) {
            if (!server.state.channels.empty() &&
                server.state.channels.front().receiver != ThreadState::stopped) {
                connect(server);
            }
            apply(server);
        }
        if (gtid::missing_from(set_of(step.required_gtid_set), executed(server)) > 0 ||
            gtid::missing_from(received(server), executed(server)) > 0) {
            return fail(Errc::refused, "it has not applied what it received");
        }
        if (step.guard.empty()) {
            return std::nullopt;
        }
        const auto& guard = at(step.guard);
        if (!up(guard)) {
            return fail(Errc::unreachable, step.guard.text() + " does not answer");
        }
        if (!guard.state.read_only ||
            gtid::missing_from(executed(guard), set_of(step.required_gtid_set)) > 0) {
            return fail(Errc::refused, step.guard.text() + " is written to");
        }
        return std::nullopt;
    }

    Result<StepReport> promote(scenario::Server& server, const Step& step) {
        if (auto error = unready(server, step)) {
            return *error;
        }
        if (forgets_late.count(server.name) != 0 && !server.state.channels.empty()) {
            server.state.channels.front().receiver = ThreadState::stopped;
        } else {
            server.state.channels.clear();
        }
        server.state.read_only = server.state.super_read_only = false;
        auto report = position_of(server);
        report.binlog = topology::LogPosition{"binlog.000002", 4};
        return report;
    }

    Result<StepReport> repoint(scenario::Server& server, const Step& step) {
        if (!secured(server, step.source, step.start_applier)) {
            return fail(Errc::refused, "its relay logs would be dropped");
        }
        const auto before = server.state.channels.empty() ? ThreadState::running
                                                          : server.state.channels.front().applier;
        change_source(server, step.source);
        if (step.start) {
            connect(server);
        } else {
            server.state.channels.front().receiver = ThreadState::stopped;
            server.state.channels.front().receiver_errno = 0;
        }
        if (step.start_applier) {
            apply(server);
        } else {
            server.state.channels.front().applier = before;
        }
        return StepReport{};
    }

    /// As the performer does before relay logs go: they are applied, or the new source has it all.
    bool secured(scenario::Server& server, const InstanceId& source, bool start_applier) {
        if (start_applier) {
            apply(server);
        }
        const auto found = servers.find(scenario::name_of(source));
        return gtid::missing_from(received(server), executed(server)) == 0 ||
               (found != servers.end() && up(found->second) &&
                gtid::missing_from(received(server), executed(found->second)) == 0);
    }

    static void change_source(scenario::Server& server, const InstanceId& source) {
        scenario::detail::follow(server, scenario::name_of(source));
        auto& channel = server.state.channels.front();
        channel.source = source;
        channel.retrieved_gtid_set.clear();  // the relay log is gone
        channel.gtid_io_pos.clear();
        channel.applier = ThreadState::running;
    }

    static bool detail_mariadb(const scenario::Server& server) {
        return server.state.identity.flavor == topology::Flavor::mariadb;
    }

    topology::Builder builder_;
    TimePoint now_;
    std::string name_;
    unsigned written_ = 0;
};

/// Drives a recovery the way the control loop does.
class Drive {
public:
    Drive(World& world, Record record, Policy policy)
        : world_(world), record_(std::move(record)), policy_(std::move(policy)) {}

    /// Called with each stage before its steps; may change the world.
    std::function<void(const Stage&)> on_stage;
    /// Says which steps of a stage happen before the node dies; nullopt: all, and it lives.
    std::function<std::optional<std::vector<bool>>(const Stage&)> crash;
    /// Called for each step that the node dies before or in.
    std::function<void(const Step&)> on_cut;
    bool journals_before = true;

    /// False when it does not end.
    bool run(unsigned limit = 60) {
        for (unsigned round = 0; round < limit; ++round) {
            auto move = next(record_, *world_.topology, policy_);
            if (auto* finish = std::get_if<Finish>(&move)) {
                record_ = conclude(std::move(record_), *finish);
                return true;
            }
            auto& stage = std::get<Stage>(move);
            stages.push_back(stage);
            if (on_stage) {
                on_stage(stage);
            }
            perform(stage);
            world_.look();
        }
        return false;
    }

    [[nodiscard]] const Record& record() const { return record_; }

    [[nodiscard]] std::vector<std::string> intents() const {
        std::vector<std::string> out;
        for (const auto& stage : stages) {
            out.push_back(stage.intent);
        }
        return out;
    }

    std::vector<Stage> stages;

private:
    void perform(const Stage& stage) {
        const auto survives = crash ? crash(stage) : std::nullopt;
        const bool promotes =
            std::any_of(stage.steps.begin(), stage.steps.end(), [](const Step& step) {
                return step.kind == StepKind::promote;
            });
        if (journals_before || promotes) {
            record_ = before(std::move(record_), stage);
        }
        std::vector<StepOutcome> outcomes;
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            if (!survives || survives->at(i)) {
                outcomes.push_back({stage.steps[i], world_.perform(stage.steps[i])});
            } else if (on_cut) {
                on_cut(stage.steps[i]);
            }
        }
        if (!survives) {
            record_ = after(std::move(record_), stage, outcomes, *world_.topology);
        }
        // What a successor has is what was stored.
        record_ = *record_from_json(to_json_text(record_));
    }

    World& world_;
    Record record_;
    Policy policy_;
};

}  // namespace baton::recovery
