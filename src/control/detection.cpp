// SPDX-License-Identifier: Apache-2.0
// From findings to detections, inquiries and recoveries. What to conclude is decided in analysis
// and recovery; here it is only remembered, asked and started.
#include "codec.hpp"
#include "engine_impl.hpp"
#include "past.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace baton::control {

namespace {

bool worth_recording(const analysis::Finding& finding) {
    return finding.code != analysis::Code::no_problem &&
           finding.severity >= analysis::Severity::warning;
}

/// Key of the findings about servers that are in no cluster.
const std::string no_cluster = "-";

}  // namespace

const analysis::Finding* Engine::Impl::finding_of(const InstanceId& id) const {
    const auto found = std::find_if(findings.begin(), findings.end(), [&](const auto& f) {
        return f.subject == id;
    });
    return found == findings.end() ? nullptr : &*found;
}

void Engine::Impl::react(const std::vector<analysis::Finding>& present) {
    record_detections(present);
    watch_losses(present);
    std::set<std::string> troubled;
    for (const auto& finding : present) {
        if (finding.severity == analysis::Severity::critical) {
            troubled.insert(finding.cluster_id);
        }
        ask(finding);
    }
    note_health(troubled);
    std::unordered_map<InstanceId, const analysis::Finding*> of_server;
    for (const auto& finding : present) {
        of_server.emplace(finding.subject, &finding);
    }
    std::vector<InstanceId> settled;
    for (const auto& [id, blocked] : state.blocked()) {
        const auto known = of_server.find(id);
        const auto* finding = known == of_server.end() ? nullptr : known->second;
        if (finding == nullptr || !finding->actionable() || finding->code != blocked.code) {
            settled.push_back(id);
        }
    }
    for (const auto& id : settled) {
        decide_settled(state.blocked().at(id));
        enqueue(state.unblock(id));
    }
    forgive_returned();
    forget_started_receivers();
    std::erase_if(held_since, [&](const auto& entry) {
        const auto known = of_server.find(entry.first);
        return known == of_server.end() || !known->second->actionable();
    });
    for (const auto& finding : present) {
        if (finding.actionable()) {
            consider(finding);
        }
    }
    // Findings for the standbys, cluster by cluster, only when they differ from what was written.
    std::map<std::string, std::vector<analysis::Finding>> by_cluster;
    for (const auto& finding : present) {
        // A server that never told of itself is in no cluster yet; a document needs a name.
        auto& list = by_cluster[finding.cluster_id.empty() ? no_cluster : finding.cluster_id];
        list.push_back(finding);
        list.back().inquiries.clear();  // of this moment; nobody else asks them
    }
    for (auto& [cluster, list] : by_cluster) {
        if (state.findings[cluster] != list || !written_findings[cluster]) {
            state.findings[cluster] = list;
            written_findings[cluster] = true;
            enqueue({"finding", cluster, to_json_text(list)});
        }
    }
    for (auto at = written_findings.begin(); at != written_findings.end();) {
        if (!by_cluster.contains(at->first)) {
            enqueue({"finding", at->first, ""});
            state.findings.erase(at->first);
            at = written_findings.erase(at);
        } else {
            ++at;
        }
    }
}

void Engine::Impl::note_health(const std::set<std::string>& troubled) {
    for (const auto& cluster : topology->clusters()) {
        auto& health = cluster_health[cluster.id];
        const bool ill = troubled.contains(cluster.id) || running.contains(cluster.id);
        if (ill == !health.healthy_since) {
            continue;
        }
        if (ill) {
            health.longest_before = longest_healthy(health, now());
            health.healthy_since.reset();
        } else {
            health.healthy_since = now();
        }
        shared_health.reset();
    }
}

