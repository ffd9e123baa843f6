// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which replicas a schema change should watch for lag: few, but representative. Pure.

#include "baton/topology/topology.hpp"

#include <vector>

namespace baton::api {

/// First tier: up to two for each data centre, those with most replicas first, then the most
/// lagging; below each chosen intermediate its two busiest; of the third tier two for each data
/// centre. Only reachable servers.
std::vector<const topology::Instance*> osc_replicas(
    const topology::Cluster& cluster, const topology::Topology& topology
);

}  // namespace baton::api
