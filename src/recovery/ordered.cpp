// SPDX-License-Identifier: Apache-2.0
//
// Recoveries that an operator orders although nothing has failed, or before the analysis says so.
#include "begin.hpp"
#include "candidates.hpp"
#include "fencing.hpp"
#include "plans.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

using analysis::RecoveryKind;

Refusal refusal(Refusal::Kind kind, std::string reason) {
    Refusal out;
    out.kind = kind;
    out.reason = std::move(reason);
    return out;
}

Occasion occasion_of(
    RecoveryKind kind,
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history
) {
    return Occasion{kind, cluster.primary, cluster.name, cluster.alias, topology, policy, history};
}

void take_order(Record& record, const Order& order) {
    record.forced = !order.by.empty();
    record.requested_by = order.by;
    record.requested_candidate = order.candidate;
    record.skip_hooks = order.skip_hooks;
    record.command = order.command;
    record.accept_loss = order.accept_loss;
    record.start_old = order.start_old;
    record.method = order.method;
}

/// What is not possible with the primary as it is.
std::optional<Refusal> primary_unfit(const topology::Cluster& cluster, const Topology& topology) {
    if (cluster.primary.empty()) {
        return refusal(
            Refusal::Kind::not_actionable,
            "The cluster has no known primary, or more than one: there is nothing to hand over"
        );
    }
    const Instance* primary = topology.find(cluster.primary);
    const std::string id = cluster.primary.text();
    if (primary == nullptr || !primary->ever_seen || !primary->reachable()) {
        return refusal(
            Refusal::Kind::not_actionable,
            id + " does not answer: a planned switchover needs a living primary. Order a failover"
        );
    }
    if (!primary->state.group.name.empty()) {
        return refusal(
            Refusal::Kind::not_actionable,
            id + " belongs to a replication group, which chooses its primary itself; use "
                 "group_replication_set_as_primary()"
        );
    }
    if (primary->is_replica()) {
        return refusal(
            Refusal::Kind::not_actionable,
            id + " replicates from " + primary->source().text() +
                ": end that (RESET REPLICA ALL on " + id + ") before a planned switchover"
        );
    }
    return std::nullopt;
}

/// What forbids a planned change to this candidate, though a failover might take it.
std::optional<std::string> candidate_unfit(
    const Record& record, const Instance& candidate, const Topology& topology, const Policy& policy
) {
    const bool named = candidate.id == record.requested_candidate;
    const Channel* channel = candidate.channel();
    if (channel == nullptr || channel->receiver != topology::ThreadState::running ||
        channel->applier != topology::ThreadState::running) {
        return "it does not replicate" +
               (channel != nullptr && !channel->receiver_error.empty()
                    ? ": " + clipped(channel->receiver_error, 200)
                : channel != nullptr && !channel->applier_error.empty()
                    ? ": " + clipped(channel->applier_error, 200)
                    : std::string{}) +
               ". Start replication on it";
    }
    if (channel->delay_seconds > 0) {
        return "it is delayed on purpose by " + std::to_string(channel->delay_seconds) +
               " s. End the delay, or name another one";
    }
    const auto limit =
        std::chrono::duration_cast<std::chrono::seconds>(policy.switchover_lag_limit).count();
    const auto lag = candidate.lag_seconds();
    if (!lag) {
        return "how far it is behind is not known. Wait until it is";
    }
    if (*lag > limit) {
        return "it is " + std::to_string(*lag) +
               " s behind, and recovery.switchover.lag_limit is " + std::to_string(limit) +
               " s. Wait, or name another one";
    }
    const auto held = holdings_of(candidate, nullptr);
    if (!held.errant.empty()) {
        return "it has errant transactions (" + clipped(held.errant.text(), 200) +
               "), which a promotion would spread. Inject them as empty ones on the primary, or "
               "name another one";
    }
    if (candidate.state.channels.size() > 1 && !named) {
        return "it has " + std::to_string(candidate.state.channels.size()) +
               " replication channels, which a promotion would end. Name it if that is wanted";
    }
    const Instance* primary = topology.find(record.failed);
    if (primary != nullptr && !named) {
        if (auto reason = cannot_follow(*primary, candidate, nullptr)) {
            return record.failed.text() + " could not replicate from it afterwards: " + *reason +
                   ". Name it if that is wanted";
        }
    }
    if (record.semi_sync && !semi_sync_after(record, topology, candidate)) {
        return std::string("semi-synchronous replication is on at ") + record.failed.text() +
               " and could not go on there: " +
               (candidate.state.semi_sync.available
                    ? "too few of the others acknowledge (replica side of semi-sync)"
                    : "its plugin is not installed") +
               ". Mend that, or switch it off on the primary first";
    }
    return std::nullopt;
}

