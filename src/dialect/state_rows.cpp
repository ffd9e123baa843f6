// SPDX-License-Identifier: Apache-2.0
// What the rows of each part say (StateReader::read and those that it calls).
#include "baton/base/text.hpp"
#include "baton/dialect/state_reader.hpp"
#include "baton/dialect/statements.hpp"
#include "baton/gtid/mariadb_set.hpp"

#include <algorithm>
#include <array>
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
            strain_.connection_limit = statics.max_connections;
            if (left_out(Part::binary_log) && state_.identity.uuid == uuid_before_) {
                state_.binlog = binlog_before_;
            }
            state_.semi_sync = statics.semi_sync;
            statics.settings.read_only_kept = state_.settings.read_only_kept;
            statics.settings.replication_account = state_.settings.replication_account;
            state_.settings = std::move(statics.settings);
            state_.purged_gtid_set = one_line(statics.purged_gtid_set);
            state_.group.name = std::move(statics.group_name);
            state_.group.single_primary = statics.group_single_primary;
            // The flags of semi-sync are read from "changing" as well; have it read again.
            last_[static_cast<std::size_t>(Part::changing)] = {};
            break;
        }
        case Part::ping:
            break;
        case Part::load:
            read_load(rows);
            break;
        case Part::sessions:
            sessions_at_ = now_;
            read_sessions(rows);
            break;
        case Part::disk_errors:
            if (number_or(rows.at(0, 0), 0) > 0) {
                blame_disk(strain_);
            }
            break;
        case Part::kept:
            read_kept(rows);
            break;
        case Part::replication_account:
            read_replication_account(rows);
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

void StateReader::read_load(const ResultRows& rows) {
    std::optional<std::uint64_t> turned_away;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const std::string_view name = rows.at(row, 0);
        const std::uint64_t value = number_or(rows.at(row, 1), 0);
        if (equal_ignoring_case(name, "Uptime")) {
            uptime_seconds_ = value;
            uptime_at_ = now_;
        } else if (equal_ignoring_case(name, "Threads_connected")) {
            strain_.connections = value;
        } else if (equal_ignoring_case(name, "Threads_running")) {
            threads_running_ = value;
        } else if (equal_ignoring_case(name, "Connection_errors_max_connections")) {
            turned_away = value;
        }
    }
    strain_.turns_away = turned_away && turned_away_ && *turned_away > *turned_away_;
    turned_away_ = turned_away;
}

void StateReader::read_sessions(const ResultRows& rows) {
    sessions_.look(rows, now_, strain_);
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

/// A role can give the privilege too; that is not looked into, so only an absent account is
/// certain.
void StateReader::read_replication_account(const ResultRows& rows) {
    auto found = topology::ReplicationAccount::absent;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        if (is_on(rows.at(row, 1)) || equal_ignoring_case(rows.at(row, 1), "Y")) {
            found = topology::ReplicationAccount::good;
            break;
        }
        found = topology::ReplicationAccount::without_privilege;
    }
    state_.settings.replication_account = found;
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

}  // namespace baton::dialect
