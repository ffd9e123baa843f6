// SPDX-License-Identifier: Apache-2.0
// Observation: one coroutine for each server, and the publisher that turns what they saw into
// snapshots.
#include "engine_impl.hpp"

#include "baton/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration names_pause = 10s;      // between looks at unchanged names
constexpr Duration long_snapshot = 10ms;   // one that takes longer is followed by a pause
constexpr int breath = 2;                  // times as long as a snapshot took nothing is published
constexpr Duration publish_pause = 300ms;  // between snapshots that carry mere progress
constexpr std::chrono::milliseconds poll_grid{20};
constexpr Duration wake_pause = 25ms;   // between probes of one server that others asked for
constexpr Duration witness_pause = 1s;  // after a witness test that could not be carried out
constexpr unsigned witness_doublings = 6;
constexpr std::size_t servers_limit = 20000;  // a hostile server could name any number of others

}  // namespace

bool Engine::Impl::ignored(const InstanceId& id) const {
    const auto text = id.text();
    return std::any_of(
        ignore_patterns.begin(),
        ignore_patterns.end(),
        [&](const std::regex& pattern) { return std::regex_search(text, pattern); }
    );
}

void Engine::Impl::start_watching(const InstanceId& id, Duration delay) {
    if (group == nullptr || slots.contains(id) || ignored(id)) {
        return;
    }
    if (slots.size() >= servers_limit) {
        log::warning(
            "{} is not observed: {} servers are, which is the limit", id.text(), slots.size()
        );
        return;
    }
    auto slot = std::make_shared<Slot>(core);
    slot->id = id;
    slot->watch = servers.watch(id);
    slot->first_due = now() + delay;
    slots[id] = slot;
    group->spawn("watch " + id.text(), watch_server(slot));
}

void Engine::Impl::stop_watching(const InstanceId& id) {
    if (const auto found = slots.find(id); found != slots.end()) {
        found->second->removed = true;
        found->second->watch->wake();
        slots.erase(found);
    }
}

/// How long to wait before the next probe of a server that failed so many times in a row.
Duration Engine::Impl::pause_after(const InstanceId& id, unsigned failures) const {
    // Young failures are looked at quickly: a second opinion, or the return, is worth it. Then ever
    // more seldom.
    if (failures <= 2) {
        return std::min<Duration>(settings.poll_interval, 20ms);
    }
    if (failures <= 6) {
        return std::min<Duration>(settings.poll_interval, 250ms);
    }
    // A primary that was replaced accepts writes when it comes back, until it is seen.
    const auto deposed = state.overlay.deposed.find(id);
    if (deposed != state.overlay.deposed.end() && !deposed->second.contained) {
        return std::min<Duration>(settings.poll_interval, 250ms);
    }
    const auto doubled = settings.poll_interval * (1U << std::min(failures - 7, 12U));
    return std::min<Duration>(doubled, settings.dead_interval_max);
}

Task<void> Engine::Impl::watch_server(std::shared_ptr<Slot> slot) {
    co_await sleep_until(slot->first_due);
    // Each server has its own place in the interval, so that polls are spread evenly; but places
    // lie on a grid, so that one wake-up serves several of them.
    const auto interval = settings.poll_interval;
    const auto place = static_cast<Duration::rep>(std::hash<InstanceId>{}(slot->id) % 997);
    const TimePoint origin = now() + Duration(place * (interval.count() / 997));
    TimePoint regular = TimePoint(
        (origin.time_since_epoch() / poll_grid) * std::chrono::duration_cast<Duration>(poll_grid)
    );
    while (!slot->removed) {
        const auto started = now();
        auto observation = co_await slot->watch->probe(started + settings.probe_timeout);
        if (slot->removed) {
            break;
        }
        handle(slot, std::move(observation));
        while (regular <= now()) {
            regular += settings.poll_interval;
        }
        const TimePoint next =
            slot->failures > 0 ? now() + pause_after(slot->id, slot->failures) : regular;
        if (slot->removed) {
            break;
        }
        co_await slot->watch->idle(next);
    }
    slot->watch->drop();
}

