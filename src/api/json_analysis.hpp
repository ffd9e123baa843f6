// SPDX-License-Identifier: Apache-2.0
#pragma once

// orchestrator's ReplicationAnalysis; names and order as served by it.

#include "call.hpp"
#include "json_writer.hpp"

#include "baton/analysis/finding.hpp"

#include <string>

namespace baton::api {

/// The analysis of one server as it is now. `node` and `token` name the node that made it.
void write_analysis(
    JsonWriter& json,
    const analysis::Finding& finding,
    const Moment& moment,
    const std::string& node,
    const std::string& token
);

/// What recoveries and detections remember of theirs; all else is empty, as in orchestrator.
struct PastAnalysis {
    InstanceId failed;
    analysis::Code code = analysis::Code::no_problem;
    std::string cluster_name, cluster_alias;
    std::vector<InstanceId> replicas;
    WallMs begin_ms = 0;  // 0 = not told
    std::string description;
};

void write_analysis(JsonWriter& json, const PastAnalysis& past, const Moment& moment);

}  // namespace baton::api
