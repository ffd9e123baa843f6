// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/state_reader.hpp"

#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"
#include "baton/dialect/statements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::dialect {

namespace {

constexpr Duration look_at_sessions_every = 5s;
/// As many statements at a time are no usual state of most servers.
constexpr std::uint64_t many_threads = 16;
/// A statement that hung is asked again after this, and then after twice the pause each time.
constexpr Duration ask_again_after = 10s;
constexpr Duration ask_again_limit = 60s;

}  // namespace

void StateReader::begin_session() {
    // A log position that is left out at the moment stays as it was.
    binlog_before_ = state_.binlog;
    uuid_before_ = state_.identity.uuid;
    state_ = {};
    words_ = {};
    for (auto& rows : last_) {
        rows = {};
    }
    denied_.fill(false);
    complaints_.clear();
    asked_.clear();
    refreshed_.reset();
    refreshing_ = false;
    first_ = true;
    words_tried_ = false;
    need_dump_threads_ = false;
    replicas_counted_ = 0;
    attempts_ = 0;
    binlog_pos_.clear();
    slave_pos_.clear();
}

bool StateReader::left_out(Part part) const {
    const Hanging& hanging = hanging_[static_cast<std::size_t>(part)];
    if (!hanging.is_set()) {
        return false;
    }
    // While commits hang it would only hang again.
    const bool hopeless = strain_.disk.sessions > 0 || strain_.commit.sessions > 0;
    return now_ < hanging.again_at || (hopeless && part == Part::binary_log);
}

bool StateReader::anything_left_out() const {
    return std::any_of(hanging_.begin(), hanging_.end(), [](const Hanging& hanging) {
        return hanging.is_set();
    });
}

bool StateReader::hangs() const {
    return (!refreshed_.has_value() && left_out(Part::variables)) || left_out(Part::changing) ||
           left_out(Part::replication);
}

/// The list costs little on a server that does nothing, and one that does much does not stand
/// still, unless something is wrong.
bool StateReader::wants_sessions() const {
    if (state_.read_only && !anything_left_out()) {
        return false;
    }
    const auto waits = [](const topology::Waiters& waiters) { return waiters.sessions > 0; };
    if (anything_left_out() || waits(strain_.disk) || waits(strain_.commit) ||
        waits(strain_.acknowledgement) || waits(strain_.metadata_lock) ||
        waits(strain_.global_lock)) {
        return true;
    }
    const auto& semi_sync = state_.semi_sync;
    const bool semi_synchronous = semi_sync.source_enabled && semi_sync.source_status;
    if (semi_synchronous && stands_still_ && !stood_still_) {
        return true;  // its log has just stopped: it may wait for an acknowledgement
    }
    const bool unacknowledged =
        semi_synchronous && semi_sync.clients < semi_sync.wait_for_replica_count;
    return (stands_still_ || unacknowledged || threads_running_ >= many_threads) &&
           now_ - sessions_at_ >= look_at_sessions_every;
}

bool StateReader::wants(Part part) const {
    if (denied(part) || left_out(part)) {
        return false;
    }
    const bool mysql = !words_.mariadb();
    switch (part) {
        case Part::ping:
            return left_out(Part::changing);
        case Part::variables:
            return refreshing_;
        case Part::load:
            return refreshing_ || strain_.turns_away;
        case Part::sessions:
            return wants_sessions();
        case Part::disk_errors:
            return mysql && words_.performance_schema &&
                   strain_.commit.seconds + strain_.disk.seconds > 0;
        case Part::kept:
            return words_.can_persist && words_.performance_schema && (first_ || refreshing_);
        case Part::replication_account:
            return !replication_user_.empty() && (first_ || refreshing_);
        case Part::changing:
        case Part::replication:
            return true;
        case Part::group_members:
            return words_.group_replication && words_.performance_schema;
        case Part::semi_sync_status:
            return state_.semi_sync.source_enabled || state_.semi_sync.replica_enabled;
        case Part::binary_log:
            return words_.log_bin;
        case Part::replicas:
            return words_.log_bin;
        case Part::dump_threads:
            return words_.log_bin &&
                   (need_dump_threads_ || (denied(Part::replicas) && refreshing_));
        case Part::heartbeats:
            return mysql && words_.performance_schema && (first_ || !state_.channels.empty());
        case Part::count:
            break;
    }
    return false;
}

