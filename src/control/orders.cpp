// SPDX-License-Identifier: Apache-2.0
// Recoveries that an operator orders: planned switchover, failover by force, return of a former
// primary.
#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr WallMs named_again_ms = 60'000;  // the same order by name, as clients repeat it
constexpr WallMs same_again_ms = 10'000;   // without a name: somebody may mean it
constexpr Duration longest_wait = 10min;

/// Runs a command on the core's executor and resumes the caller on its own.
template <class T>
Task<Result<T>> on_core(asio::any_io_executor core, Task<Result<T>> command) {
    auto result = co_await asio::co_spawn(
        core, detail::boxed<Result<T>>(std::move(command)), asio::use_awaitable
    );
    co_return std::move(*result);
}

}  // namespace

/// The same order was given before: by a client whose connection broke, or to a node that died.
std::string Engine::Impl::ordered_before(
    const topology::Cluster& cluster, const recovery::Order& order
) const {
    for (auto at = state.recoveries().rbegin(); at != state.recoveries().rend(); ++at) {
        const auto& record = at->second->record;
        if (record.cluster_id != cluster.id) {
            continue;
        }
        const bool same = record.forced && record.command == order.command &&
                          record.requested_candidate == order.candidate;
        if (same && record.running()) {
            return record.id;
        }
        const auto limit = !order.candidate.empty() && order.candidate == cluster.primary
                               ? named_again_ms
                           : order.candidate.empty() ? same_again_ms
                                                     : 0;
        const bool lately = record.state == recovery::State::done &&
                            wall() - record.ended_ms < limit && record.successor == cluster.primary;
        return same && lately ? record.id : std::string{};
    }
    return {};
}

/// What is decided now shall rest on what is there now.
Task<void> Engine::Impl::look_at_cluster(std::string cluster_id) {
    const auto* cluster = topology->cluster_by_id(cluster_id);
    if (cluster == nullptr) {
        co_return;
    }
    const auto members = cluster->members;
    for (const auto& member : members) {
        if (const auto slot = slots.find(member); slot != slots.end()) {
            slot->second->watch->wake();
        }
    }
    const auto end = now() + settings.probe_timeout + 500ms;
    for (const auto& member : members) {
        const auto slot = slots.find(member);
        if (slot != slots.end() && slot->second->error.empty()) {
            co_await observe_afresh(member, end);
        }
    }
    publish();
}

Result<recovery::Record> Engine::Impl::refuse_order(
    const std::string& cluster_id,
    const InstanceId& subject,
    const recovery::Refusal& refusal,
    const recovery::Order& order
) {
    auto refused = decision_on(Decision::Kind::refused, cluster_id, subject);
    refused.rule = recovery::to_string(refusal.kind);
    refused.text = fmt::format("the order {} is refused: {}", order.command, refusal.reason);
    refused.by = order.by;
    decide(std::move(refused));
    return fail(Errc::refused, refusal.reason);
}

Task<Result<recovery::Record>> Engine::Impl::end_of(std::string id, Deadline until) {
    if (const auto found = recovery_ended.find(id); found != recovery_ended.end()) {
        const auto event = found->second;
        co_await event->wait(until);
    }
    const auto recovery = state.recovery(id);
    if (recovery == nullptr) {
        co_return fail(
            Errc::unavailable,
            "the recovery goes on, but this node cannot tell its end; see /api/v1/recoveries"
        );
    }
    const auto& record = recovery->record;
    if (record.state == recovery::State::failed || record.state == recovery::State::abandoned) {
        co_return fail(
            Errc::refused, fmt::format("recovery {}: {}", record.number, record.outcome)
        );
    }
    co_return record;
}

Task<Result<recovery::Record>> Engine::Impl::change_primary(
    std::string cluster_id, recovery::Order order, bool by_force
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (auto allowed = may_change(cluster_id); !allowed) {
        co_return allowed.error();
    }
    if (order.by.empty()) {
        order.by = "an operator";
    }
    co_await look_at_cluster(cluster_id);
    const auto* cluster = topology->cluster_by_id(cluster_id);
    if (cluster == nullptr) {
        co_return fail(Errc::not_found, "the cluster is not known any more");
    }
    std::string id = ordered_before(*cluster, order);
    if (id.empty()) {
        const auto kind =
            by_force ? analysis::RecoveryKind::dead_primary : analysis::RecoveryKind::switchover;
        const auto& policy = policy_of(cluster_id).recovery;
        auto history = history_of(*cluster, kind, cluster->primary);
        const auto maintenance = state.overlay.maintenances.find(cluster->primary);
        history.maintenance =
            maintenance != state.overlay.maintenances.end() && maintenance->second.end_ms > wall();
        auto begun =
            by_force ? recovery::begin_forced_failover(*cluster, *topology, policy, history, order)
                     : recovery::begin_switchover(*cluster, *topology, policy, history, order);
        if (const auto* refusal = std::get_if<recovery::Refusal>(&begun)) {
            co_return refuse_order(cluster_id, cluster->primary, *refusal, order);
        }
        start_recovery(std::move(std::get<recovery::Record>(begun)));
        id = state.recoveries().rbegin()->second->record.id;
    }
    auto ended = co_await end_of(id, now() + longest_wait);
    if (ended && ended->running()) {
        co_return fail(
            Errc::unavailable,
            "the recovery goes on, but this node cannot tell its end; see /api/v1/recoveries"
        );
    }
    co_return ended;
}

