// SPDX-License-Identifier: Apache-2.0
// What is remembered of decisions, for the timeline. Each is written when it differs from the one
// before, never at each look.
#include "engine_impl.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

/// How a refusal is told: some are wishes of the operators, others are in the way.
Decision::Kind kind_of(recovery::Refusal::Kind refusal) {
    using Kind = recovery::Refusal::Kind;
    switch (refusal) {
        case Kind::shadow:
            return Decision::Kind::shadowed;
        case Kind::waiting:
        case Kind::settling:
            return Decision::Kind::waiting;
        case Kind::downtimed:
        case Kind::maintenance:
        case Kind::globally_disabled:
        case Kind::not_enabled_for_cluster:
        case Kind::ignored_host:
        case Kind::switched_off:
            return Decision::Kind::refused;
        case Kind::not_actionable:
        case Kind::already_running:
        case Kind::anti_flapping:
        case Kind::no_candidate:
        case Kind::unsafe:
        case Kind::budget_spent:
        case Kind::second_opinion:
        case Kind::seen_by_others:
        case Kind::no_credentials:
        case Kind::diverged:
            return Decision::Kind::blocked;
    }
    return Decision::Kind::blocked;
}

std::string ids_text(const std::vector<InstanceId>& ids) {
    std::vector<std::string> texts;
    for (const auto& id : ids) {
        texts.push_back(id.text());
    }
    return join(texts, ", ");
}

std::string promotion_plan(const recovery::Record& record, const recovery::Forecast& forecast) {
    if (forecast.successor.empty()) {
        return fmt::format(
            "stop the receivers of {}; then nobody could be promoted: {}",
            ids_text(record.replicas),
            forecast.blockers.empty() ? "nobody is known" : forecast.blockers.back()
        );
    }
    const auto chosen = std::find_if(
        forecast.candidates.begin(),
        forecast.candidates.end(),
        [&](const auto& verdict) { return verdict.id == forecast.successor; }
    );
    auto text = fmt::format(
        "stop the receivers of {}; promote {}{}",
        ids_text(record.replicas),
        forecast.successor.text(),
        chosen == forecast.candidates.end() ? "" : " (" + chosen->reason + ")"
    );
    std::vector<InstanceId> moved;
    for (const auto& id : record.replicas) {
        const bool lost =
            std::find(forecast.would_be_lost.begin(), forecast.would_be_lost.end(), id) !=
            forecast.would_be_lost.end();
        if (id != forecast.successor && !lost) {
            moved.push_back(id);
        }
    }
    if (!moved.empty()) {
        text += fmt::format("; let {} replicate from it", ids_text(moved));
    }
    for (const auto& lost : forecast.lost) {
        text += fmt::format("; {} would be lost ({})", lost.id.text(), lost.reason);
    }
    return text +
           fmt::format(
               "; in about {} ms. What may be lost: {}", forecast.duration_ms(), forecast.loss
           );
}

}  // namespace

void Engine::Impl::decide(Decision decision) {
    decision.number = state.next_decision();
    enqueue(state.put(std::move(decision)));
    emit("decision", "{}");
}

Decision Engine::Impl::decision_on(
    Decision::Kind kind, const std::string& cluster_id, const InstanceId& subject
) const {
    Decision decision;
    decision.kind = kind;
    decision.at_ms = wall();
    decision.cluster_id = cluster_id;
    if (const auto* cluster = topology->cluster_by_id(cluster_id)) {
        decision.cluster_name = cluster->name;
        decision.cluster_alias = cluster->alias;
    }
    decision.subject = subject;
    decision.node = identity.name;
    decision.epoch = lease.status().epoch;
    decision.policy_version = resolver.version();
    return decision;
}

void Engine::Impl::decide_begin(const recovery::Record& record) {
    auto decision = decision_on(Decision::Kind::taken, record.cluster_id, record.failed);
    const auto key = recovery::kind_key(record.kind);
    decision.code = record.code;
    decision.rule = fmt::format("recovery.{}", key);
    const auto& switches = policy_of(record.cluster_id).recovery.switches;
    if (const auto decided = switches.find(std::string(key));
        decided != switches.end() && !decided->second.by.empty()) {
        decision.rule += " by " + decided->second.by;
    }
    decision.text = fmt::format(
        "recovery {} begins: {} {}",
        record.number,
        analysis::to_string(record.code),
        record.failed.text()
    );
    if (record.forced) {
        decision.rule = "order";
        decision.text += ", ordered by " + record.requested_by;
    }
    decision.evidence = record.evidence;
    decision.recovery_id = record.id;
    decision.by = record.requested_by;
    decide(std::move(decision));
}

