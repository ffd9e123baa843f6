// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/vocabulary.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>

namespace baton::dialect {

namespace {

constexpr auto names = std::to_array<std::string_view>({
    "admin_address",
    "admin_port",
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_row_image",
    "debug_no_thread_alarm",
    "enforce_gtid_consistency",
    "expire_logs_days",
    "extra_port",
    "group_replication_group_name",
    "group_replication_single_primary_mode",
    "gtid_binlog_pos",
    "gtid_domain_id",
    "gtid_mode",
    "gtid_purged",
    "gtid_strict_mode",
    "hostname",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "max_connections",
    "maxscale_version",
    "performance_schema",
    "persisted_globals_load",
    "port",
    "relay_log_recovery",
    "replica_net_timeout",
    "replica_parallel_workers",
    "replica_preserve_commit_order",
    "replica_skip_errors",
    "report_host",
    "report_port",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_master_timeout",
    "rpl_semi_sync_master_wait_for_slave_count",
    "rpl_semi_sync_master_wait_no_slave",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_slave_enabled",
    "rpl_semi_sync_source_enabled",
    "rpl_semi_sync_source_timeout",
    "rpl_semi_sync_source_wait_for_replica_count",
    "rpl_semi_sync_source_wait_no_replica",
    "server_id",
    "server_uuid",
    "skip_replica_start",
    "skip_slave_start",
    "slave_net_timeout",
    "slave_parallel_threads",
    "slave_parallel_workers",
    "slave_preserve_commit_order",
    "slave_skip_errors",
    "super_read_only",
    "sync_binlog",
    "sync_relay_log",
    "version",
    "version_comment",
});

constexpr std::size_t name_count = names.size();

class Variables {
public:
    explicit Variables(const ResultRows& rows) {
        for (const auto& row : rows.rows) {
            if (row.size() < 2 || !row[0].has_value()) {
                continue;
            }
            for (std::size_t index = 0; index < name_count; ++index) {
                if (equal_ignoring_case(names[index], *row[0])) {
                    present_[index] = true;
                    values_[index] =
                        row[1].has_value() ? std::string_view(*row[1]) : std::string_view{};
                }
            }
        }
    }

    [[nodiscard]] bool has(std::string_view name) const { return present_[index_of(name)]; }

    [[nodiscard]] std::string_view operator[](std::string_view name) const {
        return values_[index_of(name)];
    }

    [[nodiscard]] std::string text(std::string_view name) const {
        return std::string((*this)[name]);
    }

    [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t otherwise = 0) const {
        return number_or((*this)[name], otherwise);
    }

    [[nodiscard]] std::optional<std::uint64_t> optional_number(std::string_view name) const {
        constexpr auto none = std::numeric_limits<std::uint64_t>::max();
        const auto value = has(name) ? number_or((*this)[name], none) : none;
        return value == none ? std::nullopt : std::optional(value);
    }

    [[nodiscard]] bool on(std::string_view name) const { return is_on((*this)[name]); }

private:
    static std::size_t index_of(std::string_view name) {
        return static_cast<std::size_t>(
            std::find(names.begin(), names.end(), name) - names.begin()
        );
    }

