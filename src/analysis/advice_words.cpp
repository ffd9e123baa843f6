// SPDX-License-Identifier: Apache-2.0
#include "advice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::analysis {
namespace {

/// The only channel without a name needs none to be understood.
bool named(const Advised& server, const Channel& channel) {
    return !channel.name.empty() || server.instance->state.channels.size() > 1;
}

std::string with_channel(const Advised& server, std::string sql, const Channel& channel) {
    return named(server, channel) ? std::move(sql) + " FOR CHANNEL " + quoted(channel.name)
                                  : std::move(sql);
}

std::string change_words(const Advised& server, const Channel& channel) {
    if (server.mariadb()) {
        return named(server, channel) ? "CHANGE MASTER " + quoted(channel.name) + " TO "
                                      : "CHANGE MASTER TO ";
    }
    return server.settings().replica_words ? "CHANGE REPLICATION SOURCE TO " : "CHANGE MASTER TO ";
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            out += c;
        }
        out += c == '\0' ? ' ' : c;
    }
    return out + "'";
}

std::vector<std::string> with_applier_stopped(
    const Advised& server, std::vector<std::string> statements
) {
    const auto* channel = server.instance->channel();
    if (channel != nullptr && channel->applier == topology::ThreadState::running) {
        statements.insert(
            statements.begin(), control_replica(server, "STOP", "SQL_THREAD", *channel)
        );
        statements.push_back(control_replica(server, "START", "SQL_THREAD", *channel));
    }
    return statements;
}

std::string set_variable(const Advised& server, std::string_view name, std::string_view value) {
    return fmt::format(
        "SET {} {} = {}", server.settings().can_persist ? "PERSIST" : "GLOBAL", name, value
    );
}

std::vector<std::string> set_for_restart(
    const Advised& server, std::string_view name, std::string_view value
) {
    if (!server.settings().can_persist) {
        return {};
    }
    return {fmt::format("SET PERSIST_ONLY {} = {}", name, value)};
}

std::string replica_variable(const Advised& server, std::string_view rest) {
    return fmt::format("{}_{}", server.settings().replica_words ? "replica" : "slave", rest);
}

std::string control_replica(
    const Advised& server, std::string_view verb, std::string_view threads, const Channel& channel
) {
    const auto tail = threads.empty() ? std::string{} : " " + std::string(threads);
    if (server.mariadb()) {
        return named(server, channel)
                   ? fmt::format("{} SLAVE {}{}", verb, quoted(channel.name), tail)
                   : fmt::format("{} SLAVE{}", verb, tail);
    }
    return with_channel(
        server,
        fmt::format("{} {}{}", verb, server.settings().replica_words ? "REPLICA" : "SLAVE", tail),
        channel
    );
}

std::vector<std::string> reconnect(const Advised& server, const Channel& channel) {
    if (channel.receiver == topology::ThreadState::stopped) {
        return {};  // whoever starts it makes it read the new settings
    }
    return {
        control_replica(server, "STOP", "IO_THREAD", channel),
        control_replica(server, "START", "IO_THREAD", channel)};
}

double wanted_heartbeat(const Advised& server, const Channel& channel) {
    const auto net_timeout = std::clamp<std::uint64_t>(
        server.identity().replica_net_timeout_seconds, 1, net_timeout_limit_seconds
    );
    const double half = static_cast<double>(net_timeout) / 2;
    const double now = channel.heartbeat_period_seconds;
    return now > 0 && now <= std::min(heartbeat_limit_seconds, half) ? now : std::min(2.0, half);
}

std::vector<std::string> change_channel(
    const Advised& server, const Channel& channel, const std::vector<std::string>& options
) {
    const auto prefix = server.settings().replica_words ? "SOURCE" : "MASTER";
    // A CHANGE without it sets the period to half of the receiver's time-out.
    std::string sql = change_words(server, channel);
    for (const auto& option : options) {
        sql += fmt::format("{}_{}, ", prefix, option);
    }
    sql += fmt::format("{}_HEARTBEAT_PERIOD = {:g}", prefix, wanted_heartbeat(server, channel));
    if (!server.mariadb()) {
        sql = with_channel(server, std::move(sql), channel);
    }
    const bool runs = channel.receiver != topology::ThreadState::stopped;
    const std::string_view threads = server.mariadb() ? "" : "IO_THREAD";
    std::vector<std::string> out;
    if (runs || (server.mariadb() && channel.applier != topology::ThreadState::stopped)) {
        out.push_back(control_replica(server, "STOP", threads, channel));
    }
    out.push_back(std::move(sql));
    if (runs) {
        out.push_back(control_replica(server, "START", threads, channel));
    }
    return out;
}

}  // namespace baton::analysis
