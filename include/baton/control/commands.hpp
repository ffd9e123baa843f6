// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the API offers: the current view, the state of this node, and the commands. Views and status
// may be read from any thread; commands are awaitable from any executor (they run on the core's,
// and resume on the caller's).

#include "baton/async/task.hpp"
#include "baton/base/result.hpp"
#include "baton/control/view.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace baton::control {

/// One thing that happened, for the event stream.
struct Event {
    std::uint64_t id = 0;  // rises; gaps mean that the reader was too slow and must reload
    std::string type;      // "topology", "finding", "recovery", "step", "node", "audit", "lease"
    std::string data;      // JSON
};

/// This node, now.
struct NodeStatus {
    std::string name, token, api_url, version, config_fingerprint;
    ports::LeaseStatus lease;
    /// The active node as far as known: itself, or the row of the holder; empty when there is none.
    std::string active_name, active_token, active_url;
    WallMs started_ms = 0;
    WallMs active_since_ms = 0;
    Duration state_age{};                    // how old what this node serves is at most
    std::vector<std::string> warnings = {};  // what it finds wrong with itself
};

struct AckScope {
    enum class Kind { all, cluster, instance, number, uid } kind = Kind::all;
    std::string text;  // cluster hint, host:port, number or uid
};

/// What a policy would change for one cluster.
struct PolicyTrial {
    std::string cluster_id, cluster_name, cluster_alias;
    std::vector<policy::Difference> settings;
    recovery::Forecast before, after;
};

class Commands {
public:
    virtual ~Commands() = default;

    /// Never null. Wait-free.
    [[nodiscard]] virtual ViewPtr view() const = 0;
    [[nodiscard]] virtual NodeStatus status() const = 0;

    /// Calls `listener` (on the core thread; it must not block) for each event; returns a handle
    /// for unsubscribe.
    virtual std::uint64_t subscribe(std::function<void(const Event&)> listener) = 0;
    virtual void unsubscribe(std::uint64_t handle) = 0;

    /// Tries a known server from this node, whatever its role, on a connection of its own; changes
    /// nothing. Ends within the probe timeout. Errors: not_found (not known here), refused
    /// (ignored), unavailable (too many at a time). That it cannot be reached is no error.
    virtual Task<Result<topology::Observation>> probe(InstanceId id) = 0;

    // Commands below run on the active node only; elsewhere they answer not_leader (the API
    // forwards before). All are safe to repeat. `by` is the user (or host) who asks, for the audit.

    /// Probes now, makes it known, follows its neighbours. Answers when the probe ended.
    virtual Task<Result<InstanceId>> discover(InstanceId id, std::string by) = 0;
    virtual Task<Result<InstanceId>> refresh(InstanceId id) = 0;
    virtual Task<Result<void>> forget(InstanceId id, std::string by) = 0;
    virtual Task<Result<void>> forget_cluster(std::string cluster_id, std::string by) = 0;
    virtual Task<Result<void>> begin_downtime(
        InstanceId id,
        std::string owner,
        std::string reason,
        std::chrono::seconds length,
        std::string by
    ) = 0;
    virtual Task<Result<void>> end_downtime(InstanceId id, std::string by) = 0;
    virtual Task<Result<std::uint64_t>> begin_maintenance(
        InstanceId id, std::string owner, std::string reason, std::string by
    ) = 0;
    virtual Task<Result<void>> end_maintenance(InstanceId id, std::string by) = 0;
    virtual Task<Result<void>> register_candidate(
        InstanceId id, topology::PromotionRule rule, std::string by
    ) = 0;
    virtual Task<Result<void>> set_tag(
        InstanceId id, std::string name, std::string value, std::string by
    ) = 0;
    virtual Task<Result<std::vector<InstanceId>>> remove_tag(
        std::optional<InstanceId> id,
        std::string name,
        std::optional<std::string> value,
        std::string by
    ) = 0;
    virtual Task<Result<void>> set_cluster_alias(
        std::string cluster_id, std::string alias, std::string by
    ) = 0;
    virtual Task<Result<std::vector<std::uint64_t>>> acknowledge(
        AckScope scope, std::string comment, std::string by
    ) = 0;
    virtual Task<Result<void>> set_recoveries_enabled(bool enabled, std::string by) = 0;
    /// Recovers now what the analysis finds actionable at `id`; waits for the end. Answers the
    /// record. A repetition within 60 s of a success, with no new failure, answers the same record.
    virtual Task<Result<recovery::Record>> recover(
        InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
    ) = 0;
    /// Planned change of the primary of a cluster (by id), to order.candidate or the best one;
    /// waits for the end and answers the record. Errors: refused (with the reason and the remedy,
    /// also when it was rolled back), not_found, unavailable (it goes on, its end is not known
    /// here).
    virtual Task<Result<recovery::Record>> switchover(
        std::string cluster_id, recovery::Order order
    ) = 0;
    /// Replaces the primary of a cluster (by id) whatever the analysis says of it. Errors: the
    /// same.
    virtual Task<Result<recovery::Record>> force_failover(
        std::string cluster_id, recovery::Order order
    ) = 0;
    /// Makes a deposed primary a replica again, by order.method. Does not wait for a copy of the
    /// data to end: answers the record as it is when `wait` is over. Errors: the same.
    virtual Task<Result<recovery::Record>> rejoin(
        InstanceId id, recovery::Order order, Duration wait
    ) = 0;
    virtual Task<Result<void>> reload_configuration(std::string by) = 0;
    /// Stores the document as the policy; answers its version. `expected`: the version it was made
    /// from. Errors: conflict (another one holds by now), invalid_argument (with each fault).
    virtual Task<Result<std::uint64_t>> set_policy(
        std::string document, std::uint64_t expected, std::string comment, std::string by
    ) = 0;
    /// Makes an older version hold again, as a new one; 0: the configuration file's rules.
    virtual Task<Result<std::uint64_t>> roll_back_policy(
        std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
    ) = 0;
    /// What the document would change; clusters for which it changes nothing are left out. Any
    /// node.
    virtual Task<Result<std::vector<PolicyTrial>>> try_policy(std::string document) = 0;
    /// The lease may have been given back: looks at it soon. A hint; any thread, returns at once,
    /// and at most ten times a second does anything.
    virtual void look_now() = 0;
    /// Another node hands over to a third one: leaves it the lease, for a second. A hint; any
    /// thread, returns at once.
    virtual void stand_back() = 0;
    /// Gives the lease back, if held. `to`: name of the node that should take it, "" = any; answers
    /// when it has taken it. Errors: not_found (no such living node), conflict (a recovery runs, or
    /// yet another node took it), timeout (nobody took it yet).
    virtual Task<Result<void>> hand_over(std::string to, std::string by) = 0;
};

}  // namespace baton::control
