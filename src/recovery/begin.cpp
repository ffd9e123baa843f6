// SPDX-License-Identifier: Apache-2.0
#include "begin.hpp"

#include "candidates.hpp"
#include "plans.hpp"
#include "repairs.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

using analysis::Finding;
using analysis::RecoveryKind;

// A deposed primary that could not be made read-only is tried again soon: it may be written to.
constexpr Duration contain_again_after = std::chrono::seconds(5);

std::string seconds_text(Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) +
           " s";
}

const std::vector<std::string>& clusters_enabled(RecoveryKind kind, const Policy& policy) {
    return kind == RecoveryKind::dead_intermediate ? policy.intermediate_clusters
                                                   : policy.primary_clusters;
}

std::string option_of(RecoveryKind kind) {
    return kind == RecoveryKind::dead_intermediate ? "recovery.intermediate.clusters"
                                                   : "recovery.primary.clusters";
}

/// Failures that the policy may switch off apart from those of other primaries.
std::string special_key(const Finding* finding) {
    using analysis::Code;
    if (finding == nullptr) {
        return {};
    }
    if (finding->code == Code::dead_co_primary ||
        finding->code == Code::dead_co_primary_and_some_replicas) {
        return "co_primary";
    }
    return finding->code == Code::dead_group_member_with_replicas ? "group_member" : "";
}

/// What a rule of the policy says of this kind of recovery in this cluster; null: the
/// configuration's lists of clusters decide.
const Switch* switch_of(const Occasion& occasion, const Finding* finding) {
    const auto& switches = occasion.policy.switches;
    const auto special = switches.find(special_key(finding));
    if (special != switches.end() && !special->second.on) {
        return &special->second;
    }
    const auto own = switches.find(std::string(kind_key(occasion.kind)));
    if (own != switches.end()) {
        return &own->second;
    }
    // Other kinds go with the primary, as they do in the lists.
    const auto primary = switches.find(std::string(kind_key(RecoveryKind::dead_primary)));
    return primary != switches.end() ? &primary->second : nullptr;
}

/// Empty when recoveries of the kind are wanted in the cluster.
std::string not_wanted(const Occasion& occasion, const Finding* finding) {
    const auto cluster =
        occasion.cluster_name +
        (occasion.cluster_alias.empty() ? "" : " (" + occasion.cluster_alias + ")");
    const Switch* decided = switch_of(occasion, finding);
    const auto special = special_key(finding);
    if (decided != nullptr && decided->on) {
        return {};
    }
    if (decided != nullptr && !decided->by.empty()) {
        return "The policy's " + decided->by + " switches recovery." +
               (special.empty() ? std::string(kind_key(occasion.kind)) : special) + " off in " +
               cluster + ". Change the rule, or order a recovery";
    }
    if (decided == nullptr && cluster_matches(
                                  clusters_enabled(occasion.kind, occasion.policy),
                                  occasion.cluster_name,
                                  occasion.cluster_alias
                              )) {
        return {};
    }
    return option_of(occasion.kind) + " does not match " + cluster +
           ". Add a pattern, switch it on by a rule of the policy, or order a recovery";
}

