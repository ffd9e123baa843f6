// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the text of a scenario (YAML that an operator can read) into a topology.
//
//   about: One sentence: what has happened.
//   defaults: {version: "8.0.36"}         # for each server, same members as below
//   servers:                              # a minute ago, when all was well; the clock says
//   08:00:00
//     p1: {}                              # a primary, writable
//     r1: {source: p1}                    # a read-only replica with GTID, both threads running
//     r2: {source: p1, data_center: b}
//   meanwhile:                            # what has changed since, same members; probed again at
//     p1: {probe: refused, probes: 3}     # 08:01:00 (`probes` times, a second apart, ending then)
//     r1: {receiver: connecting, receiver_errno: 2003}
//   operators:                            # downtime, rules and what past recoveries left
//     downtime: {r1: maintenance of the disk}
//     rule: {r2: must_not}
//     deposed: {old: {successor: p1, contained: false}}
//     record: {cluster: p1}               # recorded primary of the cluster of p1
//   expect: ...                           # read by the runner of each kind of scenario
//
// A server's name is its host ("p1" is p1:3306; "p1:3307" works too). A server named as source and
// not listed is not known. Members are listed in read_server(); an unknown one is an error.

#include "baton/topology/topology.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace baton::scenario {

/// A scenario that cannot be understood; the sentence says where.
struct BadScenario : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// 08:00:00 on a day, by both clocks; monotonic zero means "never" everywhere.
inline constexpr TimePoint start_time = TimePoint{} + std::chrono::hours(1);
inline constexpr WallMs start_wall_ms = 1'767'254'400'000;  // 2026-01-01 08:00:00 UTC
inline constexpr Duration meanwhile_after = std::chrono::seconds(60);
inline constexpr Duration probe_takes = std::chrono::milliseconds(2);
inline constexpr Duration timeout_takes = std::chrono::milliseconds(500);

inline InstanceId id_of(const std::string& name) {
    auto id = parse_instance_id(name);
    if (!id) {
        throw BadScenario("'" + name + "' is not the name of a server: " + id.error().what);
    }
    return *id;
}

/// "p1" for p1:3306: as scenarios write it.
inline std::string name_of(const InstanceId& id) {
    return id.port == 3306 ? id.host : id.text();
}

/// A made-up UUID that is the same for the same name.
inline std::string uuid_of(const std::string& name) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
    static const char digits[] = "0123456789abcdef";
    std::string out = "00000000-0000-0000-0000-0000";
    for (int shift = 28; shift >= 0; shift -= 4) {
        out += digits[(hash >> shift) & 0xf];
    }
    return out;
}

/// GTID sets in scenarios may use a server's name for its UUID: "p1:1-100,r2:1".
inline std::string expand_gtids(const std::string& text) {
    std::string out;
    std::stringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const auto colon = part.find(':');
        if (colon == std::string::npos || colon == 36) {  // MariaDB's, or a UUID already
            out += (out.empty() ? "" : ",") + part;
        } else {
            out += (out.empty() ? "" : ",") + uuid_of(part.substr(0, colon)) + part.substr(colon);
        }
    }
    return out;
}

struct Server {
    std::string name;
    bool seen = true;      // `seen: no`: never answered anybody
    bool probed = true;    // `probed: no`: known from the backend only, not probed by this observer
    bool observed = true;  // `observed: no` in meanwhile: not probed again since
    topology::ProbeFailure probe = topology::ProbeFailure::none;
    unsigned probes = 2;   // how many failed in a row, a second apart, ending at 08:01:00
    std::string receives;  // in meanwhile: "data", "heartbeat" or "" for nothing new
    std::string witness;   // "", "heard" or "not heard": its receiver was made to reconnect
    topology::ServerState state;
};