/// Also replicas of replicas may be named.
void admit_named(Record& record, const Topology& topology) {
    const auto& wanted = record.requested_candidate;
    const Instance* named = wanted.empty() ? nullptr : topology.find(wanted);
    if (named != nullptr && !contains(record.replicas, wanted) &&
        follows(topology, *named, record.failed) != nullptr) {
        record.replicas.push_back(wanted);
    }
}

std::optional<Refusal> stranger(const Record& record) {
    const auto& wanted = record.requested_candidate;
    if (wanted.empty() || contains(record.replicas, wanted)) {
        return std::nullopt;
    }
    if (wanted == record.failed) {
        return refusal(Refusal::Kind::no_candidate, wanted.text() + " is the primary already");
    }
    return refusal(
        Refusal::Kind::no_candidate,
        wanted.text() + " does not replicate from " + record.failed.text() +
            ". Its direct replicas: " + names(record.replicas)
    );
}

/// Everything the switchover rests on; `record` becomes complete.
std::optional<Refusal> plan_switchover(Record& record, const Topology& topology, Policy policy) {
    admit_named(record, topology);
    if (auto reason = stranger(record)) {
        return reason;
    }
    // The primary waits for its successor, so nothing can be missing that anybody has.
    policy.require_all_acknowledgers = false;
    Choice choice = choose({record, topology, policy, true});
    record.candidates = choice.candidates;
    if (choice.successor == nullptr) {
        return choice.refusal;
    }
    if (auto reason = candidate_unfit(record, *choice.successor, topology, policy)) {
        return refusal(
            Refusal::Kind::unsafe, choice.successor->id.text() + " cannot take over now: " + *reason
        );
    }
    record.successor = choice.successor->id;
    record.successor_uuid = choice.successor->state.identity.uuid;
    record.loss =
        "none: the old primary is read-only before its successor takes writes, and that "
        "one has everything by then";
    return std::nullopt;
}

Record switchover_record(
    const topology::Cluster& cluster, const Topology& topology, const Order& order
) {
    // Known of the primary is the same as for its failover.
    Record record = record_for(RecoveryKind::dead_primary, cluster.primary, topology, &cluster);
    record.kind = RecoveryKind::switchover;
    take_order(record, order);
    const Instance* primary = topology.find(cluster.primary);
    record.writable_before = primary != nullptr && writable(*primary);
    record.evidence.push_back("ordered by " + order.by);
    return record;
}

std::string release_text(const Instance& instance) {
    return instance.state.identity.version;
}

/// From whom the data is copied: a replica that is up to date, so that the primary is spared.
const Instance* donor_for(
    const Record& record, const Topology& topology, const Policy& policy, const Instance& heir
) {
    const auto fits = [&](const Instance& server) {
        return server.id != record.failed && server.reachable() && server.ever_seen &&
               (record.requested_candidate.empty() || server.id == record.requested_candidate);
    };
    const auto limit =
        std::chrono::duration_cast<std::chrono::seconds>(policy.switchover_lag_limit).count();
    const Instance* best = nullptr;
    for (const Instance* replica : topology.replicas_of(heir.id)) {
        const Channel* channel = replica->channel();
        const bool named = replica->id == record.requested_candidate;
        const bool good = channel != nullptr && channel->replicating() &&
                          replica->lag_seconds().value_or(limit + 1) <= limit;
        if (fits(*replica) && (named || good) && (best == nullptr || replica->id < best->id)) {
            best = replica;
        }
    }
    return best == nullptr && fits(heir) ? &heir : best;
}