std::optional<Refusal> too_soon(const Occasion& occasion) {
    const auto* last = occasion.history.last_finished;
    if (last == nullptr || last->acknowledged || last->state == State::abandoned) {
        return std::nullopt;
    }
    const auto since = occasion.history.since_last_finished;
    const auto remedy = ". Acknowledge recovery " + last->id +
                        " (baton acknowledge) or order a recovery (baton recover) to go on now";
    // One that failed after its promotion counts as a promotion: else primaries that die one after
    // the other would use up the cluster.
    if (last->state == State::failed && last->phase < Phase::promoted) {
        const auto wait = occasion.kind == RecoveryKind::contain_deposed ? contain_again_after
                          : occasion.kind == RecoveryKind::rejoin
                              ? occasion.policy.anti_flapping_window  // somebody has to mend it
                              : occasion.policy.retry_failed_after;
        if (last->failed == occasion.subject && since < wait) {
            return Refusal{
                Refusal::Kind::anti_flapping,
                "The last attempt failed " + seconds_text(since) + " ago (" +
                    clipped(last->outcome, 300) + "); the next one begins after " +
                    seconds_text(wait) + remedy};
        }
        return std::nullopt;
    }
    // Moving replicas and making read-only do no harm when done again; only a series of promotions
    // must not run on by itself.
    if (occasion.kind == RecoveryKind::contain_deposed || occasion.kind == RecoveryKind::rejoin ||
        is_repair(occasion.kind) ||
        (occasion.kind == RecoveryKind::dead_intermediate && last->failed != occasion.subject)) {
        return std::nullopt;
    }
    if (since < occasion.policy.anti_flapping_window &&
        occasion.history.healthy_since_last < occasion.policy.healthy_again) {
        return Refusal{
            Refusal::Kind::anti_flapping,
            "The cluster was recovered " + seconds_text(since) + " ago (" + last->failed.text() +
                " replaced) and was not healthy for " +
                seconds_text(occasion.policy.healthy_again) + " since" + remedy};
    }
    return std::nullopt;
}

/// So many recoveries are no series of accidents any more: somebody shall look. Making a deposed
/// primary read-only does no harm.
std::optional<Refusal> too_many(const Occasion& occasion) {
    const auto& policy = occasion.policy;
    if (is_repair(occasion.kind) || occasion.kind == RecoveryKind::rejoin) {
        return std::nullopt;
    }
    if (occasion.kind == RecoveryKind::contain_deposed ||
        occasion.history.begun_lately < policy.budget) {
        const bool here = occasion.kind != RecoveryKind::contain_deposed &&
                          policy.cluster_budget > 0 &&
                          occasion.history.begun_lately_here >= policy.cluster_budget;
        if (!here) {
            return std::nullopt;
        }
        return Refusal{
            Refusal::Kind::budget_spent,
            std::to_string(occasion.history.begun_lately_here) +
                " recoveries of the cluster began within the last " +
                seconds_text(policy.cluster_budget_window) +
                ", and the policy's budget.recoveries allows " +
                std::to_string(policy.cluster_budget) +
                ". Acknowledge some of them, raise budget.recoveries, or order this recovery"};
    }
    return Refusal{
        Refusal::Kind::budget_spent,
        std::to_string(occasion.history.begun_lately) + " recoveries began within the last " +
            seconds_text(policy.budget_window) + ", and recovery.budget allows " +
            std::to_string(policy.budget) +
            ". Acknowledge some of them, raise recovery.budget, or order this recovery"};
}

std::optional<Refusal> switched_off(const Occasion& occasion, const Finding* finding) {
    const bool containing = occasion.kind == RecoveryKind::contain_deposed;
    if (host_matches(occasion.policy.ignore_hosts, occasion.subject)) {
        return Refusal{
            Refusal::Kind::ignored_host,
            "recovery.ignore_hosts names " + occasion.subject.text() +
                ". Take it out, or order a recovery"};
    }
    // A deposed primary is in downtime because it was replaced; that must not protect its writers.
    const auto* downtime = occasion.topology.downtime(occasion.subject);
    if (!containing && downtime != nullptr) {
        return Refusal{
            Refusal::Kind::downtimed,
            occasion.subject.text() + " is downtimed by " + clipped(downtime->owner, 100) + " (" +
                clipped(downtime->reason, 200) + "). End the downtime, or order a recovery"};
    }
    if (!containing && finding != nullptr && (finding->downtimed || finding->replicas_downtimed)) {
        return Refusal{
            Refusal::Kind::downtimed,
            (finding->downtimed ? occasion.subject.text() + " is"
                                : "All replicas of " + occasion.subject.text() + " are") +
                " downtimed. End the downtime, or order a recovery"};
    }
    if (occasion.history.globally_disabled) {
        return Refusal{
            Refusal::Kind::globally_disabled,
            "Recoveries are disabled for all clusters. Enable them (baton automatic on), or order "
            "this one (baton recover)"};
    }
    if (is_repair(occasion.kind)) {
        return repair_unwanted(
            occasion, finding != nullptr ? finding->code : analysis::Code::no_problem
        );
    }
    if (containing) {
        const auto own = occasion.policy.switches.find(std::string(kind_key(occasion.kind)));
        if (own == occasion.policy.switches.end() || own->second.on) {
            return std::nullopt;
        }
    }
    if (auto why = not_wanted(occasion, finding); !why.empty()) {
        return Refusal{Refusal::Kind::not_enabled_for_cluster, std::move(why)};
    }
    return std::nullopt;
}

