// SPDX-License-Identifier: Apache-2.0
#include "holdings.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <charconv>

namespace baton::recovery {
namespace {

using gtid::GtidSet;

// What is wrong with one text makes the whole answer unknown: half a set must not be compared.
GtidSet read(const std::string& text, const char* what, std::string& unknown) {
    auto set = GtidSet::parse(text);
    if (!set) {
        unknown = std::string("its ") + what + " cannot be read: " + clipped(set.error().what, 200);
        return {};
    }
    return std::move(*set);
}

// MariaDB knows positions only: a domain in which an errant transaction stands last says nothing
// about how much of the source's it has.
GtidSet without(const GtidSet& set, const GtidSet& errant) {
    if (set.mysql() != nullptr && errant.mysql() != nullptr) {
        return GtidSet{set.mysql()->minus(*errant.mysql())};
    }
    if (set.mariadb() != nullptr && errant.mariadb() != nullptr) {
        gtid::MariadbGtidSet out;
        for (const auto& position : set.mariadb()->positions()) {
            if (errant.mariadb()->find(position.domain) == nullptr) {
                out.advance(position);
            }
        }
        return GtidSet{std::move(out)};
    }
    return set;
}

}  // namespace

Holdings holdings_of(const Instance& instance, const ReplicaPosition* quiesced) {
    Holdings out;
    out.executed = read(instance.state.executed_gtid_set, "executed GTID set", out.unknown);
    GtidSet received;
    for (const auto& channel : instance.state.channels) {
        const auto& text = is_mariadb(instance) ? channel.gtid_io_pos : channel.retrieved_gtid_set;
        received = received.united(read(text, "received GTID set", out.unknown));
    }
    if (quiesced != nullptr) {
        out.executed =
            out.executed.united(read(quiesced->executed_gtid_set, "executed GTID set", out.unknown)
            );
        // What it reported is gone when it was seen to lose some since.
        if (instance.received_lost.empty()) {
            received =
                received.united(read(quiesced->received_gtid_set, "received GTID set", out.unknown)
                );
        }
    }
    out.received = out.executed.united(received);
    out.errant = read(instance.errant_gtid, "errant GTID set", out.unknown);
    out.shared = without(out.received, out.errant);
    // Nothing is a position as well: of a topology that was not written to since it was set up.
    const auto& channels = instance.state.channels;
    const bool by_gtid = std::any_of(channels.begin(), channels.end(), [](const auto& channel) {
        return channel.uses_gtid();
    });
    if (out.unknown.empty() && out.received.empty() && !by_gtid) {
        out.unknown = "it has no GTIDs";
    }
    return out;
}

bool within(const GtidSet& part, const GtidSet& whole) {
    const auto order = gtid::compare(part, whole);
    return order == gtid::Order::equal || order == gtid::Order::behind;
}

Release release_of(const Instance& instance) {
    const std::string& text = instance.state.identity.version;
    Release out;
    const char* const end = text.data() + text.size();
    const auto major = std::from_chars(text.data(), end, out.major);
    if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') {
        return {};
    }
    const auto minor = std::from_chars(major.ptr + 1, end, out.minor);
    return minor.ec == std::errc{} ? out : Release{};
}

bool is_mariadb(const Instance& instance) {
    return instance.state.identity.flavor == topology::Flavor::mariadb;
}

std::optional<std::string> cannot_follow(
    const Instance& replica, const Instance& source, const Instance* former
) {
    if (is_mariadb(replica) != is_mariadb(source)) {
        return "it cannot replicate from " + source.id.text() +
               " by GTID: one is MariaDB, the other MySQL";
    }
    const auto own = release_of(replica);
    const auto theirs = release_of(source);
    if (!own.known() || !theirs.known() || theirs <= own) {
        return std::nullopt;
    }
    if (former != nullptr && former->ever_seen && theirs <= release_of(*former)) {
        return std::nullopt;
    }
    return "version " + own.text() + " is older than " + theirs.text() + " of " + source.id.text();
}

std::optional<std::string> cannot_serve(const Instance& instance) {
    const auto& identity = instance.state.identity;
    if (identity.binlog_server) {
        return "it is a binlog server, without data";
    }
    if (!identity.log_bin) {
        return "its binary log is off (log_bin)";
    }
    if (!identity.log_replica_updates && instance.is_replica()) {
        return "it does not log what it replicates (log_replica_updates is off)";
    }
    if (!is_mariadb(instance) && identity.gtid_mode != "ON" &&
        identity.gtid_mode != "ON_PERMISSIVE") {
        return "gtid_mode is " + (identity.gtid_mode.empty() ? "unknown" : identity.gtid_mode);
    }
    for (const auto& channel : instance.state.channels) {
        if (channel.has_filters) {
            return "replication filters keep transactions from it";
        }
        if (is_mariadb(instance) && !channel.source.empty() && !channel.uses_gtid()) {
            return "it does not replicate by GTID";
        }
    }
    return std::nullopt;
}

std::optional<std::string> needs_purged(const Holdings& replica, const Instance& source) {
    const auto purged = GtidSet::parse(source.state.purged_gtid_set);
    // MariaDB has no purged set; there the server itself says so when it is asked.
    if (!purged || purged->mysql() == nullptr || within(*purged, replica.received)) {
        return std::nullopt;
    }
    return "it needs " + transactions(gtid::missing_from(*purged, replica.received)) + " that " +
           source.id.text() + " has purged from its binary logs";
}

std::string transactions(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " transaction" : " transactions");
}

}  // namespace baton::recovery