namespace detail {

template <class T>
T as(const YAML::Node& node, const std::string& what) {
    try {
        return node.as<T>();
    } catch (const YAML::Exception&) {
        throw BadScenario(what + " cannot be read: '" + YAML::Dump(node) + "'");
    }
}

inline topology::ThreadState thread_state(const std::string& text) {
    using topology::ThreadState;
    for (const auto state :
         {ThreadState::none, ThreadState::stopped, ThreadState::running, ThreadState::connecting}) {
        if (text == topology::to_string(state)) {
            return state;
        }
    }
    throw BadScenario("'" + text + "' is no state of a thread");
}

inline topology::ProbeFailure probe_failure(const std::string& text) {
    using topology::ProbeFailure;
    if (text == "ok") {
        return ProbeFailure::none;
    }
    for (const auto failure :
         {ProbeFailure::refused,
          ProbeFailure::reset,
          ProbeFailure::timeout,
          ProbeFailure::unresolved,
          ProbeFailure::access_denied,
          ProbeFailure::too_many_connections,
          ProbeFailure::error,
          ProbeFailure::hangs}) {
        if (text == topology::to_string(failure)) {
            return failure;
        }
    }
    throw BadScenario("'" + text + "' is no outcome of a probe");
}

inline topology::LogPosition log_position(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) {
        throw BadScenario("'" + text + "' is no log position (file/position)");
    }
    return {text.substr(0, slash), std::strtoull(text.c_str() + slash + 1, nullptr, 10)};
}

inline bool is_mariadb(const Server& server) {
    return server.state.identity.flavor == topology::Flavor::mariadb;
}

/// The channel that members of a replica are about; made when there is none.
inline topology::Channel& channel(Server& server) {
    if (server.state.channels.empty()) {
        server.state.channels.emplace_back();
    }
    return server.state.channels.front();
}

inline void follow(Server& server, const std::string& source) {
    if (source.empty() || source == "none") {
        server.state.channels.clear();
        return;
    }
    const bool fresh = server.state.channels.empty();
    auto& x = channel(server);
    x.source = id_of(source);
    x.source_uuid = is_mariadb(server) ? "" : uuid_of(source);
    if (fresh) {
        x.receiver = x.applier = topology::ThreadState::running;
        x.receiver_text = "Waiting for source to send event";
        x.user = "repl";
        x.auto_position = !is_mariadb(server);
        x.using_gtid = is_mariadb(server) ? "Slave_Pos" : "";
        x.read = x.executed = topology::LogPosition{"binlog.000001", 1000};
        x.seconds_behind = 0;
        x.heartbeat_period_seconds = 1;
        x.heartbeats_received = 10;
        x.connect_retry_seconds = 1;
        server.state.read_only = true;
        server.state.super_read_only = !is_mariadb(server);
    }
}

inline void set_version(Server& server, const std::string& version) {
    auto& identity = server.state.identity;
    identity.version = version;
    if (version.find("MariaDB") != std::string::npos) {
        identity.flavor = topology::Flavor::mariadb;
        identity.gtid_mode.clear();
        identity.gtid_strict = true;
        identity.has_super_read_only = false;
    }
}

inline topology::ReplicationAccount replication_account(const std::string& text) {
    using topology::ReplicationAccount;
    for (const auto account :
         {ReplicationAccount::unknown,
          ReplicationAccount::absent,
          ReplicationAccount::without_privilege,
          ReplicationAccount::good}) {
        if (to_string(account) == text) {
            return account;
        }
    }
    throw BadScenario("no state of an account: " + text);
}

