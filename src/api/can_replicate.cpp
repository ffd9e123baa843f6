// SPDX-License-Identifier: Apache-2.0
#include "can_replicate.hpp"

#include "baton/base/text.hpp"
#include "baton/gtid/gtid_set.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::api {

namespace {

/// "8.0" of "8.0.36-log" as 8000; 0 when it cannot be read.
unsigned major_version(const std::string& version) {
    unsigned first = 0;
    unsigned second = 0;
    const auto* const end = version.data() + version.size();
    const auto [dot, error] = std::from_chars(version.data(), end, first);
    if (error != std::errc{} || dot == end || *dot != '.') {
        return first * 1000;
    }
    std::from_chars(dot + 1, end, second);  // stays 0 when there is no number
    return first * 1000 + second;
}

/// STATEMENT < MIXED < ROW: a replica that logs can turn statements into rows, not back.
int format_rank(const std::string& format) {
    if (equal_ignoring_case(format, "STATEMENT")) {
        return 1;
    }
    if (equal_ignoring_case(format, "MIXED")) {
        return 2;
    }
    return equal_ignoring_case(format, "ROW") ? 3 : 0;
}

std::uint64_t delay_of(const topology::Instance& instance) {
    return instance.channel() == nullptr ? 0 : instance.channel()->delay_seconds;
}

}  // namespace

std::string why_cannot_replicate(
    const topology::Instance& replica,
    const topology::Instance& source,
    std::int64_t reasonable_lag_seconds
) {
    const auto& below = replica.state.identity;
    const auto& above = source.state.identity;
    const auto names = [&](std::string_view format) {
        return fmt::format(fmt::runtime(format), replica.id.text(), source.id.text());
    };
    if (replica.id == source.id) {
        return names("instance cannot replicate itself: {}");
    }
    if (!above.log_bin) {
        return names("instance {0} cannot replicate from {1}: {1} has no binary log");
    }
    if (source.is_replica() && !above.log_replica_updates) {
        return names("instance {0} cannot replicate from {1}: {1} does not log what it replicates");
    }
    const bool below_mariadb = below.flavor == topology::Flavor::mariadb;
    const bool above_mariadb = above.flavor == topology::Flavor::mariadb;
    if (below_mariadb != above_mariadb) {
        return names("instance {0} cannot replicate from {1}: one is MariaDB, the other is not");
    }
    if (major_version(below.version) < major_version(above.version)) {
        return names("instance {0} cannot replicate from {1}: its version is lower") +
               fmt::format(" ({} < {})", below.version, above.version);
    }
    if (below.log_bin && below.log_replica_updates &&
        format_rank(below.binlog_format) < format_rank(above.binlog_format)) {
        return names("instance {0} cannot replicate from {1}: binary log formats do not fit") +
               fmt::format(" ({} below {})", below.binlog_format, above.binlog_format);
    }
    if (below.server_id == above.server_id) {
        return names("instance {0} cannot replicate from {1}: both have the server id ") +
               std::to_string(below.server_id);
    }
    if (!below.uuid.empty() && below.uuid == above.uuid) {
        return names("instance {0} cannot replicate from {1}: both have the UUID ") + below.uuid;
    }
    const auto delay = static_cast<std::int64_t>(delay_of(source));
    if (delay_of(source) > delay_of(replica) && delay > reasonable_lag_seconds) {
        return names("instance {0} cannot replicate from {1}: {1} is delayed on purpose");
    }
    return {};
}

std::string why_cannot_replicate_by_gtid(
    const topology::Instance& replica, const topology::Instance& source
) {
    const auto about = [&](std::string_view why) {
        return fmt::format(
            "instance {} cannot replicate from {} by GTID: {}",
            replica.id.text(),
            source.id.text(),
            why
        );
    };
    const bool mariadb = source.state.identity.flavor == topology::Flavor::mariadb;
    if (!mariadb) {
        for (const auto* server : {&replica, &source}) {
            if (server->state.identity.gtid_mode != "ON") {
                return about(fmt::format("gtid_mode of {} is not ON", server->id.text()));
            }
        }
    }
    const auto executed = gtid::GtidSet::parse(replica.state.executed_gtid_set);
    const auto offered = gtid::GtidSet::parse(source.state.executed_gtid_set);
    const auto purged = gtid::GtidSet::parse(source.state.purged_gtid_set);
    if (!executed || !offered || !purged) {
        return about("a GTID set cannot be read");
    }
    if (!mariadb) {
        if (const auto lost = gtid::missing_from(*purged, *executed); lost > 0) {
            return about(fmt::format("{} transactions that it lacks are purged there", lost));
        }
    }
    gtid::Trusted trusted;
    const std::vector<std::string> uuids{source.state.identity.uuid};
    trusted.servers = gtid::uuids_of(uuids);
    trusted.server_ids.push_back(static_cast<std::uint32_t>(source.state.identity.server_id));
    const auto errant = gtid::errant(*executed, *offered, trusted);
    if (!errant.empty()) {
        return about("it has transactions unknown there: " + clipped(errant.text(), 300));
    }
    return {};
}

}  // namespace baton::api
