// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/replication_rows.hpp"

#include "baton/base/text.hpp"

#include <limits>
#include <string_view>

namespace baton::dialect {

namespace {

using topology::Channel;
using topology::LogPosition;
using topology::ThreadState;

enum class Column : std::size_t {
    channel_name,
    source_host,
    source_port,
    source_user,
    source_uuid,
    source_server_id,
    connect_retry,
    retry_count,
    receiver_running,
    applier_running,
    receiver_state,
    source_log_file,
    read_pos,
    executed_log_file,
    executed_pos,
    relay_log_file,
    relay_log_pos,
    seconds_behind,
    sql_delay,
    receiver_errno,
    receiver_error,
    applier_errno,
    applier_error,
    last_errno,
    last_error,
    retrieved_gtid_set,
    auto_position,
    using_gtid,
    gtid_io_pos,
    gtid_slave_pos,
    heartbeats,
    heartbeat_period,
    do_db,
    ignore_db,
    do_table,
    ignore_table,
    wild_do_table,
    wild_ignore_table,
    do_domains,
    ignore_domains,
    ssl_allowed,
    ssl_verify,
    ssl_ca_file,
    ssl_ca_path,
    ssl_cert,
    ssl_cipher,
    ssl_key,
    ssl_crl,
    ssl_crl_path,
    tls_version,
    public_key_path,
    get_public_key,
    count,
};

struct Names {
    std::string_view now, before;
};

/// MySQL since 8.0.22, and the words of before, which MariaDB keeps. Order as in Column.
constexpr std::array<Names, static_cast<std::size_t>(Column::count)> names{{
    {"Channel_Name", "Connection_name"},
    {"Source_Host", "Master_Host"},
    {"Source_Port", "Master_Port"},
    {"Source_User", "Master_User"},
    {"Source_UUID", "Master_UUID"},
    {"Source_Server_Id", "Master_Server_Id"},
    {"Connect_Retry", ""},
    {"Source_Retry_Count", "Master_Retry_Count"},
    {"Replica_IO_Running", "Slave_IO_Running"},
    {"Replica_SQL_Running", "Slave_SQL_Running"},
    {"Replica_IO_State", "Slave_IO_State"},
    {"Source_Log_File", "Master_Log_File"},
    {"Read_Source_Log_Pos", "Read_Master_Log_Pos"},
    {"Relay_Source_Log_File", "Relay_Master_Log_File"},
    {"Exec_Source_Log_Pos", "Exec_Master_Log_Pos"},
    {"Relay_Log_File", ""},
    {"Relay_Log_Pos", ""},
    {"Seconds_Behind_Source", "Seconds_Behind_Master"},
    {"SQL_Delay", ""},
    {"Last_IO_Errno", ""},
    {"Last_IO_Error", ""},
    {"Last_SQL_Errno", ""},
    {"Last_SQL_Error", ""},
    {"Last_Errno", ""},
    {"Last_Error", ""},
    {"Retrieved_Gtid_Set", ""},
    {"Auto_Position", ""},
    {"Using_Gtid", ""},
    {"Gtid_IO_Pos", ""},
    {"Gtid_Slave_Pos", ""},
    {"Slave_received_heartbeats", ""},
    {"Slave_heartbeat_period", ""},
    {"Replicate_Do_DB", ""},
    {"Replicate_Ignore_DB", ""},
    {"Replicate_Do_Table", ""},
    {"Replicate_Ignore_Table", ""},
    {"Replicate_Wild_Do_Table", ""},
    {"Replicate_Wild_Ignore_Table", ""},
    {"Replicate_Do_Domain_Ids", ""},
    {"Replicate_Ignore_Domain_Ids", ""},
    {"Source_SSL_Allowed", "Master_SSL_Allowed"},
    {"Source_SSL_Verify_Server_Cert", "Master_SSL_Verify_Server_Cert"},
    {"Source_SSL_CA_File", "Master_SSL_CA_File"},
    {"Source_SSL_CA_Path", "Master_SSL_CA_Path"},
    {"Source_SSL_Cert", "Master_SSL_Cert"},
    {"Source_SSL_Cipher", "Master_SSL_Cipher"},
    {"Source_SSL_Key", "Master_SSL_Key"},
    {"Source_SSL_Crl", "Master_SSL_Crl"},
    {"Source_SSL_Crlpath", "Master_SSL_Crlpath"},
    {"Source_TLS_Version", "Master_TLS_Version"},
    {"Source_public_key_path", "Master_public_key_path"},
    {"Get_Source_public_key", "Get_master_public_key"},
}};

constexpr auto absent = std::numeric_limits<std::size_t>::max();
constexpr auto used_columns = static_cast<std::size_t>(Column::count);

ThreadState thread_state(std::string_view text) {
    if (equal_ignoring_case(text, "Yes")) {
        return ThreadState::running;
    }
    // "Connecting", "Preparing", whatever comes: neither stopped nor certain to run.
    return text.empty() || equal_ignoring_case(text, "No") ? ThreadState::stopped
                                                           : ThreadState::connecting;
}

class RowView {
public:
    RowView(const ResultRows& rows, std::size_t row, const std::size_t* index)
        : rows_(rows), row_(row), index_(index) {}

    [[nodiscard]] std::string_view operator[](Column column) const {
        const std::size_t place = index_[static_cast<std::size_t>(column)];
        return place == absent ? std::string_view{} : rows_.at(row_, place);
    }

