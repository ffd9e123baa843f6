// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers of real servers, as `Column: value` lines. MySQL 9.7.4 and MariaDB 10.11.19 were
// recorded; those of 5.7 and 8.0.21 follow the examples of their manuals (SHOW SLAVE STATUS).

#include "baton/base/text.hpp"
#include "baton/dialect/result_rows.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::dialect::recorded {

/// One row; "NULL" is NULL. The columns are in the order of the lines.
inline ResultRows row(std::string_view text) {
    ResultRows rows;
    rows.rows.emplace_back();
    for (const std::string& line : split(text, '\n')) {
        const std::string_view trimmed = trim(line);
        if (trimmed.empty()) {
            continue;
        }
        const std::size_t colon = trimmed.find(':');
        rows.columns.emplace_back(trimmed.substr(0, colon));
        const std::string_view value = trim(trimmed.substr(colon + 1));
        if (value == "NULL") {
            rows.rows[0].emplace_back(std::nullopt);
        } else {
            rows.rows[0].emplace_back(std::string(value));
        }
    }
    return rows;
}

/// Rows of name and value.
inline ResultRows variables(std::string_view text) {
    ResultRows rows({"Variable_name", "Value"}, {});
    const ResultRows one = row(text);
    for (std::size_t index = 0; index < one.columns.size(); ++index) {
        rows.rows.push_back({one.columns[index], one.rows[0][index]});
    }
    return rows;
}

inline constexpr std::string_view mysql9_variables = R"(
binlog_expire_logs_auto_purge: ON
binlog_expire_logs_seconds: 2592000
enforce_gtid_consistency: ON
persisted_globals_load: ON
replica_parallel_workers: 4
replica_preserve_commit_order: ON
replica_skip_errors: OFF
skip_replica_start: OFF
skip_slave_start: OFF
slave_parallel_workers: 4
slave_preserve_commit_order: ON
slave_skip_errors: OFF
sync_relay_log: 10000
binlog_format: ROW
binlog_row_image: FULL
gtid_mode: ON
gtid_purged:
hostname: vm
innodb_flush_log_at_trx_commit: 1
log_bin: ON
log_replica_updates: ON
log_slave_updates: ON
performance_schema: ON
port: 3306
relay_log_recovery: OFF
replica_net_timeout: 60
report_host: 127.0.0.1
report_port: 20001
rpl_semi_sync_replica_enabled: ON
rpl_semi_sync_source_enabled: ON
rpl_semi_sync_source_timeout: 60000
rpl_semi_sync_source_wait_for_replica_count: 1
server_id: 20001
server_uuid: F3F8E418-e872-11f1-ac79-02fc00000001
slave_net_timeout: 60
super_read_only: ON
sync_binlog: 1
version: 9.7.4-2
version_comment: (Debian)
)";

inline constexpr std::string_view mysql57_variables = R"(
enforce_gtid_consistency: ON
expire_logs_days: 3
slave_parallel_workers: 8
slave_preserve_commit_order: OFF
slave_skip_errors: 1062
sync_relay_log: 10000
binlog_format: ROW
binlog_row_image: FULL
gtid_mode: ON
gtid_purged: 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5
hostname: db1
innodb_flush_log_at_trx_commit: 2
log_bin: ON
log_slave_updates: ON
performance_schema: ON
port: 3306
relay_log_recovery: ON
report_host:
report_port: 3306
rpl_semi_sync_master_enabled: ON
rpl_semi_sync_master_timeout: 10000
rpl_semi_sync_master_wait_for_slave_count: 2
rpl_semi_sync_slave_enabled: OFF
server_id: 1
server_uuid: 3e11fa47-71ca-11e1-9e33-c80aa9429562
slave_net_timeout: 60
super_read_only: OFF
sync_binlog: 1
version: 5.7.44-log
version_comment: Percona Server (GPL), Release 53, Revision abc
)";

