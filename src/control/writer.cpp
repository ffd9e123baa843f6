// SPDX-License-Identifier: Apache-2.0
// What goes to the backend, and the housekeeping of what is there.
#include "engine_impl.hpp"

#include "baton/base/log.hpp"
#include "baton/topology/json.hpp"

#include <fmt/format.h>

namespace baton::control {

namespace {

constexpr Duration write_pause = 200ms;      // between batches
constexpr Duration instances_pause = 900ms;  // between writes of one server's progress
constexpr Duration settings_pause = 15s;     // between looks for a change of one server's settings
constexpr std::size_t batch_documents = 500;
constexpr std::size_t forms_at_a_time =
    100;  // stored forms of servers made in one turn of the loop
constexpr std::size_t audit_kept = 1000, detections_kept = 500, recoveries_kept = 500;
constexpr std::size_t decisions_kept = 5000, decisions_kept_of_one = 500, policies_kept = 100;

}  // namespace

void Engine::Impl::enqueue(ports::Document document) {
    outbox[{std::move(document.kind), std::move(document.key)}] = std::move(document.data);
    flush_signal.set();
}

/// Writes now and fenced; what of it waited in the outbox is superseded. After an unknown outcome
/// it is written again, for as long as this node holds the lease.
Task<Result<void>> Engine::Impl::commit(std::vector<ports::Document> documents, Duration limit) {
    for (const auto& document : documents) {
        outbox.erase({document.kind, document.key});
    }
    const auto end = now() + limit;
    for (;;) {
        if (!lease.may_act()) {
            co_return fail(Errc::not_leader, "this node does not hold the lease any more");
        }
        auto copy = documents;
        auto written = co_await store.write(std::move(copy), end);
        if (written) {
            counters.documents_written += documents.size();
            co_return written;
        }
        ++counters.write_failures;
        if (written.error().code == Errc::not_leader || now() >= end) {
            co_return written;
        }
        log::warning("writing to the backend failed and is repeated: {}", written.error().what);
        co_await sleep_for(50ms);
    }
}

Task<void> Engine::Impl::flush_loop() {
    for (;;) {
        co_await flush_signal.wait(now() + instances_pause);
        if (std::exchange(instances_due, false) || now() - last_instances >= instances_pause) {
            last_instances = now();
            co_await collect_instances();
        }
        while (!outbox.empty()) {
            std::vector<ports::Document> batch;
            for (const auto& [name, data] : outbox) {
                batch.emplace_back(name.first, name.second, data);
                if (batch.size() == batch_documents) {
                    break;
                }
            }
            auto copy = batch;
            auto written = co_await store.write(std::move(copy), now() + 2s);
            if (!written) {
                ++counters.write_failures;
                if (write_error != written.error().what) {
                    write_error = written.error().what;
                    log::warning(
                        "the state cannot be written to the backend and is kept for later: {}",
                        write_error
                    );
                }
                break;
            }
            if (!write_error.empty()) {
                log::info("the backend takes writes again");
                write_error.clear();
            }
            counters.documents_written += batch.size();
            for (const auto& document : batch) {
                const auto waiting = outbox.find({document.kind, document.key});
                if (waiting != outbox.end() && waiting->second == document.data) {
                    outbox.erase(waiting);
                }
            }
        }
        co_await sleep_for(write_pause);
    }
}

/// Puts servers whose stored form differs from what was written last into the outbox.
Task<void> Engine::Impl::collect_instances() {
    const auto seen = topology;
    std::size_t made = 0;
    for (const auto& instance : seen->instances()) {
        if (made >= forms_at_a_time) {
            made = 0;
            co_await sleep_for(0ms);  // thousands of them are made over several turns of the loop
        }
        const auto found = slots.find(instance->id);
        if (found == slots.end() || !instance->health.checked) {
            continue;
        }
        auto& slot = *found->second;
        if (instance->health.last_attempt < slot.moved_at) {
            continue;  // the snapshot with the news is still to come
        }
        // Settings may change beside what decisions rest on, and then nobody waits for them.
        if (slot.changed || now() - slot.stable_made >= settings_pause) {
            slot.changed = false;
            slot.stable_made = now();
            ++made;
            auto stable = topology::stable_json(*instance);
            if (const auto hash = std::hash<std::string>{}(stable) | 1U; hash != slot.stable_hash) {
                slot.stable_hash = hash;
                state.instances[instance->id].first = stable;
                enqueue({"instance", instance->id.text(), std::move(stable)});
            }
        }
        if (!slot.moved) {
            continue;
        }
        slot.moved = false;
        ++made;
        auto progress = topology::progress_json(*instance);
        if (const auto hash = std::hash<std::string>{}(progress) | 1U; hash != slot.progress_hash) {
            slot.progress_hash = hash;
            enqueue({"progress", instance->id.text(), std::move(progress)});
        }
    }
}

void Engine::Impl::audit(
    const std::string& type,
    const InstanceId& id,
    const std::string& cluster,
    const std::string& message,
    const std::string& by
) {
    AuditEntry entry;
    entry.number = state.next_audit();
    entry.at_ms = wall();
    entry.type = type;
    entry.instance = id;
    entry.cluster_name = cluster;
    if (cluster.empty() && !id.empty()) {
        if (const auto* known = topology->cluster_of(id)) {
            entry.cluster_name = known->name;
        }
    }
    const auto* concerned = id.empty() ? nullptr : topology->cluster_of(id);
    if (concerned == nullptr && !entry.cluster_name.empty()) {
        concerned = topology->find_cluster(entry.cluster_name);
    }
    entry.cluster_id = concerned != nullptr ? concerned->id : "";
    entry.message = message;
    entry.by = by;
    entry.node = identity.name;
    entry.epoch = lease.status().epoch;
    log::info(
        "{}{}{}: {}{}",
        type,
        id.empty() ? "" : " ",
        id.empty() ? "" : id.text(),
        message,
        by.empty() ? "" : " (by " + by + ")"
    );
    enqueue(state.put(std::move(entry)));
    emit("audit", "{}");
}

/// Ends what is over, and keeps history within its bounds.
Task<void> Engine::Impl::janitor() {
    for (;;) {
        co_await sleep_for(1s);
        const auto wall_now = wall();
        bool overlay_changed = false;
        std::vector<InstanceId> ended;
        for (const auto& [id, downtime] : state.overlay.downtimes) {
            if (downtime.end_ms <= wall_now) {
                ended.push_back(id);
            }
        }
        for (const auto& id : ended) {
            enqueue(state.put_downtime(id, nullptr));
            audit("expire-downtime", id, "", "its time is over", "");
            overlay_changed = true;
        }
        ended.clear();
        for (const auto& [id, maintenance] : state.overlay.maintenances) {
            if (maintenance.end_ms <= wall_now) {
                ended.push_back(id);
            }
        }
        for (const auto& id : ended) {
            enqueue(state.put_maintenance(id, nullptr));
            audit("expire-maintenance", id, "", "its time is over", "");
            overlay_changed = true;
        }
        ended.clear();
        for (const auto& [id, rule] : state.overlay.candidates) {
            if (rule.expires_ms != 0 && rule.expires_ms <= wall_now) {
                ended.push_back(id);
            }
        }
        for (const auto& id : ended) {
            enqueue(state.put_candidate(id, nullptr));
            overlay_changed = true;
        }
        if (overlay_changed) {
            builder.set_overlay(state.overlay);
            publish_soon(true);
        }
        ended.clear();
        const auto forget_ms = to_ms(settings.forget_after);
        for (const auto& instance : topology->instances()) {
            const bool stale = instance->health.checked && !instance->health.valid &&
                               instance->health.last_seen_ms != 0 &&
                               instance->health.last_seen_ms + forget_ms < wall_now;
            const bool never = instance->health.checked && !instance->ever_seen &&
                               instance->health.consecutive_failures > 1000;
            if (stale || never) {
                ended.push_back(instance->id);
            }
        }
        for (const auto& id : ended) {
            audit("forget-unseen", id, "", "not seen for discovery.forget_after", "");
            remove_instance(id);
        }
        for (auto& deletion : state.trim(audit_kept, detections_kept, recoveries_kept)) {
            enqueue(std::move(deletion));
        }
        const auto oldest = wall_now - to_ms(settings.history_age);
        for (auto& deletion : state.trim_decisions(decisions_kept, decisions_kept_of_one, oldest)) {
            enqueue(std::move(deletion));
        }
        for (auto& deletion : state.trim_policies(policies_kept)) {
            enqueue(std::move(deletion));
        }
        std::erase_if(forgotten, [](const auto& entry) { return entry.second < now(); });
    }
}

}  // namespace baton::control
