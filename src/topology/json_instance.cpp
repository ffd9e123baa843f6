// SPDX-License-Identifier: Apache-2.0
#include "json_text.hpp"

#include "baton/topology/json.hpp"

namespace baton::topology {
namespace {

constexpr Flavor all_flavors[] = {Flavor::unknown, Flavor::mysql, Flavor::percona, Flavor::mariadb};
constexpr ThreadState all_thread_states[] = {
    ThreadState::none, ThreadState::stopped, ThreadState::running, ThreadState::connecting};
constexpr Kept all_kept[] = {Kept::unknown, Kept::yes, Kept::at_run_time_only};
constexpr ReplicationAccount all_accounts[] = {
    ReplicationAccount::unknown,
    ReplicationAccount::absent,
    ReplicationAccount::without_privilege,
    ReplicationAccount::good};
constexpr ProbeFailure all_failures[] = {
    ProbeFailure::none,
    ProbeFailure::refused,
    ProbeFailure::reset,
    ProbeFailure::timeout,
    ProbeFailure::unresolved,
    ProbeFailure::access_denied,
    ProbeFailure::too_many_connections,
    ProbeFailure::error,
    ProbeFailure::hangs};

// One list of members for both directions: `io` writes or reads each.

struct Writer {
    Json& json;

    template <class T>
    void operator()(const char* key, const T& value) const {
        json[key] = value;
    }

    /// What is not known is left out.
    template <class T>
    void operator()(const char* key, const std::optional<T>& value) const {
        if (value) {
            json[key] = *value;
        }
    }
};

struct Reader {
    const Json& json;

    template <class T>
    void operator()(const char* key, T& value) const {
        read(json, key, value);
    }

