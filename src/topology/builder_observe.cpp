// SPDX-License-Identifier: Apache-2.0
// What a probe saw becomes the next state of its server, and how much of it is news.
#include "builder_impl.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace baton::topology {

namespace {

/// Failures in a row beyond which one more tells nothing new.
constexpr std::uint32_t telling_failures = 10;

bool fails_absent(const Instance& instance) {
    return !instance.health.valid && is_absence(instance.health.failure);
}

}  // namespace

std::vector<InstanceId> channel_sources(const ServerState& state) {
    std::vector<InstanceId> out;
    out.reserve(state.channels.size());
    for (const auto& channel : state.channels) {
        out.push_back(channel.source);
    }
    return out;
}

std::vector<InstanceId> group_members(const ServerState& state) {
    std::vector<InstanceId> out;
    out.reserve(state.group.members.size());
    for (const auto& member : state.group.members) {
        out.push_back(member.id);
    }
    return out;
}

const Instance* Builder::Impl::source_of(const Server& server) const {
    const auto* channel = server.instance->channel();
    if (channel == nullptr) {
        return nullptr;
    }
    const auto found = servers.find(channel->source);
    return found == servers.end() ? nullptr : found->second.instance.get();
}

TimePoint Builder::Impl::written_since(const Server& server, const Instance& replica) const {
    constexpr Duration lately = 2s;
    const auto quiet = replica.quiet_since;
    const auto* source = source_of(server);
    if (source == nullptr || source->binlog_moving_since == TimePoint{}) {
        return {};
    }
    if (source->binlog_moved_at > quiet) {
        return std::max(quiet, source->binlog_moving_since);
    }
    // Its writes may hang from the moment on at which the replica lost it: then it was seen to
    // move for the last time shortly before that, and the replica has not got so far.
    const auto* channel = replica.channel();
    const bool behind = channel != nullptr && !channel->read.file.empty() &&
                        std::tie(channel->read.file, channel->read.pos) <
                            std::tie(source->state.binlog.file, source->state.binlog.pos);
    return behind && quiet - source->binlog_moved_at < lately ? quiet : TimePoint{};
}

Builder::Change Builder::Impl::apply_failure(Server& server, const Observation& observation) {
    auto& instance = edit(server);
    auto& health = instance.health;
    if (observation.strain) {
        instance.state.strain = *observation.strain;
    }
    // An observation without state that claims success is one we cannot understand.
    const auto failure =
        observation.failure == ProbeFailure::none ? ProbeFailure::error : observation.failure;
    const auto before = health;
    const bool continues = health.checked && health.consecutive_failures > 0 &&
                           is_absence(failure) == is_absence(health.failure);
    health.checked = true;
    health.valid = false;
    health.failure = failure;
    health.error = observation.error;
    health.last_attempt = observation.ended;
    health.last_attempt_ms = observation.wall_ms;
    if (continues) {
        ++health.consecutive_failures;
    } else {
        health.consecutive_failures = 1;
        health.first_failure = observation.started;
        health.first_failure_ms =
            observation.wall_ms - to_ms(observation.ended - observation.started);
    }
    structure_dirty = structure_dirty || before.valid;
    return before.checked && !before.valid && before.failure == failure &&
                   before.consecutive_failures >= telling_failures
               ? Change::none
               : Change::decisive;
}

std::string Builder::Impl::follow_received(
    Server& server, const Instance& old, const Instance& now
) {
    const bool same = old.ever_seen && old.state.identity.uuid == now.state.identity.uuid;
    if (!same || !now.is_replica()) {
        server.received = ReceivedMark{};
        return same ? old.received_lost : std::string{};
    }
    auto lost = server.received.follow(old.state, old.received_lost, now.state);
    if (lost != old.received_lost) {
        server.lost_at = now.health.last_seen;
    }
    return lost;
}

void Builder::Impl::keep_place(const Instance& old, Identity& now) {
    if (!old.ever_seen || old.state.identity.uuid != now.uuid) {
        return;
    }
    const auto keep = [](std::string& fresh, const std::string& known) {
        if (fresh.empty()) {
            fresh = known;
        }
    };
    keep(now.data_center, old.state.identity.data_center);
    keep(now.region, old.state.identity.region);
    keep(now.environment, old.state.identity.environment);
}