Task<Result<recovery::Record>> Engine::Impl::switchover(
    std::string cluster_id, recovery::Order order
) {
    return change_primary(std::move(cluster_id), std::move(order), false);
}

Task<Result<recovery::Record>> Engine::Impl::force_failover(
    std::string cluster_id, recovery::Order order
) {
    return change_primary(std::move(cluster_id), std::move(order), true);
}

Task<Result<recovery::Record>> Engine::Impl::rejoin(
    InstanceId id, recovery::Order order, Duration wait
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto deposed = state.overlay.deposed.find(id);
    if (deposed == state.overlay.deposed.end()) {
        co_return fail(
            topology->find(id) == nullptr ? Errc::not_found : Errc::refused,
            fmt::format("{} is no primary that was replaced", id.text())
        );
    }
    const auto cluster_id = deposed->second.cluster_id;
    if (auto allowed = may_change(cluster_id); !allowed) {
        co_return allowed.error();
    }
    if (order.by.empty()) {
        order.by = "an operator";
    }
    if (order.command.empty()) {
        order.command = "rejoin";
    }
    co_await look_at_cluster(cluster_id);
    if (slots.contains(id)) {
        co_await observe_afresh(id, now() + settings.probe_timeout + 500ms);
        publish();
    }
    std::string running_id;
    for (const auto& [number, recovery] : state.recoveries()) {
        const auto& record = recovery->record;
        if (record.running() && record.kind == analysis::RecoveryKind::rejoin &&
            record.failed == id) {
            running_id = record.id;
        }
    }
    if (running_id.empty()) {
        const auto* cluster = topology->cluster_by_id(cluster_id);
        if (cluster == nullptr) {
            co_return fail(Errc::not_found, "its cluster is not known any more");
        }
        auto begun = recovery::begin_rejoin(
            id,
            *topology,
            policy_of(cluster_id).recovery,
            history_of(*cluster, analysis::RecoveryKind::rejoin, id),
            order
        );
        if (const auto* refusal = std::get_if<recovery::Refusal>(&begun)) {
            co_return refuse_order(cluster_id, id, *refusal, order);
        }
        start_recovery(std::move(std::get<recovery::Record>(begun)));
        running_id = state.recoveries().rbegin()->second->record.id;
    }
    co_return co_await end_of(running_id, now() + wait);
}

/// Somebody made it a replica again: it is a former primary no more.
void Engine::Impl::forgive_returned() {
    std::vector<InstanceId> returned;
    for (const auto& [id, deposed] : state.overlay.deposed) {
        const auto* instance = topology->find(id);
        const auto* cluster = topology->cluster_by_id(deposed.cluster_id);
        if (instance == nullptr || cluster == nullptr || !instance->reachable() ||
            !deposed.contained || running.contains(deposed.cluster_id) ||
            running.contains("rejoin " + id.text()) || !instance->state.read_only) {
            continue;
        }
        const auto* channel = instance->channel();
        if (channel != nullptr && channel->replicating() && channel->source == cluster->primary) {
            returned.push_back(id);
        }
    }
    for (const auto& id : returned) {
        audit(
            "returned",
            id,
            "",
            "replicates from the primary of its cluster, and counts as a replica again",
            ""
        );
        enqueue(state.put_deposed(id, nullptr));
    }
    if (!returned.empty()) {
        builder.set_overlay(state.overlay);
    }
}

// The public face.

Task<Result<recovery::Record>> Engine::switchover(std::string cluster_id, recovery::Order order) {
    return on_core(impl_->core, impl_->switchover(std::move(cluster_id), std::move(order)));
}

Task<Result<recovery::Record>> Engine::force_failover(
    std::string cluster_id, recovery::Order order
) {
    return on_core(impl_->core, impl_->force_failover(std::move(cluster_id), std::move(order)));
}

Task<Result<recovery::Record>> Engine::rejoin(InstanceId id, recovery::Order order, Duration wait) {
    return on_core(impl_->core, impl_->rejoin(std::move(id), std::move(order), wait));
}

}  // namespace baton::control
