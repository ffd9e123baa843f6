// SPDX-License-Identifier: Apache-2.0
#include "instance_facts.hpp"

#include "json_policy.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace baton::api {

namespace {

std::int64_t seconds(Duration duration) {
    return std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(duration).count(), 0
    );
}

}  // namespace

Freshness freshness_of(const topology::Instance& instance, const Moment& moment) {
    const auto& health = instance.health;
    const auto& view = *moment.view;
    const Duration recent = std::max<Duration>(std::chrono::seconds(5), 3 * view.poll_interval);
    const Duration current = std::max<Duration>(std::chrono::seconds(2), 2 * view.poll_interval);
    Freshness result;
    result.valid = health.valid && instance.ever_seen;
    result.last_seen_ms = health.last_seen_ms;
    Duration since_check{};
    if (view.active) {
        since_check = moment.now - health.last_attempt;
        result.recently_checked = health.checked && since_check <= recent;
        if (health.last_seen != TimePoint{}) {
            result.seconds_since_seen = seconds(moment.now - health.last_seen);
        }
    } else {
        since_check = moment.now - view.fresh_at;
        result.recently_checked = view.fresh_at != TimePoint{} && since_check <= recent;
        if (result.valid && view.fresh_at != TimePoint{}) {
            result.seconds_since_seen = seconds(since_check);
            result.last_seen_ms =
                std::max(result.last_seen_ms, moment.wall_ms - to_ms(since_check));
        }
    }
    if (!result.seconds_since_seen && health.last_seen_ms > 0) {
        result.seconds_since_seen =
            std::max<std::int64_t>((moment.wall_ms - health.last_seen_ms) / 1000, 0);
    }
    result.up_to_date = result.recently_checked && since_check <= current;
    return result;
}

std::int64_t lag_limit_seconds(const std::string& cluster_id, const Moment& moment) {
    const auto* own = effective_policy(*moment.view, cluster_id);
    return own != nullptr ? own->analysis.lagging_seconds : moment.view->reasonable_lag_seconds;
}

std::vector<std::string> problems_of(const topology::Instance& instance, const Moment& moment) {
    std::vector<std::string> problems;
    const auto freshness = freshness_of(instance, moment);
    const auto* const channel = instance.is_replica() ? instance.channel() : nullptr;
    const auto delay = channel == nullptr ? 0 : static_cast<std::int64_t>(channel->delay_seconds);
    if (!freshness.valid) {
        problems.emplace_back("last_check_invalid");
    } else if (!freshness.recently_checked) {
        problems.emplace_back("not_recently_checked");
    } else if (channel != nullptr && !channel->replicating()) {
        problems.emplace_back("not_replicating");
    } else if (channel != nullptr && channel->seconds_behind &&
               std::abs(*channel->seconds_behind - delay) >
                   lag_limit_seconds(instance.cluster_id, moment)) {
        problems.emplace_back("replication_lag");
    }
    if (!instance.errant_gtid.empty()) {
        problems.emplace_back("errant_gtid");
    }
    const auto& group = instance.state.group;
    if (!group.name.empty() && group.member_state != "ONLINE") {
        problems.emplace_back("group_replication_member_not_online");
    }
    return problems;
}

std::string_view flavor_name(topology::Flavor flavor) {
    switch (flavor) {
        case topology::Flavor::mysql:
            return "MySQL";
        case topology::Flavor::percona:
            return "Percona";
        case topology::Flavor::mariadb:
            return "MariaDB";
        case topology::Flavor::unknown:
            break;
    }
    return "unknown";
}

std::string quoted_error(std::string_view text) {
    if (text.empty()) {
        return {};
    }
    std::string result = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (c == '\r') {
            result += "\\r";
        } else if (byte < 0x20 || byte >= 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += c;
        }
    }
    return result + "\"";
}

}  // namespace baton::api
