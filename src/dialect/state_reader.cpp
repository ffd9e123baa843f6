// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/state_reader.hpp"

#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"
#include "baton/dialect/statements.hpp"
#include "baton/gtid/mariadb_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace baton::dialect {

namespace {

using topology::Channel;

Port port_of(std::string_view text) {
    const std::uint64_t number = number_or(text, 0);
    return number <= std::numeric_limits<Port>::max() ? static_cast<Port>(number) : Port{0};
}

/// "host:port" of a client connection; IPv6 addresses have colons of their own, and no brackets.
std::string host_of_peer(std::string_view peer) {
    const std::size_t colon = peer.rfind(':');
    return std::string(colon == std::string_view::npos ? peer : peer.substr(0, colon));
}

void add_unique(std::vector<InstanceId>& list, InstanceId id) {
    if (std::find(list.begin(), list.end(), id) == list.end()) {
        list.push_back(std::move(id));
    }
}

}  // namespace

void StateReader::begin_session() {
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

bool StateReader::wants(Part part) const {
    if (denied(part)) {
        return false;
    }
    const bool mysql = !words_.mariadb();
    switch (part) {
        case Part::variables:
        case Part::uptime:
            return refreshing_;
        case Part::kept:
            return words_.can_persist && words_.performance_schema && (first_ || refreshing_);
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
        case Part::uptime:
            return "SHOW GLOBAL STATUS LIKE 'Uptime'";
        case Part::kept:
            return "SELECT VARIABLE_NAME,VARIABLE_SOURCE FROM performance_schema.variables_info "
                   "WHERE VARIABLE_NAME IN ('read_only','super_read_only') UNION ALL "
                   "SELECT VARIABLE_NAME,CONCAT('=',VARIABLE_VALUE) "
                   "FROM performance_schema.persisted_variables "
                   "WHERE VARIABLE_NAME IN ('read_only','super_read_only')";
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

std::string StateReader::sql(TimePoint now) {
    // A forced refresh (a variable was gone) leaves `refreshing_` set and `refreshed_` empty.
    refreshing_ = !refreshed_.has_value() || now - *refreshed_ >= refresh_every_;
    asked_.clear();
    if (!refreshed_.has_value()) {
        asked_ = {Part::variables, Part::uptime};
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
        ResultRows& last = last_[static_cast<std::size_t>(part)];
        if (sets[index] == last) {
            continue;
        }
        last = std::move(sets[index]);
        read(part, last);
    }
    if (error.has_value()) {
        return learn(sets.size() < asked_.size() ? asked_[sets.size()] : asked_.back(), *error);
    }
    if (std::find(asked_.begin(), asked_.end(), Part::variables) != asked_.end()) {
        refreshed_ = now;
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
    return Outcome::complete;
}

void StateReader::read(Part part, const ResultRows& rows) {
    switch (part) {
        case Part::variables: {
            Statics statics = read_variables(rows);
            if (words_tried_) {
                statics.words.binary_log_status = words_.binary_log_status;
            }
            statics.semi_sync.source_status = state_.semi_sync.source_status;
            statics.semi_sync.replica_status = state_.semi_sync.replica_status;
            statics.semi_sync.clients = state_.semi_sync.clients;
            words_ = statics.words;
            state_.identity = std::move(statics.identity);
            state_.semi_sync = statics.semi_sync;
            statics.settings.read_only_kept = state_.settings.read_only_kept;
            state_.settings = std::move(statics.settings);
            state_.purged_gtid_set = one_line(statics.purged_gtid_set);
            state_.group.name = std::move(statics.group_name);
            state_.group.single_primary = statics.group_single_primary;
            // The flags of semi-sync are read from "changing" as well; have it read again.
            last_[static_cast<std::size_t>(Part::changing)] = {};
            break;
        }
        case Part::uptime:
            state_.uptime_seconds = number_or(rows.at(0, 1), 0);
            break;
        case Part::kept:
            read_kept(rows);
            break;
        case Part::changing:
            read_changing(rows);
            break;
        case Part::group_members:
            read_members(rows);
            break;
        case Part::semi_sync_status:
            read_semi_sync(rows);
            break;
        case Part::binary_log:
            state_.binlog = binary_log_position(rows);
            break;
        case Part::replicas:
            read_replicas(rows);
            break;
        case Part::dump_threads: {
            state_.dump_threads = rows.rows.size();
            state_.reported_replicas.clear();
            for (std::size_t row = 0; row < rows.rows.size(); ++row) {
                std::string host = host_of_peer(rows.at(row, 0));
                if (!host.empty()) {
                    add_unique(
                        state_.reported_replicas, InstanceId(std::move(host), address_.port)
                    );
                }
            }
            break;
        }
        case Part::heartbeats:
            read_heartbeats(rows);
            break;
        case Part::replication:
            state_.channels = replication_.channels(rows);
            read_heartbeats(last_[static_cast<std::size_t>(Part::heartbeats)]);
            break;
        case Part::count:
            break;
    }
}

void StateReader::read_changing(const ResultRows& rows) {
    state_.read_only = is_on(rows.text(0, "read_only"));
    state_.super_read_only = is_on(rows.text(0, "super_read_only"));
    if (words_.semi_sync_source) {
        state_.semi_sync.source_enabled = is_on(rows.text(0, "semi_source"));
    }
    if (words_.semi_sync_replica) {
        state_.semi_sync.replica_enabled = is_on(rows.text(0, "semi_replica"));
    }
    if (words_.mariadb()) {
        slave_pos_ = rows.text(0, "slave_pos");
        binlog_pos_ = rows.text(0, "binlog_pos");
        const auto slave = gtid::MariadbGtidSet::parse(slave_pos_);
        const auto binlog = gtid::MariadbGtidSet::parse(binlog_pos_);
        state_.executed_gtid_set =
            slave && binlog ? slave->united(*binlog).text() : (binlog ? binlog_pos_ : slave_pos_);
    } else {
        state_.executed_gtid_set = one_line(rows.text(0, "executed"));
    }
}

void StateReader::read_replicas(const ResultRows& rows) {
    const auto host = rows.find("Host");
    const auto port = rows.find("Port");
    std::vector<InstanceId> found;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        InstanceId id(
            std::string(host ? rows.at(row, *host) : std::string_view{}),
            port_of(port ? rows.at(row, *port) : std::string_view{})
        );
        if (!id.host.empty() && id.port != 0) {
            add_unique(found, std::move(id));
        }
    }
    // Without report_host a replica is listed with an empty name: only the process list tells where
    // it connects from.
    need_dump_threads_ = found.empty() && !rows.rows.empty();
    state_.dump_threads = rows.rows.size();
    if (!need_dump_threads_) {
        state_.reported_replicas = std::move(found);
        last_[static_cast<std::size_t>(Part::dump_threads)] = {};
    }
}

void StateReader::read_heartbeats(const ResultRows& rows) {
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        for (Channel& channel : state_.channels) {
            if (channel.name == rows.at(row, 0)) {
                channel.heartbeat_period_seconds = fraction_or(rows.at(row, 1), 0);
                channel.heartbeats_received = number_or(rows.at(row, 2), 0);
            }
        }
    }
}

/// Where a value comes from is told only of the last change: what was set at run time may well be
/// in the configuration file too.
void StateReader::read_kept(const ResultRows& rows) {
    constexpr std::array<std::string_view, 7> lasting{
        "GLOBAL", "SERVER", "EXPLICIT", "EXTRA", "USER", "COMMAND_LINE", "PERSISTED"};
    auto kept = topology::Kept::unknown;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const auto fact = rows.at(row, 1);
        const bool persisted = fact.starts_with("=") && is_on(fact.substr(1));
        if (persisted || std::find(lasting.begin(), lasting.end(), fact) != lasting.end()) {
            kept = topology::Kept::yes;
            break;
        }
        if (equal_ignoring_case(fact, "DYNAMIC")) {
            kept = topology::Kept::at_run_time_only;
        }
    }
    state_.settings.read_only_kept = kept;
}

void StateReader::read_members(const ResultRows& rows) {
    state_.group.members.clear();
    state_.group.member_state.clear();
    state_.group.member_role.clear();
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        topology::GroupMember member;
        member.uuid = to_lower(rows.text(row, "MEMBER_ID"));
        member.id = InstanceId(
            std::string(rows.text(row, "MEMBER_HOST")), port_of(rows.text(row, "MEMBER_PORT"))
        );
        member.state = rows.text(row, "MEMBER_STATE");
        member.role = rows.text(row, "MEMBER_ROLE");
        if (member.uuid == state_.identity.uuid) {
            state_.group.member_state = member.state;
            state_.group.member_role = member.role;
        }
        state_.group.members.push_back(std::move(member));
    }
}

void StateReader::read_semi_sync(const ResultRows& rows) {
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const std::string_view name = rows.at(row, 0);
        const std::string_view value = rows.at(row, 1);
        if (contains_ignoring_case(name, "_clients")) {
            state_.semi_sync.clients = number_or(value, 0);
        } else if (contains_ignoring_case(name, "_source_status") ||
                   contains_ignoring_case(name, "_master_status")) {
            state_.semi_sync.source_status = is_on(value);
        } else if (contains_ignoring_case(name, "_replica_status") ||
                   contains_ignoring_case(name, "_slave_status")) {
            state_.semi_sync.replica_status = is_on(value);
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
                               part != Part::replication && part != Part::uptime;
    const bool lasting = is_privilege_error(error.mysql_errno) ||
                         is_vocabulary_error(error.mysql_errno) ||
                         error.mysql_errno == binary_log_off;
    if (optional_part && lasting) {
        denied_[static_cast<std::size_t>(part)] = true;
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