/// With asynchronous replication nobody can tell what is lost; some would rather wait for a person.
std::optional<Refusal> not_acknowledged(const Occasion& occasion) {
    if (occasion.kind != RecoveryKind::dead_primary || !occasion.policy.require_semi_sync) {
        return std::nullopt;
    }
    const Instance* primary = occasion.topology.find(occasion.subject);
    if (primary != nullptr && primary->ever_seen && primary->state.semi_sync.source_enabled &&
        primary->state.semi_sync.source_status) {
        return std::nullopt;
    }
    return Refusal{
        Refusal::Kind::unsafe,
        "The policy's semi_sync.required is on, and " + occasion.subject.text() +
            (primary != nullptr && primary->ever_seen && primary->state.semi_sync.source_enabled
                 ? " did not wait for acknowledgements when it was last seen"
                 : " has no semi-synchronous replication") +
            ", so transactions may be lost. Bring back its acknowledging replicas, or order a "
            "recovery"};
}

/// Whatever it is, it may pass: so long the cluster's policy wants to wait.
std::optional<Refusal> not_yet(const Occasion& occasion, const Finding* finding) {
    const auto wait = occasion.policy.wait_before_acting;
    if (finding == nullptr || occasion.kind == RecoveryKind::contain_deposed ||
        occasion.history.since_detected >= wait) {
        return std::nullopt;
    }
    return Refusal{
        Refusal::Kind::waiting,
        "The policy's wait_before_acting is " + seconds_text(wait) +
            ": the recovery begins when the finding has held for so long. An ordered recovery does "
            "not wait"};
}

Record record_of(const Finding& finding, const Topology& topology) {
    Record record = record_for(
        finding.recovery, finding.subject, topology, topology.cluster_by_id(finding.cluster_id)
    );
    record.cluster_id = finding.cluster_id;
    record.cluster_name = finding.cluster_name;
    record.code = finding.code;
    record.evidence = finding.evidence;
    return record;
}

std::optional<Refusal> impossible(const Record& record, const Occasion& occasion) {
    const auto refuse = [](std::string reason) {
        return Refusal{Refusal::Kind::no_candidate, std::move(reason)};
    };
    if (record.kind == RecoveryKind::contain_deposed) {
        const auto reason =
            no_containment(occasion.topology, record.failed, record.failed_uuid, record.successor);
        return reason ? std::optional(Refusal{Refusal::Kind::not_actionable, *reason})
                      : std::nullopt;
    }
    const auto& wanted = record.requested_candidate;
    if (!wanted.empty() && !contains(record.replicas, wanted)) {
        return refuse(
            wanted.text() + " is no direct replica of " + record.failed.text() +
            ". Its direct replicas: " + names(record.replicas)
        );
    }
    if (record.kind == RecoveryKind::dead_primary) {
        Choice choice = choose({record, occasion.topology, occasion.policy, true});
        return choice.successor == nullptr ? std::optional(std::move(choice.refusal))
                                           : std::nullopt;
    }
    if (is_repair(record.kind)) {
        return std::nullopt;  // looked at by never_now
    }
    // Of two co-primaries the other one goes on, and is not moved.
    const Instance* partner =
        co_primary_of(occasion.topology.find(record.failed), occasion.topology);
    const bool somebody =
        std::any_of(record.replicas.begin(), record.replicas.end(), [&](const InstanceId& id) {
            const Instance* replica = occasion.topology.find(id);
            return replica != nullptr && replica != partner && replica->reachable();
        });
    return somebody ? std::nullopt
                    : std::optional(refuse(
                          "No replica of " + record.failed.text() +
                          " answers: there is nothing to "
                          "move until one does"
                      ));
}

}  // namespace