std::optional<Refusal> no_copy(
    Record& record, const Topology& topology, const Policy& policy, const Instance& heir
) {
    const Instance* donor = donor_for(record, topology, policy, heir);
    if (donor == nullptr) {
        return refusal(
            Refusal::Kind::no_candidate,
            record.requested_candidate.empty()
                ? "no server of the cluster can give its data now"
                : record.requested_candidate.text() + " is no reachable server of the cluster"
        );
    }
    record.donor = donor->id;
    if (record.method == "hook") {
        return policy.has_reclone_hooks
                   ? std::nullopt
                   : std::optional(refusal(
                         Refusal::Kind::not_actionable,
                         "recovery.hooks.reclone names no program that could do it"
                     ));
    }
    const Instance* returned = topology.find(record.failed);
    if (is_mariadb(*donor) || is_mariadb(*returned)) {
        return refusal(
            Refusal::Kind::not_actionable,
            "MariaDB has no clone plugin; use --hook with a program in recovery.hooks.reclone, or "
            "restore a backup"
        );
    }
    if (release_of(*donor) < Release{8, 0} || release_text(*donor) != release_text(*returned)) {
        return refusal(
            Refusal::Kind::not_actionable,
            "the clone plugin needs the same version on both sides: " + donor->id.text() + " has " +
                release_text(*donor) + ", " + record.failed.text() + " has " +
                release_text(*returned)
        );
    }
    return std::nullopt;
}

}  // namespace

std::variant<Record, Refusal> begin_switchover(
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
) {
    const auto occasion = occasion_of(RecoveryKind::switchover, cluster, topology, policy, history);
    if (auto reason = primary_unfit(cluster, topology)) {
        return *reason;
    }
    if (auto reason = never_now(occasion, &cluster)) {
        return *reason;
    }
    if (auto reason = has_a_primary(occasion, &cluster)) {
        return *reason;
    }
    Record record = switchover_record(cluster, topology, order);
    if (auto reason = plan_switchover(record, topology, policy)) {
        return *reason;
    }
    return record;
}

Forecast forecast_switchover(
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
) {
    Forecast out;
    const auto occasion = occasion_of(RecoveryKind::switchover, cluster, topology, policy, history);
    if (auto reason = primary_unfit(cluster, topology)) {
        out.blockers.push_back(reason->reason);
        return out;
    }
    if (auto reason = never_now(occasion, &cluster)) {
        out.blockers.push_back(reason->reason);
    }
    if (auto reason = has_a_primary(occasion, &cluster)) {
        out.blockers.push_back(reason->reason);
    }
    Record record = switchover_record(cluster, topology, order);
    if (auto reason = plan_switchover(record, topology, policy)) {
        out.blockers.push_back(reason->reason);
    }
    out.candidates = record.candidates;
    out.successor = record.successor;
    out.loss = record.loss;
    const Instance* successor = topology.find(record.successor);
    const Instance* primary = topology.find(cluster.primary);
    for (const Instance* follower : followers(record, topology)) {
        if (follower == successor || successor == nullptr) {
            continue;
        }
        auto reason = follower->reachable() ? cannot_follow(*follower, *successor, primary)
                                            : std::optional<std::string>("it does not answer");
        if (reason) {
            out.would_be_lost.push_back(follower->id);
            out.lost.push_back({follower->id, *reason});
        }
    }
    return out;
}