    [[nodiscard]] std::string text(Column column) const { return std::string((*this)[column]); }

    [[nodiscard]] std::uint64_t number(Column column) const {
        return number_or((*this)[column], 0);
    }

    [[nodiscard]] unsigned error_number(Column column) const {
        const std::uint64_t value = number(column);
        return value <= std::numeric_limits<unsigned>::max() ? static_cast<unsigned>(value) : 0U;
    }

    [[nodiscard]] LogPosition position(Column file, Column pos) const {
        return LogPosition(text(file), number(pos));
    }

private:
    const ResultRows& rows_;
    std::size_t row_;
    const std::size_t* index_;
};

bool has_filters(const RowView& row) {
    constexpr std::array columns{
        Column::do_db,
        Column::ignore_db,
        Column::do_table,
        Column::ignore_table,
        Column::wild_do_table,
        Column::wild_ignore_table,
        Column::do_domains,
        Column::ignore_domains,
    };
    for (const Column column : columns) {
        if (!row[column].empty()) {
            return true;
        }
    }
    return false;
}

topology::ChannelTls tls_of(const RowView& row) {
    topology::ChannelTls tls;
    tls.allowed = is_on(row[Column::ssl_allowed]);
    tls.verify = is_on(row[Column::ssl_verify]);
    tls.ca_file = row.text(Column::ssl_ca_file);
    tls.ca_path = row.text(Column::ssl_ca_path);
    tls.cert = row.text(Column::ssl_cert);
    tls.cipher = row.text(Column::ssl_cipher);
    tls.key = row.text(Column::ssl_key);
    tls.crl_file = row.text(Column::ssl_crl);
    tls.crl_path = row.text(Column::ssl_crl_path);
    tls.versions = row.text(Column::tls_version);
    tls.public_key_path = row.text(Column::public_key_path);
    tls.get_public_key = is_on(row[Column::get_public_key]);
    return tls;
}

Channel channel_of(const RowView& row) {
    Channel channel;
    channel.name = row.text(Column::channel_name);
    const std::uint64_t port = row.number(Column::source_port);
    channel.source = InstanceId(
        row.text(Column::source_host),
        port <= std::numeric_limits<Port>::max() ? static_cast<Port>(port) : Port{0}
    );
    channel.source_uuid = to_lower(row[Column::source_uuid]);
    channel.source_server_id = row.number(Column::source_server_id);
    channel.receiver = thread_state(row[Column::receiver_running]);
    channel.applier = thread_state(row[Column::applier_running]);
    channel.receiver_text = row.text(Column::receiver_state);
    channel.user = row.text(Column::source_user);
    channel.auto_position = is_on(row[Column::auto_position]);
    channel.using_gtid = row.text(Column::using_gtid);
    channel.read = row.position(Column::source_log_file, Column::read_pos);
    channel.executed = row.position(Column::executed_log_file, Column::executed_pos);
    channel.relay = row.position(Column::relay_log_file, Column::relay_log_pos);
    channel.retrieved_gtid_set = one_line(row[Column::retrieved_gtid_set]);
    channel.gtid_io_pos = row.text(Column::gtid_io_pos);
    channel.seconds_behind = signed_number(row[Column::seconds_behind]);
    channel.delay_seconds = row.number(Column::sql_delay);
    channel.receiver_errno = row.error_number(Column::receiver_errno);
    channel.receiver_error = row.text(Column::receiver_error);
    channel.applier_errno = row.error_number(Column::applier_errno);
    channel.applier_error = row.text(Column::applier_error);
    if (channel.applier_errno == 0 && channel.receiver_errno == 0) {
        channel.applier_errno = row.error_number(Column::last_errno);
        channel.applier_error = row.text(Column::last_error);
    }
    channel.has_filters = has_filters(row);
    channel.heartbeat_period_seconds = fraction_or(row[Column::heartbeat_period], 0);
    channel.heartbeats_received = row.number(Column::heartbeats);
    channel.connect_retry_seconds = row.number(Column::connect_retry);
    if (!row[Column::retry_count].empty()) {
        channel.retry_count = row.number(Column::retry_count);
    }
    channel.tls = tls_of(row);
    return channel;
}

}  // namespace

void ReplicationRows::learn(const std::vector<std::string>& columns) {
    static_assert(used_columns <= column_count);
    if (columns == known_) {
        return;
    }
    known_ = columns;
    index_.fill(absent);
    for (std::size_t wanted = 0; wanted < used_columns; ++wanted) {
        for (std::size_t place = 0; place < columns.size(); ++place) {
            if (equal_ignoring_case(columns[place], names[wanted].now) ||
                (!names[wanted].before.empty() &&
                 equal_ignoring_case(columns[place], names[wanted].before))) {
                index_[wanted] = place;
                break;
            }
        }
    }
}

std::vector<Channel> ReplicationRows::channels(const ResultRows& rows) {
    learn(rows.columns);
    std::vector<Channel> channels;
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const RowView view(rows, row, index_.data());
        if (view[Column::source_host].empty() ||
            view[Column::channel_name].starts_with("group_replication_")) {
            continue;
        }
        channels.push_back(channel_of(view));
    }
    return channels;
}

std::string ReplicationRows::gtid_slave_pos(const ResultRows& rows) {
    learn(rows.columns);
    return rows.rows.empty() ? std::string{}
                             : RowView(rows, 0, index_.data()).text(Column::gtid_slave_pos);
}

}  // namespace baton::dialect