/// What advice looks at; all well unless said.
inline void read_settings(Server& server, const YAML::Node& value) {
    auto& state = server.state;
    auto& settings = state.settings;
    const bool mariadb = state.identity.flavor == topology::Flavor::mariadb;
    if (!settings.read) {
        settings.read = true;
        settings.replica_words = settings.can_persist = !mariadb;
        settings.sync_binlog = settings.flush_log_at_commit = 1;
        settings.binlog_expire_seconds = 30 * 86'400;
        settings.enforce_gtid_consistency = "ON";
        state.semi_sync.has_source = state.semi_sync.has_replica = true;
        state.identity.replica_net_timeout_seconds = 4;
        state.identity.gtid_strict = mariadb;
    }
    for (const auto& entry : value) {
        const auto what = entry.first.as<std::string>();
        const auto& node = entry.second;
        const auto number = [&] { return as<std::uint64_t>(node, server.name + "." + what); };
        const auto flag = [&] { return as<bool>(node, server.name + "." + what); };
        if (what == "words")
            settings.replica_words = flag();
        else if (what == "persist")
            settings.can_persist = flag();
        else if (what == "sync_binlog")
            settings.sync_binlog = number();
        else if (what == "flush")
            settings.flush_log_at_commit = number();
        else if (what == "sync_relay_log")
            settings.sync_relay_log = number();
        else if (what == "expire_hours")
            settings.binlog_expire_seconds = number() * 3600;
        else if (what == "workers")
            settings.parallel_workers = number();
        else if (what == "commit_order")
            settings.preserve_commit_order = flag();
        else if (what == "skip_start")
            settings.skip_start = flag();
        else if (what == "skip_errors")
            settings.skip_errors = node.as<std::string>();
        else if (what == "enforce")
            settings.enforce_gtid_consistency = node.as<std::string>();
        else if (what == "kept")
            settings.read_only_kept =
                flag() ? topology::Kept::yes : topology::Kept::at_run_time_only;
        else if (what == "account")
            settings.replication_account = replication_account(node.as<std::string>());
        else if (what == "super_read_only")
            state.super_read_only = flag();
        else if (what == "net_timeout")
            state.identity.replica_net_timeout_seconds = number();
        else if (what == "connect_retry")
            channel(server).connect_retry_seconds = number();
        else if (what == "retry_count")
            channel(server).retry_count = number();
        else if (what == "has_source")
            state.semi_sync.has_source = flag();
        else if (what == "has_replica")
            state.semi_sync.has_replica = flag();
        else if (what == "semi_sync_timeout")
            state.semi_sync.timeout_ms = number();
        else
            throw BadScenario(server.name + ".settings has no '" + what + "'");
    }
}

/// "4/20": four sessions wait, the longest for 20 s.
inline topology::Waiters waiters(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) {
        throw BadScenario("'" + text + "' is not sessions/seconds");
    }
    topology::Waiters out;
    out.sessions = static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
    out.seconds = static_cast<std::uint32_t>(std::strtoul(text.c_str() + slash + 1, nullptr, 10));
    return out;
}

inline void read_strain(Server& server, const YAML::Node& value) {
    auto& strain = server.state.strain;
    for (const auto& entry : value) {
        const auto what = entry.first.as<std::string>();
        const auto text = entry.second.as<std::string>();
        if (what == "disk")
            strain.disk = waiters(text);
        else if (what == "commit")
            strain.commit = waiters(text);
        else if (what == "acknowledgement")
            strain.acknowledgement = waiters(text);
        else if (what == "metadata_lock")
            strain.metadata_lock = waiters(text);
        else if (what == "global_lock")
            strain.global_lock = waiters(text);
        else if (what == "connections")
            strain.connections = entry.second.as<std::uint64_t>();
        else if (what == "connection_limit")
            strain.connection_limit = entry.second.as<std::uint64_t>();
        else if (what == "turns_away")
            strain.turns_away = entry.second.as<bool>();
        else if (what == "unanswered") {
            strain.unanswered = text;
            strain.unanswered_since = start_time + meanwhile_after;
        } else
            throw BadScenario(server.name + ".strain has no '" + what + "'");
    }
}

}  // namespace detail

