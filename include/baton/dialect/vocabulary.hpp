// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which words a server understands, found by what it has and not by its version text: versions go
// 5.7, 8.0, 9.7, 26.x on one side and 10.6, 11.8, 12.x on the other, and forks write what they
// like. `SHOW GLOBAL VARIABLES WHERE Variable_name IN (...)` answers on every server without an
// error, whatever it lacks. What variables cannot tell (SHOW BINARY LOG STATUS) is found by trying
// once.

#include "baton/dialect/result_rows.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <string>

namespace baton::dialect {

struct Vocabulary {
    topology::Flavor flavor = topology::Flavor::unknown;
    /// SHOW REPLICA STATUS, STOP REPLICA, CHANGE REPLICATION SOURCE TO. Told by the variable
    /// replica_net_timeout (MySQL 8.0.26); the statements are there since 8.0.23. Always false for
    /// MariaDB, whose newer synonyms (10.5) bring nothing.
    bool replica_words = false;
    /// SHOW BINARY LOG STATUS instead of SHOW MASTER STATUS; MySQL 8.2, exclusively since 8.4. A
    /// guess until it has been tried.
    bool binary_log_status = false;
    bool has_super_read_only = false;
    bool semi_sync_source = false;  // plugin or built-in there
    bool semi_sync_replica = false;
    bool semi_sync_new_names = false;  // rpl_semi_sync_source_* (MySQL 8.0.26 plugins)
    bool performance_schema = false;   // switched on
    bool can_persist = false;          // SET PERSIST; MySQL 8.0
    bool log_bin = false;
    bool gtid_on = false;            // MySQL gtid_mode=ON; MariaDB always
    bool group_replication = false;  // a group name is configured
    /// MariaDB 11: STOP SLAVE and KILL do not end an attempt to connect, which lasts up to
    /// slave_net_timeout (tried on 11.8; 10.5 and 10.11 interrupt it at once). Told by the
    /// variable debug_no_thread_alarm, which is gone with the alarms that did it.
    bool stop_waits_for_attempt = false;

    [[nodiscard]] bool mariadb() const { return flavor == topology::Flavor::mariadb; }

    friend bool operator==(const Vocabulary&, const Vocabulary&) = default;
};

/// Result of variables_sql(): the vocabulary, and what seldom changes.
struct Statics {
    Vocabulary words;
    topology::Identity identity;
    topology::SemiSync semi_sync;  // settings, not status
    topology::ServerSettings settings;
    std::string group_name;
    bool group_single_primary = false;
    std::string purged_gtid_set;
    std::uint64_t max_connections = 0;
    Port port = 0;  // @@port
};

/// One statement that no server refuses; rows of name and value.
std::string variables_sql();

/// Reads the rows of variables_sql(). MariaDB is known by its own variables (gtid_binlog_pos,
/// gtid_domain_id) or "MariaDB" in the version text; everything else is of MySQL's family.
Statics read_variables(const ResultRows& rows);

}  // namespace baton::dialect
