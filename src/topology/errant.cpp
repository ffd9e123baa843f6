// SPDX-License-Identifier: Apache-2.0
#include "errant.hpp"

#include <span>
#include <utility>

namespace baton::topology {

const gtid::GtidSet& ParsedSet::of(const std::string& text) {
    if (text != text_) {
        auto parsed = gtid::GtidSet::parse(text);
        set_ = parsed ? std::move(*parsed) : gtid::GtidSet{};
        text_ = text;
    }
    return set_;
}

namespace {

/// Of the errant transactions those that the replica made itself.
gtid::GtidSet own_part(const gtid::GtidSet& errant, const Instance& replica) {
    const auto& identity = replica.state.identity;
    if (errant.mysql() != nullptr) {
        const auto own = gtid::uuids_of(std::span(&identity.uuid, 1));
        return gtid::GtidSet{errant.mysql()->minus(errant.mysql()->without(own))};
    }
    gtid::MariadbGtidSet out;
    if (errant.mariadb() != nullptr) {
        for (const auto& position : errant.mariadb()->positions()) {
            if (position.server_id == identity.server_id) {
                out.advance(position);
            }
        }
    }
    return gtid::GtidSet{std::move(out)};
}

/// Nothing is a position as well: of a source that has written nothing since it was set up. Where
/// no GTIDs are made, nothing is known instead.
bool has_written_nothing(const Instance& source) {
    const auto& identity = source.state.identity;
    return source.state.executed_gtid_set.empty() &&
           (identity.flavor == Flavor::mariadb ? identity.log_bin
                                               : identity.gtid_mode.starts_with("ON"));
}

/// A set without any transaction, of the same flavour.
gtid::GtidSet nothing_of(const gtid::GtidSet& set) {
    if (set.mysql() != nullptr) {
        return gtid::MysqlGtidSet();
    }
    return set.mariadb() != nullptr ? gtid::GtidSet{gtid::MariadbGtidSet()} : gtid::GtidSet();
}

}  // namespace

std::string errant_of(
    const Instance& replica,
    ParsedSet& replica_set,
    const std::vector<const Instance*>& ancestors,
    ParsedSet& source_set,
    ErrantCheck& check
) {
    const auto& source = *ancestors.front();
    if (!replica.health.checked || !replica.ever_seen || !source.ever_seen) {
        return replica.errant_gtid;
    }
    const bool newer = source.health.checked &&
                       source.health.last_seen - source.health.latency >= replica.health.last_seen;
    const auto& replica_text = replica.state.executed_gtid_set;
    const auto& source_text = source.state.executed_gtid_set;
    if (check.replica_text == replica_text && check.source_text == source_text &&
        check.source_uuid == source.state.identity.uuid && (check.source_newer || !newer)) {
        return replica.errant_gtid;
    }
    check = ErrantCheck{replica_text, source_text, source.state.identity.uuid, newer};

    std::vector<std::string> uuids;
    gtid::Trusted trusted;
    const auto trust = [&](const Instance& instance) {
        const auto& identity = instance.state.identity;
        if (!identity.uuid.empty()) {
            uuids.push_back(identity.uuid);
        }
        trusted.server_ids.push_back(static_cast<std::uint32_t>(identity.server_id));
    };
    for (const auto* ancestor : ancestors) {
        trust(*ancestor);
    }
    if (replica.is_co_primary) {
        trust(replica);
    }
    trusted.servers = gtid::uuids_of(uuids);
    const auto& own_set = replica_set.of(replica_text);
    auto errant = gtid::errant(
        own_set,
        has_written_nothing(source) ? nothing_of(own_set) : source_set.of(source_text),
        trusted
    );
    if (newer) {
        return errant.text();
    }
    auto known = gtid::GtidSet::parse(replica.errant_gtid);
    auto own = own_part(errant, replica);
    return known ? known->united(own).text() : own.text();
}

}  // namespace baton::topology