/// One member of a server. False when there is no member of this name.
inline bool read_member(Server& server, const std::string& key, const YAML::Node& value) {
    using detail::as;
    auto& state = server.state;
    auto& identity = state.identity;
    const auto text = [&] { return as<std::string>(value, server.name + "." + key); };
    const auto flag = [&] { return as<bool>(value, server.name + "." + key); };
    const auto number = [&] { return as<std::uint64_t>(value, server.name + "." + key); };
    const auto list = [&] {
        std::vector<InstanceId> out;
        for (const auto& entry : value) {
            out.push_back(id_of(entry.as<std::string>()));
        }
        return out;
    };

    // how it is seen
    if (key == "seen")
        server.seen = flag();
    else if (key == "probed")
        server.probed = flag();
    else if (key == "observed")
        server.observed = flag();
    else if (key == "probe")
        server.probe = detail::probe_failure(text());
    else if (key == "probes")
        server.probes = static_cast<unsigned>(number());
    else if (key == "receives")
        server.receives = text();
    else if (key == "witness")
        server.witness = text();
    // itself
    else if (key == "version")
        detail::set_version(server, text());
    else if (key == "uuid")
        identity.uuid = text();
    else if (key == "server_id")
        identity.server_id = number();
    else if (key == "hostname")
        identity.hostname = text();
    else if (key == "report_host")
        identity.report_host = text();
    else if (key == "report_port")
        identity.report_port = static_cast<Port>(number());
    else if (key == "binlog_server")
        identity.binlog_server = flag();
    // {disk: 4/20, connections: 151, connection_limit: 151, turns_away: yes, unanswered: SHOW ...}
    else if (key == "strain")
        detail::read_strain(server, value);
    else if (key == "log_bin")
        identity.log_bin = flag();
    else if (key == "log_replica_updates")
        identity.log_replica_updates = flag();
    else if (key == "binlog_format")
        identity.binlog_format = text();
    else if (key == "gtid_mode")
        identity.gtid_mode = text();
    else if (key == "gtid_strict")
        identity.gtid_strict = flag();
    else if (key == "data_center")
        identity.data_center = text();
    else if (key == "region")
        identity.region = text();
    else if (key == "cluster_alias")
        identity.suggested_cluster_alias = text();
    else if (key == "relay_log_recovery")
        identity.relay_log_recovery = flag();
    else if (key == "durable")
        identity.durable = flag();
    else if (key == "read_only") {
        state.read_only = flag();
        state.super_read_only = state.read_only && identity.has_super_read_only;
    } else if (key == "uptime")
        state.uptime_seconds = number();
    else if (key == "binlog")
        state.binlog = detail::log_position(text());
    else if (key == "executed")
        state.executed_gtid_set = expand_gtids(text());
    else if (key == "purged")
        state.purged_gtid_set = expand_gtids(text());
    else if (key == "reports_replicas")
        state.reported_replicas = list();
    // its channel
    else if (key == "source")
        detail::follow(server, text());
    else if (key == "receiver") {
        auto& x = detail::channel(server);
        x.receiver = detail::thread_state(text());
        if (x.receiver == topology::ThreadState::connecting) {
            x.receiver_text = "Reconnecting after a failed source event read";
        } else if (x.receiver != topology::ThreadState::running) {
            x.receiver_text.clear();
        }
    } else if (key == "receiver_text")
        detail::channel(server).receiver_text = text();
    else if (key == "heartbeat")
        detail::channel(server).heartbeat_period_seconds = as<double>(value, "heartbeat");
    else if (key == "applier")
        detail::channel(server).applier = detail::thread_state(text());
    else if (key == "receiver_errno") {
        detail::channel(server).receiver_errno = static_cast<unsigned>(number());
        if (detail::channel(server).receiver_error.empty() && number() != 0) {
            detail::channel(server).receiver_error =
                number() >= 2000 && number() < 3000 ? "error connecting to source" : "error";
        }
    } else if (key == "receiver_error")
        detail::channel(server).receiver_error = text();
    else if (key == "applier_errno")
        detail::channel(server).applier_errno = static_cast<unsigned>(number());
    else if (key == "applier_error")
        detail::channel(server).applier_error = text();
    else if (key == "retrieved")
        detail::channel(server).retrieved_gtid_set = expand_gtids(text());
    else if (key == "io_pos")
        detail::channel(server).gtid_io_pos = text();
    else if (key == "read")
        detail::channel(server).read = detail::log_position(text());
    else if (key == "executed_position")
        detail::channel(server).executed = detail::log_position(text());
    else if (key == "auto_position")
        detail::channel(server).auto_position = flag();
    else if (key == "using_gtid")
        detail::channel(server).using_gtid = text();
    else if (key == "filters")
        detail::channel(server).has_filters = flag();
    else if (key == "delay")
        detail::channel(server).delay_seconds = number();
    else if (key == "lag") {
        detail::channel(server).seconds_behind.reset();
        if (text() != "unknown") {
            detail::channel(server).seconds_behind = as<std::int64_t>(value, server.name + ".lag");
        }
    }
    // What advice looks at, all well unless said: {persist: no, workers: 8, commit_order: no, ...}
    else if (key == "settings")
        detail::read_settings(server, value);
    // semi-sync: {source: yes, status: yes, wait: 1, clients: 0, waits: no, replica: no}
    else if (key == "semi_sync") {
        auto& x = state.semi_sync;
        x.available = true;
        x.new_names = !detail::is_mariadb(server);
        for (const auto& entry : value) {
            const auto what = entry.first.as<std::string>();
            if (what == "source")
                x.source_enabled = entry.second.as<bool>();
            else if (what == "status")
                x.source_status = entry.second.as<bool>();
            else if (what == "replica")
                x.replica_enabled = x.replica_status = entry.second.as<bool>();
            else if (what == "wait")
                x.wait_for_replica_count = entry.second.as<std::uint64_t>();
            else if (what == "clients")
                x.clients = entry.second.as<std::uint64_t>();
            else if (what == "waits")
                x.waits_without_clients = entry.second.as<bool>();
            else
                throw BadScenario(server.name + ".semi_sync has no '" + what + "'");
        }
    }
    // Group Replication: {name: g, role: PRIMARY, state: ONLINE, members: [a, b], primary: a}
    else if (key == "group") {
        auto& x = state.group;
        x.single_primary = true;
        x.member_state = "ONLINE";
        const auto primary = value["primary"] ? value["primary"].as<std::string>() : std::string{};
        for (const auto& entry : value) {
            const auto what = entry.first.as<std::string>();
            if (what == "name")
                x.name = entry.second.as<std::string>();
            else if (what == "role")
                x.member_role = entry.second.as<std::string>();
            else if (what == "state")
                x.member_state = entry.second.as<std::string>();
            else if (what == "members") {
                x.members.clear();
                for (const auto& member : entry.second) {
                    const auto name = member.as<std::string>();
                    x.members.push_back(
                        {id_of(name),
                         uuid_of(name),
                         "ONLINE",
                         name == primary ? "PRIMARY" : "SECONDARY"}
                    );
                }
            } else if (what != "primary")
                throw BadScenario(server.name + ".group has no '" + what + "'");
        }
    } else
        return false;
    return true;
}

