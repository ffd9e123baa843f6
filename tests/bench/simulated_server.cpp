// SPDX-License-Identifier: Apache-2.0
#include "bench/simulated_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace baton::bench {

namespace {

using test::FakeCell;
using test::FakeResult;
using test::FakeRow;

constexpr std::size_t addresses_per_net = 250;  // 127.20.n.1 .. 127.20.n.250
constexpr std::size_t most_servers = addresses_per_net * 200;
constexpr std::uint64_t first_transaction = 5'000'000;
constexpr std::uint64_t bytes_per_transaction = 300;

std::string uuid_of(std::size_t server) {
    return fmt::format("5a17b0de-0000-11ee-8000-{:012x}", server + 1);
}

std::string server_id_of(std::size_t server) {
    return std::to_string(server + 1);
}

/// Transactions so far: rises by itself on a busy server.
std::uint64_t transactions(
    const FarmPlan& plan, std::size_t server, std::chrono::milliseconds since_start
) {
    const auto moved = server < plan.busy ? static_cast<std::uint64_t>(since_start.count()) / 5 : 0;
    return first_transaction + moved;
}

struct State {
    const FarmPlan& plan;
    const std::vector<bool>& dead;
    std::size_t server;
    std::size_t primary;
    std::uint64_t transactions;
    std::chrono::milliseconds since_start;

    [[nodiscard]] bool is_replica() const { return server != primary; }

    [[nodiscard]] std::string gtid_set() const {
        return fmt::format("{}:1-{}", uuid_of(primary), transactions);
    }