std::string StateReader::statement(Part part) const {
    switch (part) {
        case Part::variables:
            return variables_sql();
        case Part::ping:
            return "SELECT 1";
        case Part::load:
            return "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime','Threads_connected',"
                   "'Threads_running','Connection_errors_max_connections')";
        case Part::sessions:
            return process_list();
        case Part::disk_errors:
            // Said once when the waiting begins, and then every ten minutes.
            return fmt::format(
                "SELECT COUNT(*) FROM performance_schema.error_log "
                "WHERE LOGGED>NOW()-INTERVAL {} SECOND AND "
                "(ERROR_CODE IN ('MY-000020','MY-000035') OR DATA LIKE 'Disk is full%')",
                std::max(strain_.commit.seconds, strain_.disk.seconds) + 30
            );
        case Part::kept:
            return "SELECT VARIABLE_NAME,VARIABLE_SOURCE FROM performance_schema.variables_info "
                   "WHERE VARIABLE_NAME IN ('read_only','super_read_only') UNION ALL "
                   "SELECT VARIABLE_NAME,CONCAT('=',VARIABLE_VALUE) "
                   "FROM performance_schema.persisted_variables "
                   "WHERE VARIABLE_NAME IN ('read_only','super_read_only')";
        case Part::replication_account:
            // These columns only: the right to read them shows nobody a password.
            return fmt::format(
                "SELECT Host,Repl_slave_priv FROM mysql.user WHERE User={}",
                literal(replication_user_)
            );
        case Part::changing: {
            std::string sql = "SELECT @@global.read_only AS read_only";
            if (words_.has_super_read_only) {
                sql += ",@@global.super_read_only AS super_read_only";
            }
            sql += words_.mariadb() ? ",@@global.gtid_slave_pos AS slave_pos"
                                      ",@@global.gtid_binlog_pos AS binlog_pos"
                                    : ",@@global.gtid_executed AS executed";
            if (words_.semi_sync_source) {
                sql += fmt::format(
                    ",@@global.rpl_semi_sync_{}_enabled AS semi_source",
                    words_.semi_sync_new_names ? "source" : "master"
                );
            }
            if (words_.semi_sync_replica) {
                sql += fmt::format(
                    ",@@global.rpl_semi_sync_{}_enabled AS semi_replica",
                    words_.semi_sync_new_names ? "replica" : "slave"
                );
            }
            return sql;
        }
        case Part::group_members:
            return "SELECT MEMBER_ID,MEMBER_HOST,MEMBER_PORT,MEMBER_STATE,MEMBER_ROLE "
                   "FROM performance_schema.replication_group_members";
        case Part::semi_sync_status:
            return words_.semi_sync_new_names
                       ? "SHOW GLOBAL STATUS WHERE Variable_name IN "
                         "('Rpl_semi_sync_source_clients',"
                         "'Rpl_semi_sync_source_status','Rpl_semi_sync_replica_status')"
                       : "SHOW GLOBAL STATUS WHERE Variable_name IN "
                         "('Rpl_semi_sync_master_clients',"
                         "'Rpl_semi_sync_master_status','Rpl_semi_sync_slave_status')";
        case Part::binary_log:
            return binary_log_status(words_);
        case Part::replicas:
            return words_.replica_words ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS";
        case Part::dump_threads:
            // The information schema's list takes a global lock; the performance schema's does not,
            // and has a table name that must be written in lower case.
            return fmt::format(
                "SELECT HOST FROM {} WHERE COMMAND LIKE 'Binlog Dump%'",
                words_.replica_words && words_.performance_schema ? "performance_schema.processlist"
                                                                  : "information_schema.PROCESSLIST"
            );
        case Part::heartbeats:
            return "SELECT c.CHANNEL_NAME,c.HEARTBEAT_INTERVAL,s.COUNT_RECEIVED_HEARTBEATS "
                   "FROM performance_schema.replication_connection_configuration c "
                   "JOIN performance_schema.replication_connection_status s USING (CHANNEL_NAME)";
        case Part::replication:
            if (words_.mariadb()) {
                return "SHOW ALL SLAVES STATUS";
            }
            return words_.replica_words ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
        case Part::count:
            break;
    }
    return {};
}

