// SPDX-License-Identifier: Apache-2.0
#include "verdict.hpp"
#include "vetoes.hpp"

#include <algorithm>
#include <tuple>

// What the analysis would like to know: whom to observe again, whom to let reconnect.

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
    if (code == Code::first_tier_replica_failing_to_connect ||
        code == Code::binlog_server_failing_to_connect) {
        const auto* source = view.topology->find(view.subject->source());
        if (source != nullptr && source->health.last_attempt < view.subject->health.last_seen) {
            out.push_back(ask(Inquiry::Kind::reprobe, *source));
        }
        return;
    }
    if (view.counts.replicas > 0 && view.counts.replicating == 0 && lost_later(view)) {
        out.push_back(ask(Inquiry::Kind::reprobe, *view.subject));
    }
    for (const auto* replica : view.reach.ask) {
        out.push_back(ask(Inquiry::Kind::witness, *replica));
    }
}

}  // namespace

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

}  // namespace baton::analysis