    template <class T>
    void operator()(const char* key, std::optional<T>& value) const {
        if (json.contains(key)) {
            T present{};
            read(json, key, present);
            value = present;
        }
    }
};

template <class Io, class T>
void identity_members(const Io& io, T& x) {
    io("uuid", x.uuid);
    io("server_id", x.server_id);
    io("hostname", x.hostname);
    io("report_host", x.report_host);
    io("report_port", x.report_port);
    io("version", x.version);
    io("version_comment", x.version_comment);
    io("binlog_format", x.binlog_format);
    io("binlog_row_image", x.binlog_row_image);
    io("log_bin", x.log_bin);
    io("log_replica_updates", x.log_replica_updates);
    io("gtid_mode", x.gtid_mode);
    io("gtid_strict", x.gtid_strict);
    io("replica_net_timeout_seconds", x.replica_net_timeout_seconds);
    io("relay_log_recovery", x.relay_log_recovery);
    io("durable", x.durable);
    io("has_super_read_only", x.has_super_read_only);
    io("binlog_server", x.binlog_server);
    io("admin_host", x.admin_host);
    io("admin_port", x.admin_port);
    io("data_center", x.data_center);
    io("region", x.region);
    io("environment", x.environment);
    io("alias", x.alias);
    io("suggested_cluster_alias", x.suggested_cluster_alias);
    io("replication_credentials_available", x.replication_credentials_available);
}

template <class Io, class T>
void tls_members(const Io& io, T& x) {
    io("allowed", x.allowed);
    io("verify", x.verify);
    io("ca_file", x.ca_file);
    io("ca_path", x.ca_path);
    io("cert", x.cert);
    io("cipher", x.cipher);
    io("crl_file", x.crl_file);
    io("crl_path", x.crl_path);
    io("key", x.key);
    io("versions", x.versions);
    io("ciphersuites", x.ciphersuites);
    io("public_key_path", x.public_key_path);
    io("get_public_key", x.get_public_key);
}

template <class Io, class T>
void channel_members(const Io& io, T& x) {
    io("name", x.name);
    io("source_uuid", x.source_uuid);
    io("source_server_id", x.source_server_id);
    io("user", x.user);
    io("auto_position", x.auto_position);
    io("using_gtid", x.using_gtid);
    io("delay_seconds", x.delay_seconds);
    io("receiver_errno", x.receiver_errno);
    io("applier_errno", x.applier_errno);
    io("receiver_error", x.receiver_error);
    io("applier_error", x.applier_error);
    io("has_filters", x.has_filters);
    io("heartbeat_period_seconds", x.heartbeat_period_seconds);
    io("connect_retry_seconds", x.connect_retry_seconds);
    io("retry_count", x.retry_count);
}

template <class Io, class T>
void channel_progress_members(const Io& io, T& x) {
    io("receiver_text", x.receiver_text);
    io("retrieved_gtid_set", x.retrieved_gtid_set);
    io("gtid_io_pos", x.gtid_io_pos);
    io("heartbeats_received", x.heartbeats_received);
}

template <class Io, class T>
void semi_sync_members(const Io& io, T& x) {
    io("available", x.available);
    io("new_names", x.new_names);
    io("has_source", x.has_source);
    io("has_replica", x.has_replica);
    io("source_enabled", x.source_enabled);
    io("replica_enabled", x.replica_enabled);
    io("source_status", x.source_status);
    io("replica_status", x.replica_status);
    io("timeout_ms", x.timeout_ms);
    io("wait_for_replica_count", x.wait_for_replica_count);
    io("clients", x.clients);
    io("waits_without_clients", x.waits_without_clients);
}

template <class Io, class T>
void settings_members(const Io& io, T& x) {
    io("read", x.read);
    io("replica_words", x.replica_words);
    io("can_persist", x.can_persist);
    io("sync_binlog", x.sync_binlog);
    io("flush_log_at_commit", x.flush_log_at_commit);
    io("sync_relay_log", x.sync_relay_log);
    io("binlog_expire_seconds", x.binlog_expire_seconds);
    io("parallel_workers", x.parallel_workers);
    io("preserve_commit_order", x.preserve_commit_order);
    io("skip_start", x.skip_start);
    io("enforce_gtid_consistency", x.enforce_gtid_consistency);
    io("skip_errors", x.skip_errors);
}

template <class Io, class T>
void instance_members(const Io& io, T& x) {
    io("ever_seen", x.ever_seen);
    io("cluster_id", x.cluster_id);
    io("cluster_name", x.cluster_name);
    io("depth", x.depth);
    io("is_co_primary", x.is_co_primary);
    io("ancestry_uuid", x.ancestry_uuid);
    io("errant_gtid", x.errant_gtid);
    io("read_only", x.state.read_only);
    io("super_read_only", x.state.super_read_only);
    io("dump_threads", x.state.dump_threads);
    io("checked", x.health.checked);
    io("valid", x.health.valid);
    io("error", x.health.error);
    io("first_failure_ms", x.health.first_failure_ms);
}

template <class Io, class T>
void progress_members(const Io& io, T& x) {
    io("executed_gtid_set", x.state.executed_gtid_set);
    io("purged_gtid_set", x.state.purged_gtid_set);
    io("uptime_seconds", x.state.uptime_seconds);
    io("received_lost", x.received_lost);
    io("consecutive_failures", x.health.consecutive_failures);
    io("last_seen_ms", x.health.last_seen_ms);
    io("last_attempt_ms", x.health.last_attempt_ms);
}

Json position_json(const LogPosition& position) {
    return Json{{"file", position.file}, {"pos", position.pos}};
}

LogPosition position_from(const Json& json, const char* key) {
    LogPosition out;
    if (const auto found = json.find(key); found != json.end() && found->is_object()) {
        read(*found, "file", out.file);
        read(*found, "pos", out.pos);
    }
    return out;
}

const Json& member(const Json& json, const char* key) {
    static const Json none = Json::object();
    const auto found = json.find(key);
    return found != json.end() && (found->is_object() || found->is_array()) ? *found : none;
}

Json channel_json(const Channel& channel) {
    auto json = Json::object();
    channel_members(Writer{json}, channel);
    json["source"] = id_json(channel.source);
    json["receiver"] = to_string(channel.receiver);
    json["applier"] = to_string(channel.applier);
    auto tls = Json::object();
    tls_members(Writer{tls}, channel.tls);
    json["tls"] = std::move(tls);
    return json;
}

Channel channel_from(const Json& json) {
    Channel out;
    channel_members(Reader{json}, out);
    read(json, "source", out.source);
    read_named(json, "receiver", all_thread_states, out.receiver);
    read_named(json, "applier", all_thread_states, out.applier);
    tls_members(Reader{member(json, "tls")}, out.tls);
    return out;
}

Json channel_progress_json(const Channel& channel) {
    auto json = Json::object();
    channel_progress_members(Writer{json}, channel);
    json["name"] = channel.name;
    json["read"] = position_json(channel.read);
    json["executed"] = position_json(channel.executed);
    json["relay"] = position_json(channel.relay);
    if (channel.seconds_behind) {
        json["seconds_behind"] = *channel.seconds_behind;
    }
    return json;
}

void read_channel_progress(const Json& json, Channel& out) {
    channel_progress_members(Reader{json}, out);
    out.read = position_from(json, "read");
    out.executed = position_from(json, "executed");
    out.relay = position_from(json, "relay");
    std::int64_t behind = 0;
    if (json.contains("seconds_behind")) {
        read(json, "seconds_behind", behind);
        out.seconds_behind = behind;
    }
}

Json group_json(const GroupReplication& group) {
    auto members = Json::array();
    for (const auto& entry : group.members) {
        members.push_back(Json{
            {"id", id_json(entry.id)},
            {"uuid", entry.uuid},
            {"state", entry.state},
            {"role", entry.role}});
    }
    return Json{
        {"name", group.name},
        {"single_primary", group.single_primary},
        {"member_state", group.member_state},
        {"member_role", group.member_role},
        {"members", std::move(members)}};
}

GroupReplication group_from(const Json& json) {
    GroupReplication out;
    read(json, "name", out.name);
    read(json, "single_primary", out.single_primary);
    read(json, "member_state", out.member_state);
    read(json, "member_role", out.member_role);
    for (const auto& entry : member(json, "members")) {
        if (entry.is_object()) {
            GroupMember one;
            read(entry, "id", one.id);
            read(entry, "uuid", one.uuid);
            read(entry, "state", one.state);
            read(entry, "role", one.role);
            out.members.push_back(std::move(one));
        }
    }
    return out;
}

}  // namespace

std::string stable_json(const Instance& instance) {
    const auto& state = instance.state;
    auto json = id_json(instance.id);
    instance_members(Writer{json}, instance);
    json["failure"] = to_string(instance.health.failure);
    auto identity = Json::object();
    identity_members(Writer{identity}, state.identity);
    identity["flavor"] = to_string(state.identity.flavor);
    json["identity"] = std::move(identity);
    auto channels = Json::array();
    for (const auto& channel : state.channels) {
        channels.push_back(channel_json(channel));
    }
    json["channels"] = std::move(channels);
    auto semi_sync = Json::object();
    semi_sync_members(Writer{semi_sync}, state.semi_sync);
    json["semi_sync"] = std::move(semi_sync);
    if (state.settings.read) {
        auto settings = Json::object();
        settings_members(Writer{settings}, state.settings);
        settings["read_only_kept"] = to_string(state.settings.read_only_kept);
        settings["replication_account"] = to_string(state.settings.replication_account);
        json["settings"] = std::move(settings);
    }
    if (!(state.group == GroupReplication{})) {
        json["group"] = group_json(state.group);
    }
    auto replicas = Json::array();
    for (const auto& replica : state.reported_replicas) {
        replicas.push_back(id_json(replica));
    }
    json["reported_replicas"] = std::move(replicas);
    if (instance.witness) {
        json["witness"] =
            Json{{"heard", instance.witness->heard}, {"text", instance.witness->text}};
    }
    return ascii(json);
}

std::string progress_json(const Instance& instance) {
    auto json = Json::object();
    progress_members(Writer{json}, instance);
    json["latency_us"] =
        std::chrono::duration_cast<std::chrono::microseconds>(instance.health.latency).count();
    json["binlog"] = position_json(instance.state.binlog);
    auto channels = Json::array();
    for (const auto& channel : instance.state.channels) {
        channels.push_back(channel_progress_json(channel));
    }
    json["channels"] = std::move(channels);
    return ascii(json);
}

Result<Instance> instance_from_json(std::string_view stable, std::string_view progress) {
    const auto json = parse_object(stable, "server");
    if (!json) {
        return json.error();
    }
    Instance out;
    out.id = id_from(*json);
    if (out.id.empty()) {
        return fail(Errc::protocol, "stored server has no host");
    }
    instance_members(Reader{*json}, out);
    read_named(*json, "failure", all_failures, out.health.failure);
    const auto& identity = member(*json, "identity");
    identity_members(Reader{identity}, out.state.identity);
    read_named(identity, "flavor", all_flavors, out.state.identity.flavor);
    for (const auto& channel : member(*json, "channels")) {
        if (channel.is_object()) {
            out.state.channels.push_back(channel_from(channel));
        }
    }
    semi_sync_members(Reader{member(*json, "semi_sync")}, out.state.semi_sync);
    const auto& settings = member(*json, "settings");
    settings_members(Reader{settings}, out.state.settings);
    read_named(settings, "read_only_kept", all_kept, out.state.settings.read_only_kept);
    read_named(
        settings, "replication_account", all_accounts, out.state.settings.replication_account
    );
    out.state.group = group_from(member(*json, "group"));
    for (const auto& replica : member(*json, "reported_replicas")) {
        if (auto id = id_from(replica); !id.empty()) {
            out.state.reported_replicas.push_back(std::move(id));
        }
    }
    if (const auto& witness = member(*json, "witness"); !witness.empty()) {
        WitnessReport report;
        read(witness, "heard", report.heard);
        read(witness, "text", report.text);
        out.witness = std::move(report);
    }
    if (progress.empty()) {
        return out;
    }
    const auto moving = parse_object(progress, "progress of a server");
    if (!moving) {
        return moving.error();
    }
    progress_members(Reader{*moving}, out);
    std::int64_t latency_us = 0;
    read(*moving, "latency_us", latency_us);
    out.health.latency = std::chrono::microseconds(latency_us);
    out.state.binlog = position_from(*moving, "binlog");
    // The two parts may have been written at different moments: matched by name, not by place.
    for (const auto& entry : member(*moving, "channels")) {
        std::string name;
        if (entry.is_object()) {
            read(entry, "name", name);
        }
        for (auto& channel : out.state.channels) {
            if (entry.is_object() && channel.name == name) {
                read_channel_progress(entry, channel);
            }
        }
    }
    return out;
}

}  // namespace baton::topology