void StateReader::refresh() {
    if (refreshed_.has_value()) {
        *refreshed_ -= refresh_every_;
    }
}

std::string StateReader::sql(TimePoint now) {
    // A forced refresh (a variable was gone) leaves `refreshing_` set and `refreshed_` empty.
    now_ = now;
    refreshing_ = !refreshed_.has_value() || now - *refreshed_ >= refresh_every_;
    asked_.clear();
    if (!refreshed_.has_value() && left_out(Part::variables)) {
        asked_ = {Part::ping};
    } else if (!refreshed_.has_value()) {
        asked_ = {Part::variables, Part::load};
    } else {
        for (std::size_t index = 0; index < part_count; ++index) {
            if (wants(static_cast<Part>(index))) {
                asked_.push_back(static_cast<Part>(index));
            }
        }
    }
    std::string text;
    for (const Part part : asked_) {
        text += text.empty() ? "" : ";";
        text += statement(part);
    }
    return text;
}

StateReader::Outcome StateReader::on_reply(
    std::vector<ResultRows> sets, const std::optional<Error>& error, TimePoint now
) {
    if (sets.size() > asked_.size() || (!error.has_value() && sets.size() != asked_.size())) {
        error_ = fail(
            Errc::protocol, fmt::format("{} results for {} statements", sets.size(), asked_.size())
        );
        return Outcome::failed;
    }
    if (++attempts_ > attempt_limit) {
        error_ = error.value_or(fail(Errc::protocol, "the server contradicts itself"));
        attempts_ = 0;
        return Outcome::failed;
    }
    const bool settings_only = !refreshed_.has_value();
    for (std::size_t index = 0; index < sets.size(); ++index) {
        const Part part = asked_[index];
        hanging_[static_cast<std::size_t>(part)] = {};
        ResultRows& last = last_[static_cast<std::size_t>(part)];
        // The same list of sessions a second later is news: they have waited longer.
        const bool always =
            part == Part::sessions || part == Part::disk_errors || part == Part::load;
        if (sets[index] == last && !always) {
            continue;
        }
        last = std::move(sets[index]);
        read(part, last);
    }
    if (error.has_value() && sets.size() < asked_.size()) {
        hanging_[static_cast<std::size_t>(asked_[sets.size()])] = {};  // an error is an answer
    }
    tell_left_out();
    if (error.has_value()) {
        return learn(sets.size() < asked_.size() ? asked_[sets.size()] : asked_.back(), *error);
    }
    if (std::find(asked_.begin(), asked_.end(), Part::variables) != asked_.end()) {
        refreshed_ = now;
    }
    if (hangs() && (!settings_only || left_out(Part::variables))) {
        attempts_ = 0;
        error_ = fail(Errc::timeout, fmt::format("answers, but not \"{}\"", strain_.unanswered));
        return Outcome::failed;
    }
    if (settings_only) {
        return Outcome::again;
    }
    const bool listed = std::find(asked_.begin(), asked_.end(), Part::dump_threads) != asked_.end();
    first_ = false;
    combine();
    if (need_dump_threads_ && !listed && !denied(Part::dump_threads)) {
        return Outcome::again;
    }
    need_dump_threads_ = false;
    attempts_ = 0;
    stood_still_ = std::exchange(stands_still_, state_.binlog == binlog_before_);
    // Without GTIDs the binary log has to do, in which a transaction is before its commit has
    // ended.
    if (state_.executed_gtid_set.empty() ? !stands_still_
                                         : state_.executed_gtid_set != executed_before_) {
        sessions_.commits_passed(now, strain_);
    }
    binlog_before_ = state_.binlog;
    executed_before_ = state_.executed_gtid_set;
    state_.strain = strain_;
    state_.uptime_seconds =
        uptime_seconds_ +
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now - uptime_at_).count()
        );
    return Outcome::complete;
}

