// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of one server: data only. An Instance is built once from the last good observation
// and the outcome of the later ones, and never changed afterwards; snapshots share it by pointer.

#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::topology {

enum class Flavor { unknown, mysql, percona, mariadb };

/// Numeric codes are part of the HTTP API.
enum class ThreadState : std::int8_t { none = -1, stopped = 0, running = 1, connecting = 2 };

enum class PromotionRule { must, prefer, neutral, prefer_not, must_not };

/// File and position in a binary or relay log; file empty = unknown.
struct LogPosition {
    LogPosition() = default;

    LogPosition(std::string f, std::uint64_t p) : file(std::move(f)), pos(p) {}

    std::string file;
    std::uint64_t pos = 0;
    friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

/// Transport options of a replication channel that a repoint must keep.
struct ChannelTls {
    bool allowed = false;  // Source_SSL_Allowed / Master_SSL_Allowed
    bool verify = false;
    std::string ca_file, ca_path, cert, cipher, crl_file, crl_path, key, versions, ciphersuites;
    std::string public_key_path;
    bool get_public_key = false;
    friend bool operator==(const ChannelTls&, const ChannelTls&) = default;
};

/// One replication channel of a replica, from SHOW REPLICA STATUS and its relatives.
struct Channel {
    std::string name;   // "" = default channel
    InstanceId source;  // host as configured on the replica, resolved to a known instance by the
                        // builder where possible
    std::string source_uuid;  // MySQL; "" elsewhere or when never connected
    std::uint64_t source_server_id = 0;
    ThreadState receiver = ThreadState::none;
    ThreadState applier = ThreadState::none;
    std::string receiver_text;  // Replica_IO_State
    std::string user;
    bool auto_position = false;         // MySQL GTID auto-positioning
    std::string using_gtid;             // MariaDB: "No", "Slave_Pos", "Current_Pos"; "" on MySQL
    LogPosition read, executed, relay;  // source coordinates received / executed; own relay log
    std::string retrieved_gtid_set;     // MySQL: Retrieved_Gtid_Set (of the existing relay logs)
    std::string gtid_io_pos;            // MariaDB: Gtid_IO_Pos, the last received
    std::optional<std::int64_t> seconds_behind;
    std::uint64_t delay_seconds = 0;
    unsigned receiver_errno = 0, applier_errno = 0;
    std::string receiver_error, applier_error;
    bool has_filters = false;
    double heartbeat_period_seconds = 0;
    std::uint64_t heartbeats_received = 0;  // counter; a rise is proof that the source was alive
    std::uint64_t connect_retry_seconds = 0;
    std::optional<std::uint64_t> retry_count;  // attempts until the receiver gives up; MySQL
    ChannelTls tls;

    [[nodiscard]] bool uses_gtid() const {
        return auto_position || (!using_gtid.empty() && using_gtid != "No");
    }

    [[nodiscard]] bool replicating() const {
        return receiver == ThreadState::running && applier == ThreadState::running;
    }