    [[nodiscard]] std::string position() const {
        return std::to_string((transactions - first_transaction) * bytes_per_transaction + 157);
    }
};

/// The names the poll asks for that MySQL 8.4 has, without semi-sync and Group Replication.
FakeResult variables(const State& state, std::string_view statement) {
    const std::array<std::pair<std::string_view, std::string>, 22> all{{
        {"binlog_format", "ROW"},
        {"binlog_row_image", "FULL"},
        {"gtid_mode", "ON"},
        {"gtid_purged", ""},
        {"hostname", fmt::format("farm-{}", state.server)},
        {"innodb_flush_log_at_trx_commit", "1"},
        {"log_bin", "ON"},
        {"log_replica_updates", "ON"},
        {"log_slave_updates", "ON"},
        {"performance_schema", "ON"},
        {"port", std::to_string(state.plan.port)},
        {"relay_log_recovery", "ON"},
        {"replica_net_timeout", "60"},
        {"report_host", address_of(state.server)},
        {"report_port", std::to_string(state.plan.port)},
        {"server_id", server_id_of(state.server)},
        {"server_uuid", uuid_of(state.server)},
        {"slave_net_timeout", "60"},
        {"super_read_only", state.is_replica() ? "ON" : "OFF"},
        {"sync_binlog", "1"},
        {"version", "8.4.3"},
        {"version_comment", "simulated"},
    }};
    std::vector<FakeRow> rows;
    for (const auto& [name, value] : all) {
        if (statement.find(fmt::format("'{}'", name)) != std::string_view::npos) {
            rows.push_back(FakeRow{std::string(name), value});
        }
    }
    return FakeResult::table({"Variable_name", "Value"}, std::move(rows));
}

FakeResult status(const State& state, std::string_view statement) {
    std::vector<FakeRow> rows;
    if (statement.find("'Uptime'") != std::string_view::npos) {
        const auto uptime = 1'000'000 + state.since_start.count() / 1000;
        rows.push_back(FakeRow{std::string("Uptime"), std::to_string(uptime)});
        rows.push_back(FakeRow{std::string("Threads_connected"), std::string("12")});
        rows.push_back(FakeRow{std::string("Threads_running"), std::string("1")});
        rows.push_back(FakeRow{std::string("Connection_errors_max_connections"), std::string("0")});
    }
    return FakeResult::table({"Variable_name", "Value"}, std::move(rows));
}

/// SELECT @@global.x AS a,@@global.y AS b: nothing when it asks for one that is not there.
std::optional<FakeResult> globals(const State& state, std::string_view statement) {
    constexpr std::string_view begin = "@@global.";
    constexpr std::string_view as = " AS ";
    std::vector<std::string> names;
    FakeRow row;
    for (auto at = statement.find(begin); at != std::string_view::npos;
         at = statement.find(begin, at + 1)) {
        const auto rest = statement.substr(at + begin.size());
        const auto item = rest.substr(0, rest.find(','));
        const auto split = item.find(as);
        const auto variable = item.substr(0, split);
        names.emplace_back(
            split == std::string_view::npos ? variable : item.substr(split + as.size())
        );
        if (variable == "read_only" || variable == "super_read_only") {
            row.emplace_back(state.is_replica() ? "1" : "0");
        } else if (variable == "gtid_executed") {
            row.emplace_back(state.gtid_set());
        } else {
            return std::nullopt;
        }
    }
    return FakeResult::table(std::move(names), {std::move(row)});
}

/// All columns of the real one, because their number is what it costs to read.
FakeResult replica_status(const State& state) {
    const std::string log = "binlog.000007";
    const auto gtids = state.gtid_set();
    const auto position = state.position();
    const std::vector<std::pair<std::string, FakeCell>> columns{
        {"Replica_IO_State", "Waiting for source to send event"},
        {"Source_Host", address_of(state.primary)},
        {"Source_User", "repl"},
        {"Source_Port", std::to_string(state.plan.port)},
        {"Connect_Retry", "10"},
        {"Source_Log_File", log},
        {"Read_Source_Log_Pos", position},
        {"Relay_Log_File", "relay.000012"},
        {"Relay_Log_Pos", position},
        {"Relay_Source_Log_File", log},
        {"Replica_IO_Running", "Yes"},
        {"Replica_SQL_Running", "Yes"},
        {"Replicate_Do_DB", ""},
        {"Replicate_Ignore_DB", ""},
        {"Replicate_Do_Table", ""},
        {"Replicate_Ignore_Table", ""},
        {"Replicate_Wild_Do_Table", ""},
        {"Replicate_Wild_Ignore_Table", ""},
        {"Last_Errno", "0"},
        {"Last_Error", ""},
        {"Skip_Counter", "0"},
        {"Exec_Source_Log_Pos", position},
        {"Relay_Log_Space", "4096"},
        {"Until_Condition", "None"},
        {"Until_Log_File", ""},
        {"Until_Log_Pos", "0"},
        {"Source_SSL_Allowed", "No"},
        {"Source_SSL_CA_File", ""},
        {"Source_SSL_CA_Path", ""},
        {"Source_SSL_Cert", ""},
        {"Source_SSL_Cipher", ""},
        {"Source_SSL_Key", ""},
        {"Seconds_Behind_Source", "0"},
        {"Source_SSL_Verify_Server_Cert", "No"},
        {"Last_IO_Errno", "0"},
        {"Last_IO_Error", ""},
        {"Last_SQL_Errno", "0"},
        {"Last_SQL_Error", ""},
        {"Replicate_Ignore_Server_Ids", ""},
        {"Source_Server_Id", server_id_of(state.primary)},
        {"Source_UUID", uuid_of(state.primary)},
        {"Source_Info_File", "mysql.slave_master_info"},
        {"SQL_Delay", "0"},
        {"SQL_Remaining_Delay", std::nullopt},
        {"Replica_SQL_Running_State", "Replica has read all relay log; waiting for more updates"},
        {"Source_Retry_Count", "86400"},
        {"Source_Bind", ""},
        {"Last_IO_Error_Timestamp", ""},
        {"Last_SQL_Error_Timestamp", ""},
        {"Source_SSL_Crl", ""},
        {"Source_SSL_Crlpath", ""},
        {"Retrieved_Gtid_Set", gtids},
        {"Executed_Gtid_Set", gtids},
        {"Auto_Position", "1"},
        {"Replicate_Rewrite_DB", ""},
        {"Channel_Name", ""},
        {"Source_TLS_Version", ""},
        {"Source_public_key_path", ""},
        {"Get_Source_public_key", "1"},
        {"Network_Namespace", ""},
    };
    std::vector<std::string> names;
    FakeRow row;
    for (const auto& [name, value] : columns) {
        names.push_back(name);
        row.push_back(value);
    }
    std::vector<FakeRow> rows;
    if (state.is_replica()) {
        rows.push_back(std::move(row));
    }
    return FakeResult::table(std::move(names), std::move(rows));
}

FakeResult replicas(const State& state) {
    std::vector<FakeRow> rows;
    const auto end = std::min(state.primary + state.plan.cluster_size, state.plan.servers);
    for (auto server = state.primary + 1; !state.is_replica() && server < end; ++server) {
        if (!state.dead[server]) {
            rows.push_back(FakeRow{
                server_id_of(server),
                address_of(server),
                std::to_string(state.plan.port),
                server_id_of(state.server),
                uuid_of(server)});
        }
    }
    return FakeResult::table(
        {"Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"}, std::move(rows)
    );
}

FakeResult binary_log(const State& state) {
    return FakeResult::table(
        {"File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"},
        {FakeRow{
            std::string("binlog.000007"),
            state.position(),
            std::string(),
            std::string(),
            state.gtid_set()}}
    );
}

FakeResult heartbeats(const State& state) {
    std::vector<FakeRow> rows;
    if (state.is_replica()) {
        const auto count = state.server < state.plan.busy ? 0 : state.since_start.count() / 30'000;
        rows.push_back(FakeRow{std::string(), std::string("30.000"), std::to_string(count)});
    }
    return FakeResult::table(
        {"CHANNEL_NAME", "HEARTBEAT_INTERVAL", "COUNT_RECEIVED_HEARTBEATS"}, std::move(rows)
    );
}

/// A few clients that do nothing, as on most servers.
FakeResult sessions() {
    std::vector<FakeRow> rows;
    for (int id = 1; id <= 8; ++id) {
        rows.push_back(FakeRow{
            std::to_string(id),
            std::string("app"),
            std::string("10.0.0.7:41234"),
            std::string("shop"),
            std::string("Sleep"),
            std::string("12"),
            std::string(),
            std::nullopt});
    }
    return FakeResult::table(
        {"Id", "User", "Host", "db", "Command", "Time", "State", "Info"}, std::move(rows)
    );
}

bool replicates(const FarmPlan& plan, std::size_t server) {
    return server % plan.cluster_size != 0;
}

}  // namespace