void StateReader::on_silence(std::vector<ResultRows> sets, bool in_haste, TimePoint now) {
    const auto came = std::min(sets.size(), asked_.size());
    for (std::size_t index = 0; index < came; ++index) {
        hanging_[static_cast<std::size_t>(asked_[index])] = {};
        if (asked_[index] == Part::sessions || asked_[index] == Part::load ||
            asked_[index] == Part::disk_errors) {
            read(asked_[index], sets[index]);
        }
    }
    if (came < asked_.size() && asked_[came] != Part::ping && !in_haste) {
        Hanging& hanging = hanging_[static_cast<std::size_t>(asked_[came])];
        if (!hanging.is_set()) {
            hanging.since = now;
        }
        hanging.pause = std::clamp(2 * hanging.pause, ask_again_after, ask_again_limit);
        hanging.again_at = now + hanging.pause;
    }
    now_ = now;
    tell_left_out();
    attempts_ = 0;
}

void StateReader::tell_left_out() {
    const Hanging* longest = nullptr;
    strain_.unanswered.clear();
    strain_.unanswered_since = {};
    for (std::size_t index = 0; index < part_count; ++index) {
        const Hanging& hanging = hanging_[index];
        if (hanging.is_set() && (longest == nullptr || hanging.since < longest->since)) {
            longest = &hanging;
            strain_.unanswered = clipped(statement(static_cast<Part>(index)), 60);
            strain_.unanswered_since = hanging.since;
        }
    }
}

void StateReader::combine() {
    if (!wants(Part::semi_sync_status)) {
        state_.semi_sync.clients = 0;
        state_.semi_sync.source_status = false;
        state_.semi_sync.replica_status = false;
        last_[static_cast<std::size_t>(Part::semi_sync_status)] = {};
    }
    if (denied(Part::replication)) {
        state_.channels.clear();
    }
}

StateReader::Outcome StateReader::learn(Part part, const Error& error) {
    error_ = error;
    const bool alternative = part == Part::binary_log && error.mysql_errno == syntax_error;
    if (alternative && !words_tried_) {
        words_tried_ = true;
        words_.binary_log_status = !words_.binary_log_status;
        return Outcome::again;
    }
    if (error.mysql_errno == unknown_variable && refreshed_.has_value()) {
        refreshed_.reset();  // a plugin was taken out meanwhile
        return Outcome::again;
    }
    const bool optional_part = part != Part::variables && part != Part::changing &&
                               part != Part::replication && part != Part::load;
    const bool lasting = is_privilege_error(error.mysql_errno) ||
                         is_vocabulary_error(error.mysql_errno) ||
                         error.mysql_errno == binary_log_off;
    if (optional_part && lasting) {
        denied_[static_cast<std::size_t>(part)] = true;
        if (part == Part::replication_account) {
            return Outcome::again;  // a right that is nice to have, and not asked for
        }
        complaints_.push_back(fmt::format("{}: {}", statement(part), error.what));
        need_dump_threads_ = need_dump_threads_ || part == Part::replicas;
        return Outcome::again;
    }
    if (part == Part::replication && is_privilege_error(error.mysql_errno)) {
        error_ = error.in(
            "grant REPLICATION CLIENT (MariaDB 10.5 and later: SLAVE MONITOR) to Baton's account"
        );
    }
    attempts_ = 0;
    return Outcome::failed;
}

}  // namespace baton::dialect
