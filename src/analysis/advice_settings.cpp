// SPDX-License-Identifier: Apache-2.0
// What would lose transactions in a crash, or let a replica be written to.
#include "advice.hpp"

#include <fmt/format.h>

namespace baton::analysis {
namespace {

void advise_relay_log(const Advised& server, Advices& out) {
    const auto* channel = server.instance->channel();
    if (server.mariadb() || !server.instance->is_replica() || channel == nullptr) {
        return;  // MariaDB with GTID fetches anew what it has not applied, always
    }
    const bool on = server.identity().relay_log_recovery;
    if (!channel->auto_position && !on) {
        out.add(
            "relay_log_recovery_off",
            Severity::warning,
            "relay_log_recovery is off and the replica does not position itself by GTID: after a "
            "crash its relay log and its positions may not fit together",
            set_for_restart(server, "relay_log_recovery", "ON"),
            "relay_log_recovery = ON"
        );
    }
    if (channel->auto_position && on && server.instance->state.semi_sync.replica_enabled) {
        auto statements = set_for_restart(server, "relay_log_recovery", "OFF");
        if (server.settings().sync_relay_log.value_or(1) != 1) {
            statements.push_back(set_variable(server, "sync_relay_log", "1"));
        }
        out.add(
            "relay_log_recovery_discards",
            Severity::warning,
            "relay_log_recovery is on: a restart throws away what this replica acknowledged and "
            "has "
            "not applied; if the primary dies then, it is lost. With GTID positioning it is not "
            "needed as long as sync_relay_log is 1",
            std::move(statements),
            "relay_log_recovery = OFF\nsync_relay_log = 1"
        );
    }
}

}  // namespace

void advise_durability(const Advised& server, Advices& out) {
    advise_relay_log(server, out);
    const auto& settings = server.settings();
    const bool primary = server.instance == server.primary;
    const bool acknowledges = server.instance->state.semi_sync.replica_enabled;
    if (!server.identity().log_bin || (!primary && !acknowledges && !server.may_be_promoted())) {
        return;
    }
    std::vector<std::string> statements;
    std::string what, config;
    const auto check = [&](const std::optional<std::uint64_t>& value, const char* name) {
        if (value && *value != 1) {
            statements.push_back(set_variable(server, name, "1"));
            what += fmt::format("{}{} is {}", what.empty() ? "" : ", ", name, *value);
            config += fmt::format("{}{} = 1", config.empty() ? "" : "\n", name);
        }
    };
    check(settings.sync_binlog, "sync_binlog");
    check(settings.flush_log_at_commit, "innodb_flush_log_at_trx_commit");
    if (what.empty()) {
        return;
    }
    out.add(
        "not_durable",
        primary || acknowledges ? Severity::warning : Severity::notice,
        what + (primary        ? ": after a crash of its machine it comes back without its last "
                                 "transactions, which its replicas may have"
                : acknowledges ? ": after a crash of its machine it may lack what it acknowledged"
                               : ": promoted, it would lose its last transactions in a crash"),
        std::move(statements),
        std::move(config)
    );
}

void advise_read_only(const Advised& server, Advices& out) {
    if (!server.plain_replica()) {
        return;
    }
    const auto& state = server.instance->state;
    const bool has_super = server.identity().has_super_read_only;
    // super_read_only switches read_only on as well.
    const std::vector<std::string> statements{
        set_variable(server, has_super ? "super_read_only" : "read_only", "1")};
    const std::string config = has_super ? "super_read_only = ON" : "read_only = ON";
    if (!state.read_only) {
        out.add(
            "read_only_off", Severity::warning, "it is a replica and writable", statements, config
        );
    } else if (has_super && !state.super_read_only) {
        out.add(
            "super_read_only_off",
            Severity::notice,
            "super_read_only is off: accounts with privileges can write to this replica",
            statements,
            config
        );
    } else if (server.settings().read_only_kept == topology::Kept::at_run_time_only) {
        out.add(
            "read_only_not_kept",
            Severity::notice,
            "read-only was set at run time and is not persisted: unless its configuration file has "
            "it, it comes up writable after a restart",
            statements,
            config
        );
    }
}

}  // namespace baton::analysis
