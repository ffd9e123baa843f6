// SPDX-License-Identifier: Apache-2.0
#include "osc_replicas.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace baton::api {

namespace {

using topology::Instance;
using Instances = std::vector<const Instance*>;

void sort_busiest_first(Instances& instances, const topology::Topology& topology) {
    std::stable_sort(instances.begin(), instances.end(), [&](const auto* a, const auto* b) {
        const auto replicas_a = topology.replicas_of(a->id).size();
        const auto replicas_b = topology.replicas_of(b->id).size();
        return replicas_a != replicas_b
                   ? replicas_a > replicas_b
                   : a->lag_seconds().value_or(0) > b->lag_seconds().value_or(0);
    });
}

/// The first two of each data centre.
Instances two_each(const Instances& instances) {
    std::map<std::string, int> taken;
    Instances result;
    for (const auto* instance : instances) {
        if (++taken[instance->state.identity.data_center] <= 2) {
            result.push_back(instance);
        }
    }
    return result;
}

Instances reachable_at_depth(
    const topology::Cluster& cluster, const topology::Topology& topology, unsigned depth
) {
    Instances result;
    for (const auto* member : topology.members(cluster)) {
        if (member->depth == depth && member->is_replica() && member->reachable()) {
            result.push_back(member);
        }
    }
    sort_busiest_first(result, topology);
    return result;
}

}  // namespace

Instances osc_replicas(const topology::Cluster& cluster, const topology::Topology& topology) {
    auto result = two_each(reachable_at_depth(cluster, topology, 1));
    Instances second;
    for (const auto* intermediate : result) {
        Instances below;
        for (const auto* replica : topology.replicas_of(intermediate->id)) {
            if (replica->reachable()) {
                below.push_back(replica);
            }
        }
        sort_busiest_first(below, topology);
        below.resize(std::min<std::size_t>(below.size(), 2));
        second.insert(second.end(), below.begin(), below.end());
    }
    const auto third = two_each(reachable_at_depth(cluster, topology, 3));
    result.insert(result.end(), second.begin(), second.end());
    result.insert(result.end(), third.begin(), third.end());
    return result;
}

}  // namespace baton::api
