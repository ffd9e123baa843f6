// SPDX-License-Identifier: Apache-2.0
#include "json_analysis.hpp"

#include "instance_facts.hpp"
#include "json_instance.hpp"
#include "json_policy.hpp"
#include "reply.hpp"

#include "baton/recovery/planner.hpp"

#include <algorithm>

namespace baton::api {

namespace {

using topology::Instance;

/// Everything that the object holds; defaults are what orchestrator serves for "not known".
struct Analysis {
    InstanceId key, source;
    std::string cluster_name, cluster_alias;
    const Instance* instance = nullptr;
    bool is_primary = false, is_co_primary = false, last_check_valid = false;
    analysis::Counts counts;
    std::vector<InstanceId> replicas;
    bool failing_to_connect = false;
    std::string code, description;
    std::vector<std::string> structure;
    bool downtimed = false, replicas_downtimed = false;
    const topology::Downtime* downtime = nullptr;
    bool oracle_gtid = false, mariadb_gtid = false;
    unsigned semi_sync_replicas = 0;
    std::string node, token, start;
    bool skippable = false;
    std::string lowest_gtid_mode, highest_gtid_mode, errant;
};

void write_cluster(JsonWriter& json, const Analysis& a, const Moment& moment) {
    const auto* known = moment.view->topology->find_cluster(a.cluster_name);
    const auto automatic = [&](const char* kind) {
        const auto id = known == nullptr ? std::string() : known->id;
        return is_automatic(*moment.view, id, a.cluster_name, a.cluster_alias, kind);
    };
    json.key("ClusterDetails").begin_object();
    json.member("ClusterName", a.cluster_name);
    json.member("ClusterAlias", a.cluster_alias);
    json.member("ClusterDomain", "");
    json.member("CountInstances", 0);
    json.member("HeuristicLag", 0);
    json.member("HasAutomatedMasterRecovery", automatic("primary"));
    json.member("HasAutomatedIntermediateMasterRecovery", automatic("intermediate"));
    json.end_object();
}

void write_counts(JsonWriter& json, const Analysis& a) {
    json.member("CountReplicas", a.counts.replicas);
    json.member("CountValidReplicas", a.counts.valid);
    json.member("CountValidReplicatingReplicas", a.counts.replicating);
    json.member("CountReplicasFailingToConnectToMaster", a.counts.failing_to_connect);
    json.member("CountDowntimedReplicas", a.counts.downtimed);
    json.member("ReplicationDepth", a.instance == nullptr ? 0U : a.instance->depth);
    json.key("Replicas");
    write_keys(json, a.replicas);
    json.key("SlaveHosts");
    write_keys(json, a.replicas);
}

void write_topology_facts(JsonWriter& json, const Analysis& a) {
    static const topology::SemiSync none;
    const auto& semi = a.instance == nullptr ? none : a.instance->state.semi_sync;
    json.member(
        "IsBinlogServer", a.instance != nullptr && a.instance->state.identity.binlog_server
    );
    json.member("PseudoGTIDImmediateTopology", false);
    json.member("OracleGTIDImmediateTopology", a.oracle_gtid);
    json.member("MariaDBGTIDImmediateTopology", a.mariadb_gtid);
    json.member("BinlogServerImmediateTopology", false);
    json.member("SemiSyncMasterEnabled", semi.source_enabled);
    json.member("SemiSyncMasterStatus", semi.source_status);
    json.member(
        "SemiSyncMasterWaitForReplicaCount", a.instance == nullptr ? 0 : semi.wait_for_replica_count
    );
    json.member("SemiSyncMasterClients", semi.clients);
    json.member("CountSemiSyncReplicasEnabled", a.semi_sync_replicas);
    json.member("CountLoggingReplicas", a.counts.logging);
    json.member("CountStatementBasedLoggingReplicas", a.counts.statement);
    json.member("CountMixedBasedLoggingReplicas", a.counts.mixed);
    json.member("CountRowBasedLoggingReplicas", a.counts.row);
    json.member("CountDistinctMajorVersionsLoggingReplicas", a.counts.major_versions);
    json.member("CountDelayedReplicas", a.counts.delayed);
    json.member("CountLaggingReplicas", a.counts.lagging);
}

void write(JsonWriter& json, const Analysis& a, const Moment& moment) {
    static const topology::Identity unknown;
    const auto& identity = a.instance == nullptr ? unknown : a.instance->state.identity;
    json.begin_object();
    json.key("AnalyzedInstanceKey");
    write_key(json, a.key);
    json.key("AnalyzedInstanceMasterKey");
    write_key(json, a.source);
    write_cluster(json, a, moment);
    json.member("AnalyzedInstanceDataCenter", identity.data_center);
    json.member("AnalyzedInstanceRegion", identity.region);
    json.member("AnalyzedInstancePhysicalEnvironment", identity.environment);
    json.key("AnalyzedInstanceBinlogCoordinates");
    write_coordinates(
        json, a.instance == nullptr ? topology::LogPosition{} : a.instance->state.binlog, 0
    );
    json.member("IsMaster", a.is_primary);
    json.member(
        "IsReplicationGroupMember", a.instance != nullptr && !a.instance->state.group.name.empty()
    );
    json.member("IsCoMaster", a.is_co_primary);
    json.member("LastCheckValid", a.last_check_valid);
    json.member("LastCheckPartialSuccess", a.last_check_valid);
    write_counts(json, a);
    json.member("IsFailingToConnectToMaster", a.failing_to_connect);
    json.member("Analysis", a.code);
    json.member("Description", a.description);
    json.key("StructureAnalysis");
    if (a.structure.empty()) {
        json.null();
    } else {
        json.value(a.structure);
    }
    json.member("IsDowntimed", a.downtimed);
    json.member("IsReplicasDowntimed", a.replicas_downtimed);
    json.member("DowntimeEndTimestamp", a.downtime == nullptr ? "" : wall_text(a.downtime->end_ms));
    // Orchestrator's sign: negative while the downtime lasts.
    json.member(
        "DowntimeRemainingSeconds",
        a.downtime == nullptr ? 0 : (moment.wall_ms - a.downtime->end_ms) / 1000
    );
    write_topology_facts(json, a);
    json.member("IsActionableRecovery", false);
    json.member("ProcessingNodeHostname", a.node);
    json.member("ProcessingNodeToken", a.token);
    json.member("CountAdditionalAgreeingNodes", 0);
    json.member("StartActivePeriod", a.start);
    json.member("SkippableDueToDowntime", a.skippable);
    json.member("GTIDMode", identity.gtid_mode);
    json.member("MinReplicaGTIDMode", a.lowest_gtid_mode);
    json.member("MaxReplicaGTIDMode", a.highest_gtid_mode);
    json.member("MaxReplicaGTIDErrant", a.errant);
    json.member("CommandHint", "");
    json.member("IsReadOnly", a.instance != nullptr && a.instance->state.read_only);
    json.end_object();
}

/// Facts that orchestrator takes from the direct replicas.
void add_replica_facts(Analysis& a, const topology::Topology& topology) {
    bool all_oracle = true;
    bool all_mariadb = true;
    unsigned seen = 0;
    for (const auto* replica : topology.replicas_of(a.key)) {
        const auto* const channel = replica->channel();
        if (!replica->reachable() || channel == nullptr) {
            continue;
        }
        all_oracle = all_oracle && channel->auto_position;
        all_mariadb = all_mariadb && !channel->auto_position && channel->uses_gtid();
        a.semi_sync_replicas += replica->state.semi_sync.replica_enabled ? 1 : 0;
        const auto& mode = replica->state.identity.gtid_mode;
        a.lowest_gtid_mode = seen == 0 ? mode : std::min(a.lowest_gtid_mode, mode);
        a.highest_gtid_mode = std::max(a.highest_gtid_mode, mode);
        a.errant = std::max(a.errant, replica->errant_gtid);
        ++seen;
    }
    a.oracle_gtid = seen > 0 && all_oracle;
    a.mariadb_gtid = seen > 0 && all_mariadb;
}

}  // namespace

void write_analysis(
    JsonWriter& json,
    const analysis::Finding& finding,
    const Moment& moment,
    const std::string& node,
    const std::string& token
) {
    const auto& topology = *moment.view->topology;
    Analysis a;
    a.key = finding.subject;
    a.cluster_name = finding.cluster_name;
    if (const auto* const cluster = topology.cluster_by_id(finding.cluster_id)) {
        a.cluster_alias = cluster->alias;
    }
    a.instance = topology.find(finding.subject);
    if (a.instance != nullptr) {
        a.source = a.instance->source();
        a.last_check_valid = freshness_of(*a.instance, moment).valid;
        const auto* const channel = a.instance->channel();
        a.failing_to_connect =
            a.instance->is_replica() && channel->receiver == topology::ThreadState::connecting;
    }
    a.is_primary = finding.is_primary;
    a.is_co_primary = finding.is_co_primary;
    a.counts = finding.counts;
    a.replicas = finding.replicas;
    a.code = analysis::api_name(finding.code);
    a.description = finding.summary;
    for (const auto& [warning, sentence] : finding.structure) {
        a.structure.emplace_back(analysis::api_name(warning));
    }
    a.downtimed = finding.downtimed;
    a.replicas_downtimed = finding.replicas_downtimed;
    a.downtime = topology.downtime(finding.subject);
    a.skippable = finding.downtimed;
    a.node = node;
    a.token = token;
    add_replica_facts(a, topology);
    write(json, a, moment);
}

void write_analysis(JsonWriter& json, const PastAnalysis& past, const Moment& moment) {
    Analysis a;
    a.key = past.failed;
    a.cluster_name = past.cluster_name;
    a.cluster_alias = past.cluster_alias;
    a.code = analysis::api_name(past.code);
    a.description = past.description;
    a.replicas = past.replicas;
    a.counts.replicas = static_cast<unsigned>(past.replicas.size());
    a.start = wall_text(past.begin_ms);
    write(json, a, moment);
}

}  // namespace baton::api