inline constexpr std::string_view mariadb_variables = R"(
binlog_expire_logs_seconds: 0
expire_logs_days: 0.000000
slave_parallel_threads: 0
slave_parallel_workers: 0
slave_skip_errors: OFF
sync_relay_log: 10000
binlog_format: ROW
binlog_row_image: FULL
debug_no_thread_alarm: OFF
gtid_binlog_pos: 0-44000-1
gtid_domain_id: 0
gtid_strict_mode: ON
hostname: vm
innodb_flush_log_at_trx_commit: 2
log_bin: ON
log_slave_updates: ON
performance_schema: OFF
port: 44001
relay_log_recovery: OFF
report_host: 127.0.0.1
report_port: 44001
rpl_semi_sync_master_enabled: OFF
rpl_semi_sync_master_timeout: 10000
rpl_semi_sync_slave_enabled: OFF
server_id: 44001
slave_net_timeout: 60
sync_binlog: 0
version: 10.11.19-MariaDB-0+deb12u1-log
version_comment: Debian 12
)";

inline constexpr std::string_view mysql9_replica = R"(
Replica_IO_State: Waiting for source to send event
Source_Host: 127.0.0.1
Source_User: repl
Source_Port: 20000
Connect_Retry: 1
Source_Log_File: binlog.000002
Read_Source_Log_Pos: 439
Relay_Log_File: relay.000002
Relay_Log_Pos: 369
Relay_Source_Log_File: binlog.000002
Replica_IO_Running: Yes
Replica_SQL_Running: Yes
Replicate_Do_DB:
Replicate_Ignore_DB:
Replicate_Do_Table:
Replicate_Ignore_Table:
Replicate_Wild_Do_Table:
Replicate_Wild_Ignore_Table:
Last_Errno: 0
Last_Error:
Skip_Counter: 0
Exec_Source_Log_Pos: 158
Relay_Log_Space: 851
Until_Condition: None
Until_Log_File:
Until_Log_Pos: 0
Source_SSL_Allowed: Yes
Source_SSL_CA_File:
Source_SSL_CA_Path:
Source_SSL_Cert:
Source_SSL_Cipher:
Source_SSL_Key:
Seconds_Behind_Source: 0
Source_SSL_Verify_Server_Cert: No
Last_IO_Errno: 0
Last_IO_Error:
Last_SQL_Errno: 0
Last_SQL_Error:
Replicate_Ignore_Server_Ids:
Source_Server_Id: 20000
Source_UUID: f3ec4acc-e872-11f1-a97c-02fc00000001
Source_Info_File: mysql.slave_master_info
SQL_Delay: 0
SQL_Remaining_Delay: NULL
Replica_SQL_Running_State: Replica has read all relay log; waiting for more updates
Source_Retry_Count: 86400
Source_Bind:
Last_IO_Error_Timestamp:
Last_SQL_Error_Timestamp:
Source_SSL_Crl:
Source_SSL_Crlpath:
Retrieved_Gtid_Set: f3ec4acc-e872-11f1-a97c-02fc00000001:1
Executed_Gtid_Set:
Auto_Position: 1
Replicate_Rewrite_DB:
Channel_Name:
Source_TLS_Version:
Source_public_key_path:
Get_Source_public_key: 1
Network_Namespace:
)";

