// SPDX-License-Identifier: Apache-2.0
#include "witnesses.hpp"

#include <algorithm>
#include <tuple>

namespace baton::analysis {
namespace {

/// Witnesses of the first round; when they have all failed, all others are asked at once. A living
/// but overloaded source must not see all replicas reconnect together.
constexpr std::size_t first_witnesses = 4;

bool is_late(const Instance& replica, TimePoint now) {
    return replica.witness_begun != TimePoint{} && now - replica.witness_begun >= witness_is_late;
}

/// A semi-synchronous source that lives must not lose all its acknowledgers at once: it would stand
/// still until one is back, or go on without. One that lives is found at once, so the last replica
/// is asked when the others' tests are late, or, where the source does not wait for those who have
/// left, when they have failed.
bool spares_last(const std::vector<const Instance*>& order, const Instance& source, TimePoint now) {
    const auto& semi_sync = source.state.semi_sync;
    if (!semi_sync.source_enabled || !semi_sync.source_status || order.size() < 2) {
        return false;
    }
    return !semi_sync.waits_without_clients ||
           !std::all_of(order.begin(), order.end() - 1, [&](const Instance* replica) {
               return is_late(*replica, now);
           });
}

}  // namespace

void sort_by_worth(std::vector<const Instance*>& replicas, const Topology& topology) {
    const auto worth = [&](const Instance& replica) {
        return std::tuple(
            replica.witness_begun == TimePoint{},  // the others are being asked
            replica.state.semi_sync.replica_status,
            -static_cast<int>(topology.promotion_rule(replica.id)),
            -replica.lag_seconds().value_or(1'000'000),
            std::cref(replica.id)
        );
    };
    std::sort(replicas.begin(), replicas.end(), [&](const Instance* a, const Instance* b) {
        return worth(*a) < worth(*b);
    });
}

void choose_witnesses(
    std::vector<const Instance*>& order, const Instance& source, std::size_t failed, TimePoint now
) {
    if (failed < first_witnesses && order.size() > first_witnesses) {
        order.resize(first_witnesses);
    }
    if (spares_last(order, source, now)) {
        order.pop_back();
    }
}

}  // namespace baton::analysis
