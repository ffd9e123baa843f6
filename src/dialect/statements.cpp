// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/statements.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::dialect {

std::string literal(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            quoted += c;
        }
        quoted += c == '\0' ? ' ' : c;
    }
    return quoted + "'";
}

std::string session_sql(Duration idle_limit, Duration statement_limit) {
    const auto seconds = [](Duration d) {
        return std::max<std::int64_t>(1, (to_ms(d) + 999) / 1000);
    };
    std::string sql = fmt::format(
        "SET SESSION sql_mode='',wait_timeout={},lock_wait_timeout={}",
        seconds(idle_limit),
        statement_limit.count() > 0 ? seconds(statement_limit) : 60
    );
    if (statement_limit.count() > 0) {
        // MariaDB ignores version comments of 50700 to 99999, MySQL those that begin with M.
        sql += fmt::format(
            "/*!50708 ,max_execution_time={}*//*M!100101 ,max_statement_time={}*/",
            to_ms(statement_limit),
            seconds(statement_limit)
        );
    }
    return sql;
}

namespace {

std::string_view replica_word(const Vocabulary& words) {
    return words.replica_words ? "REPLICA" : "SLAVE";
}

std::string_view thread_word(Threads threads) {
    switch (threads) {
        case Threads::receiver:
            return " IO_THREAD";
        case Threads::applier:
            return " SQL_THREAD";
        case Threads::both:
            return "";
    }
    return "";
}

/// MySQL names the channel at the end, MariaDB the connection after the first words. The default
/// one is named too: without a name MySQL means all channels.
std::string control(
    const Vocabulary& words, std::string_view verb, std::string_view rest, std::string_view channel
) {
    if (words.mariadb()) {
        return fmt::format("{} SLAVE {}{}", verb, literal(channel), rest);
    }
    return fmt::format("{} {}{} FOR CHANNEL {}", verb, replica_word(words), rest, literal(channel));
}

}  // namespace

std::string stop_replication(const Vocabulary& words, Threads threads, std::string_view channel) {
    return control(words, "STOP", thread_word(threads), channel);
}

std::string start_replication(const Vocabulary& words, Threads threads, std::string_view channel) {
    return control(words, "START", thread_word(threads), channel);
}

std::string forget_source(const Vocabulary& words, std::string_view channel) {
    return control(words, "RESET", " ALL", channel);
}

std::string replication_status(const Vocabulary& words) {
    return words.mariadb() ? "SHOW ALL SLAVES STATUS"
                           : fmt::format("SHOW {} STATUS", replica_word(words));
}

std::string binary_log_status(const Vocabulary& words) {
    // SHOW MASTER STATUS wants the lock of the log, which MariaDB holds while commits wait for a
    // semi-synchronous acknowledgement: just then the primary must be seen to live.
    if (words.mariadb()) {
        return "SHOW GLOBAL STATUS WHERE Variable_name IN "
               "('Binlog_snapshot_file','Binlog_snapshot_position')";
    }
    return words.binary_log_status ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

topology::LogPosition binary_log_position(const ResultRows& rows) {
    topology::LogPosition position(
        std::string(rows.text(0, "File")), number_or(rows.text(0, "Position"), 0)
    );
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const auto name = rows.text(row, "Variable_name");
        if (name == "Binlog_snapshot_file") {
            position.file = std::string(rows.text(row, "Value"));
        } else if (name == "Binlog_snapshot_position") {
            position.pos = number_or(rows.text(row, "Value"), 0);
        }
    }
    return position;
}

std::string executed_positions(const Vocabulary& words) {
    return words.mariadb() ? "SELECT @@global.gtid_slave_pos AS slave_pos,"
                             "@@global.gtid_binlog_pos AS binlog_pos"
                           : "SELECT @@global.gtid_executed AS executed";
}

