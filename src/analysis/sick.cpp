// SPDX-License-Identifier: Apache-2.0
#include "sick.hpp"

#include "words.hpp"

#include "baton/base/text.hpp"

#include <chrono>
#include <string_view>

namespace baton::analysis {
namespace {

using topology::ProbeFailure;
using topology::Waiters;

std::int64_t seconds_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

bool lasts(const View& view, const Waiters& waiters) {
    return waiters.sessions > 0 &&
           static_cast<std::int64_t>(waiters.seconds) >= seconds_of(view.policy->hanging_after);
}

bool piles_up(const View& view, const Waiters& waiters) {
    return lasts(view, waiters) && waiters.sessions >= view.policy->lock_pile_up;
}

bool is_top(const View& view) {
    return (view.place == Place::primary || view.place == Place::co_primary) &&
           view.deposed == nullptr;
}

bool is_cut_off(const View& view) {
    return view.place == Place::primary && view.sight == Sight::living && view.reach.all_cut() &&
           view.now() - view.reach.since >= view.policy->cut_off_after;
}

/// What its sessions wait for, the cause before its effects.
Code hanging_commits(const View& view) {
    const auto& strain = view.subject->state.strain;
    if (lasts(view, strain.disk)) {
        return Code::primary_disk_full;
    }
    // That too few replicas are connected is said by the codes of semi-sync; here are enough, and
    // they do not acknowledge.
    return lasts(view, strain.commit) || lasts(view, strain.acknowledgement)
               ? Code::primary_commits_hang
               : Code::no_problem;
}

bool turns_away(const View& view) {
    const auto& strain = view.subject->state.strain;
    return strain.turns_away ||
           (strain.connection_limit > 0 && strain.connections >= strain.connection_limit);
}

std::string threshold(const View& view) {
    return std::to_string(seconds_of(view.policy->hanging_after)) + " s";
}

void tell_of_waiters(
    const View& view, const Waiters& waiters, const char* what, std::vector<std::string>& out
) {
    if (lasts(view, waiters)) {
        out.push_back(
            "sessions have been waiting " + std::string(what) + " for " + threshold(view) +
            " and more"
        );
    }
}

void tell_of_cut_off(const View& view, std::vector<std::string>& out) {
    std::vector<const Instance*> cut, unseen;
    for (const auto* replica : view.replicas) {
        (sight_of(*replica, *view.policy) == Sight::living ? cut : unseen).push_back(replica);
    }
    out.push_back("this service reaches it, and " + names(cut) + " cannot connect to it");
    if (!unseen.empty()) {
        out.push_back(names(unseen) + " cannot be observed");
    }
    const auto& semi_sync = view.subject->state.semi_sync;
    if (semi_sync.source_enabled && semi_sync.source_status) {
        out.emplace_back("its commits wait for acknowledgements that cannot come");
    }
}

}  // namespace

void tell_of_all_waiters(const View& view, std::vector<std::string>& out) {
    const auto& strain = view.subject->state.strain;
    tell_of_waiters(view, strain.disk, "for space on the disk", out);
    tell_of_waiters(view, strain.commit, "for the end of their commits", out);
    tell_of_waiters(view, strain.acknowledgement, "for a semi-synchronous replica", out);
    tell_of_waiters(view, strain.metadata_lock, "for a metadata lock", out);
    tell_of_waiters(view, strain.global_lock, "for the global read lock or a backup lock", out);
}

bool is_sickness(Code code) {
    return code == Code::primary_cut_off || code == Code::primary_hangs ||
           code == Code::primary_out_of_connections || code == Code::primary_disk_full ||
           code == Code::primary_commits_hang || code == Code::primary_lock_pile_up;
}

Code grave_sickness(const View& view) {
    if (!is_top(view)) {
        return Code::no_problem;
    }
    if (is_cut_off(view)) {
        return Code::primary_cut_off;
    }
    return lasts(view, view.subject->state.strain.disk) ? Code::primary_disk_full
                                                        : Code::no_problem;
}

Code serious_sickness(const View& view) {
    if (!is_top(view)) {
        return Code::no_problem;
    }
    if (const auto code = hanging_commits(view); code != Code::no_problem) {
        return code;
    }
    const auto& strain = view.subject->state.strain;
    return !strain.unanswered.empty() &&
                   view.now() - strain.unanswered_since >= view.policy->hanging_after
               ? Code::primary_hangs
               : Code::no_problem;
}

Code mild_sickness(const View& view) {
    if (!is_top(view)) {
        return Code::no_problem;
    }
    const auto& strain = view.subject->state.strain;
    if (piles_up(view, strain.metadata_lock) || piles_up(view, strain.global_lock)) {
        return Code::primary_lock_pile_up;
    }
    return turns_away(view) ? Code::primary_out_of_connections : Code::no_problem;
}

Code unseen_sickness(const View& view) {
    switch (view.subject->health.failure) {
        case ProbeFailure::too_many_connections:
            return Code::primary_out_of_connections;
        case ProbeFailure::hangs: {
            const auto known = hanging_commits(view);
            return known != Code::no_problem ? known : Code::primary_hangs;
        }
        case ProbeFailure::none:
        case ProbeFailure::refused:
        case ProbeFailure::reset:
        case ProbeFailure::timeout:
        case ProbeFailure::unresolved:
        case ProbeFailure::access_denied:
        case ProbeFailure::error:
            break;
    }
    return Code::primary_refuses_us;
}

bool is_recent(const View& view, Code code) {
    const auto& subject = *view.subject;
    if (code == Code::no_writable_primary) {
        return subject.read_only_since == TimePoint{} ||
               view.now() - subject.read_only_since < view.policy->read_only_after;
    }
    return code == Code::primary_hangs && view.sight != Sight::living &&
           view.now() - subject.health.first_failure < view.policy->hanging_after;
}

std::string summary_of_sick(const View& view, Code code) {
    if (code == Code::primary_cut_off) {
        return "the primary is reachable from here, but no replica can connect to it";
    }
    if (code == Code::primary_disk_full) {
        return "commits on the primary hang: its disk is full";
    }
    if (code == Code::primary_commits_hang) {
        return "commits on the primary hang";
    }
    if (code == Code::primary_hangs) {
        return "the primary lets this service in, and does not answer questions for its state";
    }
    if (code == Code::primary_lock_pile_up) {
        return piles_up(view, view.subject->state.strain.global_lock)
                   ? "sessions pile up on the primary: somebody holds the global read lock or a "
                     "backup lock"
                   : "sessions pile up on the primary: somebody holds a metadata lock";
    }
    return "the primary turns clients away: all its connections are taken";
}

void tell_of_sick(const View& view, Code code, std::vector<std::string>& out) {
    if (code == Code::primary_cut_off) {
        tell_of_cut_off(view, out);
    } else if (code == Code::primary_out_of_connections) {
        if (view.sight == Sight::living) {
            const auto limit = view.subject->state.strain.connection_limit;
            out.push_back(
                "this service sees it over a connection that it has kept" +
                (limit > 0 ? "; max_connections is " + std::to_string(limit) : std::string{})
            );
        }
    } else {
        const auto& unanswered = view.subject->state.strain.unanswered;
        if (view.sight == Sight::living && !unanswered.empty()) {
            out.push_back("it does not answer \"" + unanswered + "\"");
        }
        tell_of_all_waiters(view, out);
    }
}

}  // namespace baton::analysis
