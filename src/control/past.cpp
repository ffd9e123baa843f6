// SPDX-License-Identifier: Apache-2.0
#include "past.hpp"

#include <algorithm>

namespace baton::control {

using analysis::RecoveryKind;

/// A copy of the data takes hours, and concerns one server only: the cluster must stay recoverable.
std::string place_of(const recovery::Record& record) {
    const bool apart = record.kind == RecoveryKind::rejoin && record.method != "repoint";
    return apart ? "rejoin " + record.failed.text() : record.cluster_id;
}

bool counts_for_budget(const recovery::Record& record) {
    return !record.forced && !record.acknowledged && record.state != recovery::State::abandoned &&
           record.kind != RecoveryKind::contain_deposed && record.kind != RecoveryKind::rejoin &&
           record.kind != RecoveryKind::restart_receiver &&
           record.kind != RecoveryKind::repair_semi_sync &&
           record.kind != RecoveryKind::make_writable;
}

Duration longest_healthy(const ClusterHealth& health, TimePoint now) {
    return health.healthy_since
               ? std::max<Duration>(health.longest_before, now - *health.healthy_since)
               : health.longest_before;
}

Past::Past(
    const topology::Cluster& cluster,
    RecoveryKind kind,
    const policy::Effective& policy,
    Duration budget_window,
    WallMs now_ms
)
    : cluster_id_(cluster.id),
      kind_(kind),
      now_ms_(now_ms),
      budget_begins_(now_ms - to_ms(budget_window)),
      own_budget_begins_(now_ms - to_ms(policy.recovery.cluster_budget_window)) {}

void Past::add(const recovery::Record& record) {
    const bool here = record.cluster_id == cluster_id_;
    if (counts_for_budget(record)) {
        history_.begun_lately += record.started_ms > budget_begins_ ? 1U : 0U;
        history_.begun_lately_here += here && record.started_ms > own_budget_begins_ ? 1U : 0U;
    }
    if (!here) {
        return;
    }
    if (record.running() && history_.running == nullptr && place_of(record) == cluster_id_) {
        history_.running = &record;
    }
    // An abandoned one changed nothing, and must not hide the one before it.
    const bool counts =
        !record.running() && record.state != recovery::State::abandoned && record.kind == kind_;
    if (counts && history_.last_finished == nullptr) {
        history_.last_finished = &record;
        history_.since_last_finished =
            std::chrono::milliseconds(std::max<WallMs>(0, now_ms_ - record.ended_ms));
    }
}

}  // namespace baton::control