std::variant<Record, Refusal> begin_forced_failover(
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
) {
    if (cluster.primary.empty()) {
        return refusal(
            Refusal::Kind::not_actionable,
            "The cluster has no known primary, or more than one: name it by `recover`"
        );
    }
    const auto occasion =
        occasion_of(RecoveryKind::dead_primary, cluster, topology, policy, history);
    if (auto reason = never_now(occasion, &cluster)) {
        return *reason;
    }
    Record record = record_for(RecoveryKind::dead_primary, cluster.primary, topology, &cluster);
    take_order(record, order);
    if (!record.command.starts_with("force-")) {
        record.command = "force-master-failover";
    }
    record.code = analysis::Code::dead_primary;
    const Instance* primary = topology.find(cluster.primary);
    record.evidence.push_back("ordered by " + order.by + ", whatever the state of the primary");
    record.evidence.push_back(
        primary == nullptr || !primary->reachable() ? cluster.primary.text() + " does not answer"
        : writable(*primary)                        ? cluster.primary.text() +
                                   " answers and is writable: it is made "
                                   "read-only first"
                             : cluster.primary.text() + " answers and is read-only"
    );
    if (auto reason = stranger(record)) {
        return *reason;
    }
    Policy effective = policy;
    effective.accept_loss = policy.accept_loss || order.accept_loss;
    const Choice choice = choose({record, topology, effective, true});
    if (choice.successor == nullptr) {
        Refusal out = choice.refusal;
        if (out.kind == Refusal::Kind::unsafe && !order.accept_loss) {
            out.reason += ", or order it with accept-loss";
        }
        return out;
    }
    return record;
}

std::variant<Record, Refusal> begin_rejoin(
    const InstanceId& deposed,
    const Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
) {
    const auto& all = topology.overlay().deposed;
    const auto fact = all.find(deposed);
    const Instance* returned = topology.find(deposed);
    if (fact == all.end() || returned == nullptr) {
        return refusal(
            Refusal::Kind::not_actionable, deposed.text() + " is no primary that was replaced"
        );
    }
    const auto* cluster = topology.cluster_by_id(fact->second.cluster_id);
    const Instance* heir = cluster != nullptr ? topology.find(cluster->primary) : nullptr;
    if (heir == nullptr || heir == returned || !writable(*heir)) {
        return refusal(
            Refusal::Kind::not_actionable,
            "the cluster has no writable primary that " + deposed.text() + " could follow"
        );
    }
    const Occasion occasion{
        RecoveryKind::rejoin, deposed, cluster->name, cluster->alias, topology, policy, history};
    if (auto reason = never_now(occasion, cluster)) {
        return *reason;
    }
    if (!returned->reachable()) {
        return refusal(Refusal::Kind::not_actionable, deposed.text() + " does not answer");
    }
    Record record = record_for(RecoveryKind::rejoin, deposed, topology, cluster);
    take_order(record, order);
    if (record.method.empty()) {
        record.method = "repoint";
    }
    if (record.command.empty() && record.forced) {
        record.command = "rejoin";
    }
    record.code = analysis::Code::deposed_primary_returned;
    record.failed_uuid = fact->second.uuid;
    record.successor = heir->id;
    record.successor_uuid = heir->state.identity.uuid;
    if (history.deposed_by != nullptr) {
        record.reference_gtid_set = history.deposed_by->promoted_gtid_set;
    }
    record.classification = classify_deposed(*returned, heir, record.reference_gtid_set);
    record.evidence.push_back(
        deposed.text() + " was replaced by " + fact->second.successor.text() + " in recovery " +
        fact->second.recovery_id
    );
    record.evidence.push_back("against " + heir->id.text() + ": " + record.classification);
    if (record.method != "repoint") {
        if (auto reason = no_copy(record, topology, policy, *heir)) {
            return *reason;
        }
        return record;
    }
    if (!same_server(*returned, record.failed_uuid)) {
        return refusal(
            Refusal::Kind::unsafe,
            "another server answers at " + deposed.text() + " than the one that was replaced"
        );
    }
    if (record.classification != "clean") {
        return refusal(
            Refusal::Kind::diverged,
            deposed.text() + " cannot simply follow " + heir->id.text() + " (" +
                record.classification +
                "). Save what it has in excess, then copy another server "
                "onto it: `baton rejoin " +
                deposed.text() + " --clone` (MySQL), or --hook"
        );
    }
    if (auto reason = cannot_follow(*returned, *heir, nullptr)) {
        return refusal(
            Refusal::Kind::not_actionable,
            deposed.text() + " cannot follow " + heir->id.text() + ": " + *reason
        );
    }
    return record;
}

}  // namespace baton::recovery