std::string kept_heartbeat(const Vocabulary& words, const topology::Channel& now) {
    if (now.heartbeat_period_seconds <= 0) {
        return {};
    }
    return fmt::format(
        ",{}_HEARTBEAT_PERIOD={:.3f}",
        words.replica_words ? "SOURCE" : "MASTER",
        now.heartbeat_period_seconds
    );
}

std::string heartbeat_period(std::string_view channel) {
    return fmt::format(
        "SELECT HEARTBEAT_INTERVAL FROM performance_schema.replication_connection_configuration "
        "WHERE CHANNEL_NAME={}",
        literal(channel)
    );
}

bool change_needs_applier_stopped(const Vocabulary& words, const topology::Channel& now) {
    return words.mariadb() || !now.auto_position;
}

std::string change_source(
    const Vocabulary& words,
    const topology::Channel& now,
    const InstanceId& source,
    const std::optional<Credentials>& credentials
) {
    const std::string_view prefix = words.replica_words ? "SOURCE" : "MASTER";
    std::string sql;
    if (words.mariadb()) {
        sql = fmt::format("CHANGE MASTER {} TO ", literal(now.name));
    } else if (words.replica_words) {
        sql = "CHANGE REPLICATION SOURCE TO ";
    } else {
        sql = "CHANGE MASTER TO ";
    }
    sql += fmt::format("{0}_HOST={1},{0}_PORT={2}", prefix, literal(source.host), source.port);
    if (credentials.has_value()) {
        sql += fmt::format(
            ",{0}_USER={1},{0}_PASSWORD={2}",
            prefix,
            literal(credentials->user),
            literal(credentials->password)
        );
    }
    if (credentials.has_value() && now.tls.allowed) {
        sql += fmt::format(",{}_SSL=1", prefix);
    }
    sql += kept_heartbeat(words, now);
    if (words.mariadb()) {
        // A server that was a primary has its own transactions in its binary log only.
        const bool was_primary = now.source.empty() && now.using_gtid != "Slave_Pos";
        sql += fmt::format(",MASTER_USE_GTID={}", was_primary ? "current_pos" : "slave_pos");
        return sql;
    }
    if (!now.auto_position) {
        sql += fmt::format(",{}_AUTO_POSITION=1", prefix);
    }
    if (words.replica_words && !now.tls.get_public_key && now.tls.public_key_path.empty()) {
        // caching_sha2_password without TLS needs the source's key when its cache does not know the
        // account (yet): certain to happen after the source was started anew.
        sql += ",GET_SOURCE_PUBLIC_KEY=1";
    }
    return fmt::format("{} FOR CHANNEL {}", sql, literal(now.name));
}

std::string make_writable(std::string_view not_after) {
    // Where there is super_read_only this switches it off as well. The two rows are an error on all
    // versions; what the variable has for a value differs (MariaDB 12: a word).
    return fmt::format(
        "SET GLOBAL read_only=IF(SYSDATE(6)<{},0,(SELECT 1 UNION SELECT 2))", literal(not_after)
    );
}

std::string time_limit(std::int64_t microseconds) {
    return fmt::format("SELECT SYSDATE(6)+INTERVAL {} MICROSECOND", microseconds);
}

std::string make_read_only(const Vocabulary& words) {
    // super_read_only switches read_only on as well.
    return words.has_super_read_only ? "SET GLOBAL super_read_only=1" : "SET GLOBAL read_only=1";
}

std::optional<std::string> semi_sync_source(const Vocabulary& words, bool on) {
    if (!words.semi_sync_source) {
        return std::nullopt;
    }
    return fmt::format(
        "SET GLOBAL rpl_semi_sync_{}_enabled={}",
        words.semi_sync_new_names ? "source" : "master",
        on ? 1 : 0
    );
}

std::optional<std::string> semi_sync_replica(const Vocabulary& words, bool on) {
    if (!words.semi_sync_replica) {
        return std::nullopt;
    }
    return fmt::format(
        "SET GLOBAL rpl_semi_sync_{}_enabled={}",
        words.semi_sync_new_names ? "replica" : "slave",
        on ? 1 : 0
    );
}

