// SPDX-License-Identifier: Apache-2.0
// What keeps a server from being promoted or followed, and what makes servers be taken for others.
#include "advice.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace baton::analysis {
namespace {

constexpr std::uint64_t day_seconds = 86'400;
constexpr std::uint64_t week_seconds = 7 * day_seconds;

/// The first two numbers of "8.0.36-28"; {0, 0}: unknown.
std::pair<unsigned, unsigned> release_of(const std::string& version) {
    std::pair<unsigned, unsigned> out{0, 0};
    const char* const end = version.data() + version.size();
    const auto major = std::from_chars(version.data(), end, out.first);
    if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') {
        return {0, 0};
    }
    const auto minor = std::from_chars(major.ptr + 1, end, out.second);
    return minor.ec == std::errc{} ? out : std::pair<unsigned, unsigned>{0, 0};
}

void advise_logging(const Advised& server, Advices& out) {
    const auto& identity = server.identity();
    const bool replica = server.instance->is_replica();
    if (replica && !server.may_be_promoted()) {
        return;
    }
    if (!identity.log_bin) {
        out.add(
            "binary_log_off",
            Severity::warning,
            replica ? "its binary log is off: it cannot be promoted"
                    : "its binary log is off: nobody can replicate from it",
            {},
            "log_bin = binlog\n" +
                std::string(
                    server.settings().replica_words ? "log_replica_updates" : "log_slave_updates"
                ) +
                " = ON"
        );
        return;
    }
    if (replica && !identity.log_replica_updates) {
        const auto name =
            server.settings().replica_words ? "log_replica_updates" : "log_slave_updates";
        out.add(
            "log_replica_updates_off",
            Severity::warning,
            fmt::format("{} is off: it cannot be promoted", name),
            set_for_restart(server, name, "ON"),
            fmt::format("{} = ON", name)
        );
    }
    if (!identity.binlog_format.empty() && !equal_ignoring_case(identity.binlog_format, "ROW")) {
        // MySQL refuses it while an applier runs.
        auto statements = std::vector{set_variable(server, "binlog_format", "'ROW'")};
        out.add(
            "binlog_format_not_row",
            Severity::notice,
            fmt::format("binlog_format is {}", identity.binlog_format),
            server.mariadb() ? std::move(statements)
                             : with_applier_stopped(server, std::move(statements)),
            "binlog_format = ROW"
        );
    }
}

void advise_gtid(const Advised& server, Advices& out) {
    const auto& identity = server.identity();
    const auto* channel = server.instance->channel();
    const bool replica = server.instance->is_replica() && channel != nullptr;
    if (server.mariadb()) {
        if (!identity.gtid_strict) {
            out.add(
                "gtid_strict_off",
                Severity::warning,
                "gtid_strict_mode is off",
                {set_variable(server, "gtid_strict_mode", "1")},
                "gtid_strict_mode = ON"
            );
        }
    } else if (!equal_ignoring_case(identity.gtid_mode, "ON")) {
        std::vector<std::string> statements;
        if (!equal_ignoring_case(server.settings().enforce_gtid_consistency, "ON")) {
            statements.push_back(set_variable(server, "enforce_gtid_consistency", "ON"));
        }
        out.add(
            "gtid_off",
            Severity::warning,
            fmt::format(
                "gtid_mode is {}. It is switched on in steps, each on all servers before the next "
                "(manual, \"Enabling GTID Transactions Online\")",
                identity.gtid_mode.empty() ? "not there" : identity.gtid_mode
            ),
            std::move(statements),
            "gtid_mode = ON\nenforce_gtid_consistency = ON"
        );
        return;
    }
    if (replica && !channel->uses_gtid()) {
        std::vector<std::string> statements;
        const bool runs = channel->replicating();
        const std::string change = server.mariadb() ? "CHANGE MASTER TO MASTER_USE_GTID = slave_pos"
                                   : server.settings().replica_words
                                       ? "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 1"
                                       : "CHANGE MASTER TO MASTER_AUTO_POSITION = 1";
        if (channel->name.empty() && server.instance->state.channels.size() == 1) {
            if (runs) {
                statements = {
                    control_replica(server, "STOP", "", *channel),
                    change,
                    control_replica(server, "START", "", *channel)};
            } else {
                statements = {change};
            }
        }
        out.add(
            "gtid_positioning_off",
            Severity::warning,
            "it replicates by file and position",
            std::move(statements),
            ""
        );
    }
}

void advise_expiry(const Advised& server, Advices& out) {
    const auto expiry = server.settings().binlog_expire_seconds.value_or(0);
    if (expiry == 0 || !server.identity().log_bin) {
        return;
    }
    const auto away = server.members->away_seconds;
    const bool pressing = away > expiry / 2 && server.instance == server.primary;
    if (expiry >= day_seconds && !pressing) {
        return;
    }
    const auto wanted = std::max<std::uint64_t>(week_seconds, 2 * expiry);
    const bool seconds = server.settings().can_persist;
    const auto name = seconds ? "binlog_expire_logs_seconds" : "expire_logs_days";
    const auto value = std::to_string(seconds ? wanted : wanted / day_seconds);
    std::string sentence = fmt::format("binary logs are kept for {} h only", expiry / 3600);
    if (pressing) {
        sentence = fmt::format(
            "binary logs are kept for {} h, and {} is away for {} h already",
            expiry / 3600,
            server.members->away.text(),
            away / 3600
        );
    }
    out.add(
        "binlog_expires_soon",
        pressing ? Severity::warning : Severity::notice,
        std::move(sentence),
        {set_variable(server, name, value)},
        fmt::format("{} = {}", name, value)
    );
}