bool is_possible(const FarmPlan& plan) {
    if (plan.servers == 0 || plan.servers > most_servers || plan.cluster_size == 0 ||
        plan.busy > plan.servers || plan.port == 0) {
        return false;
    }
    std::size_t count = 0;
    for (std::size_t server = 0; server < plan.servers; ++server) {
        count += replicates(plan, server) ? 1U : 0U;
    }
    return plan.dead <= count;
}

std::vector<bool> dead_servers(const FarmPlan& plan) {
    std::vector<bool> dead(plan.servers);
    std::size_t left = plan.dead;
    // The last replicas of all clusters, then the last but one, ...
    for (std::size_t place = plan.cluster_size - 1; place > 0 && left > 0; --place) {
        for (auto server = place; server < plan.servers && left > 0; server += plan.cluster_size) {
            dead[server] = true;
            --left;
        }
    }
    return dead;
}

std::string address_of(std::size_t server) {
    return fmt::format("127.20.{}.{}", server / addresses_per_net, server % addresses_per_net + 1);
}

std::optional<std::size_t> server_at(std::string_view address) {
    constexpr std::string_view start = "127.20.";
    if (!address.starts_with(start)) {
        return std::nullopt;
    }
    std::size_t net = 0;
    std::size_t host = 0;
    const char* const end = address.data() + address.size();
    const auto [dot, first] = std::from_chars(address.data() + start.size(), end, net);
    if (first != std::errc{} || dot == end) {
        return std::nullopt;
    }
    const auto [rest, second] = std::from_chars(dot + 1, end, host);
    if (second != std::errc{} || rest != end || host == 0) {
        return std::nullopt;
    }
    return net * addresses_per_net + host - 1;
}

std::size_t primary_of(const FarmPlan& plan, std::size_t server) {
    return server - server % plan.cluster_size;
}

std::optional<FakeResult> answer(
    const FarmPlan& plan,
    const std::vector<bool>& dead,
    std::size_t server,
    std::string_view statement,
    std::chrono::milliseconds since_start
) {
    const State state{
        plan,
        dead,
        server,
        primary_of(plan, server),
        transactions(plan, server, since_start),
        since_start};
    if (statement.starts_with("SELECT @@global.")) {
        return globals(state, statement);
    }
    if (statement == "SHOW REPLICA STATUS") {
        return replica_status(state);
    }
    if (statement == "SHOW BINARY LOG STATUS") {
        return binary_log(state);
    }
    if (statement == "SHOW REPLICAS") {
        return replicas(state);
    }
    if (statement == "SHOW PROCESSLIST") {
        return sessions();
    }
    if (statement.starts_with("SELECT c.CHANNEL_NAME,")) {
        return heartbeats(state);
    }
    if (statement.starts_with("SHOW GLOBAL VARIABLES WHERE Variable_name IN (")) {
        return variables(state, statement);
    }
    if (statement.starts_with("SHOW GLOBAL STATUS ")) {
        return status(state, statement);
    }
    if (statement.starts_with("SET SESSION ")) {
        return FakeResult::ok();
    }
    return std::nullopt;
}

}  // namespace baton::bench
