// SPDX-License-Identifier: Apache-2.0
#include "words.hpp"

#include "sick.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <map>

namespace baton::analysis {
namespace {

using topology::ProbeFailure;
using topology::ThreadState;

constexpr std::size_t named_limit = 8;
constexpr std::size_t error_limit = 300;

std::string error_text(const Instance& instance) {
    const auto& health = instance.health;
    return clipped(
        health.error.empty() ? std::string(topology::to_string(health.failure)) : health.error,
        error_limit
    );
}

std::string absence(const View& view) {
    const auto failure = view.subject->health.failure;
    const auto error = error_text(*view.subject);
    if (failure == ProbeFailure::refused) {
        return "it refuses connections: " + error;
    }
    if (failure == ProbeFailure::reset) {
        return "its connections break: " + error;
    }
    return "it has not answered " +
           std::to_string(std::max(view.policy->timeouts_before_unreachable, 1U)) +
           " probes in a row: " + error;
}

std::string receiver_error(const Channel& channel) {
    return channel.receiver_errno == 0 ? "its receiver has lost the connection"
                                       : "error " + std::to_string(channel.receiver_errno);
}

/// One sentence for all replicas with the same trouble.
void tell_of_replicas(
    const std::map<std::string, std::vector<const Instance*>>& by_trouble,
    std::vector<std::string>& out
) {
    for (const auto& [trouble, replicas] : by_trouble) {
        out.push_back(names(replicas) + ": " + trouble);
    }
}

std::string deaf_text(const Testified& testified) {
    const auto* channel = testified.replica->channel();
    if (channel != nullptr && cannot_connect(*channel)) {
        return "cannot connect to it (" + receiver_error(*channel) + ")";
    }
    return "was made to reconnect and could not";
}

std::string testimony_text(const Testified& testified) {
    switch (testified.testimony) {
        case Testimony::unknown:
            return "not observed since";
        case Testimony::gone:
            return "cannot be observed either";
        case Testimony::hearing:
            return "still hears it";
        case Testimony::silent:
            return "believes to be connected, and has received nothing since";
        case Testimony::deaf:
            return deaf_text(testified);
        case Testimony::mute:
            break;
    }
    return "its receiver is stopped";
}

std::string trouble_of(const Instance& replica) {
    if (!replica.health.checked) {
        return "not observed yet";
    }
    if (!replica.health.valid) {
        return "cannot be observed: " + error_text(replica);
    }
    const auto* channel = replica.channel();
    if (channel == nullptr || channel->replicating()) {
        return {};
    }
    if (cannot_connect(*channel)) {
        return "cannot connect (" + receiver_error(*channel) + ")";
    }
    if (channel->receiver != ThreadState::running) {
        return "its receiver is " + std::string(topology::to_string(channel->receiver)) +
               (channel->receiver_errno != 0
                    ? " with error " + std::to_string(channel->receiver_errno)
                    : "");
    }
    return "its applier is " + std::string(topology::to_string(channel->applier)) +
           (channel->applier_errno != 0 ? " with error " + std::to_string(channel->applier_errno)
                                        : "");
}

void tell_of_semi_sync(const View& view, std::vector<std::string>& out) {
    const auto& semi_sync = view.subject->state.semi_sync;
    out.push_back(
        "commits wait for " + std::to_string(semi_sync.wait_for_replica_count) +
        " semi-synchronous replicas, and " + std::to_string(semi_sync.clients) + " are connected"
    );
    tell_of_all_waiters(view, out);
}

void tell_of_deposed(const View& view, std::vector<std::string>& out) {
    const auto& state = view.subject->state;
    out.push_back(
        "it was replaced by " + view.deposed->successor.text() + " in recovery " +
        view.deposed->recovery_id
    );
    if (!state.read_only) {
        out.emplace_back("read_only is off: it accepts writes");
    } else if (state.identity.has_super_read_only && !state.super_read_only) {
        out.emplace_back("super_read_only is off: privileged accounts can write to it");
    } else if (view.deposed->contained && !view.deposed->classification.empty()) {
        out.push_back(
            "it is read-only; compared with its successor: " + view.deposed->classification
        );
    } else {
        out.emplace_back("it is read-only, and has not been compared with its successor yet");
    }
}

}  // namespace

std::string names(const std::vector<const Instance*>& instances) {
    std::string out;
    for (std::size_t i = 0; i < instances.size(); ++i) {
        if (i == named_limit) {
            return out + " and " + std::to_string(instances.size() - i) + " others";
        }
        out += (i == 0 ? "" : ", ") + instances[i]->id.text();
    }
    return out;
}

std::vector<const Instance*> those(const View& view, Testimony testimony) {
    std::vector<const Instance*> out;
    for (const auto& testified : view.testified) {
        if (testified.testimony == testimony) {
            out.push_back(testified.replica);
        }
    }
    return out;
}

std::vector<std::string> evidence_of(const View& view, Code code) {
    std::vector<std::string> out;
    std::map<std::string, std::vector<const Instance*>> by_trouble;
    switch (view.sight) {
        case Sight::unknown:
            out.emplace_back("this service has not observed it yet");
            return out;
        case Sight::doubtful:
            out.push_back("it has not answered the last probe: " + error_text(*view.subject));
            return out;
        case Sight::refusing:
            out.push_back(
                (view.subject->health.failure == ProbeFailure::hangs
                     ? "it lets this service in and does not answer it: "
                     : "it answers with an error: ") +
                error_text(*view.subject)
            );
            break;
        case Sight::absent:
            out.push_back(absence(view));
            for (const auto& testified : view.testified) {
                by_trouble[testimony_text(testified)].push_back(testified.replica);
            }
            tell_of_replicas(by_trouble, out);
            return out;
        case Sight::living:
            break;
    }
    if (code == Code::no_problem) {
        return out;
    }
    if (code == Code::deposed_primary_writable || code == Code::deposed_primary_returned) {
        tell_of_deposed(view, out);
        return out;
    }
    if (code == Code::locked_semi_sync_primary ||
        code == Code::locked_semi_sync_primary_hypothesis ||
        code == Code::primary_with_too_many_semi_sync_replicas) {
        tell_of_semi_sync(view, out);
    }
    if (code == Code::locked_semi_sync_primary && stands_still(view)) {
        out.emplace_back("nothing was written to its binary log for long");
    }
    if (code == Code::receiver_left_stopped) {
        out.push_back(
            "recovery " + view.topology->overlay().left_stopped.at(view.subject->id).recovery_id +
            " stopped it"
        );
    }
    if (code == Code::no_writable_primary) {
        out.emplace_back("read_only is on");
    }
    if (is_sickness(code)) {
        tell_of_sick(view, code, out);
    }
    if (code == Code::first_tier_replica_failing_to_connect ||
        code == Code::binlog_server_failing_to_connect) {
        const auto* channel = view.subject->channel();
        out.push_back(
            "it cannot connect to " + view.subject->source().text() + " (" +
            receiver_error(*channel) + ")"
        );
    }
    for (const auto* replica : view.replicas) {
        if (const auto trouble = trouble_of(*replica); !trouble.empty()) {
            by_trouble[trouble].push_back(replica);
        }
    }
    tell_of_replicas(by_trouble, out);
    return out;
}

Severity severity_of(Code code) {
    switch (code) {
        case Code::no_problem:
            return Severity::none;
        // What orchestrator only displays: no detection, no hooks.
        case Code::dead_primary_without_replicas:
        case Code::single_primary_replica_not_replicating:
        case Code::single_primary_replica_dead:
        case Code::dead_intermediate_with_single_replica:
        case Code::intermediate_replicas_not_replicating:
        case Code::first_tier_replica_failing_to_connect:
        case Code::binlog_server_failing_to_connect:
        case Code::all_co_primary_replicas_not_replicating:
        case Code::locked_semi_sync_primary_hypothesis:
        case Code::deposed_primary_returned:
        case Code::receiver_left_stopped:
            return Severity::notice;
        case Code::all_replicas_not_replicating:
        case Code::all_replicas_not_replicating_or_dead:
        case Code::unreachable_intermediate:
        case Code::unreachable_intermediate_with_lagging_replicas:
        case Code::intermediate_replicas_failing_to_connect_or_dead:
        case Code::primary_with_too_many_semi_sync_replicas:
        case Code::primary_refuses_us:
        case Code::no_writable_primary:
        case Code::primary_out_of_connections:
        case Code::primary_lock_pile_up:
            return Severity::warning;
        case Code::dead_primary:
        case Code::dead_primary_and_replicas:
        case Code::dead_primary_and_some_replicas:
        case Code::unreachable_primary_with_lagging_replicas:
        case Code::unreachable_primary:
        case Code::dead_intermediate:
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
        case Code::dead_intermediate_and_some_replicas:
        case Code::dead_intermediate_and_replicas:
        case Code::dead_co_primary:
        case Code::dead_co_primary_and_some_replicas:
        case Code::unreachable_co_primary:
        case Code::dead_group_member_with_replicas:
        case Code::locked_semi_sync_primary:
        case Code::deposed_primary_writable:
        case Code::dead_deposed_primary:
        case Code::primary_cut_off:
        case Code::primary_hangs:
        case Code::primary_disk_full:
        case Code::primary_commits_hang:
            break;
    }
    return Severity::critical;
}

std::string summary_of(const View& view, Code code) {
    switch (code) {
        case Code::no_problem:
            return "nothing is wrong";
        case Code::dead_primary_without_replicas:
            return "the primary cannot be reached, and it has no replicas";
        case Code::dead_primary:
            return "the primary is dead: it cannot be reached, and none of its replicas hears it";
        case Code::dead_primary_and_replicas:
            return "the primary and all its replicas cannot be reached";
        case Code::dead_primary_and_some_replicas:
            return "the primary is dead and so are some of its replicas; none of the others hears "
                   "it";
        case Code::unreachable_primary_with_lagging_replicas:
            return "the primary cannot be reached; it is not known to be dead, and all its "
                   "replicas lag";
        case Code::unreachable_primary:
            return view.counts.hearing > 0
                       ? "the primary cannot be reached from here, but replicas hear it"
                       : "the primary cannot be reached; it is not known to be dead";
        case Code::single_primary_replica_not_replicating:
            return "the only replica of the primary does not replicate";
        case Code::single_primary_replica_dead:
            return "the only replica of the primary cannot be reached";
        case Code::all_replicas_not_replicating:
            return "the primary is reachable, but none of its replicas replicates";
        case Code::all_replicas_not_replicating_or_dead:
            return "the primary is reachable, but none of its replicas replicates, and some cannot "
                   "be reached";
        case Code::dead_intermediate:
            return "the intermediate source is dead: it cannot be reached, and none of its "
                   "replicas hears it";
        case Code::dead_intermediate_with_single_replica:
            return "the intermediate source cannot be reached, and its only replica is stopped";
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
            return "the intermediate source is dead: it cannot be reached, and its only replica "
                   "cannot connect to it";
        case Code::dead_intermediate_and_some_replicas:
            return "the intermediate source is dead and so are some of its replicas; none of the "
                   "others hears it";
        case Code::dead_intermediate_and_replicas:
            return "the intermediate source and all its replicas cannot be reached";
        case Code::unreachable_intermediate_with_lagging_replicas:
            return "the intermediate source cannot be reached; it is not known to be dead, and all "
                   "its replicas lag";
        case Code::unreachable_intermediate:
            return "the intermediate source cannot be reached; it is not known to be dead";
        case Code::intermediate_replicas_failing_to_connect_or_dead:
            return "the intermediate source is reachable, but none of its replicas can connect to "
                   "it";
        case Code::intermediate_replicas_not_replicating:
            return "the intermediate source is reachable, but none of its replicas replicates";
        case Code::first_tier_replica_failing_to_connect:
            return "a replica of the primary cannot connect to it";
        case Code::dead_co_primary:
            return "the co-primary is dead: it cannot be reached, and none of its replicas hears "
                   "it";
        case Code::dead_co_primary_and_some_replicas:
            return "the co-primary is dead and so are some of its replicas; none of the others "
                   "hears it";
        case Code::unreachable_co_primary:
            return "the co-primary cannot be reached; it is not known to be dead";
        case Code::all_co_primary_replicas_not_replicating:
            return "the co-primary is reachable, but none of its replicas replicates";
        case Code::dead_group_member_with_replicas:
            return "a group member is dead, and its replicas outside the group have no source";
        case Code::locked_semi_sync_primary_hypothesis:
            return "commits on the primary may hang: too few semi-synchronous replicas are "
                   "connected";
        case Code::locked_semi_sync_primary:
            return "commits on the primary hang: too few semi-synchronous replicas are connected";
        case Code::primary_with_too_many_semi_sync_replicas:
            return "more semi-synchronous replicas are connected than wanted";
        case Code::no_writable_primary:
            return "the primary is read-only: the cluster takes no writes";
        case Code::primary_refuses_us:
            return "the primary lives, but does not let this service look at it";
        case Code::binlog_server_failing_to_connect:
            return "a binlog server cannot connect to its source";
        case Code::dead_deposed_primary:
            return "a primary that was replaced is dead, and replicas are left below it";
        case Code::primary_cut_off:
        case Code::primary_hangs:
        case Code::primary_out_of_connections:
        case Code::primary_disk_full:
        case Code::primary_commits_hang:
        case Code::primary_lock_pile_up:
            return summary_of_sick(view, code);
        case Code::deposed_primary_returned:
            return "a primary that was replaced is back, read-only, and replicates from nobody yet";
        case Code::receiver_left_stopped:
            return "a recovery has stopped its receiver and could not start it again";
        case Code::deposed_primary_writable:
            break;
    }
    return view.subject->state.read_only && view.subject->state.super_read_only
               ? "a primary that was replaced is back, and has not been examined"
               : "a primary that was replaced is back and can be written to";
}

}  // namespace baton::analysis
