// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pure: snapshot and policy to findings.

#include "baton/analysis/finding.hpp"
#include "baton/topology/topology.hpp"

#include <functional>
#include <string>
#include <vector>

namespace baton::analysis {

/// A witness test of a receiver that takes longer than this has not found a living source at once.
/// Whoever runs the tests has the snapshot analyzed again then.
inline constexpr Duration witness_is_late = std::chrono::milliseconds(300);

struct Policy {
    /// A server that gave no answer (timeout) this many times in a row counts as unreachable; one
    /// refused or broken connection that could not be made again at once suffices.
    unsigned timeouts_before_unreachable = 2;
    /// Replicas more than this behind count as lagging.
    std::int64_t lagging_seconds = 10;
    /// A witness answer older than this is asked for again.
    Duration witness_validity = std::chrono::seconds(10);
    /// A semi-synchronous primary with too few acknowledgers whose binary log does not move for so
    /// long counts as locked.
    Duration locked_semi_sync_after = std::chrono::seconds(10);
    /// More acknowledgers than the primary waits for are a fault too.
    bool enforce_exact_semi_sync = false;

    // Sick, not dead. Each state must last so long before it is more than a notice.
    /// No replica can connect to a primary that this service sees.
    Duration cut_off_after = std::chrono::seconds(8);
    /// Then it is made read-only and replaced, if no acknowledged transaction is missing on its
    /// replicas.
    bool replace_cut_off = true;
    /// It answers, and its status, its commits or its sessions hang.
    Duration hanging_after = std::chrono::seconds(10);
    /// Sessions that wait for one and the same lock so long are a pile-up from this number on.
    unsigned lock_pile_up = 10;
    /// A primary whose commits hang, for whatever reason, is replaced if it can be made read-only.
    bool replace_hanging = false;
    Duration read_only_after = std::chrono::seconds(10);
};

/// Findings for every server that has or should have replicas, primaries first, then by cluster;
/// servers with nothing to say are left out unless `all`. A server not probed yet by this observer
/// is never called dead.
std::vector<Finding> analyze(
    const topology::Topology& topology, const Policy& policy, bool all = false
);
/// The same with a policy for each cluster, asked by its id ("" for a server in no cluster).
using PolicyOf = std::function<const Policy&(const std::string& cluster_id)>;
std::vector<Finding> analyze(
    const topology::Topology& topology, const PolicyOf& policy_of, bool all = false
);
/// The same for one cluster.
std::vector<Finding> analyze_cluster(
    const topology::Topology& topology,
    const topology::Cluster& cluster,
    const Policy& policy,
    bool all = false
);

}  // namespace baton::analysis