inline constexpr std::string_view mariadb_replica = R"(
Connection_name:
Slave_SQL_State: Slave has read all relay log; waiting for more updates
Slave_IO_State: Waiting for master to send event
Master_Host: 127.0.0.1
Master_User: repl
Master_Port: 44000
Connect_Retry: 1
Master_Log_File: binlog.000002
Read_Master_Log_Pos: 550
Relay_Log_File: relay.000002
Relay_Log_Pos: 621
Relay_Master_Log_File: binlog.000002
Slave_IO_Running: Yes
Slave_SQL_Running: Yes
Replicate_Do_DB:
Replicate_Ignore_DB:
Replicate_Do_Table:
Replicate_Ignore_Table:
Replicate_Wild_Do_Table:
Replicate_Wild_Ignore_Table:
Last_Errno: 0
Last_Error:
Skip_Counter: 0
Exec_Master_Log_Pos: 325
Relay_Log_Space: 1145
Until_Condition: None
Until_Log_File:
Until_Log_Pos: 0
Master_SSL_Allowed: No
Master_SSL_CA_File:
Master_SSL_CA_Path:
Master_SSL_Cert:
Master_SSL_Cipher:
Master_SSL_Key:
Seconds_Behind_Master: 0
Master_SSL_Verify_Server_Cert: No
Last_IO_Errno: 0
Last_IO_Error:
Last_SQL_Errno: 0
Last_SQL_Error:
Replicate_Ignore_Server_Ids:
Master_Server_Id: 44000
Master_SSL_Crl:
Master_SSL_Crlpath:
Using_Gtid: Slave_Pos
Gtid_IO_Pos: 0-44000-1
Replicate_Do_Domain_Ids:
Replicate_Ignore_Domain_Ids:
Parallel_Mode: optimistic
SQL_Delay: 0
SQL_Remaining_Delay: NULL
Slave_SQL_Running_State: Slave has read all relay log; waiting for more updates
Slave_DDL_Groups: 0
Slave_Non_Transactional_Groups: 0
Slave_Transactional_Groups: 1
Replicate_Rewrite_DB:
Retried_transactions: 0
Max_relay_log_size: 1073741824
Executed_log_entries: 11
Slave_received_heartbeats: 7
Slave_heartbeat_period: 30.000
Gtid_Slave_Pos: 0-44000-1
)";

inline constexpr std::string_view mysql57_replica = R"(
Slave_IO_State: Reconnecting after a failed master event read
Master_Host: db1
Master_User: repl
Master_Port: 3306
Connect_Retry: 60
Master_Log_File: mysql-bin.000007
Read_Master_Log_Pos: 1234
Relay_Log_File: relay-bin.000003
Relay_Log_Pos: 400
Relay_Master_Log_File: mysql-bin.000006
Slave_IO_Running: Connecting
Slave_SQL_Running: No
Replicate_Do_DB: app
Replicate_Ignore_DB:
Replicate_Do_Table:
Replicate_Ignore_Table:
Replicate_Wild_Do_Table:
Replicate_Wild_Ignore_Table:
Last_Errno: 1062
Last_Error: Duplicate entry '1' for key 'PRIMARY'
Skip_Counter: 0
Exec_Master_Log_Pos: 99
Relay_Log_Space: 800
Master_SSL_Allowed: Yes
Master_SSL_CA_File: /etc/ca.pem
Master_SSL_CA_Path:
Master_SSL_Cert: /etc/c.pem
Master_SSL_Cipher:
Master_SSL_Key: /etc/k.pem
Seconds_Behind_Master: NULL
Master_SSL_Verify_Server_Cert: Yes
Last_IO_Errno: 2003
Last_IO_Error: error reconnecting to master 'repl@db1:3306' - retry-time: 60  retries: 1
Last_SQL_Errno: 1062
Last_SQL_Error: Duplicate entry '1' for key 'PRIMARY'
Replicate_Ignore_Server_Ids:
Master_Server_Id: 1
Master_UUID: 3E11FA47-71CA-11E1-9E33-C80AA9429562
Master_Info_File: mysql.slave_master_info
SQL_Delay: 3600
SQL_Remaining_Delay: NULL
Slave_SQL_Running_State:
Master_Retry_Count: 86400
Retrieved_Gtid_Set: 3e11fa47-71ca-11e1-9e33-c80aa9429562:6-9
Executed_Gtid_Set: 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-7
Auto_Position: 1
Replicate_Rewrite_DB:
Channel_Name: west
Master_TLS_Version: TLSv1.2
)";

}  // namespace baton::dialect::recorded
