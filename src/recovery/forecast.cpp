// SPDX-License-Identifier: Apache-2.0
#include "begin.hpp"
#include "candidates.hpp"

namespace baton::recovery {

Forecast forecast(
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history
) {
    Forecast out;
    if (cluster.primary.empty()) {
        out.blockers.emplace_back(
            "The cluster has no known primary; see that exactly one of its servers is writable and "
            "replicates from nobody"
        );
        return out;
    }
    const Occasion occasion{
        analysis::RecoveryKind::dead_primary,
        cluster.primary,
        cluster.name,
        cluster.alias,
        topology,
        policy,
        history,
    };
    if (auto refusal = never_now(occasion, &cluster)) {
        out.blockers.push_back(refusal->reason);
    }
    if (auto refusal = held_back(occasion, nullptr)) {
        out.blockers.push_back(refusal->reason);
    }
    const Record record = record_for(occasion.kind, cluster.primary, topology, &cluster);
    const Choice choice = choose({record, topology, policy, true});
    out.candidates = choice.candidates;
    out.loss = choice.loss;
    if (choice.successor == nullptr) {
        out.blockers.push_back(choice.refusal.reason);
    } else {
        out.successor = choice.successor->id;
    }
    const Instance* primary = topology.find(cluster.primary);
    for (const Instance* follower : followers(record, topology)) {
        if (follower == choice.successor) {
            continue;
        }
        if (!follower->reachable() ||
            (choice.successor != nullptr && cannot_follow(*follower, *choice.successor, primary))) {
            out.would_be_lost.push_back(follower->id);
        }
    }
    return out;
}

}  // namespace baton::recovery
