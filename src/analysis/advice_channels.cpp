// SPDX-License-Identifier: Apache-2.0
// What makes a replica slow to see that its source is gone, or slow to come back to it.
#include "advice.hpp"

#include "baton/base/text.hpp"
#include "baton/gtid/gtid_set.hpp"

#include <fmt/format.h>

namespace baton::analysis {
namespace {

constexpr std::uint64_t giving_up_limit_seconds = 3600;

std::string of_channel(const Channel& channel) {
    return channel.name.empty() ? std::string{} : fmt::format(" (channel {})", channel.name);
}

/// All that a CHANGE should set, so that no advice undoes another.
std::vector<std::string> wanted_options(const Channel& channel) {
    std::vector<std::string> out;
    const bool retry_long = channel.connect_retry_seconds > connect_retry_limit_seconds;
    const auto retry = retry_long ? 1 : channel.connect_retry_seconds;
    if (retry_long) {
        out.push_back("CONNECT_RETRY = 1");
    }
    if (channel.retry_count && *channel.retry_count > 0 &&
        *channel.retry_count * retry < giving_up_limit_seconds) {
        out.push_back("RETRY_COUNT = 86400");
    }
    return out;
}

void advise_net_timeout(const Advised& server, const Channel& channel, Advices& out) {
    const auto now = server.identity().replica_net_timeout_seconds;
    if (now <= net_timeout_limit_seconds) {
        return;
    }
    const auto name = replica_variable(server, "net_timeout");
    std::vector<std::string> statements{
        set_variable(server, name, std::to_string(net_timeout_limit_seconds))};
    // A heartbeat that comes more seldom would break the connection again and again.
    const bool heartbeat_fits =
        channel.heartbeat_period_seconds == wanted_heartbeat(server, channel);
    for (auto& statement : heartbeat_fits
                               ? reconnect(server, channel)
                               : change_channel(server, channel, wanted_options(channel))) {
        statements.push_back(std::move(statement));
    }
    out.add(
        "replica_net_timeout_long",
        Severity::warning,
        fmt::format(
            "{} is {} s: if the connection to {} breaks without a word, the replica takes that "
            "long "
            "to see it",
            name,
            now,
            channel.source.text()
        ),
        std::move(statements),
        fmt::format("{} = {}", name, net_timeout_limit_seconds)
    );
}

void advise_retries(const Advised& server, const Channel& channel, Advices& out) {
    const auto retry = channel.connect_retry_seconds;
    if (retry > connect_retry_limit_seconds) {
        out.add(
            "connect_retry_long",
            Severity::warning,
            fmt::format(
                "after a failed attempt the receiver{} waits {} s before it connects again",
                of_channel(channel),
                retry
            ),
            change_channel(server, channel, wanted_options(channel)),
            ""
        );
    }
    if (channel.retry_count && *channel.retry_count > 0 && retry > 0 &&
        *channel.retry_count < giving_up_limit_seconds / retry) {
        out.add(
            "retry_count_low",
            Severity::warning,
            fmt::format(
                "the receiver{} gives up after {} attempts, i.e. when its source was away for {} s",
                of_channel(channel),
                *channel.retry_count,
                *channel.retry_count * retry
            ),
            change_channel(
                server,
                channel,
                {"RETRY_COUNT = 86400",
                 fmt::format("CONNECT_RETRY = {}", retry > connect_retry_limit_seconds ? 1 : retry)}
            ),
            ""
        );
    }
}

void advise_heartbeat(const Advised& server, const Channel& channel, Advices& out) {
    const double now = channel.heartbeat_period_seconds;
    const auto net_timeout = server.identity().replica_net_timeout_seconds;
    // MySQL tells the period in a table that may not be readable: 0 is no proof there.
    const bool off = now <= 0 && server.mariadb();
    const bool too_seldom = net_timeout > 0 && now >= static_cast<double>(net_timeout);
    if (!off && now <= heartbeat_limit_seconds && !too_seldom) {
        return;
    }
    std::string sentence =
        off ? fmt::format("{} sends no heartbeats to this replica", channel.source.text())
            : fmt::format("heartbeats from {} come every {:g} s", channel.source.text(), now);
    if (too_seldom) {
        sentence += fmt::format(
            ", and the receiver gives up its connection after {} s of silence", net_timeout
        );
    } else {
        sentence += ": while nothing is written, nothing shows that the connection lives";
    }
    out.add(
        "heartbeat_long",
        off || too_seldom ? Severity::warning : Severity::notice,
        std::move(sentence),
        change_channel(server, channel, wanted_options(channel)),
        ""
    );
}

void advise_received(const Advised& server, Advices& out) {
    const auto& instance = *server.instance;
    if (instance.received_lost.empty()) {
        return;
    }
    const bool dropped = !server.mariadb() && server.identity().relay_log_recovery;
    out.add(
        "received_lost",
        Severity::warning,
        fmt::format(
            "it had received {} and has it no more{}; until it has it again, {} must not die",
            clipped(instance.received_lost, 200),
            dropped ? " (relay_log_recovery drops the relay log at a restart)" : "",
            server.primary != nullptr ? server.primary->id.text() : "its source"
        ),
        {},
        ""
    );
}

}  // namespace

void advise_channels(const Advised& server, Advices& out) {
    const auto& instance = *server.instance;
    const auto* channel = instance.channel();
    if (!instance.is_replica() || channel == nullptr) {
        return;
    }
    advise_received(server, out);
    advise_net_timeout(server, *channel, out);
    advise_retries(server, *channel, out);
    advise_heartbeat(server, *channel, out);
    if (server.settings().skip_start.value_or(false)) {
        const auto name =
            server.settings().replica_words ? "skip_replica_start" : "skip_slave_start";
        out.add(
            "replica_start_skipped",
            Severity::notice,
            fmt::format(
                "{} is on: after a restart it replicates nothing until somebody starts it", name
            ),
            set_for_restart(server, name, "OFF"),
            fmt::format("{} = OFF", name)
        );
    }
}

}  // namespace baton::analysis
