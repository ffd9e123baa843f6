// SPDX-License-Identifier: Apache-2.0
#pragma once

// The JSON forms of the policy under /api/v1.

#include "call.hpp"
#include "json_writer.hpp"

#include <string>
#include <vector>

namespace baton::api {

/// What holds for a cluster; null before the node has looked.
const policy::Effective* effective_policy(const control::View& view, const std::string& cluster_id);

/// Whether a recovery of the kind ("primary", "intermediate") would begin by itself in the cluster,
/// as far as policy and configuration go.
bool is_automatic(
    const control::View& view,
    const std::string& cluster_id,
    const std::string& name,
    const std::string& alias,
    const std::string& kind
);

namespace v1 {

/// The document that holds, with version and author.
void write_policy(JsonWriter& json, const control::View& view);
/// A stored version.
void write_policy_version(JsonWriter& json, const policy::Version& version, bool with_document);
/// Member "policy" of an explanation: the settings that a rule made.
void write_policy_summary(
    JsonWriter& json, const topology::Cluster& cluster, const control::View& view
);
/// Every setting of a cluster.
void write_cluster_policy(
    JsonWriter& json, const topology::Cluster& cluster, const control::View& view
);
void write_faults(JsonWriter& json, const policy::Parsed& parsed);
void write_trials(
    JsonWriter& json, const std::vector<control::PolicyTrial>& trials, std::size_t clusters
);

}  // namespace v1

}  // namespace baton::api
