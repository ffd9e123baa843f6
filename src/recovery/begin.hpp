// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a recovery may begin; shared by begin() and forecast(). Pure.

#include "view.hpp"

#include "baton/recovery/planner.hpp"

#include <optional>
#include <string>

namespace baton::recovery {

struct Occasion {
    analysis::RecoveryKind kind;
    InstanceId subject;
    std::string cluster_name, cluster_alias;
    const Topology& topology;
    const Policy& policy;
    const History& history;
};

/// What even an order does not override.
std::optional<Refusal> never_now(const Occasion& occasion, const topology::Cluster* cluster);
/// What an order overrides. `finding` may be null (nothing has happened yet).
std::optional<Refusal> held_back(const Occasion& occasion, const analysis::Finding* finding);

/// Who has the place of the deposed server now; null when nobody known has.
const Instance* heir_of(const Topology& topology, const topology::Deposed& first);

/// The cluster has a primary, or the subject was replaced before: another one would be the second.
std::optional<Refusal> has_a_primary(const Occasion& occasion, const topology::Cluster* cluster);

/// A record of what is known of the subject now: replicas, semi-sync, whose receiver is stopped.
Record record_for(
    analysis::RecoveryKind kind,
    const InstanceId& subject,
    const Topology& topology,
    const topology::Cluster* cluster
);

}  // namespace baton::recovery
