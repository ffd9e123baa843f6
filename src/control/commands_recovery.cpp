// SPDX-License-Identifier: Apache-2.0
// Commands about recoveries: acknowledged, ordered, switched off; and the configuration read again.
#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"
#include "baton/topology/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration command_limit = 3s;
constexpr WallMs repeated_recover_ms = 60'000;

}  // namespace

Task<Result<std::vector<std::uint64_t>>> Engine::Impl::acknowledge(
    AckScope scope, std::string comment, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto* cluster =
        scope.kind == AckScope::Kind::cluster ? topology->find_cluster(scope.text) : nullptr;
    const auto matches = [&](const recovery::Record& record) {
        switch (scope.kind) {
            case AckScope::Kind::all:
                return true;
            case AckScope::Kind::cluster:
                return record.cluster_name == scope.text || record.cluster_alias == scope.text ||
                       (cluster != nullptr && record.cluster_id == cluster->id);
            case AckScope::Kind::instance:
                return record.failed.text() == scope.text;
            case AckScope::Kind::number:
                return std::to_string(record.number) == scope.text;
            case AckScope::Kind::uid:
                return record.id == scope.text;
        }
        return false;
    };
    std::vector<std::uint64_t> numbers;
    std::vector<ports::Document> documents;
    std::vector<recovery::Record> changed;
    bool known = false;
    for (const auto& [number, recovery] : state.recoveries()) {
        if (!matches(recovery->record)) {
            continue;
        }
        known = true;
        if (recovery->record.acknowledged || recovery->record.running()) {
            continue;
        }
        auto record = recovery->record;
        record.acknowledged = true;
        record.acknowledged_ms = wall();
        record.acknowledged_by = by;
        record.acknowledged_comment = comment;
        documents.emplace_back("recovery", record.id, recovery::to_json_text(record));
        changed.push_back(std::move(record));
        numbers.push_back(number);
    }
    if (!known && (scope.kind == AckScope::Kind::number || scope.kind == AckScope::Kind::uid)) {
        co_return fail(Errc::not_found, fmt::format("no recovery '{}'", scope.text));
    }
    if (documents.empty()) {
        co_return numbers;
    }
    auto written = co_await commit(std::move(documents), command_limit);
    if (!written) {
        co_return written.error().in("the acknowledgement was not stored");
    }
    for (const auto& record : changed) {
        static_cast<void>(state.put(record));
        audit(
            "ack-recovery",
            record.failed,
            record.cluster_name,
            fmt::format("recovery {}: {}", record.number, comment),
            by
        );
    }
    publish();
    co_return numbers;
}

Task<Result<void>> Engine::Impl::set_recoveries_enabled(bool enabled, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    State scratch;
    auto document = scratch.put_recoveries_disabled(!enabled, by.empty() ? "an operator" : by);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit(enabled ? "enable-global-recoveries" : "disable-global-recoveries", {}, "", "", by);
    }
    co_return stored;
}

Task<Result<recovery::Record>> Engine::Impl::recover(
    InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto* own = topology->cluster_of(id);
    if (auto allowed = may_change(own != nullptr ? own->id : ""); !allowed) {
        co_return allowed.error();
    }
    std::string wait_for;
    for (auto at = state.recoveries().rbegin(); at != state.recoveries().rend(); ++at) {
        const auto& record = at->second->record;
        if (record.failed != id) {
            continue;
        }
        if (record.running()) {
            wait_for = record.id;
        } else if (record.state == recovery::State::done && wall() - record.ended_ms < repeated_recover_ms) {
            const auto* finding = finding_of(id);
            if (finding == nullptr || !finding->actionable()) {
                co_return record;  // the same order again, as orchestrator's client sends it
            }
        }
        break;
    }
    if (wait_for.empty()) {
        if (slots.contains(id)) {
            co_await observe_afresh(id, now() + settings.probe_timeout + 500ms);
            publish();
        }
        const auto* finding = finding_of(id);
        if (finding == nullptr) {
            if (topology->find(id) == nullptr) {
                co_return fail(Errc::not_found, fmt::format("{} is not known", id.text()));
            }
            co_return fail(
                Errc::refused,
                fmt::format("nothing to recover: no failure of {} is seen", id.text())
            );
        }
        const auto* cluster = topology->cluster_by_id(finding->cluster_id);
        if (cluster == nullptr) {
            co_return fail(
                Errc::not_found, fmt::format("the cluster of {} is not known", id.text())
            );
        }
        if (running.contains(finding->cluster_id)) {
            for (const auto& [number, recovery] : state.recoveries()) {
                if (recovery->record.cluster_id == finding->cluster_id &&
                    recovery->record.running()) {
                    wait_for = recovery->record.id;
                }
            }
        } else {
            recovery::Order order;
            order.by = by.empty() ? "an operator" : by;
            order.candidate = candidate;
            order.skip_hooks = skip_hooks;
            auto decision = recovery::begin(
                *finding,
                *topology,
                policy_of(cluster->id).recovery,
                history_of(*cluster, finding->recovery, finding->subject),
                std::make_optional(order)
            );
            if (const auto* refusal = std::get_if<recovery::Refusal>(&decision)) {
                auto refused = decision_on(Decision::Kind::refused, cluster->id, finding->subject);
                refused.code = finding->code;
                refused.rule = recovery::to_string(refusal->kind);
                refused.text = "the ordered recovery is refused: " + refusal->reason;
                refused.evidence = finding->evidence;
                refused.by = order.by;
                decide(std::move(refused));
                co_return fail(Errc::refused, refusal->reason);
            }
            start_recovery(std::move(std::get<recovery::Record>(decision)));
            wait_for = state.recoveries().rbegin()->second->record.id;
        }
    }
    const auto ended = recovery_ended.find(wait_for);
    if (ended != recovery_ended.end()) {
        const auto event = ended->second;
        co_await event->wait(now() + 10min);
    }
    const auto recovery = state.recovery(wait_for);
    if (recovery == nullptr || recovery->record.running()) {
        co_return fail(
            Errc::unavailable,
            "the recovery goes on, but this node cannot tell its end; see /api/v1/recoveries"
        );
    }
    if (recovery->record.state != recovery::State::done) {
        co_return fail(
            Errc::refused,
            fmt::format("recovery {}: {}", recovery->record.number, recovery->record.outcome)
        );
    }
    co_return recovery->record;
}

Task<Result<void>> Engine::Impl::reload_configuration(std::string by) {
    auto fresh = reload();
    if (!fresh) {
        log::error("the configuration is refused, the running one stays: {}", fresh.error().what);
        co_return fresh.error();
    }
    apply_settings(std::move(*fresh));
    if (active) {
        audit("reload-configuration", {}, "", "reloaded", by);
    } else {
        log::info("configuration reloaded");
    }
    co_return Result<void>{};
}

// The public face: each command runs on the core's executor.

}  // namespace baton::control