    friend bool operator==(const Channel&, const Channel&) = default;
};

struct SemiSync {
    bool available = false;  // both plugins there (or built in, MariaDB)
    bool new_names = false;  // rpl_semi_sync_source_* / _replica_* rather than _master_* / _slave_*
    bool has_source = false, has_replica = false;  // each half, where only one may be there
    bool source_enabled = false, replica_enabled = false;
    bool source_status = false, replica_status = false;
    std::uint64_t timeout_ms = 0;
    std::uint64_t wait_for_replica_count = 1;
    std::uint64_t clients = 0;
    /// It goes on waiting while fewer clients than that are connected; false: not known, or it does
    /// without acknowledgements as soon as they have left.
    bool waits_without_clients = false;
    friend bool operator==(const SemiSync&, const SemiSync&) = default;
};

struct GroupMember {
    InstanceId id;
    std::string uuid, state, role;
    friend bool operator==(const GroupMember&, const GroupMember&) = default;
};

struct GroupReplication {
    std::string name;  // "" = no group
    bool single_primary = false;
    std::string member_state, member_role;
    std::vector<GroupMember> members;
    friend bool operator==(const GroupReplication&, const GroupReplication&) = default;
};

/// What changes seldom. Written to the backend only when it changed.
struct Identity {
    std::string uuid;  // server_uuid; MariaDB has none: "mariadb-<server_id>-<hostname>:<port>"
                       // made by the probe
    std::uint64_t server_id = 0;
    std::string hostname, report_host;  // @@hostname, @@report_host
    Port report_port = 0;
    std::string version, version_comment;
    Flavor flavor = Flavor::unknown;
    std::string binlog_format, binlog_row_image;
    bool log_bin = false, log_replica_updates = false;
    std::string gtid_mode;     // "ON" ...; "" on MariaDB
    bool gtid_strict = false;  // MariaDB gtid_strict_mode
    std::uint64_t replica_net_timeout_seconds = 0;
    bool relay_log_recovery = false;
    bool durable = true;  // sync_binlog=1 and innodb_flush_log_at_trx_commit=1
    bool has_super_read_only = false;
    bool binlog_server = false;  // keeps binary logs and no data
    /// Another way in when all connections are taken: host "" = the same. Port 0 = none.
    std::string admin_host;
    Port admin_port = 0;
    std::string data_center, region, environment, alias, suggested_cluster_alias;
    bool replication_credentials_available = false;
    friend bool operator==(const Identity&, const Identity&) = default;
};

/// Whether a setting survives a restart of its server, as far as can be seen from outside.
enum class Kept : std::uint8_t { unknown, yes, at_run_time_only };

/// The account with which replicas are to connect to this server (topology.replication_user).
/// unknown: none is configured, or Baton's account may not look.
enum class ReplicationAccount : std::uint8_t { unknown, absent, without_privilege, good };

/// Settings no decision rests on, read once in a while: what the advice looks at
/// (analysis/advice.hpp). Unset: the server has no such variable, or does not show it.
struct ServerSettings {
    bool read = false;           // false: of an older version's record; nothing can be said
    bool replica_words = false;  // REPLICA and SOURCE in its statements and variables
    bool can_persist = false;    // SET PERSIST
    std::optional<std::uint64_t> sync_binlog, flush_log_at_commit, sync_relay_log;
    std::optional<std::uint64_t> binlog_expire_seconds;  // 0 = never
    std::optional<std::uint64_t> parallel_workers;
    std::optional<bool> preserve_commit_order, skip_start;
    std::string enforce_gtid_consistency, skip_errors;
    Kept read_only_kept = Kept::unknown;
    ReplicationAccount replication_account = ReplicationAccount::unknown;
    friend bool operator==(const ServerSettings&, const ServerSettings&) = default;
};

/// Sessions that wait for the same kind of thing.
struct Waiters {
    std::uint32_t sessions = 0;
    std::uint32_t seconds = 0;  // the longest of them, as the server counts
    friend bool operator==(const Waiters&, const Waiters&) = default;
};

/// What makes a living server useless. Looked at now and then, and closely upon a suspicion; so it
/// may be older than the rest.
struct Strain {
    std::uint64_t connections = 0, connection_limit = 0;  // limit 0: not known
    bool turns_away = false;  // clients found no free connection between the last two looks
    Waiters disk;             // for space on the disk
    Waiters commit;           // in a commit, for none of the others
    Waiters acknowledgement;  // for a semi-synchronous replica
    Waiters metadata_lock;
    Waiters global_lock;  // global read lock, backup lock
    /// A statement for its state that has hung, and is left out for a while; since when. "" = none.
    std::string unanswered;
    TimePoint unanswered_since{};
    friend bool operator==(const Strain&, const Strain&) = default;
};

/// What one successful probe read. Everything a server sent is untrusted text.
struct ServerState {
    Identity identity;
    bool read_only = false, super_read_only = false;
    std::uint64_t uptime_seconds = 0;
    LogPosition binlog;             // end of the own binary log
    std::string executed_gtid_set;  // MySQL gtid_executed; MariaDB gtid_binlog_pos merged with
                                    // gtid_slave_pos
    std::string purged_gtid_set;
    std::vector<Channel> channels;
    SemiSync semi_sync;
    GroupReplication group;
    std::vector<InstanceId> reported_replicas;  // from SHOW REPLICAS, else the process list
    std::uint64_t dump_threads = 0;             // replicas connected at the moment
    ServerSettings settings;
    Strain strain;
    friend bool operator==(const ServerState&, const ServerState&) = default;
};

enum class ProbeFailure {
    none,
    refused,        // nothing listens: the process is gone (or its host answers with a reset)
    reset,          // connection was there and broke
    timeout,        // no answer within the deadline: frozen, overloaded, or packets dropped
    unresolved,     // name not found / no route
    access_denied,  // it lives, but does not let us in: configuration fault, never "dead"
    too_many_connections,  // it lives
    error,  // it lives and answered with an error (also: an answer we cannot understand)
    hangs,  // it lives: it let us in or answered in this probe, and then gave no more answer
};

/// True if the failure says that the server may be gone; false if it proves a living server.
[[nodiscard]] constexpr bool is_absence(ProbeFailure failure) {
    return failure == ProbeFailure::refused || failure == ProbeFailure::reset ||
           failure == ProbeFailure::timeout || failure == ProbeFailure::unresolved;
}

/// The outcome of one probe.
struct Observation {
    Observation() = default;

