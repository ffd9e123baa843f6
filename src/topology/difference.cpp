// SPDX-License-Identifier: Apache-2.0
#include "difference.hpp"

#include <algorithm>

namespace baton::topology {
namespace {

Channel without_progress(Channel channel) {
    channel.read = channel.executed = channel.relay = LogPosition{};
    channel.retrieved_gtid_set.clear();
    channel.gtid_io_pos.clear();
    channel.seconds_behind.reset();
    channel.heartbeats_received = 0;
    channel.receiver_text.clear();  // changes with the receiver's rhythm; the state is what counts
    return channel;
}

bool same_but_progress(const Channel& a, const Channel& b) {
    return a == b || without_progress(a) == without_progress(b);
}

bool shows_receipt(const Channel& before, const Channel& now) {
    if (before.source != now.source) {
        return false;  // the positions are of two different logs
    }
    if (now.heartbeats_received > before.heartbeats_received ||
        (now.receiver == ThreadState::running && before.receiver != ThreadState::running)) {
        return true;
    }
    // A position that a repoint or a reset set is no receipt, but then the receiver was stopped
    // while it was set, and the reconnection counts anyway or has not happened.
    return now.receiver == ThreadState::running &&
           (now.read != before.read || now.gtid_io_pos != before.gtid_io_pos ||
            now.retrieved_gtid_set != before.retrieved_gtid_set);
}

/// The times after which findings are made of it; what lies between is not worth a look.
unsigned stage_of(const Waiters& waiters) {
    const auto seconds = waiters.sessions == 0 ? 0 : waiters.seconds;
    return (seconds >= 2 ? 1U : 0U) + (seconds >= 5 ? 1U : 0U) + (seconds >= 10 ? 1U : 0U) +
           (seconds >= 30 ? 1U : 0U);
}

bool differs_decisively(const Strain& before, const Strain& now) {
    return before.turns_away != now.turns_away || before.unanswered != now.unanswered ||
           stage_of(before.disk) != stage_of(now.disk) ||
           stage_of(before.commit) != stage_of(now.commit) ||
           stage_of(before.acknowledgement) != stage_of(now.acknowledgement) ||
           stage_of(before.metadata_lock) != stage_of(now.metadata_lock) ||
           stage_of(before.global_lock) != stage_of(now.global_lock);
}

}  // namespace

bool differs_decisively(const ServerState& before, const ServerState& now) {
    return before.read_only != now.read_only || before.super_read_only != now.super_read_only ||
           now.uptime_seconds < before.uptime_seconds || before.identity != now.identity ||
           before.semi_sync != now.semi_sync || before.group != now.group ||
           before.reported_replicas != now.reported_replicas ||
           before.dump_threads != now.dump_threads ||
           differs_decisively(before.strain, now.strain) ||
           !std::equal(
               before.channels.begin(),
               before.channels.end(),
               now.channels.begin(),
               now.channels.end(),
               same_but_progress
           );
}

bool differs_in_progress(const ServerState& before, const ServerState& now) {
    return before.binlog != now.binlog || before.executed_gtid_set != now.executed_gtid_set ||
           before.purged_gtid_set != now.purged_gtid_set || before.channels != now.channels ||
           before.settings != now.settings;
}

bool shows_receipt(const ServerState& before, const ServerState& now) {
    return std::any_of(now.channels.begin(), now.channels.end(), [&](const Channel& channel) {
        const auto old =
            std::find_if(before.channels.begin(), before.channels.end(), [&](const Channel& c) {
                return c.name == channel.name;
            });
        return old != before.channels.end() && shows_receipt(*old, channel);
    });
}

}  // namespace baton::topology
