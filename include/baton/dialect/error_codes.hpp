// SPDX-License-Identifier: Apache-2.0
#pragma once

// The numbers of server and client errors that make a difference to us, and what they say about the
// server. Source: MySQL 8.4 "Server Error Message Reference" and MariaDB "Error Codes"; the numbers
// below 2000 are common to both.

#include "baton/base/error.hpp"
#include "baton/topology/instance.hpp"

namespace baton::dialect {

inline constexpr unsigned too_many_connections = 1040;
inline constexpr unsigned database_access_denied = 1044;
inline constexpr unsigned login_denied = 1045;
inline constexpr unsigned server_shutdown = 1053;
inline constexpr unsigned no_such_column = 1054;
inline constexpr unsigned syntax_error = 1064;
inline constexpr unsigned host_blocked = 1129;
inline constexpr unsigned host_not_privileged = 1130;
inline constexpr unsigned table_access_denied = 1142;
inline constexpr unsigned column_access_denied = 1143;
inline constexpr unsigned no_such_table = 1146;
inline constexpr unsigned unknown_variable = 1193;
inline constexpr unsigned replica_not_configured = 1200;
inline constexpr unsigned too_many_user_connections = 1203;
inline constexpr unsigned user_limit_reached = 1226;
inline constexpr unsigned privilege_missing = 1227;
inline constexpr unsigned subquery_rows = 1242;
inline constexpr unsigned no_such_thread = 1094;
inline constexpr unsigned binary_log_off = 1381;
inline constexpr unsigned mariadb_no_such_connection = 1617;
inline constexpr unsigned channel_missing = 3074;

/// A privilege is missing for one statement.
[[nodiscard]] bool is_privilege_error(unsigned mysql_errno);

/// The statement, or something it names, is unknown to this server.
[[nodiscard]] bool is_vocabulary_error(unsigned mysql_errno);

/// What a failed connect or poll says about the server. Only absence (no listener, no answer) may
/// ever count towards "dead"; a server that answers with an error, whatever it is, lives. `refused`
/// only when its host said so: recovery takes it for the end of the process.
[[nodiscard]] topology::ProbeFailure classify(const Error& error);

}  // namespace baton::dialect
