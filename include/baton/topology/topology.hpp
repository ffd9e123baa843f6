// SPDX-License-Identifier: Apache-2.0
#pragma once

// The immutable snapshot: servers, edges, clusters. Everything decides on one of these; it is
// shared between threads as shared_ptr<const Topology>. `Builder` folds observations into the next
// one.

#include "baton/base/ids.hpp"
#include "baton/topology/instance.hpp"
#include "baton/topology/overlay.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::topology {

struct Cluster {
    std::string id;      // stable
    std::string name;    // "host:port" of the primary (of the last known one when none is seen)
    std::string alias;   // operator's, else suggested by the primary, else the name
    InstanceId primary;  // empty when there is none or it is ambiguous
    std::vector<InstanceId> members;  // sorted
};

class Topology {
public:
    Topology() = default;

    [[nodiscard]] std::uint64_t version() const { return version_; }

    /// Observer's time at which it was built.
    [[nodiscard]] TimePoint taken_at() const { return taken_at_; }

    [[nodiscard]] WallMs wall_ms() const { return wall_ms_; }

    /// Sorted by id.
    [[nodiscard]] const std::vector<std::shared_ptr<const Instance>>& instances() const {
        return instances_;
    }

    /// Sorted by name.
    [[nodiscard]] const std::vector<Cluster>& clusters() const { return structure_->clusters; }

    [[nodiscard]] const Overlay& overlay() const { return *overlay_; }

    [[nodiscard]] const Instance* find(const InstanceId& id) const;
    /// Direct replicas by configured source, sorted by id; dead ones included.
    [[nodiscard]] std::vector<const Instance*> replicas_of(const InstanceId& id) const;
    [[nodiscard]] const Cluster* cluster_of(const InstanceId& id) const;
    [[nodiscard]] const Cluster* cluster_by_id(std::string_view id) const;
    /// As orchestrator's clients address it: exact name, then alias, then host[:port] of a member.
    [[nodiscard]] const Cluster* find_cluster(std::string_view hint) const;
    /// All members of the cluster, primary first, then by depth and id.
    [[nodiscard]] std::vector<const Instance*> members(const Cluster& cluster) const;

    /// Only while it lasts at wall_ms(); null otherwise.
    [[nodiscard]] const Downtime* downtime(const InstanceId& id) const;
    [[nodiscard]] PromotionRule promotion_rule(const InstanceId& id) const;

private:
    friend class Builder;

    // What changes only with the shape of the topology; shared between snapshots, so that a probe
    // that brings new positions costs a copy of pointers.
    struct Structure {
        std::unordered_map<InstanceId, std::size_t> index;
        std::unordered_map<InstanceId, std::vector<std::size_t>> replicas;
        std::vector<Cluster> clusters;
        std::unordered_map<std::string, std::size_t> cluster_index;  // by id
    };

    std::uint64_t version_ = 0;
    TimePoint taken_at_{};
    WallMs wall_ms_ = 0;
    std::vector<std::shared_ptr<const Instance>> instances_;
    std::shared_ptr<const Structure> structure_ = std::make_shared<const Structure>();
    std::shared_ptr<const Overlay> overlay_ = std::make_shared<const Overlay>();
};

using TopologyPtr = std::shared_ptr<const Topology>;

/// Accumulates observations and operators' data; `build` makes a snapshot. Used from one thread. No
/// clock inside.
class Builder {
public:
    Builder();
    ~Builder();
    Builder(Builder&&) noexcept;
    Builder& operator=(Builder&&) noexcept;

    /// Makes a server known (not yet probed). False if it was.
    bool add(const InstanceId& id);
    /// Forgets a server. False if it was not known.
    bool remove(const InstanceId& id);
    /// none: nothing but times and uptime moved (or the observation is older than the newest one).
    /// progress: positions, GTID sets, lag, heartbeat counters. decisive: what a decision could
    /// rest on (reachability, thread states, roles, membership), and every word from a replica
    /// whose source does not answer: what it says after the failure is evidence even when it is
    /// unchanged.
    enum class Change { none, progress, decisive };
    /// Folds in a probe of a known (or new) server. A failed probe keeps the last good state.
    Change apply(Observation observation);
    Change apply_witness(const InstanceId& replica, const WitnessReport& report);
    /// A witness test begins; {} = it has ended, with or without a report.
    void set_witness_begun(const InstanceId& replica, TimePoint begun);
    /// A server as another node or an earlier process stored it; does not count as checked by this
    /// observer.
    void restore(Instance instance);

    /// Replaces operators' and recoveries' data. Clusters and memberships that build() recorded
    /// for servers in use and that are missing there (not stored yet) are kept. Must be called
    /// with the stored overlay before the first build(), or known clusters would get new ids.
    void set_overlay(Overlay overlay);
    [[nodiscard]] const Overlay& overlay() const;

    /// Addresses that known servers name as source, replica or group member and that are not known
    /// yet. Names are reduced to known servers first (uuid, report_host:report_port,
    /// hostname:port), so that no server appears twice.
    [[nodiscard]] std::vector<InstanceId> undiscovered() const;
    /// Known addresses that turned out to be another name of an already known server (same uuid,
    /// server id, reported names and start time, both answering): (duplicate, kept one). The caller
    /// removes the duplicate; remove() remembers it as a name of the kept one, so that
    /// undiscovered() does not bring it back. Kept is the name that replicas use for their source,
    /// else report_host:report_port, else the one known longer. Clones that share a uuid but differ
    /// in server id, reported names or start time are different servers.
    [[nodiscard]] std::vector<std::pair<InstanceId, InstanceId>> aliases() const;

    /// Ids, names and roles of clusters are computed here (rules: src/topology/clusters.hpp). New
    /// clusters get ids made of the root's name and uuid (deterministic); changed cluster records
    /// and memberships are put into the overlay of the snapshot and reported for storing. Cheap
    /// when only positions moved: then it copies pointers.
    TopologyPtr build(TimePoint now, WallMs wall_ms);

    /// Cluster records and memberships changed by build() since the last call.
    struct Recorded {
        std::vector<ClusterRecord> clusters;
        std::vector<std::pair<InstanceId, std::string>> membership;
    };

    Recorded take_recorded();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::topology
