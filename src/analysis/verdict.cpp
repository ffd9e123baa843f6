// SPDX-License-Identifier: Apache-2.0
#include "verdict.hpp"

#include "sick.hpp"

#include <algorithm>

namespace baton::analysis {
namespace {

using topology::ThreadState;

bool none_valid(const View& view) {
    return view.counts.replicas > 0 && view.gone == view.counts.replicas;
}

bool is_dead(const View& view) {  // V1
    return view.unknown == 0 && view.counts.hearing == 0 && view.counts.silent == 0 &&
           view.deaf + view.mute > 0;
}

/// It was replaced, and the cluster has another primary that its replicas can follow.
bool is_succeeded(const View& view) {
    if (view.deposed == nullptr || view.cluster == nullptr || view.is_cluster_primary()) {
        return false;
    }
    const auto* primary = view.topology->find(view.cluster->primary);
    return primary != nullptr && primary->reachable();
}

Code absent_primary(const View& view) {
    if (view.counts.replicas == 0) {
        const bool tells = view.subject->ever_seen && view.deposed == nullptr;
        return tells ? Code::dead_primary_without_replicas : Code::no_problem;
    }
    if (none_valid(view)) {
        return Code::dead_primary_and_replicas;
    }
    if (is_dead(view)) {
        if (is_succeeded(view)) {
            return Code::dead_deposed_primary;
        }
        return view.gone == 0 ? Code::dead_primary : Code::dead_primary_and_some_replicas;
    }
    return all_lag(view) ? Code::unreachable_primary_with_lagging_replicas
                         : Code::unreachable_primary;
}

Code absent_co_primary(const View& view) {
    if (view.counts.replicas == 0) {
        return Code::no_problem;
    }
    if (none_valid(view) || (is_dead(view) && view.gone > 0)) {
        return Code::dead_co_primary_and_some_replicas;
    }
    return is_dead(view) ? Code::dead_co_primary : Code::unreachable_co_primary;
}

Code absent_intermediate(const View& view) {
    if (none_valid(view)) {
        return Code::dead_intermediate_and_replicas;
    }
    if (is_dead(view)) {
        if (view.counts.replicas == 1) {
            return view.deaf == 1 ? Code::dead_intermediate_with_single_replica_failing_to_connect
                                  : Code::dead_intermediate_with_single_replica;
        }
        return view.gone == 0 ? Code::dead_intermediate : Code::dead_intermediate_and_some_replicas;
    }
    return all_lag(view) ? Code::unreachable_intermediate_with_lagging_replicas
                         : Code::unreachable_intermediate;
}

Code absent_one(const View& view) {
    switch (view.place) {
        case Place::primary:
            return absent_primary(view);
        case Place::co_primary:
            return absent_co_primary(view);
        case Place::intermediate:
            return absent_intermediate(view);
        case Place::group_member:
            return is_dead(view) || none_valid(view) ? Code::dead_group_member_with_replicas
                                                     : Code::no_problem;
        case Place::leaf:
            break;
    }
    return Code::no_problem;
}

/// Sessions have been waiting for so long. The binary log may well move on meanwhile: what waits is
/// in it already.
bool waits_for_acknowledgement(const View& view) {
    const auto& strain = view.subject->state.strain;
    const auto lasts = [&](const topology::Waiters& waiters) {
        return waiters.sessions > 0 &&
               std::chrono::seconds(waiters.seconds) >= view.policy->locked_semi_sync_after;
    };
    return lasts(strain.acknowledgement) || lasts(strain.commit);
}

Code semi_sync_problem(const View& view) {
    const auto& semi_sync = view.subject->state.semi_sync;
    if (view.deposed != nullptr || !semi_sync.source_enabled || !semi_sync.source_status ||
        semi_sync.wait_for_replica_count == 0) {
        return Code::no_problem;
    }
    if (semi_sync.clients < semi_sync.wait_for_replica_count) {
        return stands_still(view) || waits_for_acknowledgement(view)
                   ? Code::locked_semi_sync_primary
                   : Code::locked_semi_sync_primary_hypothesis;
    }
    return view.policy->enforce_exact_semi_sync &&
                   semi_sync.clients > semi_sync.wait_for_replica_count
               ? Code::primary_with_too_many_semi_sync_replicas
               : Code::no_problem;
}

Code living_primary(const View& view) {
    if (const auto code = grave_sickness(view); code != Code::no_problem) {
        return code;
    }
    if (const auto code = semi_sync_problem(view); code != Code::no_problem) {
        return code;
    }
    if (const auto code = serious_sickness(view); code != Code::no_problem) {
        return code;
    }
    const auto& counts = view.counts;
    if (view.subject->state.read_only && counts.replicating > 0 && view.deposed == nullptr) {
        return Code::no_writable_primary;
    }
    if (view.unsettled > 0 || counts.replicas == 0 || counts.replicating > 0) {
        return mild_sickness(view);
    }
    if (counts.replicas == 1) {
        return counts.valid == 1 ? Code::single_primary_replica_not_replicating
                                 : Code::single_primary_replica_dead;
    }
    // With no valid one at all too: orchestrator has no code for that, and it is no smaller
    // trouble.
    return counts.valid == counts.replicas ? Code::all_replicas_not_replicating
                                           : Code::all_replicas_not_replicating_or_dead;
}

Code living_replica(const View& view) {
    const auto& counts = view.counts;
    if (view.unsettled == 0 && counts.valid > 0 && counts.replicating == 0) {
        return counts.replicas > 1 && counts.failing_to_connect == counts.valid
                   ? Code::intermediate_replicas_failing_to_connect_or_dead
                   : Code::intermediate_replicas_not_replicating;
    }
    const bool binlog_server = view.subject->state.identity.binlog_server;
    if ((view.subject->depth != 1 && !binlog_server) || !failing_to_connect(*view.subject)) {
        return Code::no_problem;
    }
    // When the source is absent, its own finding says it.
    const auto* source = view.topology->find(view.subject->source());
    if (source != nullptr && sight_of(*source, *view.policy) == Sight::absent) {
        return Code::no_problem;
    }
    return binlog_server ? Code::binlog_server_failing_to_connect
                         : Code::first_tier_replica_failing_to_connect;
}

Code living_co_primary(const View& view) {
    if (const auto code = serious_sickness(view); code != Code::no_problem) {
        return code;
    }
    return view.unsettled == 0 && view.counts.replicas > 0 && view.counts.replicating == 0
               ? Code::all_co_primary_replicas_not_replicating
               : mild_sickness(view);
}

Code living_one(const View& view) {
    switch (view.place) {
        case Place::primary:
            return living_primary(view);
        case Place::co_primary:
            return living_co_primary(view);
        case Place::intermediate:
        case Place::leaf:
            return living_replica(view);
        case Place::group_member:
            break;
    }
    return Code::no_problem;
}

/// A recovery stopped its receiver, could not start it again, and the server has been running
/// since.
bool left_stopped(const View& view) {
    const auto& marks = view.topology->overlay().left_stopped;
    const auto mark = marks.find(view.subject->id);
    if (mark == marks.end()) {
        return false;
    }
    const auto& state = view.subject->state;
    const auto found =
        std::find_if(state.channels.begin(), state.channels.end(), [&](const auto& channel) {
            return channel.name == mark->second.channel;
        });
    const auto up_ms = static_cast<WallMs>(state.uptime_seconds) * 1000;
    return found != state.channels.end() && found->receiver == ThreadState::stopped &&
           view.topology->wall_ms() - up_ms <= mark->second.since_ms;
}

bool is_top(const View& view) {
    return view.place == Place::primary || view.place == Place::co_primary;
}

}  // namespace

bool wants_containment(const View& view) {
    if (view.deposed == nullptr || view.sight != Sight::living) {
        return false;
    }
    const auto& state = view.subject->state;
    const bool writable =
        !state.read_only || (state.identity.has_super_read_only && !state.super_read_only);
    return writable || !view.deposed->contained;
}

bool is_returned(const View& view) {
    return view.deposed != nullptr && view.sight == Sight::living && view.deposed->contained &&
           !view.subject->is_replica();
}

Code code_of(const View& view) {
    switch (view.sight) {
        case Sight::absent:
            return absent_one(view);
        case Sight::refusing:
            return is_top(view) ? unseen_sickness(view) : Code::no_problem;
        case Sight::living:
            if (wants_containment(view)) {
                return Code::deposed_primary_writable;
            }
            if (const Code code = living_one(view);
                !is_returned(view) ||
                (code != Code::no_problem && code != Code::no_writable_primary)) {
                return code == Code::no_problem && left_stopped(view) ? Code::receiver_left_stopped
                                                                      : code;
            }
            return Code::deposed_primary_returned;
        case Sight::unknown:
        case Sight::doubtful:
            break;
    }
    return Code::no_problem;
}

bool is_about_replicas(Code code) {
    switch (code) {
        case Code::all_replicas_not_replicating:
        case Code::all_replicas_not_replicating_or_dead:
        case Code::single_primary_replica_dead:
        case Code::all_co_primary_replicas_not_replicating:
        case Code::dead_intermediate_with_single_replica:
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
        case Code::dead_intermediate_and_some_replicas:
        case Code::dead_intermediate_and_replicas:
        case Code::intermediate_replicas_failing_to_connect_or_dead:
        case Code::intermediate_replicas_not_replicating:
            return true;
        case Code::no_problem:
        case Code::dead_primary_without_replicas:
        case Code::dead_primary:
        case Code::dead_primary_and_replicas:
        case Code::dead_primary_and_some_replicas:
        case Code::unreachable_primary_with_lagging_replicas:
        case Code::unreachable_primary:
        case Code::single_primary_replica_not_replicating:
        case Code::dead_intermediate:
        case Code::unreachable_intermediate_with_lagging_replicas:
        case Code::unreachable_intermediate:
        case Code::first_tier_replica_failing_to_connect:
        case Code::binlog_server_failing_to_connect:
        case Code::dead_deposed_primary:
        case Code::primary_cut_off:
        case Code::primary_hangs:
        case Code::primary_out_of_connections:
        case Code::primary_disk_full:
        case Code::primary_commits_hang:
        case Code::primary_lock_pile_up:
        case Code::dead_co_primary:
        case Code::dead_co_primary_and_some_replicas:
        case Code::unreachable_co_primary:
        case Code::dead_group_member_with_replicas:
        case Code::locked_semi_sync_primary_hypothesis:
        case Code::locked_semi_sync_primary:
        case Code::primary_with_too_many_semi_sync_replicas:
        case Code::no_writable_primary:
        case Code::primary_refuses_us:
        case Code::deposed_primary_writable:
        case Code::deposed_primary_returned:
        case Code::receiver_left_stopped:
            break;
    }
    return false;
}

}  // namespace baton::analysis
