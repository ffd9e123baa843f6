// SPDX-License-Identifier: Apache-2.0
#pragma once

// The statements that change or ask a server, in its own words. Text only; every name and value is
// quoted. Sessions that send them must have been opened with session_sql(): literal() relies on the
// sql_mode set there.
//
// None of these statements is written to the binary log: SET GLOBAL, START, STOP, RESET, CHANGE and
// KILL never are (MySQL 8.4 manual, "Replication and ..." per statement; tried on 9.7 and MariaDB
// 10.11), so none can make an errant transaction.

#include "baton/base/time.hpp"
#include "baton/dialect/vocabulary.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::dialect {

/// A quoted literal for statements whose grammar wants a bare one. NUL becomes a space: no
/// statement accepts it.
std::string literal(std::string_view text);

/// First statement of each session: plain sql_mode, time limits. `statement_limit` bounds what the
/// server spends on one SELECT (MySQL) or statement (MariaDB) after we gave up; zero = none.
/// Version comments keep the words of one flavour from the other.
std::string session_sql(Duration idle_limit, Duration statement_limit);

enum class Threads { receiver, applier, both };

std::string stop_replication(const Vocabulary& words, Threads threads, std::string_view channel);
std::string start_replication(const Vocabulary& words, Threads threads, std::string_view channel);
/// Forgets source, positions and relay logs of the channel; both threads must be stopped.
std::string forget_source(const Vocabulary& words, std::string_view channel);
/// Status of all channels.
std::string replication_status(const Vocabulary& words);
std::string binary_log_status(const Vocabulary& words);
/// From the answer to that; empty when there is no log.
topology::LogPosition binary_log_position(const ResultRows& rows);
/// One row: executed (MySQL) or slave_pos and binlog_pos (MariaDB).
std::string executed_positions(const Vocabulary& words);

struct Credentials {
    Credentials() = default;

    Credentials(std::string u, std::string p) : user(std::move(u)), password(std::move(p)) {}

    std::string user, password;
};

/// Points the channel to another source by GTID. Host and port only, as far as the channel is
/// configured already: user, password, TLS and retry options stay (MySQL 8.4 manual,
/// CHANGE REPLICATION SOURCE TO: "if an option is not specified, its value is unchanged"; tried
/// on 9.7 and MariaDB 10.11). Only the heartbeat period does not: both set it to half of the
/// receiver's time-out whenever it is not named (tried on both), so it is named. MySQL with
/// auto-positioning on: only the receiver must be stopped; the relay logs are kept while the
/// applier runs. MariaDB and MySQL without: both threads, and what was received and not applied is
/// dropped. `credentials`: for a server that was no replica before.
std::string change_source(
    const Vocabulary& words,
    const topology::Channel& now,
    const InstanceId& source,
    const std::optional<Credentials>& credentials
);

/// Option to append to any CHANGE, so that the heartbeat period stays; "" when it is not known.
std::string kept_heartbeat(const Vocabulary& words, const topology::Channel& now);
/// MySQL with performance_schema: one row; SHOW REPLICA STATUS does not tell it.
std::string heartbeat_period(std::string_view channel);

/// True when change_source() needs the applier stopped.
bool change_needs_applier_stopped(const Vocabulary& words, const topology::Channel& now);

/// One statement for both variables where there are two: read_only off switches super_read_only
/// off, super_read_only on switches read_only on (MySQL 8.4 manual, "super_read_only").
/// `not_after`: an answer to time_limit(). A statement that is carried out later, by a server that
/// was frozen with it in its socket, fails with error_codes' subquery_rows and changes nothing: by
/// then another server may be the primary. (SYSDATE() is the time of execution: MySQL 8.4 manual,
/// "Date and Time Functions".)
std::string make_writable(std::string_view not_after);
/// The server's clock so many microseconds from now.
std::string time_limit(std::int64_t microseconds);
std::string make_read_only(const Vocabulary& words);

/// nullopt where there is no such plugin.
std::optional<std::string> semi_sync_source(const Vocabulary& words, bool on);
std::optional<std::string> semi_sync_replica(const Vocabulary& words, bool on);

/// For how many acknowledgements the source waits. nullopt where there is no plugin, and on
/// MariaDB, which always waits for one.
std::optional<std::string> semi_sync_wait(const Vocabulary& words, std::uint64_t count);
/// One row, one value. Fails where there is no such plugin.
std::string semi_sync_source_enabled(const Vocabulary& words);
/// One row, the value second: whether the replica acknowledges.
std::string semi_sync_replica_status(const Vocabulary& words);

/// The applier shall not wait on purpose any more. MySQL: only the applier must be stopped, and
/// with both threads stopped the relay logs would go. MariaDB: both must be stopped; by file and
/// position the relay logs are kept, as for the applier of a stopped receiver (tried on 9.7
/// and 10.11).
std::string end_delay(const Vocabulary& words, const topology::Channel& now);

/// 1 = taken (or held already by this session), 0 = another session has it.
std::string take_lock(std::string_view name, unsigned wait_seconds);
/// To be appended to session_sql(): takes the lock if it is free.
std::string and_take_lock(std::string_view name);
/// Connection id of the holder, NULL = free.
std::string lock_holder(std::string_view name);
std::string release_lock(std::string_view name);
std::string kill_connection(std::uint64_t id);
/// Id, User, Host, db, Command, Time, State of all sessions. Not from a table: the one of the
/// information schema is on its way out, the one of the performance schema is empty where threads
/// are not instrumented.
std::string process_list();

/// MariaDB. A semi-synchronous receiver that ends connects to its source first, to end its session
/// there. When the source is silent, it stays in that attempt, and the STOP waits, for two seconds:
/// STOP interrupts what a receiver is doing when it begins, and then every two seconds (tried on
/// 10.11). This makes the receiver end a moment before the STOP, which then finds it in the attempt
/// and interrupts that; a source that lives was told meanwhile. It ends as by a STOP: at the same
/// places, after what it was writing. Never fails: then the STOP just takes longer.
/// On MariaDB 11, where nothing interrupts that attempt, it is given one second instead of
/// rpl_semi_sync_slave_kill_conn_timeout; the setting is back when this ends.
std::string end_receiver_early(const Vocabulary& words, std::uint64_t receiver_session);
/// MariaDB (Vocabulary::stop_waits_for_attempt). Starts the receiver so that its first attempt to
/// connect lasts `seconds` at most: a receiver takes slave_net_timeout as it begins an attempt. A
/// connection that comes of it reads no longer than that either, and is made again after a quiet
/// moment. Several statements, for one packet.
std::string start_receiver_briefly(
    const Vocabulary& words, std::string_view channel, unsigned seconds
);
/// From an answer to process_list() of MariaDB; 0 unless there is exactly one, since the list does
/// not tell their channels.
std::uint64_t only_receiver(const ResultRows& process_list);

}  // namespace baton::dialect