struct Scenario {
    std::string about;
    YAML::Node document;                      // all of it, for the runner's own part
    std::map<std::string, Server> before;     // at 08:00:00
    std::map<std::string, Server> meanwhile;  // at 08:01:00: as before with the changes
    topology::Overlay overlay;
    TimePoint now{};  // 08:01:00 plus `after` seconds
    WallMs now_ms = 0;

    /// The builder after all observations, for scenarios that go on from here.
    [[nodiscard]] topology::Builder builder() const;
    [[nodiscard]] topology::TopologyPtr topology() const;
};

inline WallMs wall_at(TimePoint time) {
    return start_wall_ms + to_ms(time - start_time);
}

/// A good probe of the server in the given state, ended at `at`.
inline topology::Observation good_probe(const Server& server, TimePoint at) {
    topology::Observation out;
    out.id = id_of(server.name);
    out.started = at - probe_takes;
    out.ended = at;
    out.wall_ms = wall_at(at);
    out.state = server.state;
    out.state->uptime_seconds += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(at - start_time).count()
    );
    return out;
}

inline topology::Observation failed_probe(const Server& server, TimePoint at) {
    topology::Observation out;
    out.id = id_of(server.name);
    const bool slow = server.probe == topology::ProbeFailure::timeout;
    out.started = at - (slow ? timeout_takes : probe_takes);
    out.ended = at;
    out.wall_ms = wall_at(at);
    out.failure = server.probe;
    out.error = std::string(topology::to_string(server.probe));
    if (server.probe == topology::ProbeFailure::hangs) {
        out.strain = server.state.strain;
    }
    return out;
}