void Engine::Impl::record_detections(const std::vector<analysis::Finding>& present) {
    std::set<InstanceId> still;
    for (const auto& finding : present) {
        if (!worth_recording(finding)) {
            continue;
        }
        still.insert(finding.subject);
        const auto open = open_detections.find(finding.subject);
        if (open != open_detections.end() && open->second.first == finding.code) {
            continue;
        }
        if (finding.code == analysis::Code::dead_deposed_primary &&
            running.contains(finding.cluster_id)) {
            still.erase(finding.subject);  // its replicas are being moved this moment
            continue;
        }
        if (open != open_detections.end()) {
            if (const auto known = state.detections().find(open->second.second);
                known != state.detections().end()) {
                Detection ended = *known->second;
                ended.end_ms = wall();
                enqueue(state.put(std::move(ended)));
            }
        }
        Detection detection;
        detection.number = state.next_detection();
        detection.code = finding.code;
        detection.failed = finding.subject;
        detection.cluster_id = finding.cluster_id;
        detection.cluster_name = finding.cluster_name;
        if (const auto* cluster = topology->cluster_by_id(finding.cluster_id)) {
            detection.cluster_alias = cluster->alias;
        }
        detection.replicas = finding.replicas;
        detection.summary = finding.summary;
        detection.evidence = finding.evidence;
        detection.vetoes = finding.vetoes;
        detection.actionable = finding.actionable();
        detection.node = identity.name;
        detection.token = lease.status().token;
        detection.epoch = lease.status().epoch;
        detection.begin_ms = wall();
        ++counters.detections;
        log::warning(
            "detected in {}: {} {}: {}{}",
            finding.cluster_name,
            analysis::to_string(finding.code),
            finding.subject.text(),
            finding.summary,
            finding.vetoes.empty() ? "" : ". Not acted upon: " + join(finding.vetoes, "; ")
        );
        open_detections[finding.subject] = {finding.code, detection.number};
        enqueue(state.put(detection));
        const auto& policy = policy_of(finding.cluster_id);
        const auto hook_list = policy.hooks.find("on_failure_detection");
        if (hook_list != policy.hooks.end() && !hook_list->second.empty() && !policy.shadow) {
            group->spawn(
                "detection hooks", run_detection_hooks(std::make_shared<const Detection>(detection))
            );
        }
    }
    for (auto at = open_detections.begin(); at != open_detections.end();) {
        if (still.contains(at->first)) {
            ++at;
            continue;
        }
        if (const auto known = state.detections().find(at->second.second);
            known != state.detections().end()) {
            Detection ended = *known->second;
            ended.end_ms = wall();
            log::info(
                "over in {}: {} {}",
                ended.cluster_name,
                analysis::to_string(ended.code),
                ended.failed.text()
            );
            enqueue(state.put(std::move(ended)));
        }
        at = open_detections.erase(at);
    }
}

void Engine::Impl::ask(const analysis::Finding& finding) {
    for (const auto& inquiry : finding.inquiries) {
        if (inquiry.kind == analysis::Inquiry::Kind::reprobe) {
            wake(inquiry.target);
            continue;
        }
        const auto found = slots.find(inquiry.target);
        if (found == slots.end() || found->second->witness_running ||
            now() < found->second->next_witness || policy_of(finding.cluster_id).shadow ||
            !lease.may_act()) {
            continue;
        }
        log::info(
            "asking {} to reconnect to its source, to learn whether {} lives",
            inquiry.target.text(),
            finding.subject.text()
        );
        found->second->witness_running = true;
        builder.set_witness_begun(inquiry.target, now());
        group->spawn("witness " + inquiry.target.text(), ask_witness(found->second));
        group->spawn("witness is late", look_again(analysis::witness_is_late));
    }
}

recovery::History Engine::Impl::history_of(
    const topology::Cluster& cluster, analysis::RecoveryKind kind, const InstanceId& subject
) const {
    Past past(cluster, kind, policy_of(cluster.id), settings.recovery.budget_window, wall());
    for (auto at = state.recoveries().rbegin(); at != state.recoveries().rend(); ++at) {
        past.add(at->second->record);
    }
    auto history = past.history();
    history.globally_disabled = state.recoveries_disabled;
    if (const auto deposed = state.overlay.deposed.find(subject);
        deposed != state.overlay.deposed.end()) {
        const auto by = std::find_if(
            state.recoveries().begin(),
            state.recoveries().end(),
            [&](const auto& entry) {
                return entry.second->record.id == deposed->second.recovery_id;
            }
        );
        history.deposed_by = by == state.recoveries().end() ? nullptr : &by->second->record;
    }
    if (const auto health = cluster_health.find(cluster.id); health != cluster_health.end()) {
        history.healthy_since_last = longest_healthy(health->second, now());
    }
    return history;
}

