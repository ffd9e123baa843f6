// SPDX-License-Identifier: Apache-2.0
// Semi-synchronous replication that is configured by halves.
#include "advice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::analysis {
namespace {

constexpr std::uint64_t short_timeout_ms = 10'000;
constexpr std::uint64_t long_timeout_ms = 3'600'000;
constexpr auto wanted_timeout_ms = "86400000";

/// New names where the server has a plugin with them, or none yet and knows the words.
bool new_names(const Advised& server) {
    const auto& semi_sync = server.instance->state.semi_sync;
    const bool any = semi_sync.has_source || semi_sync.has_replica;
    return any ? semi_sync.new_names : server.settings().replica_words;
}

std::string source_half(const Advised& server) {
    return new_names(server) ? "source" : "master";
}

std::string replica_half(const Advised& server) {
    return new_names(server) ? "replica" : "slave";
}

/// The list of plugins is a table: super_read_only has to be off for a moment. read_only stays on.
std::vector<std::string> install(const Advised& server, const std::string& half) {
    std::vector<std::string> out{
        fmt::format("INSTALL PLUGIN rpl_semi_sync_{0} SONAME 'semisync_{0}.so'", half)};
    if (server.instance->state.super_read_only) {
        out.insert(out.begin(), "SET GLOBAL super_read_only = 0");
        out.emplace_back("SET GLOBAL super_read_only = 1");
    }
    return out;
}

/// Replicas of the source that acknowledge, as far as their settings go.
std::uint64_t acknowledgers(const Advised& server, const Instance& source) {
    const auto found = server.members->acknowledgers.find(source.id);
    return found == server.members->acknowledgers.end() ? 0 : found->second;
}

void advise_source(const Advised& server, Advices& out) {
    const auto& semi_sync = server.instance->state.semi_sync;
    const auto ready = acknowledgers(server, *server.instance);
    const auto variable = [&](std::string_view rest) {
        return fmt::format("rpl_semi_sync_{}_{}", source_half(server), rest);
    };
    if (!semi_sync.source_enabled) {
        if (ready == 0) {
            return;
        }
        std::vector<std::string> statements;
        if (!semi_sync.has_source) {
            statements = install(server, source_half(server));
        }
        statements.push_back(set_variable(server, variable("enabled"), "1"));
        out.add(
            "semi_sync_source_off",
            Severity::warning,
            fmt::format(
                "{} of its replicas would acknowledge transactions, and it waits for none", ready
            ),
            std::move(statements),
            (server.mariadb()
                 ? std::string{}
                 : fmt::format("plugin_load_add = semisync_{}.so\n", source_half(server))) +
                variable("enabled") + " = 1"
        );
        return;
    }
    if (semi_sync.timeout_ms < long_timeout_ms) {
        const bool very_short = semi_sync.timeout_ms < short_timeout_ms;
        out.add(
            "semi_sync_timeout_short",
            very_short ? Severity::warning : Severity::notice,
            fmt::format(
                "{} is {} ms: when no replica acknowledges for so long it goes on without, and "
                "what "
                "it commits then is lost if it dies or is replaced. With a long time it waits "
                "instead, as long as nobody acknowledges",
                variable("timeout"),
                semi_sync.timeout_ms
            ),
            {set_variable(server, variable("timeout"), wanted_timeout_ms)},
            fmt::format("{} = {}", variable("timeout"), wanted_timeout_ms)
        );
    }
    if (semi_sync.wait_for_replica_count > std::max<std::uint64_t>(ready, 1)) {
        const auto count =
            variable(new_names(server) ? "wait_for_replica_count" : "wait_for_slave_count");
        const auto wanted = std::to_string(std::max<std::uint64_t>(ready, 1));
        out.add(
            "semi_sync_wait_count_high",
            Severity::warning,
            fmt::format(
                "{} is {}, and {} of its replicas {} semi-synchronous replication on",
                count,
                semi_sync.wait_for_replica_count,
                ready,
                ready == 1 ? "has" : "have"
            ),
            {set_variable(server, count, wanted)},
            fmt::format("{} = {}", count, wanted)
        );
    }
}

void advise_replica(const Advised& server, const Instance& source, Advices& out) {
    const auto& semi_sync = server.instance->state.semi_sync;
    const auto* channel = server.instance->channel();
    if (!semi_sync.replica_enabled && channel != nullptr) {
        const auto half = replica_half(server);
        const auto variable = fmt::format("rpl_semi_sync_{}_enabled", half);
        std::vector<std::string> statements;
        if (!semi_sync.has_replica) {
            statements = install(server, half);
        }
        statements.push_back(set_variable(server, variable, "1"));
        for (auto& statement : reconnect(server, *channel)) {
            statements.push_back(std::move(statement));
        }
        const auto others = acknowledgers(server, source);
        const bool spare =
            others > std::max<std::uint64_t>(source.state.semi_sync.wait_for_replica_count, 1);
        out.add(
            "semi_sync_replica_off",
            spare ? Severity::notice : Severity::warning,
            fmt::format(
                "{} waits for {} acknowledgement(s), {} of its replicas can give one, and this one "
                "does not",
                source.id.text(),
                source.state.semi_sync.wait_for_replica_count,
                others
            ),
            std::move(statements),
            (server.mariadb() ? std::string{}
                              : fmt::format("plugin_load_add = semisync_{}.so\n", half)) +
                variable + " = 1"
        );
    }
    if (!semi_sync.has_source && server.may_be_promoted()) {
        out.add(
            "semi_sync_source_missing",
            Severity::warning,
            fmt::format(
                "it lacks the plugin rpl_semi_sync_{}: promoted in place of {} it would wait for "
                "no "
                "acknowledgement",
                source_half(server),
                source.id.text()
            ),
            install(server, source_half(server)),
            fmt::format("plugin_load_add = semisync_{}.so", source_half(server))
        );
    }
}

/// Each transaction it applies is a commit of its own, for which nobody gives an acknowledgement.
void advise_waiting_replica(const Advised& server, Advices& out) {
    const auto& semi_sync = server.instance->state.semi_sync;
    if (!semi_sync.source_enabled || acknowledgers(server, *server.instance) > 0) {
        return;
    }
    const auto variable = fmt::format("rpl_semi_sync_{}_enabled", source_half(server));
    out.add(
        "semi_sync_source_on_replica",
        Severity::warning,
        fmt::format(
            "it is a replica, none of its own replicas acknowledges, and {} is on: what it applies "
            "can wait up to {} ms for an acknowledgement that nobody gives. Baton switches it on "
            "when the server is promoted",
            variable,
            semi_sync.timeout_ms
        ),
        {set_variable(server, variable, "0")},
        variable + " = 0"
    );
}

}  // namespace

void advise_semi_sync(const Advised& server, Advices& out) {
    const auto& instance = *server.instance;
    if (!instance.state.group.name.empty()) {
        return;
    }
    if (&instance == server.primary) {
        advise_source(server, out);
        return;
    }
    if (server.plain_replica()) {
        advise_waiting_replica(server, out);
    }
    if (server.plain_replica() && server.source != nullptr && server.source == server.primary &&
        server.source->state.semi_sync.source_enabled) {
        advise_replica(server, *server.source, out);
    }
}

}  // namespace baton::analysis