void Engine::Impl::wake(const InstanceId& id) {
    const auto found = slots.find(id);
    if (found == slots.end() || now() - found->second->last_wake < wake_pause) {
        return;
    }
    found->second->last_wake = now();
    found->second->watch->wake();
}

void Engine::Impl::wake_neighbours(const topology::Instance& instance) {
    for (const auto* replica : topology->replicas_of(instance.id)) {
        wake(replica->id);
    }
    if (instance.is_replica()) {
        wake(instance.source());
    }
}

void Engine::Impl::handle(const std::shared_ptr<Slot>& slot, topology::Observation observation) {
    ++counters.probes;
    counters.probe_seconds_sum +=
        std::chrono::duration<double>(observation.ended - observation.started).count();
    const bool failed = observation.failure != topology::ProbeFailure::none;
    if (!failed && (slot->witness_running || observation.started < slot->witness_ended)) {
        // Its receiver was perhaps stopped by our own test at that moment, which must not be taken
        // for the word of a replica that has lost its source. The end of the test brings a probe.
        return;
    }
    slot->failures = failed ? slot->failures + 1 : 0;
    if (failed) {
        ++counters.probe_failures;
    }
    if (failed != !slot->error.empty() || (failed && slot->error != observation.error)) {
        if (failed) {
            log::warning("{} cannot be observed: {}", slot->id.text(), observation.error);
        } else if (slot->last_started != TimePoint{}) {
            log::info("{} answers again", slot->id.text());
        }
    }
    slot->error = failed ? (observation.error.empty() ? "failed" : observation.error) : "";
    const auto started = observation.started;
    const auto observed_at = observation.ended;
    const auto change = builder.apply(std::move(observation));
    slot->moved = slot->moved || change != topology::Builder::Change::none;
    slot->changed = slot->changed || change == topology::Builder::Change::decisive;
    if (change != topology::Builder::Change::none) {
        slot->moved_at = observed_at;
    }
    slot->last_started = started;
    auto waiting = std::exchange(slot->observed, std::make_shared<baton::Event>(core));
    waiting->set();
    if (change == topology::Builder::Change::decisive) {
        if (failed) {
            if (const auto* known = topology->find(slot->id)) {
                wake_neighbours(*known);
            }
        }
        publish_soon(true);
    } else if (change == topology::Builder::Change::progress) {
        publish_soon(false);
    }
}

/// Probes now, and waits for an observation that began after this call. False at the deadline.
Task<bool> Engine::Impl::observe_afresh(InstanceId id, Deadline deadline) {
    const auto asked = now();
    while (now() < deadline) {
        const auto found = slots.find(id);
        if (found == slots.end()) {
            co_return false;
        }
        const auto slot = found->second;
        if (slot->last_started >= asked) {
            co_return true;
        }
        const auto observed = slot->observed;
        slot->watch->wake();
        co_await observed->wait(deadline);
    }
    co_return false;
}

void Engine::Impl::publish_soon(bool urgent) {
    publish_urgent = publish_urgent || urgent;
    publish_signal.set();
}

Task<void> Engine::Impl::publisher() {
    for (;;) {
        co_await publish_signal.wait(now() + 1s);
        while (!publish_urgent && now() < last_publish + publish_pause) {
            co_await publish_signal.wait(last_publish + publish_pause);
        }
        // Names and neighbours are decisive; going through all of them is not for mere progress.
        const bool follow = std::exchange(publish_urgent, false) || now() >= last_follow + 1s;
        const auto begun = now();
        publish(follow);
        last_publish = now();
        // With thousands of servers that takes a while. When all of them have news at once, each
        // worth a snapshot, the loop must not do nothing else: their answers would come late, and
        // that would be news again.
        const auto took = std::min<Duration>(last_publish - begun, publish_pause);
        if (took > long_snapshot) {
            co_await sleep_for(took * breath);
        }
    }
}

