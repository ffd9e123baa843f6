// SPDX-License-Identifier: Apache-2.0
#pragma once

// The stored form of servers and overlay entries (not the HTTP API's): complete, compact, tolerant
// of missing and of unknown members, so that versions can be mixed. `identity` is what seldom
// changes, `progress` what changes with every transaction; a stored server is the two together.
// Monotonic times are not stored.

#include "baton/base/result.hpp"
#include "baton/topology/instance.hpp"
#include "baton/topology/overlay.hpp"

#include <string>
#include <string_view>

namespace baton::topology {

/// Everything of an instance but the progress part. ASCII JSON.
std::string stable_json(const Instance& instance);
/// Positions, GTID sets, lag, times. ASCII JSON.
std::string progress_json(const Instance& instance);
Result<Instance> instance_from_json(std::string_view stable, std::string_view progress);

std::string to_json_text(const Downtime& value);
std::string to_json_text(const Maintenance& value);
std::string to_json_text(const CandidateRule& value);
std::string to_json_text(const std::map<std::string, std::string>& tags);
std::string to_json_text(const Deposed& value);
std::string to_json_text(const LeftStopped& value);
std::string to_json_text(const ClusterRecord& value);
Result<Downtime> downtime_from_json(std::string_view text);
Result<Maintenance> maintenance_from_json(std::string_view text);
Result<CandidateRule> candidate_from_json(std::string_view text);
Result<std::map<std::string, std::string>> tags_from_json(std::string_view text);
Result<Deposed> deposed_from_json(std::string_view text);
Result<LeftStopped> left_stopped_from_json(std::string_view text);
Result<ClusterRecord> cluster_from_json(std::string_view text);

}  // namespace baton::topology
