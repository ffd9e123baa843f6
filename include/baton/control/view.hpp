// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the HTTP API and the page read: one immutable value, replaced as a whole, shared between
// threads. Every node has one: the active node makes it from its own observations, the others from
// the shared backend.

#include "baton/analysis/advice.hpp"
#include "baton/analysis/finding.hpp"
#include "baton/policy/policy.hpp"
#include "baton/ports/store.hpp"
#include "baton/recovery/planner.hpp"
#include "baton/recovery/record.hpp"
#include "baton/topology/topology.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::control {

/// A failure that was noticed; orchestrator's "failure detection". Also kept when no recovery
/// followed.
struct Detection {
    std::uint64_t number = 0;
    analysis::Code code = analysis::Code::no_problem;
    InstanceId failed;
    std::string cluster_id, cluster_name, cluster_alias;
    std::vector<InstanceId> replicas;
    std::string summary;
    std::vector<std::string> evidence, vetoes;
    bool actionable = false;
    std::string node, token;
    std::uint64_t epoch = 0;
    WallMs begin_ms = 0, end_ms = 0;  // end 0 = lasts
    std::string recovery_id;          // "" = none
    std::string refusal;              // why there was no recovery, with the remedy
};

/// A recovery that was wanted and not started.
struct Blocked {
    InstanceId failed;
    std::string cluster_id, cluster_name;
    analysis::Code code = analysis::Code::no_problem;
    std::string kind, reason;             // recovery::Refusal
    std::uint64_t blocking_recovery = 0;  // number of the recovery that blocks, 0 = none
    WallMs last_ms = 0;
    WallMs until_ms = 0;  // waiting: when it may be acted upon
};

/// One thing that was decided, or that changed, in a cluster: kept for the timeline. Made when it
/// differs from what was decided before, never at each look.
struct Decision {
    enum class Kind {
        taken,     // a recovery was begun
        refused,   // it is not wanted here: off, downtimed, ignored
        blocked,   // it is wanted, and cannot or must not be now
        waiting,   // wait_before_acting runs
        shadowed,  // it would have been begun, but only reports are wanted
        cleared,   // what was decided before does not apply any more
        role,      // another primary
        policy,    // the policy changed
    };
    std::uint64_t number = 0;
    WallMs at_ms = 0;
    Kind kind = Kind::taken;
    std::string cluster_id, cluster_name, cluster_alias;
    analysis::Code code = analysis::Code::no_problem;
    InstanceId subject;                 // what it is about; empty: the cluster
    std::string rule;                   // refusal's kind, rule of the policy, or of the recovery
    std::string text;                   // sentence, with the remedy when there is one
    std::vector<std::string> evidence;  // what it rests on
    InstanceId successor;               // taken, shadowed: as forecast then. role: the new primary
    std::string plan;                   // shadowed: what would have been done, in words
    std::string recovery_id;            // taken
    std::string by, node;
    std::uint64_t epoch = 0, policy_version = 0;
};

std::string_view to_string(Decision::Kind kind);

struct AuditEntry {
    std::uint64_t number = 0;
    WallMs at_ms = 0;
    std::string type;     // orchestrator's audit types
    InstanceId instance;  // empty host = none
    std::string cluster_name, message, by, node;
    std::string cluster_id;  // "" = none, or written by an older version
    std::uint64_t epoch = 0;
};

struct RecoveryView {
    recovery::Record record;
    std::vector<recovery::StepRecord> steps;  // by number
};

/// What is remembered of a cluster's health, for anti-flapping.
struct ClusterHealth {
    std::optional<TimePoint> healthy_since;
    Duration longest_before{};  // stretch of health since the last recovery, the present one apart
    friend bool operator==(const ClusterHealth&, const ClusterHealth&) = default;
};

/// Last poll statistics for the metrics.
struct Counters {
    std::uint64_t probes = 0, probe_failures = 0, analyses = 0, snapshots = 0,
                  recoveries_started = 0, recoveries_done = 0, recoveries_failed = 0,
                  detections = 0, documents_written = 0, write_failures = 0, witness_tests = 0,
                  second_opinions = 0;  // servers that the other nodes were asked about
    double probe_seconds_sum = 0;
    std::uint64_t loop_lag_us_max = 0;  // longest delay of the core loop in the last minute
    /// Delays of the core loop, looked at every few milliseconds: how many were at most as long as
    /// the bound of the same place; the last: longer than all.
    static constexpr std::array<std::uint64_t, 9> loop_lag_bounds_us{
        1'000, 2'000, 5'000, 10'000, 20'000, 50'000, 100'000, 250'000, 1'000'000};
    std::array<std::uint64_t, loop_lag_bounds_us.size() + 1> loop_lags{};
    std::uint64_t loop_lag_us_sum = 0;
};

struct View {
    topology::TopologyPtr topology = std::make_shared<const topology::Topology>();
    std::vector<analysis::Finding> findings;  // all with something to say, primaries first
    std::vector<std::shared_ptr<const RecoveryView>> recoveries;  // newest first, bounded
    std::vector<std::shared_ptr<const Detection>> detections;     // newest first, bounded
    std::vector<Blocked> blocked;                                 // current ones
    std::vector<std::shared_ptr<const AuditEntry>> audit;         // newest first, bounded
    std::vector<ports::NodeRow> nodes;
    /// By cluster id, of the active node; null elsewhere. Shared by views until one changes.
    std::shared_ptr<const std::map<std::string, ClusterHealth>> health;
    bool recoveries_disabled = false;
    std::string recoveries_disabled_by;
    std::string brake;     // why recoveries wait for the other nodes' opinion; "" = they do not
    bool shadow = false;   // detection.mode: shadow
    bool active = false;   // made by the active node itself
    std::string source;    // in words: "own observations" / "backend"
    TimePoint fresh_at{};  // when the data was known to be current (monotonic, this process)
    std::uint64_t generation = 0;  // rises with every change
    Counters counters;
    recovery::Policy policy;  // effective
    analysis::AdvicePolicy advice;
    /// Effective policy of each cluster, by id. Shared by views until one changes; may be null.
    std::shared_ptr<const std::map<std::string, std::shared_ptr<const policy::Effective>>> policies;
    std::shared_ptr<const policy::Document> policy_document;  // never null in an engine's view
    std::uint64_t policy_version = 0;                         // 0: the configuration file's
    /// Stored versions, oldest first; bounded.
    std::vector<std::shared_ptr<const policy::Version>> policy_versions;
    /// By cluster id ("" = of all), oldest first; bounded. Shared by views until one is added.
    std::shared_ptr<const std::map<std::string, std::vector<std::shared_ptr<const Decision>>>>
        decisions;
    std::int64_t reasonable_lag_seconds = 10;
    Duration poll_interval = std::chrono::seconds(1);
    Duration probe_timeout = std::chrono::seconds(1);
};

using ViewPtr = std::shared_ptr<const View>;

/// "If its primary died this second". Made of what the view has whenever it is asked for: never
/// older than the state it is shown with, and no work for the loops, however many clusters there
/// are. Pure; `cluster` must be of the view's topology.
recovery::Forecast forecast_of(
    const View& view, const topology::Cluster& cluster, TimePoint now, WallMs now_ms
);

}  // namespace baton::control