    // One more than there are names: a misspelt name reads as absent.
    std::array<std::string_view, name_count + 1> values_{};
    std::array<bool, name_count + 1> present_{};
};

Port port_of(std::string_view text) {
    const std::uint64_t number = number_or(text, 0);
    return number <= std::numeric_limits<Port>::max() ? static_cast<Port>(number) : Port{0};
}

topology::Flavor flavor_of(const Variables& variables) {
    if (variables.has("gtid_binlog_pos") || variables.has("gtid_domain_id") ||
        contains_ignoring_case(variables["version"], "mariadb")) {
        return topology::Flavor::mariadb;
    }
    if (contains_ignoring_case(variables["version_comment"], "percona")) {
        return topology::Flavor::percona;
    }
    return variables.has("version") ? topology::Flavor::mysql : topology::Flavor::unknown;
}

Vocabulary words_of(const Variables& variables) {
    Vocabulary words;
    words.flavor = flavor_of(variables);
    words.replica_words = !words.mariadb() && variables.has("replica_net_timeout");
    words.binary_log_status = words.replica_words;
    words.has_super_read_only = variables.has("super_read_only");
    words.semi_sync_new_names = variables.has("rpl_semi_sync_source_enabled") ||
                                variables.has("rpl_semi_sync_replica_enabled");
    words.semi_sync_source = variables.has("rpl_semi_sync_source_enabled") ||
                             variables.has("rpl_semi_sync_master_enabled");
    words.semi_sync_replica = variables.has("rpl_semi_sync_replica_enabled") ||
                              variables.has("rpl_semi_sync_slave_enabled");
    // MySQL does not show the variable where the schema is compiled out.
    words.performance_schema = variables.on("performance_schema");
    words.can_persist = variables.has("persisted_globals_load");
    words.log_bin = variables.on("log_bin");
    words.gtid_on = words.mariadb() || equal_ignoring_case(variables["gtid_mode"], "ON");
    words.stop_waits_for_attempt = words.mariadb() && !variables.has("debug_no_thread_alarm");
    words.group_replication = !variables["group_replication_group_name"].empty();
    return words;
}

topology::SemiSync semi_sync_of(const Variables& variables, const Vocabulary& words) {
    const auto either = [&](std::string_view fresh, std::string_view old) {
        return words.semi_sync_new_names ? fresh : old;
    };
    topology::SemiSync semi;
    semi.available = words.semi_sync_source && words.semi_sync_replica;
    semi.has_source = words.semi_sync_source;
    semi.has_replica = words.semi_sync_replica;
    semi.new_names = words.semi_sync_new_names;
    semi.source_enabled =
        variables.on(either("rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"));
    semi.replica_enabled =
        variables.on(either("rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled"));
    semi.timeout_ms =
        variables.number(either("rpl_semi_sync_source_timeout", "rpl_semi_sync_master_timeout"));
    semi.wait_for_replica_count = variables.number(
        either(
            "rpl_semi_sync_source_wait_for_replica_count",
            "rpl_semi_sync_master_wait_for_slave_count"
        ),
        1
    );
    semi.waits_without_clients = variables.on(
        either("rpl_semi_sync_source_wait_no_replica", "rpl_semi_sync_master_wait_no_slave")
    );
    return semi;
}

topology::Identity identity_of(const Variables& variables, const Vocabulary& words) {
    topology::Identity identity;
    identity.flavor = words.flavor;
    identity.server_id = variables.number("server_id");
    identity.hostname = variables.text("hostname");
    identity.report_host = variables.text("report_host");
    identity.report_port = port_of(variables["report_port"]);
    identity.version = variables.text("version");
    identity.version_comment = variables.text("version_comment");
    identity.binlog_format = variables.text("binlog_format");
    identity.binlog_row_image = variables.text("binlog_row_image");
    identity.log_bin = words.log_bin;
    identity.log_replica_updates =
        variables.on("log_replica_updates") || variables.on("log_slave_updates");
    identity.gtid_mode = words.mariadb() ? std::string{} : variables.text("gtid_mode");
    identity.gtid_strict = variables.on("gtid_strict_mode");
    identity.replica_net_timeout_seconds = variables.number(
        variables.has("replica_net_timeout") ? "replica_net_timeout" : "slave_net_timeout"
    );
    identity.relay_log_recovery = variables.on("relay_log_recovery");
    identity.durable = variables.number("sync_binlog") == 1 &&
                       variables.number("innodb_flush_log_at_trx_commit") == 1;
    identity.has_super_read_only = words.has_super_read_only;
    identity.binlog_server = variables.has("maxscale_version") ||
                             contains_ignoring_case(identity.version, "maxscale") ||
                             contains_ignoring_case(identity.version_comment, "maxscale");
    if (words.mariadb()) {
        identity.admin_port = port_of(variables["extra_port"]);
    } else if (!variables["admin_address"].empty()) {
        identity.admin_port = port_of(variables["admin_port"]);
        const auto host = variables["admin_address"];
        identity.admin_host =
            host == "*" || host == "0.0.0.0" || host == "::" ? "" : std::string(host);
    }
    // MariaDB's server_uid is a hash of the machine and the port, not of the data: copied machines
    // have the same one.
    identity.uuid = variables["server_uuid"].empty() ? fmt::format(
                                                           "mariadb-{}-{}:{}",
                                                           identity.server_id,
                                                           identity.hostname,
                                                           port_of(variables["port"])
                                                       )
                                                     : to_lower(variables["server_uuid"]);
    return identity;
}

std::optional<std::uint64_t> expiry_of(const Variables& variables) {
    if (variables.has("binlog_expire_logs_auto_purge") &&
        !variables.on("binlog_expire_logs_auto_purge")) {
        return 0;
    }
    const auto seconds = variables.optional_number("binlog_expire_logs_seconds");
    // Where there are both, the days count only without seconds; MariaDB writes days with a
    // fraction, and has the seconds too then.
    const auto days = variables.optional_number("expire_logs_days");
    if (seconds.value_or(0) == 0 && days.value_or(0) != 0) {
        return *days * 86'400;
    }
    return seconds ? seconds : days;
}

topology::ServerSettings settings_of(const Variables& variables, const Vocabulary& words) {
    const auto flag = [&](std::string_view fresh, std::string_view old) -> std::optional<bool> {
        const auto name = variables.has(fresh) ? fresh : old;
        return variables.has(name) ? std::optional(variables.on(name)) : std::nullopt;
    };
    topology::ServerSettings out;
    out.read = true;
    out.replica_words = words.replica_words;
    out.can_persist = words.can_persist;
    out.sync_binlog = variables.optional_number("sync_binlog");
    out.flush_log_at_commit = variables.optional_number("innodb_flush_log_at_trx_commit");
    out.sync_relay_log = variables.optional_number("sync_relay_log");
    out.binlog_expire_seconds = expiry_of(variables);
    for (const auto name :
         {"replica_parallel_workers", "slave_parallel_workers", "slave_parallel_threads"}) {
        if (!out.parallel_workers) {
            out.parallel_workers = variables.optional_number(name);
        }
    }
    out.preserve_commit_order =
        flag("replica_preserve_commit_order", "slave_preserve_commit_order");
    out.skip_start = flag("skip_replica_start", "skip_slave_start");
    out.enforce_gtid_consistency = variables.text("enforce_gtid_consistency");
    out.skip_errors = variables.text(
        variables.has("replica_skip_errors") ? "replica_skip_errors" : "slave_skip_errors"
    );
    return out;
}

}  // namespace

std::string variables_sql() {
    std::string sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN (";
    for (std::size_t index = 0; index < name_count; ++index) {
        sql += fmt::format("{}'{}'", index == 0 ? "" : ",", names[index]);
    }
    return sql + ")";
}

Statics read_variables(const ResultRows& rows) {
    const Variables variables(rows);
    Statics statics;
    statics.words = words_of(variables);
    statics.identity = identity_of(variables, statics.words);
    statics.semi_sync = semi_sync_of(variables, statics.words);
    statics.settings = settings_of(variables, statics.words);
    statics.group_name = variables.text("group_replication_group_name");
    statics.group_single_primary = variables.on("group_replication_single_primary_mode");
    statics.purged_gtid_set = variables.text("gtid_purged");
    statics.max_connections = variables.number("max_connections");
    statics.port = port_of(variables["port"]);
    return statics;
}

}  // namespace baton::dialect
