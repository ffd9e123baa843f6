// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pure decisions of a recovery, level-triggered: `begin` says whether to start one, `next` says
// from the record and what was observed lately what to do now, `after` folds the outcomes of a
// stage into the record. The loop around them journals, performs and observes, and decides nothing.
// A new holder simply continues with `next`: each phase's steps are idempotent and are chosen from
// what is seen, not from what a predecessor meant to do.

#include "baton/analysis/finding.hpp"
#include "baton/recovery/brake.hpp"
#include "baton/recovery/record.hpp"
#include "baton/topology/topology.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::recovery {

/// What a rule of the policy decided for the cluster about one kind of recovery.
struct Switch {
    bool on = true;
    std::string by;  // which rule
    friend bool operator==(const Switch&, const Switch&) = default;
};

struct Policy {
    /// Regular expressions on cluster name or alias (unanchored, or "alias=<name>", or "*" for
    /// all): automatic recovery of dead primaries / intermediates happens only there.
    std::vector<std::string> primary_clusters, intermediate_clusters;
    std::vector<std::string> ignore_hosts;            // never start a recovery of these
    std::vector<std::string> promotion_ignore_hosts;  // never promote these
    Duration drain_limit =
        std::chrono::seconds(30);  // wait for a candidate to apply what it received
    Duration quiesce_limit = std::chrono::seconds(3);
    Duration step_limit = std::chrono::seconds(10);
    bool prevent_cross_data_center = false, prevent_cross_region = false;
    /// Refuse to promote when transactions that some known replica (unreachable now) may have are
    /// missing, semi-sync only.
    bool require_all_acknowledgers = true;
    bool kill_writers_of_deposed = true;
    /// A further failover of the same cluster within this time after the last one ended needs an
    /// acknowledgement, or that the cluster was healthy for `healthy_again` in between.
    Duration anti_flapping_window = std::chrono::minutes(60);
    Duration healthy_again = std::chrono::seconds(30);
    /// After a failed recovery the same one is not tried again before this time, unless ordered.
    Duration retry_failed_after = std::chrono::seconds(60);
    /// A server that an operator prefers, and that lacks at most so many transactions, is caught up
    /// from the one that has them and promoted instead of it. 0: never.
    std::uint64_t preferred_may_lack = 1000;
    /// Promote although a reachable replica holds transactions that the candidate lacks and cannot
    /// get. Else the recovery refuses.
    bool accept_loss = false;
    Duration hook_limit = std::chrono::seconds(30);  // for one list of hooks
    bool has_pre_hooks = false, has_post_hooks = false, has_failed_hooks = false;
    /// Switchover: a candidate that is more behind is refused.
    Duration switchover_lag_limit = std::chrono::seconds(20);
    /// Switchover: before the primary is made read-only, open transactions get so long to end.
    Duration switchover_grace = std::chrono::seconds(5);
    /// Switchover: without a promotion within this time after the primary was made read-only, it is
    /// made writable again.
    Duration switchover_outage_limit = std::chrono::seconds(10);
    /// Switchover: end all clients' sessions on the old primary, not only those with open
    /// transactions.
    bool switchover_end_sessions = false;
    bool has_pre_graceful_hooks = false, has_post_graceful_hooks = false, has_fence_hooks = false,
         has_reclone_hooks = false;
    /// No promotion while the old primary could neither be seen to be read-only nor be fenced by
    /// the hooks of `fence`, unless its process is gone for certain.
    bool fence_required = false;
    /// A deposed primary that is back and clean becomes a replica of its successor.
    bool rejoin_clean = true;
    Duration clone_limit = std::chrono::hours(12);
    bool has_replication_credentials = false;  // topology.replication_user is set
    /// A server with errant transactions may be promoted when nobody else can be.
    bool promote_errant = false;
    /// When one of two co-primaries dies, only the other one is promoted while it answers.
    bool co_primary_must_take_over = true;
    /// A locked semi-synchronous primary gets further acknowledgers.
    bool repair_semi_sync = false;
    /// ... and loses those beyond the number that it waits for.
    bool exact_semi_sync = false;
    /// When there are too few replicas to acknowledge, the primary may be made to wait for fewer,
    /// but not for less than so many. 0: never.
    std::uint64_t semi_sync_least_wait = 0;
    /// A primary that is read-only, and was so for this long, is made writable.
    bool make_primary_writable = false;
    Duration make_writable_after = std::chrono::seconds(5);
    BrakePolicy brake;
    /// Automatic recoveries of all clusters together within the window; more are refused.
    unsigned budget = 20;
    Duration budget_window = std::chrono::minutes(10);

