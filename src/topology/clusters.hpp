// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which servers form a cluster, which of them is its primary, and what the cluster is called.
//
// Servers joined by replication (or by Group Replication) form a *tree* with a root; a ring of
// co-primaries has the one of them as root that is writable, else the recorded one.
//
// Identity. A cluster keeps its id over failovers because its members' ids are remembered:
// - A tree belongs to the cluster that its root belonged to, or, when the root is new or was alone,
//   to the one most of its members belonged to; else to a record that names its root; else it is
//   new.
// - Several trees of one cluster stay together when all but one are servers without living
//   replicas (a deposed primary that came back, a dead one with dead stragglers, a replica whose
//   source was taken away), are led by a deposed primary, or have split off less than a minute ago
//   (a switchover moves replicas one by one). Otherwise the lesser tree becomes a cluster of its
//   own; the tree of the recorded primary keeps the id as long as living replicas follow it (when
//   it is dead: more than follow a living writable rival).
//
// Primary. Of a cluster's roots that are not deposed: one that has replicas before one that has
// none, then the recorded one while living replicas follow it, then a reachable writable one, then
// the one with most replicas. So a dead primary remains the primary until its replicas follow
// another. A deposed entry is void once its successor replicates from the deposed server.

#include "baton/topology/overlay.hpp"
#include "baton/topology/topology.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace baton::topology {

inline constexpr std::size_t no_node = static_cast<std::size_t>(-1);

/// One server and the one it follows.
struct Node {
    const Instance* instance = nullptr;
    std::size_t parent = no_node;    // position of the server it follows
    InstanceId unknown_parent;       // follows a server that is not known; only without parent
    std::size_t reporter = no_node;  // never seen itself, but this one names it as its replica
};

struct Placement {
    std::size_t cluster = no_node;
    std::size_t source = no_node;  // ancestor by replication, no_node for roots
    unsigned depth = 0;
    bool is_co_primary = false;
};

struct Grouping {
    std::vector<Cluster> clusters;      // sorted by name
    std::vector<Placement> placements;  // by node
    std::vector<ClusterRecord> changed_records;
    std::vector<std::pair<InstanceId, std::string>> changed_membership;
    /// When the answer has to be computed again although nothing changed; {} = never.
    TimePoint due{};
};

/// Since when a root's tree has been apart from the rest of its cluster.
using Splits = std::map<InstanceId, TimePoint>;

Grouping group(
    const std::vector<Node>& nodes, const Overlay& overlay, Splits& splits, TimePoint now
);

}  // namespace baton::topology
