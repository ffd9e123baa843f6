// SPDX-License-Identifier: Apache-2.0
#include "structure.hpp"

#include "words.hpp"

#include <algorithm>

namespace baton::analysis {
namespace {

using Warnings = std::vector<std::pair<Structure, std::string>>;

bool all_use_gtid(const View& view) {
    unsigned valid = 0;
    for (const auto* replica : view.replicas) {
        if (!replica->reachable()) {
            continue;
        }
        ++valid;
        if (replica->channel() == nullptr || !replica->channel()->uses_gtid()) {
            return false;
        }
    }
    return valid > 0;
}

void check_logging(const View& view, Warnings& out) {
    const auto& counts = view.counts;
    if (counts.logging == 0) {
        out.emplace_back(
            Structure::no_logging_replicas,
            "no replica has log_bin and log_replica_updates on, so none can replace the primary"
        );
    }
    // What is on when nobody answers is not known: no reason to warn.
    if (counts.valid > 0 && !all_use_gtid(view)) {
        out.emplace_back(
            Structure::no_failover_support,
            "not all replicas use GTIDs, so they cannot be moved below another source"
        );
    }
    const auto formats = [&](unsigned left, unsigned right, Structure warning, const char* text) {
        if (left > 0 && right > 0) {
            out.emplace_back(warning, text);
        }
    };
    formats(
        counts.statement,
        counts.mixed,
        Structure::statement_and_mixed,
        "replicas that could be promoted log in STATEMENT and in MIXED format"
    );
    formats(
        counts.statement,
        counts.row,
        Structure::statement_and_row,
        "replicas that could be promoted log in STATEMENT and in ROW format"
    );
    formats(
        counts.mixed,
        counts.row,
        Structure::mixed_and_row,
        "replicas that could be promoted log in MIXED and in ROW format"
    );
    if (counts.major_versions > 1) {
        out.emplace_back(
            Structure::multiple_major_versions,
            "replicas that could be promoted are of different major versions"
        );
    }
}

void check_primary(const View& view, Warnings& out) {
    const auto& state = view.subject->state;
    if (view.counts.replicas > 1) {
        check_logging(view, out);
    }
    if (view.sight == Sight::living && state.read_only) {
        out.emplace_back(Structure::no_writable_primary, "the primary is read-only");
    }
    const auto& semi_sync = state.semi_sync;
    if (view.sight == Sight::living && semi_sync.source_enabled && !semi_sync.source_status &&
        semi_sync.wait_for_replica_count > 0 &&
        semi_sync.clients < semi_sync.wait_for_replica_count) {
        out.emplace_back(
            Structure::not_enough_semi_sync_replicas,
            "semi-synchronous replication is on but not in effect: " +
                std::to_string(semi_sync.clients) + " of " +
                std::to_string(semi_sync.wait_for_replica_count) +
                " replicas that commits should wait for are connected"
        );
    }
}

void check_replicas(const View& view, Warnings& out) {
    std::vector<const Instance*> other_mode, errant;
    const auto& identity = view.subject->state.identity;
    for (const auto* replica : view.replicas) {
        if (!replica->ever_seen) {
            continue;
        }
        const auto& theirs = replica->state.identity;
        const bool comparable = view.subject->ever_seen &&
                                identity.flavor != topology::Flavor::mariadb &&
                                theirs.flavor != topology::Flavor::mariadb;
        if (comparable && theirs.gtid_mode != identity.gtid_mode) {
            other_mode.push_back(replica);
        }
        if (!replica->errant_gtid.empty() && view.topology->downtime(replica->id) == nullptr) {
            errant.push_back(replica);
        }
    }
    if (!other_mode.empty()) {
        out.emplace_back(
            Structure::different_gtid_modes, "gtid_mode differs on " + names(other_mode)
        );
    }
    if (!errant.empty()) {
        out.emplace_back(
            Structure::errant_gtid,
            "transactions that their source does not know were executed on " + names(errant)
        );
    }
}

}  // namespace

Warnings structure_of(const View& view) {
    Warnings out;
    if (view.place == Place::primary && view.deposed == nullptr && view.subject->ever_seen) {
        check_primary(view, out);
    }
    check_replicas(view, out);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace baton::analysis
