// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the API says of a server beyond what was observed: how fresh it is and which of
// orchestrator's problem codes apply. Pure.

#include "call.hpp"

#include "baton/topology/topology.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::api {

struct Freshness {
    bool valid = false;             // last probe succeeded
    bool recently_checked = false;  // within 5 s or three poll intervals
    bool up_to_date = false;        // within two poll intervals
    std::optional<std::int64_t> seconds_since_seen;
    WallMs last_seen_ms = 0;
};

/// The active node knows by its own clock. Another node knows only how old its copy of the shared
/// state is: servers that do not change cost the backend nothing, so their stored times do not
/// move.
Freshness freshness_of(const topology::Instance& instance, const Moment& moment);

/// orchestrator's codes: last_check_invalid, not_recently_checked, not_replicating or
/// replication_lag; errant_gtid; group_replication_member_not_online.
std::vector<std::string> problems_of(const topology::Instance& instance, const Moment& moment);

/// "MySQL", "MariaDB", "Percona", "unknown".
std::string_view flavor_name(topology::Flavor flavor);

/// As orchestrator stores error texts: quoted, anything but printable ASCII escaped; "" stays "".
std::string quoted_error(std::string_view text);

/// Replicas of the cluster that are further behind count as lagging.
std::int64_t lag_limit_seconds(const std::string& cluster_id, const Moment& moment);

}  // namespace baton::api