void advise_applier(const Advised& server, Advices& out) {
    const auto* channel = server.instance->channel();
    if (!server.instance->is_replica() || channel == nullptr) {
        return;
    }
    const auto& settings = server.settings();
    if (settings.parallel_workers.value_or(0) > 1 &&
        !settings.preserve_commit_order.value_or(true)) {
        const auto name = replica_variable(server, "preserve_commit_order");
        out.add(
            "commit_order_not_kept",
            Severity::warning,
            fmt::format("{} workers apply, and {} is off", *settings.parallel_workers, name),
            with_applier_stopped(server, {set_variable(server, name, "ON")}),
            fmt::format("{} = ON", name)
        );
    }
    if (!settings.skip_errors.empty() && !equal_ignoring_case(settings.skip_errors, "OFF")) {
        const auto name = replica_variable(server, "skip_errors");
        out.add(
            "errors_skipped",
            Severity::warning,
            fmt::format("{} is {}", name, clipped(settings.skip_errors, 80)),
            {},
            fmt::format("{} = OFF", name)
        );
    }
}

/// Another one of those with the same value.
const Instance* twin(const Advised& server, const std::vector<const Instance*>& same) {
    const auto found = std::find_if(same.begin(), same.end(), [&](const Instance* member) {
        return member != server.instance;
    });
    return found == same.end() ? nullptr : *found;
}

void advise_ids(const Advised& server, Advices& out) {
    const auto& identity = server.identity();
    const auto& by_id = server.members->by_server_id;
    const auto* same_id = twin(server, by_id.at(identity.server_id));
    if (same_id != nullptr) {
        // The primary keeps its number, else the first by name: the same at each look.
        std::vector<std::string> statements;
        std::string config;
        if (server.instance != server.primary &&
            (same_id == server.primary || same_id->id < server.instance->id)) {
            const auto fresh = std::to_string(by_id.rbegin()->first + 1);
            statements.push_back(set_variable(server, "server_id", fresh));
            if (const auto* channel = server.instance->channel()) {
                for (auto& statement : reconnect(server, *channel)) {
                    statements.push_back(std::move(statement));
                }
            }
            config = "server_id = " + fresh;
        }
        out.add(
            "server_id_not_unique",
            Severity::critical,
            fmt::format("{} has the same server_id {}", same_id->id.text(), identity.server_id),
            std::move(statements),
            std::move(config)
        );
    }
    if (!server.mariadb() && !identity.uuid.empty()) {
        const auto* same_uuid = twin(server, server.members->by_uuid.at(identity.uuid));
        if (same_uuid != nullptr) {
            out.add(
                "server_uuid_not_unique",
                Severity::critical,
                fmt::format(
                    "{} has the same server_uuid {}: remove auto.cnf from the data directory of "
                    "the "
                    "copy and restart it",
                    same_uuid->id.text(),
                    identity.uuid
                ),
                {},
                ""
            );
        }
    }
}

}  // namespace

void advise_promotion(const Advised& server, Advices& out) {
    advise_logging(server, out);
    advise_gtid(server, out);
    advise_applier(server, out);
    advise_expiry(server, out);
}

void advise_identity(const Advised& server, Advices& out) {
    const auto& instance = *server.instance;
    const auto& identity = server.identity();
    advise_ids(server, out);
    if (server.source == nullptr) {
        return;
    }
    const auto own = release_of(identity.version);
    const auto theirs = release_of(server.source->state.identity.version);
    const bool theirs_mariadb = server.source->state.identity.flavor == topology::Flavor::mariadb;
    if (own.first != 0 && theirs.first != 0 && own < theirs && server.mariadb() == theirs_mariadb) {
        out.add(
            "older_than_source",
            Severity::warning,
            fmt::format(
                "it is {}.{} and its source {} is {}.{}: upgrade it",
                own.first,
                own.second,
                server.source->id.text(),
                theirs.first,
                theirs.second
            ),
            {},
            ""
        );
    }
    // Without it the source knows where the replica connects from, and takes its own port for the
    // replica's.
    if (identity.report_host.empty() &&
        (instance.id.port != server.source->id.port ||
         !equal_ignoring_case(identity.hostname, instance.id.host))) {
        out.add(
            "report_host_missing",
            Severity::notice,
            fmt::format(
                "report_host is not set; its host calls itself {}, and it is known as {}",
                identity.hostname.empty() ? "nothing" : identity.hostname,
                instance.id.text()
            ),
            set_for_restart(server, "report_host", quoted(instance.id.host)),
            fmt::format("report_host = {}\nreport_port = {}", instance.id.host, instance.id.port)
        );
    }
}

}  // namespace baton::analysis