    InstanceId id;  // address probed
    TimePoint started{}, ended{};
    WallMs wall_ms = 0;  // at the end
    ProbeFailure failure = ProbeFailure::none;
    std::string error;                 // sentence, when failed
    std::optional<ServerState> state;  // set exactly when failure == none
    bool connection_lost = false;  // the failure began with the loss of an established connection
    std::optional<Strain> strain;  // seen although the probe failed
};

/// How the observer sees a server now, over several probes.
struct Health {
    bool checked = false;  // probed at least once by the present observer
    bool valid = false;    // the last finished probe succeeded
    /// Length of the present run of failures of one kind: absence (see is_absence) or proof of a
    /// living server. The run begins anew when the kind changes, so that "refused us an hour long"
    /// never counts as "absent for an hour".
    std::uint32_t consecutive_failures = 0;
    ProbeFailure failure = ProbeFailure::none;  // of the last probe
    std::string error;
    TimePoint last_attempt{};   // end of the last probe (observer's clock)
    TimePoint last_seen{};      // end of the last good one
    TimePoint first_failure{};  // start of the first probe of the present run of failures
    WallMs last_seen_ms = 0, last_attempt_ms = 0;
    WallMs first_failure_ms = 0;  // wall time of first_failure, 0 = none; for sentences
    Duration latency{};           // of the last good probe

    friend bool operator==(const Health&, const Health&) = default;
};

/// What a witness, i.e. a replica whose receiver was made to reconnect, found out about its source.
struct WitnessReport {
    TimePoint asked{}, answered{};
    bool heard = false;  // receiver is connected again: the source lives
    std::string text;    // state or error of the receiver
    friend bool operator==(const WitnessReport&, const WitnessReport&) = default;
};

/// One server in a snapshot.
struct Instance {
    InstanceId id;
    Health health;
    bool ever_seen = false;  // `state` is meaningful
    ServerState state;       // last good one
    /// Proof that the source was alive: the channel received data or a heartbeat, or connected, at
    /// some time *after* this point of the observer's clock. It is the start of the probe before
    /// the one that showed the news, because what arrived between the two may have arrived right
    /// after the first. {} = never.
    TimePoint received_at{};
    /// Observer's time since when its own binary log has not moved (end of the probe that showed
    /// the present position first); {} = never seen by this observer.
    TimePoint binlog_moved_at{};
    /// When it was seen to move first, of the last probes in a row that showed it moving; {} =
    /// never.
    TimePoint binlog_moving_since{};
    /// Observer's time since when it has been seen read-only, without interruption; {} = it is not.
    TimePoint read_only_since{};
    /// Start of the first of the good probes in a row, up to the newest, that showed nothing newly
    /// received on its channel, heartbeats included.
    TimePoint quiet_since{};
    /// Since when its source has written what was not received at any good probe; {} = all was.
    TimePoint unheard_since{};
    /// Since when its receiver has not been connected at any good probe; {} = it is.
    TimePoint unconnected_since{};
    std::optional<WitnessReport> witness;  // newest
    /// Its receiver is being made to reconnect since then (witness test); {} = it is not.
    TimePoint witness_begun{};

    // Set by the builder from the whole picture:
    std::string cluster_id;    // stable over failovers
    std::string cluster_name;  // "host:port" of the primary, the name orchestrator's clients know
    unsigned depth = 0;        // 0 = primary
    bool is_co_primary = false;
    std::string ancestry_uuid;
    std::string errant_gtid;  // executed here, unknown to the source (text of a set)
    /// What it was seen to have received in its source's service and has no more (text of a set): a
    /// relay log that was dropped, a data directory that went back. "" again when it was received
    /// anew, or when the living primary has none of it. A lower bound: what came and went between
    /// two probes is not seen.
    std::string received_lost;

    [[nodiscard]] bool reachable() const { return health.valid; }

    /// The channel that attaches it to its cluster: the only one, else the first that is
    /// configured. Further channels (multi-source) are shown and not acted upon.
    [[nodiscard]] const Channel* channel() const {
        return state.channels.empty() ? nullptr : &state.channels.front();
    }

    [[nodiscard]] bool is_replica() const {
        return channel() != nullptr && !channel()->source.empty();
    }

    [[nodiscard]] InstanceId source() const {
        return is_replica() ? channel()->source : InstanceId{};
    }

    /// Lag as seconds behind its source; none when unknown.
    [[nodiscard]] std::optional<std::int64_t> lag_seconds() const {
        return channel() != nullptr ? channel()->seconds_behind : std::nullopt;
    }
};

std::string_view to_string(Flavor flavor);
std::string_view to_string(PromotionRule rule);
std::optional<PromotionRule> parse_promotion_rule(std::string_view text);
std::string_view to_string(ProbeFailure failure);
std::string_view to_string(ThreadState state);
std::string_view to_string(Kept kept);
std::string_view to_string(ReplicationAccount account);

}  // namespace baton::topology
