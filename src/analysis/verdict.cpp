// SPDX-License-Identifier: Apache-2.0
#include "verdict.hpp"

#include "words.hpp"

#include <algorithm>
#include <tuple>

namespace baton::analysis {
namespace {

using topology::ThreadState;

/// After a refusal replicas notice a broken connection by themselves within this time, which is
/// quicker and gentler than a witness test.
constexpr Duration notice_limit = 250ms;
/// How often replicas of a server that cannot be reached are observed at least.
constexpr Duration look_again_after = 1s;
/// A question that is open for longer than this is a state, not a transition.
constexpr Duration pending_limit = 10s;
/// Witnesses of the first round; when they are all deaf, all others are asked at once. A living but
/// overloaded source must not see all replicas reconnect together.
constexpr std::size_t first_witnesses = 4;

bool none_valid(const View& view) {
    return view.counts.replicas > 0 && view.gone == view.counts.replicas;
}

bool is_dead(const View& view) {  // V1
    return view.unknown == 0 && view.counts.hearing == 0 && view.counts.silent == 0 &&
           view.deaf + view.mute > 0;
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

/// Nothing was written to its binary log for long, as far as this observer has seen.
bool stands_still(const View& view) {
    const auto moved = view.subject->binlog_moved_at;
    return moved != TimePoint{} && view.now() - moved > view.policy->locked_semi_sync_after;
}

Code semi_sync_problem(const View& view) {
    const auto& semi_sync = view.subject->state.semi_sync;
    if (view.deposed != nullptr || !semi_sync.source_enabled || !semi_sync.source_status ||
        semi_sync.wait_for_replica_count == 0) {
        return Code::no_problem;
    }
    if (semi_sync.clients < semi_sync.wait_for_replica_count) {
        return stands_still(view) ? Code::locked_semi_sync_primary
                                  : Code::locked_semi_sync_primary_hypothesis;
    }
    return view.policy->enforce_exact_semi_sync &&
                   semi_sync.clients > semi_sync.wait_for_replica_count
               ? Code::primary_with_too_many_semi_sync_replicas
               : Code::no_problem;
}

Code living_primary(const View& view) {
    if (const auto code = semi_sync_problem(view); code != Code::no_problem) {
        return code;
    }
    const auto& counts = view.counts;
    if (view.subject->state.read_only && counts.replicating > 0 && view.deposed == nullptr) {
        return Code::no_writable_primary;
    }
    if (view.unsettled > 0 || counts.replicas == 0 || counts.replicating > 0) {
        return Code::no_problem;
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
    if (view.subject->depth != 1 || !failing_to_connect(*view.subject)) {
        return Code::no_problem;
    }
    // When the source is absent, its own finding says it.
    const auto* source = view.topology->find(view.subject->source());
    return source != nullptr && sight_of(*source, *view.policy) == Sight::absent
               ? Code::no_problem
               : Code::first_tier_replica_failing_to_connect;
}

Code living_one(const View& view) {
    switch (view.place) {
        case Place::primary:
            return living_primary(view);
        case Place::co_primary:
            return view.unsettled == 0 && view.counts.replicas > 0 && view.counts.replicating == 0
                       ? Code::all_co_primary_replicas_not_replicating
                       : Code::no_problem;
        case Place::intermediate:
        case Place::leaf:
            return living_replica(view);
        case Place::group_member:
            break;
    }
    return Code::no_problem;
}

bool is_top(const View& view) {
    return view.place == Place::primary || view.place == Place::co_primary;
}

/// Its co-primary partners that serve writes already.
std::vector<const Instance*> writable_partners(const View& view) {
    std::vector<const Instance*> out;
    for (const auto* replica : view.replicas) {
        if (replica->is_co_primary && replica->reachable() && !replica->state.read_only) {
            out.push_back(replica);
        }
    }
    return out;
}

void veto_dead_top(const View& view, std::vector<std::string>& vetoes) {
    if (view.deposed != nullptr) {
        vetoes.push_back("it was replaced by " + view.deposed->successor.text() + " already");
    } else if (view.cluster == nullptr || view.cluster->primary.empty()) {
        vetoes.emplace_back("it is not clear which server is the primary of the cluster");
    } else if (!view.is_cluster_primary()) {
        vetoes.push_back("the primary of the cluster is " + view.cluster->primary.text());
    }
    if (const auto partners = writable_partners(view); !partners.empty()) {
        vetoes.push_back(names(partners) + " accepts writes already, as its co-primary");
    }
}

std::vector<const Instance*> stopped_just_now(const View& view) {
    std::vector<const Instance*> out;
    for (const auto& testified : view.testified) {
        if (testified.stopped_just_now) {
            out.push_back(testified.replica);
        }
    }
    return out;
}

void veto_dead(const View& view, std::vector<std::string>& vetoes) {
    if (view.deaf == 0) {  // V2
        vetoes.emplace_back(
            "no replica tries to connect to it, so nobody but us can say that it is gone"
        );
    }
    if (const auto stopped = stopped_just_now(view); !stopped.empty()) {
        vetoes.push_back("the receiver of " + names(stopped) + " was stopped just now");
    }
    if (!view.subject->ever_seen) {
        vetoes.emplace_back("it was never seen alive, so its role is not known");
    }
}

void veto_undecided(const View& view, std::vector<std::string>& vetoes) {
    if (const auto list = those(view, Testimony::hearing); !list.empty()) {
        vetoes.push_back("still heard by " + names(list));
    }
    if (const auto list = those(view, Testimony::unknown); !list.empty()) {
        vetoes.push_back("not observed since it failed: " + names(list));
    }
    if (const auto list = those(view, Testimony::silent); !list.empty()) {
        const bool ask =
            std::any_of(view.testified.begin(), view.testified.end(), [](const Testified& t) {
                return t.testimony == Testimony::silent && t.askable;
            });
        vetoes.push_back(
            names(list) + (ask ? " may still be connected to it; it has to reconnect to know"
                               : " may still be connected to it, and cannot be made to reconnect "
                                 "because its applier does not run")
        );
    }
}

Inquiry ask(Inquiry::Kind kind, const Instance& target) {
    Inquiry inquiry;
    inquiry.kind = kind;
    inquiry.target = target.id;
    return inquiry;
}

/// Most worth keeping connected comes last.
std::vector<const Testified*> in_order_of_asking(const View& view) {
    std::vector<const Testified*> out;
    for (const auto& testified : view.testified) {
        const bool renew = testified.testimony == Testimony::hearing && testified.ages(view.now());
        if (testified.askable && (testified.testimony == Testimony::silent || renew)) {
            out.push_back(&testified);
        }
    }
    const auto worth = [&](const Testified* testified) {
        const auto& replica = *testified->replica;
        const auto rule = view.topology->promotion_rule(replica.id);
        return std::tuple(
            testified->testimony != Testimony::hearing,  // one that heard it will hear it again
            replica.state.semi_sync.replica_status,
            -static_cast<int>(rule),
            -replica.lag_seconds().value_or(1'000'000),
            std::cref(replica.id)
        );
    };
    std::sort(out.begin(), out.end(), [&](const Testified* a, const Testified* b) {
        return worth(a) < worth(b);
    });
    return out;
}

void ask_witnesses(const View& view, std::vector<Inquiry>& out) {
    const auto heard =
        std::any_of(view.testified.begin(), view.testified.end(), [&](const Testified& testified) {
            return testified.testimony == Testimony::hearing && !testified.ages(view.now());
        });
    if (heard) {
        return;  // that decides; the others are left alone
    }
    auto order = in_order_of_asking(view);
    if (order.empty()) {
        return;
    }
    if (view.counts.hearing > 0) {
        order.resize(1);  // who heard it last
    } else if (view.deaf < first_witnesses) {
        order.resize(std::min(order.size(), first_witnesses));
    }
    // All acknowledgers gone at once would let a living semi-synchronous primary go on without.
    const auto& semi_sync = view.subject->state.semi_sync;
    if (semi_sync.source_enabled && semi_sync.source_status && order.size() > 1) {
        order.pop_back();
    }
    for (const auto* testified : order) {
        out.push_back(ask(Inquiry::Kind::witness, *testified->replica));
    }
}

void ask_about_absent(const View& view, std::vector<Inquiry>& out) {
    const auto age = view.now() - view.subject->health.first_failure;
    const bool notice = view.counts.silent > 0 && age < notice_limit;
    for (const auto& testified : view.testified) {
        const auto& health = testified.replica->health;
        if (testified.testimony == Testimony::unknown ||
            (testified.testimony == Testimony::silent && notice) || testified.stopped_just_now ||
            (testified.testimony != Testimony::gone &&
             view.now() - health.last_attempt > look_again_after)) {
            out.push_back(ask(Inquiry::Kind::reprobe, *testified.replica));
        }
    }
    if (view.now() - view.subject->health.last_attempt > look_again_after) {
        out.push_back(ask(Inquiry::Kind::reprobe, *view.subject));
    }
    if (!notice) {
        ask_witnesses(view, out);
    }
}

/// Replicas lost it later than we saw it.
bool lost_later(const View& view) {
    return std::any_of(view.replicas.begin(), view.replicas.end(), [&](const Instance* replica) {
        const auto* channel = replica->channel();
        return replica->health.checked && replica->health.valid && channel != nullptr &&
               channel->receiver != ThreadState::running &&
               replica->health.last_seen > view.subject->health.last_attempt;
    });
}

void ask_about_living(const View& view, Code code, std::vector<Inquiry>& out) {
    if (code == Code::first_tier_replica_failing_to_connect) {
        const auto* source = view.topology->find(view.subject->source());
        if (source != nullptr && source->health.last_attempt < view.subject->health.last_seen) {
            out.push_back(ask(Inquiry::Kind::reprobe, *source));
        }
        return;
    }
    if (view.counts.replicas > 0 && view.counts.replicating == 0 && lost_later(view)) {
        out.push_back(ask(Inquiry::Kind::reprobe, *view.subject));
    }
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

Code code_of(const View& view) {
    switch (view.sight) {
        case Sight::absent:
            return absent_one(view);
        case Sight::refusing:
            return is_top(view) ? Code::primary_refuses_us : Code::no_problem;
        case Sight::living:
            return wants_containment(view) ? Code::deposed_primary_writable : living_one(view);
        case Sight::unknown:
        case Sight::doubtful:
            break;
    }
    return Code::no_problem;
}

RecoveryKind recovery_of(const View& view, Code code, std::vector<std::string>& vetoes) {
    RecoveryKind kind = RecoveryKind::none;
    switch (code) {
        case Code::dead_primary:
        case Code::dead_primary_and_some_replicas:
        case Code::dead_co_primary:
        case Code::dead_co_primary_and_some_replicas:
            kind = RecoveryKind::dead_primary;
            veto_dead(view, vetoes);
            veto_dead_top(view, vetoes);
            break;
        case Code::dead_intermediate:
        case Code::dead_intermediate_and_some_replicas:
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
            kind = RecoveryKind::dead_intermediate;
            veto_dead(view, vetoes);
            break;
        case Code::deposed_primary_writable:
            return RecoveryKind::contain_deposed;
        case Code::dead_primary_and_replicas:
        case Code::dead_intermediate_and_replicas:
            vetoes.emplace_back(
                "no replica answers either: there is nobody to go on with, and it may be our own "
                "network that is broken"
            );
            break;
        case Code::dead_intermediate_with_single_replica:
            veto_dead(view, vetoes);
            break;
        case Code::dead_group_member_with_replicas:
            vetoes.emplace_back("which member its replicas should follow is left to the operator");
            break;
        case Code::unreachable_primary:
        case Code::unreachable_primary_with_lagging_replicas:
        case Code::unreachable_co_primary:
        case Code::unreachable_intermediate:
        case Code::unreachable_intermediate_with_lagging_replicas:
            veto_undecided(view, vetoes);
            break;
        case Code::primary_refuses_us:
            vetoes.emplace_back("it answers, so it lives");
            break;
        case Code::no_problem:
        case Code::dead_primary_without_replicas:
        case Code::single_primary_replica_not_replicating:
        case Code::single_primary_replica_dead:
        case Code::all_replicas_not_replicating:
        case Code::all_replicas_not_replicating_or_dead:
        case Code::intermediate_replicas_failing_to_connect_or_dead:
        case Code::intermediate_replicas_not_replicating:
        case Code::first_tier_replica_failing_to_connect:
        case Code::all_co_primary_replicas_not_replicating:
        case Code::locked_semi_sync_primary_hypothesis:
        case Code::locked_semi_sync_primary:
        case Code::primary_with_too_many_semi_sync_replicas:
        case Code::no_writable_primary:
            break;
    }
    return vetoes.empty() ? kind : RecoveryKind::none;
}

bool is_pending(const View& view) {
    return view.sight == Sight::absent && view.counts.hearing == 0 &&
           view.unknown + view.counts.silent > 0 &&
           view.now() - view.subject->health.first_failure < pending_limit;
}

std::vector<Inquiry> inquiries_of(const View& view, Code code) {
    std::vector<Inquiry> out;
    if (view.sight == Sight::absent) {
        const bool open = view.unknown + view.counts.silent + view.counts.hearing > 0 ||
                          !stopped_just_now(view).empty();
        if (open && view.place != Place::leaf) {
            ask_about_absent(view, out);
        }
    } else if (view.sight == Sight::living) {
        ask_about_living(view, code, out);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
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
            break;
    }
    return false;
}

}  // namespace baton::analysis