std::optional<Refusal> held_back(const Occasion& occasion, const Finding* finding) {
    if (auto refusal = switched_off(occasion, finding)) {
        return refusal;
    }
    if (auto refusal = too_soon(occasion)) {
        return refusal;
    }
    if (auto refusal = too_many(occasion)) {
        return refusal;
    }
    if (auto refusal = not_acknowledged(occasion)) {
        return refusal;
    }
    return not_yet(occasion, finding);
}

/// Who has the place of the deposed server now; null when nobody known has.
const Instance* heir_of(const Topology& topology, const topology::Deposed& first) {
    const auto& deposed = topology.overlay().deposed;
    InstanceId heir = first.successor;
    for (std::size_t i = 0; i < deposed.size() && deposed.contains(heir); ++i) {
        heir = deposed.at(heir).successor;
    }
    return topology.find(heir);
}

/// A second primary would be the worst of all outcomes.
std::optional<Refusal> has_a_primary(const Occasion& occasion, const topology::Cluster* cluster) {
    const auto& deposed = occasion.topology.overlay().deposed;
    const auto deposed_as = [&](const Instance& instance) -> const topology::Deposed* {
        const auto found = deposed.find(instance.id);
        return found != deposed.end() && same_server(instance, found->second.uuid) ? &found->second
                                                                                   : nullptr;
    };
    if (const Instance* subject = occasion.topology.find(occasion.subject)) {
        const auto* fact = deposed_as(*subject);
        const Instance* heir = fact != nullptr ? heir_of(occasion.topology, *fact) : nullptr;
        // Else somebody made it the primary again, without telling.
        if (heir != nullptr && heir != subject &&
            follows(occasion.topology, *heir, occasion.subject) == nullptr) {
            return Refusal{
                Refusal::Kind::unsafe,
                occasion.subject.text() + " was replaced by " + heir->id.text() +
                    " before. Let the replicas that it still has follow " + heir->id.text()};
        }
    }
    for (const auto& id : cluster != nullptr ? cluster->members : std::vector<InstanceId>{}) {
        const Instance* member = occasion.topology.find(id);
        if (id != occasion.subject && member != nullptr && writable(*member) &&
            !member->is_replica() && deposed_as(*member) == nullptr) {
            return Refusal{
                Refusal::Kind::unsafe,
                id.text() +
                    " is writable and replicates from nobody: the cluster has a primary. "
                    "Let the replicas of " +
                    occasion.subject.text() + " follow it, or make it read-only"};
        }
    }
    return std::nullopt;
}

std::optional<Refusal> never_now(const Occasion& occasion, const topology::Cluster* cluster) {
    if (const auto* running = occasion.history.running) {
        return Refusal{
            Refusal::Kind::already_running,
            "Recovery " + running->id + " of " + running->failed.text() +
                " is running in this cluster; wait for its end"};
    }
    if (occasion.history.maintenance) {
        return Refusal{
            Refusal::Kind::maintenance,
            occasion.subject.text() + " is under maintenance. End the maintenance first"};
    }
    if (is_repair(occasion.kind)) {
        return repair_impossible(occasion, cluster);
    }
    return occasion.kind == RecoveryKind::dead_primary ? has_a_primary(occasion, cluster)
                                                       : std::nullopt;
}

