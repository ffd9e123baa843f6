// SPDX-License-Identifier: Apache-2.0
#include "json_instance.hpp"

#include "instance_facts.hpp"
#include "json_policy.hpp"
#include "reply.hpp"

#include "baton/recovery/planner.hpp"

#include <algorithm>

namespace baton::api {

namespace {

using topology::Channel;
using topology::Instance;
using topology::ThreadState;

constexpr int binary_log = 0;
constexpr int relay_log = 1;

void write_null_int(JsonWriter& json, std::string_view name, std::optional<std::int64_t> number) {
    json.key(name).begin_object();
    json.member("Int64", number.value_or(0));
    json.member("Valid", number.has_value());
    json.end_object();
}

void write_null_bool(JsonWriter& json, std::string_view name, std::optional<bool> flag) {
    json.key(name).begin_object();
    json.member("Bool", flag.value_or(false));
    json.member("Valid", flag.has_value());
    json.end_object();
}

void write_position(
    JsonWriter& json, std::string_view name, const topology::LogPosition& position, int type
) {
    json.key(name);
    write_coordinates(json, position, type);
}

void write_server(JsonWriter& json, const Instance& instance) {
    const auto& state = instance.state;
    const auto& identity = state.identity;
    json.member("InstanceAlias", identity.alias);
    json.member("Uptime", state.uptime_seconds);
    json.member("ServerID", identity.server_id);
    json.member("ServerUUID", identity.uuid);
    json.member("Version", identity.version);
    json.member("VersionComment", identity.version_comment);
    json.member("FlavorName", flavor_name(identity.flavor));
    json.member("ReadOnly", state.read_only || state.super_read_only);
    json.member("Binlog_format", identity.binlog_format);
    json.member("BinlogRowImage", identity.binlog_row_image);
    json.member("LogBinEnabled", identity.log_bin);
    json.member("LogSlaveUpdatesEnabled", identity.log_replica_updates);
    json.member("LogReplicationUpdatesEnabled", identity.log_replica_updates);
    write_position(json, "SelfBinlogCoordinates", state.binlog, binary_log);
}

void write_replication(JsonWriter& json, const Instance& instance, const Channel& channel) {
    const bool applier_runs = channel.applier == ThreadState::running;
    const bool receiver_runs = channel.receiver == ThreadState::running;
    const auto& identity = instance.state.identity;
    json.key("MasterKey");
    write_key(json, instance.source());
    json.member("MasterUUID", channel.source_uuid);
    json.member("AncestryUUID", instance.ancestry_uuid);
    json.member("IsDetachedMaster", channel.source.host.starts_with("//"));
    json.member("Slave_SQL_Running", applier_runs);
    json.member("ReplicationSQLThreadRuning", applier_runs);
    json.member("Slave_IO_Running", receiver_runs);
    json.member("ReplicationIOThreadRuning", receiver_runs);
    json.member("ReplicationSQLThreadState", static_cast<int>(channel.applier));
    json.member("ReplicationIOThreadState", static_cast<int>(channel.receiver));
    json.member("HasReplicationFilters", channel.has_filters);
    json.member("GTIDMode", identity.gtid_mode);
    json.member(
        "SupportsOracleGTID",
        identity.flavor != topology::Flavor::mariadb && identity.gtid_mode == "ON"
    );
    json.member("UsingOracleGTID", channel.auto_position);
    json.member("UsingMariaDBGTID", !channel.using_gtid.empty() && channel.using_gtid != "No");
    json.member("UsingPseudoGTID", false);
    write_position(json, "ReadBinlogCoordinates", channel.read, binary_log);
    write_position(json, "ExecBinlogCoordinates", channel.executed, binary_log);
    json.member("IsDetached", false);
    write_position(json, "RelaylogCoordinates", channel.relay, relay_log);
    json.member("LastSQLError", quoted_error(channel.applier_error));
    json.member("LastIOError", quoted_error(channel.receiver_error));
    write_null_int(json, "SecondsBehindMaster", channel.seconds_behind);
    json.member("SQLDelay", channel.delay_seconds);
}

void write_place(
    JsonWriter& json, const Instance& instance, const Channel& channel, const Moment& moment
) {
    const auto& identity = instance.state.identity;
    std::vector<InstanceId> replicas;
    for (const auto* replica : moment.view->topology->replicas_of(instance.id)) {
        replicas.push_back(replica->id);
    }
    json.member("ExecutedGtidSet", instance.state.executed_gtid_set);
    json.member("GtidPurged", instance.state.purged_gtid_set);
    json.member("GtidErrant", instance.errant_gtid);
    write_null_int(json, "SlaveLagSeconds", instance.lag_seconds());
    write_null_int(json, "ReplicationLagSeconds", instance.lag_seconds());
    json.key("SlaveHosts");
    write_keys(json, replicas);
    json.key("Replicas");
    write_keys(json, replicas);
    json.member("ClusterName", instance.cluster_name);
    json.member("SuggestedClusterAlias", identity.suggested_cluster_alias);
    json.member("DataCenter", identity.data_center);
    json.member("Region", identity.region);
    json.member("PhysicalEnvironment", identity.environment);
    json.member("ReplicationDepth", instance.depth);
    json.member("IsCoMaster", instance.is_co_primary);
    json.member("HasReplicationCredentials", !channel.user.empty());
    json.member("ReplicationCredentialsAvailable", identity.replication_credentials_available);
}

void write_semi_sync(JsonWriter& json, const topology::SemiSync& semi) {
    json.member("SemiSyncAvailable", semi.available);
    json.member("SemiSyncPriority", 0);
    json.member("SemiSyncMasterPluginNewVersion", semi.new_names);
    json.member("SemiSyncReplicaPluginNewVersion", semi.new_names);
    json.member("SemiSyncMasterEnabled", semi.source_enabled);
    json.member("SemiSyncReplicaEnabled", semi.replica_enabled);
    json.member("SemiSyncMasterTimeout", semi.timeout_ms);
    json.member("SemiSyncMasterWaitForReplicaCount", semi.wait_for_replica_count);
    json.member("SemiSyncMasterStatus", semi.source_status);
    json.member("SemiSyncMasterClients", semi.clients);
    json.member("SemiSyncReplicaStatus", semi.replica_status);
}

void write_checks(JsonWriter& json, const Instance& instance, const Moment& moment) {
    const auto freshness = freshness_of(instance, moment);
    const auto& topology = *moment.view->topology;
    const auto rule = topology.promotion_rule(instance.id);
    json.member("LastSeenTimestamp", wall_text(freshness.last_seen_ms));
    json.member("IsLastCheckValid", freshness.valid);
    json.member("IsUpToDate", freshness.up_to_date);
    json.member("IsRecentlyChecked", freshness.recently_checked);
    write_null_int(json, "SecondsSinceLastSeen", freshness.seconds_since_seen);
    json.member("CountMySQLSnapshots", 0);
    json.member(
        "IsCandidate",
        rule == topology::PromotionRule::must || rule == topology::PromotionRule::prefer
    );
    json.member("PromotionRule", topology::to_string(rule));
    const auto* const downtime = topology.downtime(instance.id);
    json.member("IsDowntimed", downtime != nullptr);
    json.member("DowntimeReason", downtime == nullptr ? "" : downtime->reason);
    json.member("DowntimeOwner", downtime == nullptr ? "" : downtime->owner);
    json.member("DowntimeEndTimestamp", downtime == nullptr ? "" : wall_text(downtime->end_ms));
    const auto elapsed_ms =
        downtime == nullptr ? 0 : std::max<WallMs>(moment.wall_ms - downtime->begin_ms, 0);
    json.member("ElapsedDowntime", elapsed_ms / 1000 * 1'000'000'000);
    json.member("UnresolvedHostname", "");
}

void write_tls(JsonWriter& json, const Instance& instance, const topology::ChannelTls& tls) {
    const bool replica = instance.is_replica();
    json.member("AllowTLS", tls.allowed);
    json.member("ReplicationSSLCAFile", tls.ca_file);
    json.member("ReplicationSSLCAPath", tls.ca_path);
    json.member("ReplicationSSLCert", tls.cert);
    json.member("ReplicationSSLCipher", tls.cipher);
    json.member("ReplicationSSLCRLFile", tls.crl_file);
    json.member("ReplicationSSLCRLPath", tls.crl_path);
    json.member("ReplicationSSLKey", tls.key);
    write_null_bool(
        json,
        "ReplicationSSLVerifyServerCert",
        replica ? std::optional<bool>(tls.verify) : std::nullopt
    );
    json.member("ReplicationTLSVersion", tls.versions);
    json.member("ReplicationTLSCiphersuites", tls.ciphersuites);
    json.member("ReplicationSourcePublicKeyPath", tls.public_key_path);
    write_null_bool(
        json,
        "ReplicationGetSourcePublicKey",
        replica ? std::optional<bool>(tls.get_public_key) : std::nullopt
    );
}

void write_group(JsonWriter& json, const topology::GroupReplication& group) {
    std::vector<InstanceId> members;
    InstanceId primary;
    for (const auto& member : group.members) {
        members.push_back(member.id);
        if (group.single_primary && member.role == "PRIMARY") {
            primary = member.id;
        }
    }
    std::sort(members.begin(), members.end());
    json.member("ReplicationGroupName", group.name);
    json.member("ReplicationGroupIsSinglePrimary", group.single_primary);
    json.member("ReplicationGroupMemberState", group.member_state);
    json.member("ReplicationGroupMemberRole", group.member_role);
    json.key("ReplicationGroupMembers");
    write_keys(json, members);
    json.key("ReplicationGroupPrimaryInstanceKey");
    write_key(json, primary);
}

}  // namespace

void write_instance(JsonWriter& json, const Instance& instance, const Moment& moment) {
    static const Channel no_channel;
    const auto& channel = instance.channel() == nullptr ? no_channel : *instance.channel();
    json.begin_object();
    json.key("Key");
    write_key(json, instance.id);
    write_server(json, instance);
    write_replication(json, instance, channel);
    write_place(json, instance, channel, moment);
    write_semi_sync(json, instance.state.semi_sync);
    write_checks(json, instance, moment);
    write_tls(json, instance, channel.tls);
    json.member("Problems", problems_of(instance, moment));
    json.member(
        "LastDiscoveryLatency",
        std::chrono::duration_cast<std::chrono::nanoseconds>(instance.health.latency).count()
    );
    write_group(json, instance.state.group);
    json.key("QSP").begin_object().end_object();
    json.end_object();
}

std::string instance_json(const Instance& instance, const Moment& moment) {
    JsonWriter json;
    write_instance(json, instance, moment);
    return json.take();
}

std::string instances_json(const std::vector<const Instance*>& instances, const Moment& moment) {
    constexpr std::size_t usual_size = 4096;
    JsonWriter json;
    json.reserve(instances.size() * usual_size);
    json.begin_array();
    for (const auto* instance : instances) {
        write_instance(json, *instance, moment);
    }
    json.end_array();
    return json.take();
}

void write_cluster_info(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment) {
    const auto automatic = [&](const char* kind) {
        return is_automatic(*moment.view, cluster.id, cluster.name, cluster.alias, kind);
    };
    json.begin_object();
    json.member("ClusterName", cluster.name);
    json.member("ClusterAlias", cluster.alias);
    json.member("ClusterDomain", "");
    json.member("CountInstances", cluster.members.size());
    json.member("HeuristicLag", largest_lag(cluster, *moment.view->topology));
    json.member("HasAutomatedMasterRecovery", automatic("primary"));
    json.member("HasAutomatedIntermediateMasterRecovery", automatic("intermediate"));
    json.end_object();
}

void write_keys(JsonWriter& json, const std::vector<InstanceId>& ids) {
    json.begin_array();
    for (const auto& id : ids) {
        write_key(json, id);
    }
    json.end_array();
}

std::string keys_json(const std::vector<InstanceId>& ids) {
    JsonWriter json;
    write_keys(json, ids);
    return json.take();
}

void write_coordinates(JsonWriter& json, const topology::LogPosition& position, int type) {
    json.begin_object();
    json.member("LogFile", position.file);
    json.member("LogPos", position.pos);
    json.member("Type", type);
    json.end_object();
}

std::int64_t largest_lag(const topology::Cluster& cluster, const topology::Topology& topology) {
    std::int64_t largest = 0;
    for (const auto& id : cluster.members) {
        const auto* const instance = topology.find(id);
        if (instance != nullptr) {
            largest = std::max(largest, instance->lag_seconds().value_or(0));
        }
    }
    return largest;
}

}  // namespace baton::api