std::optional<std::string> semi_sync_wait(const Vocabulary& words, std::uint64_t count) {
    if (!words.semi_sync_source || words.mariadb()) {
        return std::nullopt;
    }
    return words.semi_sync_new_names
               ? fmt::format("SET GLOBAL rpl_semi_sync_source_wait_for_replica_count={}", count)
               : fmt::format("SET GLOBAL rpl_semi_sync_master_wait_for_slave_count={}", count);
}

std::string semi_sync_source_enabled(const Vocabulary& words) {
    return fmt::format(
        "SELECT @@global.rpl_semi_sync_{}_enabled", words.semi_sync_new_names ? "source" : "master"
    );
}

std::string semi_sync_replica_status(const Vocabulary& words) {
    return fmt::format(
        "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_{}_status'",
        words.semi_sync_new_names ? "replica" : "slave"
    );
}

std::string end_delay(const Vocabulary& words, const topology::Channel& now) {
    if (words.mariadb()) {
        return fmt::format(
            "CHANGE MASTER {} TO MASTER_USE_GTID=no,MASTER_DELAY=0,RELAY_LOG_FILE={},"
            "RELAY_LOG_POS={}{}",
            literal(now.name),
            literal(now.relay.file),
            now.relay.pos,
            kept_heartbeat(words, now)
        );
    }
    return words.replica_words
               ? "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0 FOR CHANNEL " + literal(now.name)
               : "CHANGE MASTER TO MASTER_DELAY=0 FOR CHANNEL " + literal(now.name);
}

std::string take_lock(std::string_view name, unsigned wait_seconds) {
    return fmt::format("SELECT GET_LOCK({},{})", literal(name), wait_seconds);
}

std::string and_take_lock(std::string_view name) {
    return fmt::format(",@baton_lock=GET_LOCK({},0)", literal(name));
}

std::string lock_holder(std::string_view name) {
    return fmt::format("SELECT IS_USED_LOCK({})", literal(name));
}

std::string release_lock(std::string_view name) {
    return fmt::format("SELECT RELEASE_LOCK({})", literal(name));
}

std::string kill_connection(std::uint64_t id) {
    return fmt::format("KILL CONNECTION {}", id);
}

std::string process_list() {
    return "SHOW PROCESSLIST";
}

std::string end_receiver_early(const Vocabulary& words, std::uint64_t receiver_session) {
    std::string before, after;
    if (words.stop_waits_for_attempt) {
        before =
            "SET @baton_kill_timeout=@@global.rpl_semi_sync_slave_kill_conn_timeout;"
            "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=1;";
        after = "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout=@baton_kill_timeout;";
    }
    // 10 ms were enough for all of twelve tries.
    return fmt::format(
        "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;"
        "{}KILL CONNECTION {};DO SLEEP(0.05);{}END",
        before,
        receiver_session,
        after
    );
}

std::string start_receiver_briefly(
    const Vocabulary& words, std::string_view channel, unsigned seconds
) {
    return fmt::format(
        "SET @baton_net_timeout=@@global.slave_net_timeout;"
        "SET GLOBAL slave_net_timeout=LEAST(@@global.slave_net_timeout,{});{};DO SLEEP(0.1);"
        "SET GLOBAL slave_net_timeout=@baton_net_timeout",
        seconds,
        start_replication(words, Threads::receiver, channel)
    );
}

std::uint64_t only_receiver(const ResultRows& process_list) {
    std::uint64_t found = 0;
    for (std::size_t row = 0; row < process_list.rows.size(); ++row) {
        if (equal_ignoring_case(process_list.text(row, "Command"), "Slave_IO")) {
            if (found != 0) {
                return 0;
            }
            found = number_or(process_list.text(row, "Id"), 0);
        }
    }
    return found;
}

}  // namespace baton::dialect