    // Set for a cluster by rules of the policy.
    /// By kind of recovery (kind_key): wins over the lists of clusters.
    std::map<std::string, Switch> switches;
    /// A finding must hold for so long before it is acted upon; the containment of a deposed
    /// primary never waits.
    Duration wait_before_acting{};
    std::vector<std::string> prefer_hosts;           // as if registered as prefer
    std::vector<std::string> only_hosts;             // nobody else is promoted; empty: anybody
    std::vector<std::string> data_centers, regions;  // nobody elsewhere is promoted; empty: anybody
    /// Who was further behind than this when last seen is not promoted. 0: no limit.
    Duration max_candidate_lag{};
    /// Refused when more transactions than this would certainly be lost; `accept_loss` lifts it.
    std::uint64_t accept_lost_transactions = 0;
    /// No automatic promotion unless the primary waited for acknowledgements when it died.
    bool require_semi_sync = false;
    /// Automatic recoveries of this cluster within its window; 0: no limit of its own.
    unsigned cluster_budget = 0;
    Duration cluster_budget_window = std::chrono::hours(1);
};

/// Name of a kind of recovery in the policy: "primary", "intermediate", "contain", ...; "" for
/// none.
std::string_view kind_key(analysis::RecoveryKind kind);

/// What the loop knows of the past of a cluster and of the whole service when it asks.
struct History {
    const Record* running = nullptr;        // unfinished recovery of the cluster, if any
    const Record* last_finished = nullptr;  // newest finished of the same kind in the cluster
    Duration since_last_finished{};         // meaningful with last_finished
    Duration healthy_since_last{};          // longest time without a critical finding after it
    /// Automatic recoveries of all clusters that began within the budget's window and are not
    /// acknowledged; those that only contain a deposed primary, or changed nothing, are left out.
    unsigned begun_lately = 0;
    unsigned begun_lately_here = 0;  // the same of this cluster, within its own window
    bool globally_disabled = false;
    bool maintenance = false;   // subject under maintenance
    Duration since_detected{};  // for how long the finding has been there
    /// contain_deposed: the recovery that deposed the subject, if it is still known.
    const Record* deposed_by = nullptr;
};

/// Why there is no recovery; with the remedy in the sentence.
struct Refusal {
    enum class Kind {
        not_actionable,
        downtimed,
        maintenance,
        globally_disabled,
        not_enabled_for_cluster,
        ignored_host,
        already_running,
        anti_flapping,
        no_candidate,
        unsafe,
        budget_spent,
        second_opinion,  // too many vanished at once: the other nodes are being asked
        seen_by_others,  // another node reaches what this one does not
        no_credentials,  // nobody knows with which user a new replica should connect
        diverged,        // it has transactions that its successor lacks
        waiting,         // wait_before_acting is not over
        shadow,          // the cluster or the service only reports
        switched_off,    // an option forbids this kind of repair
        settling,        // it may pass by itself
    };
    Kind kind = Kind::not_actionable;
    std::string reason;
    friend bool operator==(const Refusal&, const Refusal&) = default;
};

std::string_view to_string(Refusal::Kind kind);

/// An operator's order; overrides downtime, filters, disable and anti-flapping, never
/// `already_running` nor `unsafe`.
struct Order {
    std::string by;
    InstanceId candidate;
    bool skip_hooks = false;
    std::string command = {};  // by orchestrator's name, for hooks and pages
    /// The operator said so: promote although something may be lost by it.
    bool accept_loss = false;
    bool start_old = true;    // switchover
    std::string method = {};  // rejoin: "repoint", "clone", "hook"
};

/// Leaves to the caller what needs a clock, randomness or the lease: id, number, epoch, holder,
/// node, started_ms.
std::variant<Record, Refusal> begin(
    const analysis::Finding& finding,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history,
    const std::optional<Order>& order
);

/// A planned change of the primary of the cluster, to order.candidate or to the best one.
std::variant<Record, Refusal> begin_switchover(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
);

/// A failover whatever the analysis says of the primary. If it answers it is made read-only first.
std::variant<Record, Refusal> begin_forced_failover(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
);

/// The deposed primary becomes a replica again, by order.method.
std::variant<Record, Refusal> begin_rejoin(
    const InstanceId& deposed,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
);

