// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pure: snapshot and policy to findings.

#include "baton/analysis/finding.hpp"
#include "baton/topology/topology.hpp"

#include <vector>

namespace baton::analysis {

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
};

/// Findings for every server that has or should have replicas, primaries first, then by cluster;
/// servers with nothing to say are left out unless `all`. A server not probed yet by this observer
/// is never called dead.
std::vector<Finding> analyze(
    const topology::Topology& topology, const Policy& policy, bool all = false
);
/// The same for one cluster.
std::vector<Finding> analyze_cluster(
    const topology::Topology& topology,
    const topology::Cluster& cluster,
    const Policy& policy,
    bool all = false
);

}  // namespace baton::analysis
