// SPDX-License-Identifier: Apache-2.0
#pragma once

// orchestrator's Instance, ClusterInfo and small relatives; names and order as served by it.

#include "call.hpp"
#include "json_writer.hpp"

#include "baton/topology/topology.hpp"

#include <string>
#include <vector>

namespace baton::api {

void write_instance(JsonWriter& json, const topology::Instance& instance, const Moment& moment);
std::string instance_json(const topology::Instance& instance, const Moment& moment);
/// A list of them.
std::string instances_json(
    const std::vector<const topology::Instance*>& instances, const Moment& moment
);

void write_cluster_info(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment);
void write_keys(JsonWriter& json, const std::vector<InstanceId>& ids);
std::string keys_json(const std::vector<InstanceId>& ids);
void write_coordinates(JsonWriter& json, const topology::LogPosition& position, int type);

/// Largest lag of the cluster's members, 0 when none is known.
std::int64_t largest_lag(const topology::Cluster& cluster, const topology::Topology& topology);

}  // namespace baton::api
