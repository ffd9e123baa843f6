// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small questions that all plans ask of a snapshot, and makers of steps. Pure.

#include "baton/recovery/planner.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::recovery {

using topology::Channel;
using topology::Instance;
using topology::Topology;

bool contains(const std::vector<InstanceId>& ids, const InstanceId& id);
void add_once(std::vector<InstanceId>& ids, const InstanceId& id);
/// "db2:3306, db3:3306"; "nobody" when there is none.
std::string names(const std::vector<InstanceId>& ids);

/// The channel by which `instance` has `source`; null when it has not.
const Channel* channel_to(const Instance& instance, const InstanceId& source);

/// Has this source and was not started with it: half a move. MariaDB keeps the error of the last
/// connection attempt over CHANGE MASTER, and errors of that kind stop no receiver.
inline bool never_started(const Channel& channel) {
    constexpr unsigned first_client_error = 2000;
    constexpr unsigned last_client_error = 2999;
    return channel.receiver == topology::ThreadState::stopped &&
           (channel.receiver_errno == 0 || (channel.receiver_errno >= first_client_error &&
                                            channel.receiver_errno <= last_client_error));
}

/// Accepts writes of clients, as far as was seen.
inline bool writable(const Instance& instance) {
    return instance.reachable() && !instance.state.read_only && !instance.state.super_read_only;
}

/// It answers, but does not let us see it: so it lives, and may be writable.
inline bool lives_unseen(const Instance& instance) {
    return !instance.reachable() && instance.health.checked &&
           instance.health.failure != topology::ProbeFailure::none &&
           !topology::is_absence(instance.health.failure);
}

/// Takes from `source`, directly or by way of others. One that is writable and receives nothing has
/// only not forgotten its old source yet. Returns the last hop; null: it does not.
const Instance* follows(
    const Topology& topology, const Instance& replica, const InstanceId& source
);

/// Operators work on it: it is moved with the others, but nothing new is asked of it.
std::optional<std::string> set_aside(const Topology& topology, const InstanceId& id);

/// False when the address is answered by another server than the one that is meant. An unknown uuid
/// is taken for the same.
bool same_server(const Instance& instance, std::string_view uuid);

/// Known to differ; an unknown place is not another one.
inline bool differ(const std::string& left, const std::string& right) {
    return !left.empty() && !right.empty() && left != right;
}

/// Key of Record::attempts.
std::string attempt_key(StepKind kind, const InstanceId& target);
/// Set when its replication was started under the cluster's lock: whoever held that before cannot
/// promote it any more.
std::string secured_key(const InstanceId& target);
/// Counts the stops of its receiver that took too long, as opposed to those that failed at once.
std::string hang_key(const InstanceId& target);
/// Counts how often it was made an acknowledger.
std::string switched_on_key(const InstanceId& target);
unsigned attempts(const Record& record, StepKind kind, const InstanceId& target);

/// A step on a server as it is known: with its uuid, and the channel to `source` (or its first).
Step make_step(StepKind kind, const Instance& target, Duration limit);
Step hook_step(std::string list, const InstanceId& target, const Policy& policy, bool essential);

/// An operator stopped its receiver or its applier before: what is moved stays stopped.
void keep_stopped(Step& step, const Record& record);

/// "started" is no end: a successor of the node that started it runs it again.
bool hook_ended(const Record& record, const std::string& list);
bool hook_failed(const Record& record, const std::string& list);

/// True when one of the patterns is found in "host:port" of the server. Bad patterns never match.
bool host_matches(const std::vector<std::string>& patterns, const InstanceId& id);

}  // namespace baton::recovery