Builder::Change Builder::Impl::apply_success(Server& server, Observation& observation) {
    const auto& old = *server.instance;

    auto next = std::make_shared<Instance>();
    next->id = old.id;
    next->health.checked = next->health.valid = true;
    next->health.last_attempt = next->health.last_seen = observation.ended;
    next->health.last_attempt_ms = next->health.last_seen_ms = observation.wall_ms;
    next->health.latency = observation.ended - observation.started;
    next->ever_seen = true;
    next->state = std::move(*observation.state);
    keep_place(old, next->state.identity);
    const auto& state = next->state;
    next->witness = old.witness;
    next->witness_begun = old.witness_begun;
    next->cluster_id = old.cluster_id;
    next->cluster_name = old.cluster_name;
    next->depth = old.depth;
    next->is_co_primary = old.is_co_primary;
    next->ancestry_uuid = old.ancestry_uuid;
    next->errant_gtid = old.errant_gtid;
    next->received_lost = follow_received(server, old, *next);

    // Names reduced before stay reduced: what decides about that has not changed.
    auto sources = channel_sources(state);
    auto members = group_members(state);
    const bool same_sources = old.ever_seen && sources == server.sources;
    const bool same_replicas = state.reported_replicas == server.replicas;
    const bool same_members = members == server.members;
    bool structural = !same_sources || !same_replicas || !same_members;
    for (std::size_t i = 0; same_sources && i < sources.size(); ++i) {
        next->state.channels[i].source = old.state.channels[i].source;
        structural =
            structural || state.channels[i].source_uuid != old.state.channels[i].source_uuid;
    }
    if (same_replicas) {
        next->state.reported_replicas = old.state.reported_replicas;
    } else {
        server.replicas = state.reported_replicas;
    }
    for (std::size_t i = 0; same_members && i < members.size(); ++i) {
        next->state.group.members[i].id = old.state.group.members[i].id;
    }
    server.sources = std::move(sources);
    server.members = std::move(members);
    const bool decisive = structural || !old.health.valid ||
                          differs_decisively(old.state, next->state) ||
                          old.received_lost != next->received_lost;
    const bool progress = decisive || differs_in_progress(old.state, next->state);
    next->received_at = old.received_at;
    next->binlog_moved_at = old.binlog_moved_at;
    next->binlog_moving_since = old.binlog_moving_since;
    next->quiet_since = observation.started;
    // Both ends must be observations of this process: stored ones have no monotonic time.
    if (old.ever_seen && old.health.last_seen != TimePoint{}) {
        if (same_sources && shows_receipt(old.state, next->state)) {
            next->received_at = old.health.last_seen - old.health.latency;
        } else if (same_sources) {
            next->quiet_since = old.quiet_since;
            next->unheard_since = old.unheard_since;
        }
        if (old.state.binlog != next->state.binlog) {
            const bool goes_on = old.binlog_moving_since != TimePoint{} &&
                                 old.binlog_moved_at == old.health.last_seen;
            next->binlog_moved_at = observation.ended;
            next->binlog_moving_since = goes_on ? old.binlog_moving_since : observation.ended;
        }
    } else {
        next->binlog_moved_at = observation.ended;
    }
    const auto* channel = next->channel();
    if (channel != nullptr && channel->receiver != ThreadState::running) {
        next->unconnected_since = same_sources && old.unconnected_since != TimePoint{}
                                      ? old.unconnected_since
                                      : observation.ended;
    }
    if (same_sources && next->unheard_since == TimePoint{}) {
        next->unheard_since = written_since(server, *next);
    }
    if (next->state.read_only) {
        next->read_only_since =
            old.read_only_since == TimePoint{} ? observation.ended : old.read_only_since;
    }
    structure_dirty = structure_dirty || structural || !old.health.valid ||
                      old.state.read_only != next->state.read_only ||
                      old.state.identity != next->state.identity ||
                      old.state.group != next->state.group;
    server.instance = std::move(next);
    server.published = false;
    mark(server);
    if (decisive) {
        return Change::decisive;
    }
    const auto* source = source_of(server);
    if (source != nullptr && fails_absent(*source)) {
        return Change::decisive;
    }
    return progress ? Change::progress : Change::none;
}

}  // namespace baton::topology