Record record_for(
    RecoveryKind kind,
    const InstanceId& subject,
    const Topology& topology,
    const topology::Cluster* cluster
) {
    Record record;
    record.kind = kind;
    record.failed = subject;
    if (cluster != nullptr) {
        record.cluster_id = cluster->id;
        record.cluster_name = cluster->name;
        record.cluster_alias = cluster->alias;
    }
    const Instance* instance = topology.find(subject);
    if (instance != nullptr && instance->ever_seen) {
        record.failed_uuid = instance->state.identity.uuid;
    }
    for (const Instance* replica : topology.replicas_of(subject)) {
        record.replicas.push_back(replica->id);
        const Channel* channel = channel_to(*replica, subject);
        // One with an error has given up by itself.
        if (channel != nullptr && channel->receiver == topology::ThreadState::stopped &&
            channel->receiver_errno == 0) {
            // What an earlier recovery stopped is ours to start, too.
            (topology.overlay().left_stopped.contains(replica->id) ? record.stopped_by_us
                                                                   : record.stopped_before)
                .push_back(replica->id);
        }
        if (channel != nullptr && channel->applier == topology::ThreadState::stopped &&
            channel->applier_errno == 0 && replica->reachable() &&
            !topology.overlay().left_stopped.contains(replica->id)) {
            record.appliers_stopped_before.push_back(replica->id);
        }
        if (replica->ever_seen && replica->state.semi_sync.replica_enabled &&
            replica->state.semi_sync.replica_status) {
            record.acknowledgers.push_back(replica->id);
        }
    }
    if (const Instance* partner = co_primary_of(instance, topology)) {
        record.partner_writable = partner->ever_seen && !partner->state.read_only;
    }
    if (kind == RecoveryKind::dead_primary && instance != nullptr && instance->ever_seen) {
        const auto& semi_sync = instance->state.semi_sync;
        record.semi_sync = semi_sync.source_enabled && semi_sync.source_status;
        record.acknowledgements = semi_sync.wait_for_replica_count;
        record.unknown_acknowledgers = semi_sync.clients > record.acknowledgers.size()
                                           ? semi_sync.clients - record.acknowledgers.size()
                                           : 0;
    }
    return record;
}

std::variant<Record, Refusal> begin(
    const Finding& finding,
    const Topology& topology,
    const Policy& policy,
    const History& history,
    const std::optional<Order>& order
) {
    const auto* cluster = topology.cluster_by_id(finding.cluster_id);
    const Occasion occasion{
        finding.recovery,
        finding.subject,
        finding.cluster_name,
        cluster != nullptr ? cluster->alias : std::string{},
        topology,
        policy,
        history,
    };
    if (!finding.actionable()) {
        std::string reason = "Nothing to recover at " + finding.subject.text() + ": " +
                             std::string(analysis::to_string(finding.code));
        for (const auto& veto : finding.vetoes) {
            reason += "; " + veto;
        }
        return Refusal{Refusal::Kind::not_actionable, reason};
    }
    if (auto refusal = never_now(occasion, cluster)) {
        return *refusal;
    }
    if (!order) {
        if (auto refusal = held_back(occasion, &finding)) {
            return *refusal;
        }
    }
    if (finding.recovery == RecoveryKind::rejoin) {
        if (!order && !policy.rejoin_clean) {
            return Refusal{
                Refusal::Kind::not_enabled_for_cluster,
                "recovery.rejoin_clean is off. Let it follow by `baton rejoin " +
                    finding.subject.text() + "`"};
        }
        return begin_rejoin(finding.subject, topology, policy, history, order.value_or(Order{}));
    }
    Record record = record_of(finding, topology);
    if (order) {
        record.forced = true;
        record.requested_by = order->by;
        record.requested_candidate = order->candidate;
        record.skip_hooks = order->skip_hooks;
        record.command = order->command;
        record.accept_loss = order->accept_loss;
    }
    if (record.kind == RecoveryKind::contain_deposed) {
        const auto& deposed = topology.overlay().deposed;
        if (const auto found = deposed.find(record.failed); found != deposed.end()) {
            record.failed_uuid = found->second.uuid;
            record.successor = found->second.successor;
        }
        if (history.deposed_by != nullptr) {
            record.reference_gtid_set = history.deposed_by->promoted_gtid_set;
        }
    }
    if (auto refusal = impossible(record, occasion)) {
        return *refusal;
    }
    return record;
}

}  // namespace baton::recovery
