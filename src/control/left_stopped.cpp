// SPDX-License-Identifier: Apache-2.0
// Receivers that a recovery has stopped and could not start again: remembered with the end of the
// recovery, started when their servers answer, and forgotten as soon as they run.
#include "engine_impl.hpp"

#include <algorithm>

namespace baton::control {

namespace {

/// A STOP can hang for as long as the receiver waits for its source.
constexpr Duration longest_stop = std::chrono::seconds(90);

}  // namespace

void Engine::Impl::mark_left_stopped(
    const recovery::Record& record, std::vector<ports::Document>& documents
) {
    if (record.kind == analysis::RecoveryKind::restart_receiver &&
        record.state == recovery::State::done &&
        state.overlay.left_stopped.contains(record.failed)) {
        documents.push_back(state.put_left_stopped(record.failed, nullptr));
    }
    for (const auto& id : record.stopped_by_us) {
        const auto* instance = topology->find(id);
        const auto* channel = instance != nullptr ? instance->channel() : nullptr;
        topology::LeftStopped left;
        left.channel = channel != nullptr ? channel->name : std::string{};
        left.recovery_id = record.id;
        left.since_ms = wall();
        if (channel != nullptr && instance->reachable() &&
            channel->receiver != topology::ThreadState::stopped) {
            // Its STOP hangs, and may end the receiver when its connection attempt ends.
            left.since_ms += to_ms(longest_stop);
        }
        documents.push_back(state.put_left_stopped(id, &left));
    }
    builder.set_overlay(state.overlay);
}

/// What was seen after the mark was made counts.
void Engine::Impl::forget_started_receivers() {
    std::vector<InstanceId> started;
    for (const auto& [id, left] : state.overlay.left_stopped) {
        const auto* instance = topology->find(id);
        if (instance == nullptr) {
            started.push_back(id);  // forgotten by an operator
            continue;
        }
        if (!instance->reachable() || instance->health.last_seen_ms <= left.since_ms) {
            continue;
        }
        const auto& channels = instance->state.channels;
        const auto channel = std::find_if(
            channels.begin(),
            channels.end(),
            [&, &name = left.channel](const auto& c) { return c.name == name; }
        );
        const auto up_since_ms = instance->health.last_seen_ms -
                                 static_cast<WallMs>(instance->state.uptime_seconds) * 1000;
        if (channel == channels.end() || up_since_ms > left.since_ms ||
            channel->receiver != topology::ThreadState::stopped) {
            started.push_back(id);
        }
    }
    for (const auto& id : started) {
        enqueue(state.put_left_stopped(id, nullptr));
    }
    if (!started.empty()) {
        builder.set_overlay(state.overlay);
    }
}

}  // namespace baton::control