inline Server make_server(const std::string& name) {
    Server server;
    server.name = name;
    auto& identity = server.state.identity;
    const auto id = id_of(name);
    identity.uuid = uuid_of(name);
    identity.server_id = std::hash<std::string>{}(name) % 1'000'000 + 1;
    identity.hostname = identity.report_host = id.host;
    identity.report_port = id.port;
    identity.flavor = topology::Flavor::mysql;
    identity.version = "8.0.36";
    identity.binlog_format = "ROW";
    identity.binlog_row_image = "FULL";
    identity.log_bin = identity.log_replica_updates = true;
    identity.gtid_mode = "ON";
    identity.has_super_read_only = true;
    identity.replication_credentials_available = true;
    identity.replica_net_timeout_seconds = 60;
    server.state.uptime_seconds = 100'000;
    server.state.binlog = topology::LogPosition{"binlog.000001", 1000};
    return server;
}

inline void read_server(Server& server, const YAML::Node& members) {
    // These give the others their defaults, so they come first.
    for (const char* first : {"version", "source"}) {
        if (members.IsMap() && members[first]) {
            read_member(server, first, members[first]);
        }
    }
    for (const auto& entry : members) {
        const auto key = entry.first.as<std::string>();
        if (key != "version" && key != "source" && !read_member(server, key, entry.second)) {
            throw BadScenario("server " + server.name + " has no member '" + key + "'");
        }
    }
}

