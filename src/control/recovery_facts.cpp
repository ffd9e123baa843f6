// SPDX-License-Identifier: Apache-2.0
// What the cluster is told of a recovery: who is the primary, who is deposed, who is back.
#include "engine_impl.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

/// The failed primary is deposed from now on, whatever happens to this node.
void Engine::Impl::on_promoted(
    const recovery::Record& record, std::vector<ports::Document>& documents
) {
    topology::Deposed deposed;
    deposed.cluster_id = record.cluster_id;
    deposed.recovery_id = record.id;
    deposed.successor = record.successor;
    deposed.since_ms = wall();
    auto replaced = record.displaced;  // promoted by this recovery as well, and gone again
    replaced[record.failed] = record.failed_uuid;
    for (const auto& [id, uuid] : replaced) {
        if (id != record.successor) {
            deposed.uuid = uuid;
            // Of a planned switchover it is known: nobody could write to it any more.
            deposed.contained = record.kind == analysis::RecoveryKind::switchover &&
                                id == record.failed && !record.final_gtid_set.empty();
            deposed.classification = deposed.contained ? "clean" : "";
            documents.push_back(state.put_deposed(id, &deposed));
        }
    }
    // A server that is primary again is not deposed any more.
    if (state.overlay.deposed.contains(record.successor)) {
        documents.push_back(state.put_deposed(record.successor, nullptr));
    }
    auto cluster = state.overlay.clusters[record.cluster_id];
    cluster.id = record.cluster_id;
    decide_primary(
        record.cluster_id,
        cluster.primary,
        record.successor,
        fmt::format("by recovery {}", record.number),
        record.id
    );
    cluster.primary = record.successor;
    ++cluster.term;
    documents.push_back(state.put_cluster(cluster));
    documents.push_back(state.put_member(record.failed, record.cluster_id));
    builder.set_overlay(state.overlay);
    publish_soon(true);
}

void Engine::Impl::on_finished(
    const recovery::Record& record, std::vector<ports::Document>& documents
) {
    mark_left_stopped(record, documents);
    const bool returned =
        (record.kind == analysis::RecoveryKind::rejoin && record.state == recovery::State::done) ||
        (record.kind == analysis::RecoveryKind::switchover &&
         std::find(record.repointed.begin(), record.repointed.end(), record.failed) !=
             record.repointed.end());
    if (returned && state.overlay.deposed.contains(record.failed)) {
        documents.push_back(state.put_deposed(record.failed, nullptr));
        builder.set_overlay(state.overlay);
    }
    if (record.kind == analysis::RecoveryKind::switchover) {
        // Gone in the middle of its promotion, and the old primary went on.
        for (const auto& [id, uuid] : record.displaced) {
            topology::Deposed deposed;
            deposed.uuid = uuid;
            deposed.cluster_id = record.cluster_id;
            deposed.recovery_id = record.id;
            deposed.successor = record.failed;
            deposed.since_ms = wall();
            documents.push_back(state.put_deposed(id, &deposed));
            builder.set_overlay(state.overlay);
        }
    }
    if (record.kind == analysis::RecoveryKind::contain_deposed &&
        record.state == recovery::State::done) {
        const auto known = state.overlay.deposed.find(record.failed);
        if (known != state.overlay.deposed.end()) {
            auto deposed = known->second;
            deposed.contained = true;
            deposed.classification = record.classification;
            documents.push_back(state.put_deposed(record.failed, &deposed));
            builder.set_overlay(state.overlay);
        }
    }
}

}  // namespace baton::control