void Engine::Impl::publish(bool follow) {
    topology = builder.build(now(), wall());
    ++counters.snapshots;
    if (follow) {
        instances_due = true;
        flush_signal.set();
    }
    const auto recorded = builder.take_recorded();
    for (const auto& cluster : recorded.clusters) {
        const auto known = state.overlay.clusters.find(cluster.id);
        if (known != state.overlay.clusters.end() && known->second.primary != cluster.primary) {
            decide_primary(
                cluster.id, known->second.primary, cluster.primary, "seen in the replication", ""
            );
        }
        enqueue(state.put_cluster(cluster));
    }
    refresh_policies();
    for (const auto& [id, cluster] : recorded.membership) {
        enqueue(state.put_member(id, cluster));
    }
    if (follow) {
        last_follow = now();
        // Going through the names of thousands of servers takes a while: when the shape of the
        // topology has changed, and now and then for what was forgotten and may be found again.
        const bool same_shape =
            followed != nullptr && &followed->clusters() == &topology->clusters();
        followed = topology;
        if (!same_shape || now() >= names_due) {
            names_due = now() + names_pause;
            follow_topology();
        }
    }
    auto fresh = analyzed();
    ++counters.analyses;
    const bool changed = fresh != findings;
    findings = std::move(fresh);
    react(findings);
    publish_view();
    emit("topology", "{}");
    if (changed) {
        emit("finding", "{}");
    }
}

/// Starts to watch what known servers name, and stops watching second names of one server.
void Engine::Impl::follow_topology() {
    std::size_t fresh = 0;
    for (const auto& id : builder.undiscovered()) {
        const auto forgotten_until = forgotten.find(id);
        if (forgotten_until != forgotten.end() && forgotten_until->second > now()) {
            continue;
        }
        if (ignored(id)) {
            continue;
        }
        if (builder.add(id)) {
            log::info("found {}", id.text());
            audit("discover", id, "", "found through its neighbours", "");
        }
        start_watching(id, std::chrono::milliseconds(fresh++ / first_looks_per_ms));
    }
    for (const auto& [duplicate, kept] : builder.aliases()) {
        log::info("{} is another name of {} and is not kept", duplicate.text(), kept.text());
        remove_instance(duplicate);
    }
}

void Engine::Impl::remove_instance(const InstanceId& id) {
    stop_watching(id);
    builder.remove(id);
    state.instances.erase(id);
    enqueue({"instance", id.text(), ""});
    enqueue({"progress", id.text(), ""});
    if (state.overlay.membership.contains(id)) {
        enqueue(state.put_member(id, ""));
        builder.set_overlay(state.overlay);
    }
}

/// Makes a replica's receiver reconnect, to learn whether its source lives.
Task<void> Engine::Impl::ask_witness(std::shared_ptr<Slot> slot) {
    ++counters.witness_tests;
    topology::WitnessReport report;
    report.asked = now();
    auto performer = servers.performer("");
    recovery::Step step(recovery::StepKind::witness, slot->id);
    const auto* known = topology->find(slot->id);
    if (known != nullptr && known->channel() != nullptr) {
        step.channel = known->channel()->name;
    }
    step.needs_lock = false;
    step.limit = 3s;
    auto outcome = co_await performer->perform(step, now() + step.limit);
    report.answered = now();
    co_await performer->close();
    slot->witness_running = false;
    slot->witness_ended = now();
    builder.set_witness_begun(slot->id, TimePoint{});
    if (!outcome) {
        // A receiver that hangs would gather STOPs that wait for it.
        slot->next_witness =
            now() + witness_pause * (1U << std::min(slot->witness_failures++, witness_doublings));
    } else {
        slot->witness_failures = 0;
    }
    if (outcome) {
        report.heard = outcome->heard;
        report.text = outcome->text;
        log::info("witness {}: {}", slot->id.text(), outcome->text);
        if (builder.apply_witness(slot->id, report) != topology::Builder::Change::none) {
            publish_soon(true);
        }
    } else {
        log::warning("witness {} could not be asked: {}", slot->id.text(), outcome.error().what);
    }
    wake(slot->id);
}

}  // namespace baton::control