inline void read_operators(const YAML::Node& node, Scenario& scenario) {
    auto& overlay = scenario.overlay;
    for (const auto& section : node) {
        const auto what = section.first.as<std::string>();
        for (const auto& entry : section.second) {
            const auto id = id_of(entry.first.as<std::string>());
            const auto& value = entry.second;
            if (what == "downtime") {
                overlay.downtimes[id] = {
                    "dba", value.as<std::string>(), start_wall_ms, start_wall_ms + 3'600'000};
            } else if (what == "ended_downtime") {
                overlay.downtimes[id] = {
                    "dba",
                    value.as<std::string>(),
                    start_wall_ms - 7'200'000,
                    start_wall_ms - 3'600'000};
            } else if (what == "maintenance") {
                overlay.maintenances[id] = {
                    1, "dba", value.as<std::string>(), start_wall_ms, start_wall_ms + 3'600'000};
            } else if (what == "rule") {
                const auto rule = topology::parse_promotion_rule(value.as<std::string>());
                if (!rule) {
                    throw BadScenario("'" + value.as<std::string>() + "' is no promotion rule");
                }
                overlay.candidates[id] = {*rule, start_wall_ms, start_wall_ms + 3'600'000};
            } else if (what == "deposed") {
                topology::Deposed deposed;
                deposed.uuid = uuid_of(entry.first.as<std::string>());
                deposed.cluster_id = "c-scenario";
                deposed.recovery_id = "an-earlier-recovery";
                deposed.successor = id_of(value["successor"].as<std::string>());
                deposed.since_ms = start_wall_ms - 60'000;
                deposed.contained = value["contained"] && value["contained"].as<bool>();
                if (value["classification"]) {
                    deposed.classification = value["classification"].as<std::string>();
                }
                overlay.deposed[id] = deposed;
            } else if (what == "left_stopped") {
                overlay.left_stopped[id] = {"", value.as<std::string>(), start_wall_ms - 60'000};
            } else if (what == "cluster") {
                // cluster: {p1: [p1, r1, r2]}: recorded primary, and who is known to belong to it
                overlay.clusters["c-scenario"] = {"c-scenario", id, 1, ""};
                for (const auto& member : value) {
                    overlay.membership[id_of(member.as<std::string>())] = "c-scenario";
                }
            } else {
                throw BadScenario("operators say nothing of '" + what + "'");
            }
        }
    }
}

/// `own_sections`: top-level keys that the caller reads from `document` itself.
inline Scenario read_scenario(
    const std::string& text, const std::set<std::string>& own_sections = {"expect"}
) {
    Scenario out;
    try {
        out.document = YAML::Load(text);
        for (const auto& entry : out.document) {
            const auto key = entry.first.as<std::string>();
            static const std::set<std::string> known{
                "about", "defaults", "servers", "meanwhile", "operators", "after"};
            if (known.count(key) == 0 && own_sections.count(key) == 0) {
                throw BadScenario("unknown section '" + key + "'");
            }
        }
        out.about = out.document["about"].as<std::string>("");
        for (const auto& entry : out.document["servers"]) {
            const auto name = entry.first.as<std::string>();
            auto server = make_server(name);
            if (out.document["defaults"]) {
                read_server(server, out.document["defaults"]);
            }
            read_server(server, entry.second);
            out.before.emplace(name, std::move(server));
        }
        out.meanwhile = out.before;
        for (const auto& entry : out.document["meanwhile"]) {
            const auto name = entry.first.as<std::string>();
            const auto found = out.meanwhile.find(name);
            if (found == out.meanwhile.end()) {
                throw BadScenario("meanwhile speaks of '" + name + "', which is no server");
            }
            read_server(found->second, entry.second);
        }
        read_operators(out.document["operators"], out);
        const auto after = std::chrono::seconds(out.document["after"].as<int>(0));
        out.now = start_time + meanwhile_after + after;
        out.now_ms = wall_at(out.now);
    } catch (const YAML::Exception& error) {
        throw BadScenario(std::string("not readable: ") + error.what());
    }
    return out;
}

inline Scenario read_scenario_file(
    const std::string& path, const std::set<std::string>& own_sections = {"expect"}
) {
    std::ifstream file(path);
    if (!file) {
        throw BadScenario("cannot open " + path);
    }
    std::stringstream text;
    text << file.rdbuf();
    return read_scenario(text.str(), own_sections);
}

inline topology::Builder Scenario::builder() const {
    topology::Builder out;
    out.set_overlay(overlay);
    // All was well: two good probes, so that what comes later can be compared with something.
    for (const auto& [name, server] : before) {
        out.add(id_of(name));
        if (!server.seen) {
            continue;
        }
        if (server.probed) {
            out.apply(good_probe(server, start_time));
        } else {
            topology::Instance stored;
            stored.id = id_of(name);
            stored.ever_seen = stored.health.valid = true;
            stored.health.last_seen_ms = start_wall_ms;
            stored.state = server.state;
            out.restore(std::move(stored));
        }
    }
    out.build(start_time, start_wall_ms);

    // The failures come first: what a replica says later than the first of them is evidence.
    const auto then = start_time + meanwhile_after;
    for (const auto& [name, server] : meanwhile) {
        if (server.probe != topology::ProbeFailure::none && server.probed) {
            for (unsigned i = server.probes; i > 0; --i) {
                out.apply(failed_probe(server, then - std::chrono::seconds(i)));
            }
        }
    }
    for (const auto& [name, server] : meanwhile) {
        if (server.probe != topology::ProbeFailure::none || !server.observed || !server.probed ||
            !server.seen) {
            continue;
        }
        // Two looks half a second apart, both after the first failure.
        auto later = server;
        out.apply(good_probe(server, then - std::chrono::milliseconds(490)));
        if (server.receives == "data") {
            later.state.channels.at(0).read.pos += 500;
        } else if (server.receives == "heartbeat") {
            later.state.channels.at(0).heartbeats_received += 1;
        } else if (!server.receives.empty()) {
            throw BadScenario(name + " receives '" + server.receives + "'?");
        }
        out.apply(good_probe(later, then + std::chrono::milliseconds(10)));
        if (!server.witness.empty()) {
            topology::WitnessReport report;
            report.asked = then + std::chrono::milliseconds(20);
            report.answered = then + std::chrono::milliseconds(30);
            report.heard = server.witness == "heard";
            if (!report.heard && server.witness != "not heard") {
                throw BadScenario(name + " has witness '" + server.witness + "'?");
            }
            report.text = report.heard ? "connected" : "cannot connect";
            out.apply_witness(id_of(name), report);
        }
    }
    return out;
}

inline topology::TopologyPtr Scenario::topology() const {
    auto made = builder();
    // Later than all observations.
    return made.build(now + std::chrono::milliseconds(50), now_ms + 50);
}

}  // namespace baton::scenario
