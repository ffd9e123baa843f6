// SPDX-License-Identifier: Apache-2.0
#include "view.hpp"

#include "baton/topology/overlay.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace baton::analysis {
namespace {

using topology::ThreadState;

bool in_group(const Instance& instance) {
    const auto& group = instance.state.group;
    return !group.name.empty() && group.member_state != "OFFLINE";
}

Place place_of(const Instance& instance, bool has_replicas) {
    if (in_group(instance)) {
        return Place::group_member;
    }
    if (instance.is_co_primary) {
        return Place::co_primary;
    }
    if (!instance.is_replica()) {
        return Place::primary;
    }
    return has_replicas ? Place::intermediate : Place::leaf;
}

/// The entry that says that this server was replaced, while it is in force: as in the clusters
/// (topology) and the containment (recovery).
const topology::Deposed* deposed_entry(
    const Topology& topology, const Instance& instance, const topology::Cluster* cluster
) {
    const auto& all = topology.overlay().deposed;
    const auto found = all.find(instance.id);
    if (found == all.end()) {
        return nullptr;
    }
    const auto& entry = found->second;
    const auto& uuid = instance.state.identity.uuid;
    if (!entry.uuid.empty() && !uuid.empty() && entry.uuid != uuid) {
        return nullptr;  // another server at the address
    }
    // The cluster has nobody better: somebody made it the primary again.
    if (cluster != nullptr && cluster->primary == instance.id) {
        return nullptr;
    }
    const auto* successor = topology.find(entry.successor);
    if (successor != nullptr && successor->reachable() && successor->id != instance.id &&
        std::any_of(
            successor->state.channels.begin(),
            successor->state.channels.end(),
            [&](const Channel& channel) { return channel.source == instance.id; }
        )) {
        return nullptr;
    }
    return &entry;
}

std::string_view major_version(std::string_view version) {
    const auto first = version.find('.');
    return first == std::string_view::npos ? version
                                           : version.substr(0, version.find('.', first + 1));
}

void count_logging(View& view) {
    std::set<std::string_view> versions;
    for (const auto* replica : view.replicas) {
        const auto& identity = replica->state.identity;
        if (!replica->ever_seen || !identity.log_bin || !identity.log_replica_updates) {
            continue;
        }
        ++view.counts.logging;
        view.counts.statement += identity.binlog_format == "STATEMENT" ? 1U : 0U;
        view.counts.mixed += identity.binlog_format == "MIXED" ? 1U : 0U;
        view.counts.row += identity.binlog_format == "ROW" ? 1U : 0U;
        versions.insert(major_version(identity.version));
    }
    view.counts.major_versions = static_cast<unsigned>(versions.size());
}

void count(View& view, const Instance& replica, bool valid, bool may_replicate) {
    auto& counts = view.counts;
    const auto* channel = replica.channel();
    counts.downtimed += view.topology->downtime(replica.id) != nullptr ? 1U : 0U;
    counts.delayed += channel != nullptr && channel->delay_seconds > 0 ? 1U : 0U;
    if (!valid) {
        return;
    }
    ++counts.valid;
    counts.replicating += may_replicate && channel != nullptr && channel->replicating() ? 1U : 0U;
    counts.failing_to_connect += failing_to_connect(replica) ? 1U : 0U;
    counts.lagging += replica.lag_seconds().value_or(0) > view.policy->lagging_seconds ? 1U : 0U;
}

void hear_replicas(View& view) {
    view.testified.reserve(view.replicas.size());
    for (const auto* replica : view.replicas) {
        view.testified.push_back(
            testify(*replica, view.subject->health.first_failure, view.now(), *view.policy)
        );
        const auto testimony = view.testified.back().testimony;
        switch (testimony) {
            case Testimony::unknown:
                ++view.unknown;
                break;
            case Testimony::gone:
                ++view.gone;
                break;
            case Testimony::hearing:
                ++view.counts.hearing;
                break;
            case Testimony::silent:
                ++view.counts.silent;
                break;
            case Testimony::deaf:
                ++view.deaf;
                break;
            case Testimony::mute:
                ++view.mute;
                break;
        }
        const bool valid =
            sight_of(*replica, *view.policy) == Sight::living && testimony != Testimony::gone;
        count(view, *replica, valid, testimony != Testimony::deaf);
    }
}

}  // namespace

bool failing_to_connect(const Instance& replica) {
    const auto* channel = replica.channel();
    return channel != nullptr && channel->applier == ThreadState::running &&
           cannot_connect(*channel);
}

bool stands_still(const View& view) {
    const auto moved = view.subject->binlog_moved_at;
    return moved != TimePoint{} && view.now() - moved > view.policy->locked_semi_sync_after;
}

bool all_lag(const View& view) {
    unsigned undelayed = 0;
    for (const auto* replica : view.replicas) {
        const auto* channel = replica->channel();
        if (channel == nullptr || !replica->reachable() || channel->delay_seconds > 0) {
            continue;
        }
        ++undelayed;
        if (replica->lag_seconds().value_or(0) <= view.policy->lagging_seconds) {
            return false;
        }
    }
    return undelayed > 0;
}

View view_of(const Topology& topology, const Instance& subject, const Policy& policy) {
    View view;
    view.topology = &topology;
    view.policy = &policy;
    view.subject = &subject;
    view.cluster = topology.cluster_by_id(subject.cluster_id);
    view.replicas = topology.replicas_of(subject.id);
    view.deposed = deposed_entry(topology, subject, view.cluster);
    view.place = place_of(subject, !view.replicas.empty());
    view.sight = sight_of(subject, policy);
    view.counts.replicas = static_cast<unsigned>(view.replicas.size());
    count_logging(view);
    if (view.sight == Sight::absent) {
        hear_replicas(view);
        return view;
    }
    for (const auto* replica : view.replicas) {
        const auto sight = sight_of(*replica, policy);
        view.unsettled += sight == Sight::unknown || sight == Sight::doubtful ? 1U : 0U;
        count(view, *replica, sight == Sight::living, true);
    }
    if (view.sight == Sight::living && view.place == Place::primary && view.deposed == nullptr &&
        !view.subject->state.read_only && view.unsettled == 0) {
        view.reach = reach_of(subject, view.replicas, topology, policy);
    }
    // Its replicas say that they cannot connect, while it answers us.
    const auto failing = view.counts.failing_to_connect;
    if (view.sight == Sight::living && view.place == Place::intermediate && failing > 0 &&
        view.counts.replicas > 1 && failing == view.counts.valid && view.unsettled == 0) {
        view.reach = reach_of(subject, view.replicas, topology, policy);
    }
    return view;
}

}  // namespace baton::analysis
