// SPDX-License-Identifier: Apache-2.0
#pragma once

// The JSON forms of /api/v1, which the page and the command line read: ids as "host:port", times as
// *_ms integers, states as "ok", "warning", "critical", everything explained in sentences.

#include "call.hpp"
#include "json_writer.hpp"

#include <string>
#include <vector>

namespace baton::api::v1 {

/// Short form for the overview.
void write_cluster(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment);
/// Members, findings and recoveries as well.
void write_cluster_details(
    JsonWriter& json, const topology::Cluster& cluster, const Moment& moment
);
/// Would it fail over now, to whom, why, why not.
void write_explanation(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment);

/// "If its primary died this second", as in the explanation.
void write_forecast(JsonWriter& json, const recovery::Forecast& forecast);

void write_recovery(JsonWriter& json, const recovery::Record& record);
void write_recovery_details(JsonWriter& json, const control::RecoveryView& recovery);

/// How this node sees a server.
void write_probe(JsonWriter& json, const topology::Observation& seen, const std::string& node);

void write_nodes(JsonWriter& json, const control::NodeStatus& status, const Moment& moment);

}  // namespace baton::api::v1
