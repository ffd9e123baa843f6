// SPDX-License-Identifier: Apache-2.0
#pragma once

// One function for each kind of recovery: what to do now. Pure; planner.cpp picks the one that the
// record is of. A further kind (rejoin of a former primary, co-primaries) is a further function.

#include "baton/recovery/planner.hpp"

#include <optional>
#include <string>
#include <variant>

namespace baton::recovery {

using Move = std::variant<Stage, Finish>;

Move next_dead_primary(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_dead_intermediate(
    const Record& record, const topology::Topology& t, const Policy& policy
);
Move next_contain_deposed(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_repair_semi_sync(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_make_writable(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_restart_receiver(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_switchover(const Record& record, const topology::Topology& t, const Policy& policy);
Move next_rejoin(const Record& record, const topology::Topology& t, const Policy& policy);

/// What is left to do after the promotion of `successor`: others follow it, old primaries are
/// contained, hooks are told.
Move complete_promotion(
    const Record& record,
    const topology::Topology& topology,
    const Policy& policy,
    const topology::Instance& successor
);

/// Why the deposed server must not be made read-only: it is the primary again by somebody's will,
/// or another server. nullopt: go on.
std::optional<std::string> no_containment(
    const topology::Topology& topology,
    const InstanceId& deposed,
    const std::string& uuid,
    const InstanceId& successor
);

}  // namespace baton::recovery
