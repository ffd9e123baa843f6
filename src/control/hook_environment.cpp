// SPDX-License-Identifier: Apache-2.0
#include "hook_environment.hpp"

#include <array>
#include <utility>

namespace baton::control {

namespace {

constexpr std::array<std::pair<const char*, const char*>, 24> placeholders{{
    {"{failureType}", "ORC_FAILURE_TYPE"},
    {"{instanceType}", "ORC_INSTANCE_TYPE"},
    {"{isMaster}", "ORC_IS_MASTER"},
    {"{isCoMaster}", "ORC_IS_CO_MASTER"},
    {"{failureDescription}", "ORC_FAILURE_DESCRIPTION"},
    {"{command}", "ORC_COMMAND"},
    {"{failedHost}", "ORC_FAILED_HOST"},
    {"{failedPort}", "ORC_FAILED_PORT"},
    {"{failureCluster}", "ORC_FAILURE_CLUSTER"},
    {"{failureClusterAlias}", "ORC_FAILURE_CLUSTER_ALIAS"},
    {"{failureClusterDomain}", "ORC_FAILURE_CLUSTER_DOMAIN"},
    {"{countReplicas}", "ORC_COUNT_REPLICAS"},
    {"{countSlaves}", "ORC_COUNT_REPLICAS"},
    {"{replicaHosts}", "ORC_REPLICA_HOSTS"},
    {"{slaveHosts}", "ORC_REPLICA_HOSTS"},
    {"{isDowntimed}", "ORC_IS_DOWNTIMED"},
    {"{orchestratorHost}", "ORC_ORCHESTRATOR_HOST"},
    {"{recoveryUID}", "ORC_RECOVERY_UID"},
    {"{isSuccessful}", "ORC_IS_SUCCESSFUL"},
    {"{lostReplicas}", "ORC_LOST_REPLICAS"},
    {"{lostSlaves}", "ORC_LOST_REPLICAS"},
    {"{successorHost}", "ORC_SUCCESSOR_HOST"},
    {"{successorPort}", "ORC_SUCCESSOR_PORT"},
    {"{successorBinlogCoordinates}", "ORC_SUCCESSOR_BINLOG_COORDINATES"},
}};

std::string list(const std::vector<InstanceId>& ids) {
    std::string text;
    for (const auto& id : ids) {
        text += (text.empty() ? "" : ",") + id.text();
    }
    return text;
}

std::string yes(bool value) {
    return value ? "true" : "false";
}

std::string quoted(const std::string& value) {
    std::string text = "'";
    for (const char c : value) {
        text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return text + "'";
}

void describe_failure(
    HookEnvironment& environment,
    analysis::Code code,
    const InstanceId& failed,
    const std::string& cluster,
    const std::string& alias,
    const std::vector<InstanceId>& replicas
) {
    const std::string name(analysis::api_name(code));
    const bool intermediate = name.find("Intermediate") != std::string::npos;
    const bool co_primary = name.find("CoMaster") != std::string::npos;
    environment["ORC_FAILURE_TYPE"] = name;
    environment["ORC_INSTANCE_TYPE"] = intermediate ? "intermediate-master"
                                       : co_primary ? "co-master"
                                                    : "master";
    environment["ORC_IS_MASTER"] = yes(!intermediate && !co_primary);
    environment["ORC_IS_CO_MASTER"] = yes(co_primary);
    environment["ORC_FAILURE_DESCRIPTION"] = std::string(analysis::to_string(code));
    environment["ORC_FAILED_HOST"] = failed.host;
    environment["ORC_FAILED_PORT"] = std::to_string(failed.port);
    environment["ORC_FAILURE_CLUSTER"] = cluster;
    environment["ORC_FAILURE_CLUSTER_ALIAS"] = alias;
    environment["ORC_FAILURE_CLUSTER_DOMAIN"] = "";
    environment["ORC_COUNT_REPLICAS"] = std::to_string(replicas.size());
    environment["ORC_REPLICA_HOSTS"] = list(replicas);
    environment["ORC_IS_DOWNTIMED"] = "false";
}

}  // namespace

HookEnvironment environment_of(
    const recovery::Record& record, const std::string& node, std::uint64_t epoch, unsigned step
) {
    HookEnvironment environment;
    describe_failure(
        environment,
        record.code,
        record.failed,
        record.cluster_name,
        record.cluster_alias,
        record.replicas
    );
    if (record.kind == analysis::RecoveryKind::switchover) {
        // As orchestrator says it: hooks tell the two apart by the command.
        environment["ORC_FAILURE_TYPE"] =
            std::string(analysis::api_name(analysis::Code::dead_primary));
    }
    environment["ORC_COMMAND"] = !record.command.empty() ? record.command
                                 : record.forced         ? "recover"
                                                         : "";
    environment["ORC_ORCHESTRATOR_HOST"] = node;
    environment["ORC_RECOVERY_UID"] = record.id;
    environment["ORC_LOST_REPLICAS"] = list(record.lost);
    const bool promoted = record.phase >= recovery::Phase::promoted;
    const bool designated = record.kind == analysis::RecoveryKind::switchover;
    environment["ORC_IS_SUCCESSFUL"] = yes(promoted && !record.successor.empty());
    if ((promoted || designated) && !record.successor.empty()) {
        environment["ORC_SUCCESSOR_HOST"] = record.successor.host;
        environment["ORC_SUCCESSOR_PORT"] = std::to_string(record.successor.port);
    }
    if (promoted && !record.successor.empty()) {
        environment["ORC_SUCCESSOR_BINLOG_COORDINATES"] =
            record.successor_binlog.file + ":" + std::to_string(record.successor_binlog.pos);
    }
    environment["BATON_RECOVERY_ID"] = record.id;
    environment["BATON_STEP"] = std::to_string(step);
    environment["BATON_EPOCH"] = std::to_string(epoch);
    environment["BATON_CLUSTER_ID"] = record.cluster_id;
    environment["BATON_FAILED_HOST"] = record.failed.host;
    environment["BATON_FAILED_PORT"] = std::to_string(record.failed.port);
    if (!record.donor.empty()) {
        environment["BATON_DONOR_HOST"] = record.donor.host;
        environment["BATON_DONOR_PORT"] = std::to_string(record.donor.port);
    }
    return environment;
}

HookEnvironment environment_of(const Detection& detection) {
    HookEnvironment environment;
    describe_failure(
        environment,
        detection.code,
        detection.failed,
        detection.cluster_name,
        detection.cluster_alias,
        detection.replicas
    );
    environment["ORC_COMMAND"] = "";
    environment["ORC_ORCHESTRATOR_HOST"] = detection.node;
    environment["ORC_RECOVERY_UID"] = "";
    environment["BATON_DETECTION"] = std::to_string(detection.number);
    environment["BATON_EPOCH"] = std::to_string(detection.epoch);
    environment["BATON_CLUSTER_ID"] = detection.cluster_id;
    return environment;
}

std::string with_placeholders(const std::string& command, const HookEnvironment& environment) {
    std::string text;
    std::size_t at = 0;
    while (at < command.size()) {
        bool replaced = false;
        if (command[at] == '{') {
            for (const auto& [placeholder, variable] : placeholders) {
                const std::string_view name(placeholder);
                if (command.compare(at, name.size(), name) == 0) {
                    const auto value = environment.find(variable);
                    text += quoted(value == environment.end() ? "" : value->second);
                    at += name.size();
                    replaced = true;
                    break;
                }
            }
        }
        if (!replaced) {
            text += command[at++];
        }
    }
    return text;
}

}  // namespace baton::control
