// SPDX-License-Identifier: Apache-2.0
#include "verdict.hpp"
#include "vetoes.hpp"
#include "witnesses.hpp"

#include <algorithm>

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

Inquiry ask(Inquiry::Kind kind, const Instance& target) {
    Inquiry inquiry;
    inquiry.kind = kind;
    inquiry.target = target.id;
    return inquiry;
}

/// Silent ones, and those whose word gets old, to be asked in this order.
std::vector<const Instance*> in_order_of_asking(const View& view) {
    std::vector<const Instance*> renewed, silent;
    for (const auto& testified : view.testified) {
        if (!testified.askable) {
            continue;
        }
        if (testified.testimony == Testimony::silent) {
            silent.push_back(testified.replica);
        } else if (testified.testimony == Testimony::hearing && testified.ages(view.now())) {
            renewed.push_back(testified.replica);
        }
    }
    sort_by_worth(renewed, *view.topology);
    sort_by_worth(silent, *view.topology);
    renewed.insert(renewed.end(), silent.begin(), silent.end());
    return renewed;  // one that heard it will hear it again
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
    }
    choose_witnesses(order, *view.subject, view.deaf, view.now());
    for (const auto* replica : order) {
        out.push_back(ask(Inquiry::Kind::witness, *replica));
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