/// What was decided together with a stage, beyond its steps.
struct Decision {
    bool chosen = false;  // the three below are set
    std::vector<CandidateVerdict> candidates;
    InstanceId successor;
    std::string successor_uuid;
    std::string loss;
    std::string promoted_gtid_set;  // set when the stage promotes
    /// Executed set of each server that is waited for, so that the next look can tell whether it
    /// gets on.
    std::map<InstanceId, std::string> drains;
    std::map<InstanceId, std::string> displaced;  // promoted by this recovery and gone; with uuid
    std::vector<InstanceId> repointed;            // found to follow the successor already
    std::map<InstanceId, std::string> lost;       // cannot be moved, with the reason
    std::vector<std::string> notes;               // for Record::errors
    State give_up_as = State::running;            // failed or abandoned: only tidying up follows
    std::string give_up_reason;
    std::string fencing;               // for Record::fencing
    std::vector<std::string> changes;  // for Record::changes
};

/// Steps that run in parallel; all ended before `next` is asked again. A stage without steps only
/// wants another look.
struct Stage {
    Phase enters = Phase::quiesced;  // phase reached when it succeeds
    std::string intent;
    std::vector<Step> steps;
    /// Targets whose fresh observation is wanted before `next` is asked again.
    std::vector<InstanceId> reprobe;
    Decision decision;
};

struct Finish {
    State state = State::done;
    std::string outcome;
    std::string classification = {};  // contain_deposed: for Deposed::classification
    Decision decision = {};           // final lists, for conclude()
};

std::variant<Stage, Finish> next(
    const Record& record, const topology::Topology& topology, const Policy& policy
);

struct StepOutcome {
    Step step;
    Result<StepReport> report;
};

/// The record with what the stage decided and the hooks it is about to run; to be journaled
/// together with the intents, before any step. (A crash in the middle then finds the choice, and
/// knows that a promotion may have been sent.) Does not count steps: `next_step` is the loop's.
Record before(Record record, const Stage& stage);

/// `before` included, so that a loop may skip that at the cost of a choice made anew after a crash;
/// never for a stage that promotes, or a successor could promote a second server.
Record after(
    Record record,
    const Stage& stage,
    const std::vector<StepOutcome>& outcomes,
    const topology::Topology& topology
);

/// The record as it is closed; the loop adds ended_ms and total_us.
Record conclude(Record record, const Finish& finish);

/// "If its primary died this second": who would be promoted and why not the others, what blocks it.
/// For explain.
struct Forecast {
    InstanceId successor;  // empty: nobody
    std::vector<CandidateVerdict> candidates;
    std::vector<std::string> blockers;  // each with the remedy
    std::vector<InstanceId> would_be_lost;
    std::string loss;  // what could be lost, in words

    struct Lost {
        InstanceId id;
        std::string reason;
        friend bool operator==(const Lost&, const Lost&) = default;
    };

    std::vector<Lost> lost;  // would_be_lost with the reasons

    struct Part {
        std::string what;  // "detection", "waiting", "stopping the receivers", ...
        std::int64_t ms = 0;
        std::string basis;  // what the number rests on
        friend bool operator==(const Part&, const Part&) = default;
    };

    /// How long until the successor takes writes, in parts; what is not known is not in it.
    std::vector<Part> duration;

    [[nodiscard]] std::int64_t duration_ms() const {
        std::int64_t sum = 0;
        for (const auto& part : duration) {
            sum += part.ms;
        }
        return sum;
    }

    /// Lag of the one who would be promoted: the bound of what nobody received. nullopt: unknown.
    std::optional<std::int64_t> successor_lag_seconds;
};

Forecast forecast(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history
);

/// The same for a switchover ordered now, for the confirmation.
Forecast forecast_switchover(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const Policy& policy,
    const History& history,
    const Order& order
);

/// How a deposed primary stands to its successor: "clean", "extra transactions: <set> (<count>)",
/// or "unknown: <why>". `reference_gtid_set`: what the successor had when it was promoted (needed
/// for MariaDB, whose positions do not tell it later).
std::string classify_deposed(
    const topology::Instance& deposed,
    const topology::Instance* successor,
    std::string_view reference_gtid_set
);

/// True when the cluster's name or alias matches one of the patterns. Bad patterns never match
/// (config checks them).
bool cluster_matches(
    const std::vector<std::string>& patterns, std::string_view name, std::string_view alias
);

}  // namespace baton::recovery