void Engine::Impl::decide_refusal(
    const analysis::Finding& finding, const recovery::Refusal& refusal
) {
    auto decision = decision_on(kind_of(refusal.kind), finding.cluster_id, finding.subject);
    decision.code = finding.code;
    decision.rule = recovery::to_string(refusal.kind);
    decision.text = refusal.reason;
    decision.evidence = finding.evidence;
    if (refusal.kind == recovery::Refusal::Kind::shadow) {
        const auto* cluster = topology->cluster_by_id(finding.cluster_id);
        if (finding.recovery == analysis::RecoveryKind::dead_primary && cluster != nullptr) {
            decision.successor =
                forecast_of(*cluster, *topology, policy_of(finding.cluster_id)).successor;
        }
        constexpr std::string_view before_plan = "It would: ";
        const auto begins = refusal.reason.find(before_plan);
        decision.plan = begins == std::string::npos
                            ? refusal.reason
                            : refusal.reason.substr(begins + before_plan.size());
    }
    decide(std::move(decision));
}

void Engine::Impl::decide_settled(const Blocked& blocked) {
    auto decision = decision_on(Decision::Kind::cleared, blocked.cluster_id, blocked.failed);
    const auto* finding = finding_of(blocked.failed);
    decision.code = blocked.code;
    decision.rule = blocked.kind;
    const bool over = finding == nullptr || finding->code == analysis::Code::no_problem;
    decision.text =
        over
            ? fmt::format(
                  "{} {} is over without a recovery",
                  analysis::to_string(blocked.code),
                  blocked.failed.text()
              )
            : fmt::format(
                  "{} is now seen as: {}", blocked.failed.text(), analysis::to_string(finding->code)
              );
    decide(std::move(decision));
}

void Engine::Impl::decide_primary(
    const std::string& cluster_id,
    const InstanceId& before,
    const InstanceId& after,
    const std::string& why,
    const std::string& recovery_id
) {
    if (before == after || before.empty() || after.empty()) {
        return;
    }
    // Often it is seen before the recovery that did it says so.
    for (const auto& [number, recovery] : state.recoveries()) {
        const auto& record = recovery->record;
        if (recovery_id.empty() && record.cluster_id == cluster_id && record.running() &&
            record.successor == after) {
            decide_primary(
                cluster_id, before, after, fmt::format("by recovery {}", number), record.id
            );
            return;
        }
    }
    auto decision = decision_on(Decision::Kind::role, cluster_id, before);
    decision.rule = recovery_id.empty() ? "observed" : "recovery";
    decision.successor = after;
    decision.text =
        fmt::format("{} is the primary in place of {}: {}", after.text(), before.text(), why);
    decision.recovery_id = recovery_id;
    decide(std::move(decision));
}

/// What would be done, from what is seen now.
recovery::Refusal Engine::Impl::shadow_refusal(
    const recovery::Record& record, const recovery::History& history
) {
    const auto& policy = policy_of(record.cluster_id);
    const auto* cluster = topology->cluster_by_id(record.cluster_id);
    std::string plan;
    if (record.kind == analysis::RecoveryKind::dead_primary && cluster != nullptr) {
        auto foreseen = recovery::forecast(*cluster, *topology, policy.recovery, history);
        plan = promotion_plan(record, foreseen);
    } else {
        const auto next = recovery::next(record, *topology, policy.recovery);
        if (const auto* stage = std::get_if<recovery::Stage>(&next)) {
            plan = stage->intent;
            for (const auto& step : stage->steps) {
                plan += "; " + step.text();
            }
        } else {
            plan = "nothing: " + std::get<recovery::Finish>(next).outcome;
        }
    }
    const auto by = policy.set_by.find("mode");
    recovery::Refusal refusal;
    refusal.kind = recovery::Refusal::Kind::shadow;
    refusal.reason = fmt::format(
        "In shadow mode ({}; set it to active to let Baton act) nothing is changed. It would: {}",
        settings.shadow || by == policy.set_by.end() ? "detection.mode"
                                                     : "mode by the policy's " + by->second,
        plan
    );
    return refusal;
}

Duration Engine::Impl::held_for(const analysis::Finding& finding) {
    auto& [kind, since] = held_since[finding.subject];
    if (since == TimePoint{} || kind != finding.recovery) {
        kind = finding.recovery;
        since = now();
    }
    return now() - since;
}

/// A wait ends at its time, and not at the next regular look.
Task<void> Engine::Impl::look_again(Duration after) {
    co_await sleep_for(std::max<Duration>(after, 0ms));
    publish_soon(true);
}

}  // namespace baton::control