void Engine::Impl::consider(const analysis::Finding& finding) {
    const auto* cluster = topology->cluster_by_id(finding.cluster_id);
    if (cluster == nullptr || running.contains(finding.cluster_id) ||
        running.contains("rejoin " + finding.subject.text())) {
        return;
    }
    const auto& policy = policy_of(finding.cluster_id);
    auto history = history_of(*cluster, finding.recovery, finding.subject);
    history.since_detected = held_for(finding);
    const auto maintenance = state.overlay.maintenances.find(finding.subject);
    history.maintenance =
        maintenance != state.overlay.maintenances.end() && maintenance->second.end_ms > wall();
    auto decision = recovery::begin(finding, *topology, policy.recovery, history, std::nullopt);
    if (const auto* refusal = std::get_if<recovery::Refusal>(&decision)) {
        note_refusal(finding, *refusal);
        return;
    }
    if (policy.shadow) {
        const auto said = state.blocked().find(finding.subject);
        if (said != state.blocked().end() && said->second.code == finding.code &&
            said->second.kind == recovery::to_string(recovery::Refusal::Kind::shadow)) {
            return;  // what would be done is told once, as it was foreseen then
        }
        note_refusal(finding, shadow_refusal(std::get<recovery::Record>(decision), history));
        return;
    }
    if (finding.recovery != analysis::RecoveryKind::contain_deposed &&
        !looked_around(finding.subject)) {
        return;  // it ends with another look at the findings
    }
    if (const auto refusal = braked(finding)) {
        note_refusal(finding, *refusal);
        return;
    }
    auto& record = std::get<recovery::Record>(decision);
    for (auto& sentence : brake_evidence(finding.subject)) {
        record.evidence.push_back(std::move(sentence));
    }
    if (state.blocked().contains(finding.subject)) {
        enqueue(state.unblock(finding.subject));
    }
    start_recovery(std::move(record));
}

void Engine::Impl::note_refusal(
    const analysis::Finding& finding, const recovery::Refusal& refusal
) {
    const auto known = state.blocked().find(finding.subject);
    if (known != state.blocked().end() && known->second.code == finding.code &&
        known->second.kind == recovery::to_string(refusal.kind)) {
        return;  // said already
    }
    Blocked blocked;
    blocked.failed = finding.subject;
    blocked.cluster_id = finding.cluster_id;
    blocked.cluster_name = finding.cluster_name;
    blocked.code = finding.code;
    blocked.kind = std::string(recovery::to_string(refusal.kind));
    blocked.reason = refusal.reason;
    blocked.last_ms = wall();
    if (refusal.kind == recovery::Refusal::Kind::waiting) {
        const auto left =
            policy_of(finding.cluster_id).recovery.wait_before_acting - held_for(finding);
        blocked.until_ms = wall() + to_ms(left);
        group->spawn("wait before acting", look_again(left));
    }
    if (const auto* cluster = topology->cluster_by_id(finding.cluster_id)) {
        const auto history = history_of(*cluster, finding.recovery, finding.subject);
        const auto* blocking = history.running != nullptr ? history.running : history.last_finished;
        blocked.blocking_recovery = blocking != nullptr ? blocking->number : 0;
    }
    log::warning(
        "no recovery of {} ({}): {}",
        finding.subject.text(),
        analysis::to_string(finding.code),
        refusal.reason
    );
    if (const auto open = open_detections.find(finding.subject); open != open_detections.end()) {
        if (const auto detection = state.detections().find(open->second.second);
            detection != state.detections().end()) {
            Detection explained = *detection->second;
            explained.refusal = refusal.reason;
            enqueue(state.put(std::move(explained)));
        }
    }
    decide_refusal(finding, refusal);
    enqueue(state.put(std::move(blocked)));
}

}  // namespace baton::control
