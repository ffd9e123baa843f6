// SPDX-License-Identifier: Apache-2.0
#include "json_v1.hpp"

#include "instance_facts.hpp"
#include "json_advice.hpp"
#include "json_policy.hpp"
#include "json_v1_parts.hpp"

#include "baton/analysis/notes.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace baton::api::v1 {

namespace parts {

std::string_view to_string(State state) {
    switch (state) {
        case State::ok:
            return "ok";
        case State::warning:
            return "warning";
        case State::critical:
            return "critical";
    }
    return "";
}

State state_of(Severity severity) {
    switch (severity) {
        case Severity::none:
        case Severity::notice:
            return State::ok;
        case Severity::warning:
            return State::warning;
        case Severity::critical:
            return State::critical;
    }
    return State::ok;
}

// ---- one server

/// Null unless this very server was replaced by a recovery, and not only its address.
const topology::Deposed* deposed(const Instance& instance, const Moment& moment) {
    const auto& all = moment.view->topology->overlay().deposed;
    const auto found = all.find(instance.id);
    if (found == all.end()) {
        return nullptr;
    }
    const auto& uuid = instance.state.identity.uuid;
    return found->second.uuid.empty() || uuid.empty() || found->second.uuid == uuid ? &found->second
                                                                                    : nullptr;
}

std::string replication_problem(const topology::Channel& channel) {
    auto text = fmt::format(
        "replication does not run: receiver {}, applier {}",
        topology::to_string(channel.receiver),
        topology::to_string(channel.applier)
    );
    for (const auto& error : {channel.receiver_error, channel.applier_error}) {
        if (!error.empty()) {
            text += "; " + clipped(error, 400);
        }
    }
    return text;
}

std::string unreachable_text(const Instance& instance) {
    if (!instance.ever_seen && !instance.health.checked && instance.health.error.empty()) {
        return "not seen yet";
    }
    return instance.health.error.empty()
               ? "cannot be reached"
               : "cannot be reached: " + clipped(instance.health.error, 400);
}

/// The codes of problems_of() in sentences, and what has no code.
std::vector<std::string> sentences(const Instance& instance, const Moment& moment) {
    std::vector<std::string> result;
    for (const auto& code : problems_of(instance, moment)) {
        if (code == "last_check_invalid") {
            result.push_back(unreachable_text(instance));
        } else if (code == "not_recently_checked") {
            result.emplace_back("was not checked lately");
        } else if (code == "not_replicating") {
            result.push_back(replication_problem(*instance.channel()));
        } else if (code == "replication_lag") {
            result.push_back(
                fmt::format("{} s behind its source", instance.lag_seconds().value_or(0))
            );
        } else if (code == "errant_gtid") {
            result.push_back(
                "has transactions that its source does not know: " +
                clipped(instance.errant_gtid, 200)
            );
        } else {
            result.push_back(
                fmt::format("state in its group is {}", instance.state.group.member_state)
            );
        }
    }
    if (const auto* const was = deposed(instance, moment)) {
        auto text = fmt::format("was replaced as primary by {}", was->successor.text());
        if (instance.reachable()) {
            text += was->contained ? ", and made read-only" : ", and not made read-only yet";
        }
        if (!was->classification.empty()) {
            text += "; data against its successor: " + was->classification;
        }
        result.push_back(std::move(text));
    }
    return result;
}

Verdict verdict_of(const Instance& instance, const Moment& moment) {
    Verdict verdict;
    for (const auto& finding : moment.view->findings) {
        if (finding.subject == instance.id) {
            verdict.worsen(state_of(finding.severity), finding.summary);
        }
    }
    const bool seen = instance.ever_seen || instance.health.checked;
    if (!freshness_of(instance, moment).valid) {
        verdict.worsen(seen ? State::critical : State::warning, unreachable_text(instance));
    }
    if (const auto problems = sentences(instance, moment); !problems.empty()) {
        verdict.worsen(State::warning, problems.front());
    }
    // What is under downtime is known to be odd.
    if (moment.view->topology->downtime(instance.id) != nullptr &&
        verdict.state == State::critical) {
        verdict.state = State::warning;
    }
    return verdict;
}

std::string_view role_of(const Instance& instance, const Cluster& cluster, const Moment& moment) {
    if (instance.id == cluster.primary) {
        return "primary";
    }
    if (deposed(instance, moment) != nullptr) {
        return "deposed";
    }
    if (instance.is_replica()) {
        return moment.view->topology->replicas_of(instance.id).empty() ? "replica" : "intermediate";
    }
    return instance.state.group.member_role == "SECONDARY" ? "replica" : "";
}

void write_member(
    JsonWriter& json, const Instance& instance, const Cluster& cluster, const Moment& moment
) {
    const auto& topology = *moment.view->topology;
    const auto& identity = instance.state.identity;
    const auto* const downtime = topology.downtime(instance.id);
    const auto verdict = verdict_of(instance, moment);
    const bool valid = freshness_of(instance, moment).valid;
    const auto source = instance.source();
    json.begin_object();
    json.member("id", instance.id.text());
    json.member("alias", identity.alias);
    json.member("role", role_of(instance, cluster, moment));
    json.member("source", source.empty() ? std::string() : source.text());
    json.member("state", to_string(verdict.state));
    json.member("summary", verdict.summary);
    json.member("valid", valid);
    json.member("error", valid ? std::string() : unreachable_text(instance));
    json.member("read_only", instance.state.read_only || instance.state.super_read_only);
    json.member("lag_seconds", instance.lag_seconds());
    json.member(
        "semi_sync",
        instance.state.semi_sync.source_status || instance.state.semi_sync.replica_status
    );
    json.member("downtimed", downtime != nullptr);
    json.member("downtime_reason", downtime == nullptr ? std::string() : downtime->reason);
    json.member("downtime_end_ms", downtime == nullptr ? WallMs{0} : downtime->end_ms);
    json.member("promotion_rule", topology::to_string(topology.promotion_rule(instance.id)));
    json.member("flavor", flavor_name(identity.flavor));
    json.member("version", identity.version);
    json.member("data_center", identity.data_center);
    json.member(
        "gtid",
        identity.gtid_mode == "ON" ||
            (instance.channel() != nullptr && instance.channel()->uses_gtid())
    );
    json.member("binlog_format", identity.log_bin ? identity.binlog_format : std::string());
    json.member("uuid", identity.uuid);
    json.member("last_seen_ms", freshness_of(instance, moment).last_seen_ms);
    json.member("problems", sentences(instance, moment));
    json.member("notes", analysis::notes_of(instance, topology));
    json.end_object();
}

// ---- one cluster

const control::Blocked* blocked(const Finding& finding, const Moment& moment) {
    for (const auto& entry : moment.view->blocked) {
        if (entry.failed == finding.subject && entry.code == finding.code) {
            return &entry;
        }
    }
    return nullptr;
}

std::vector<const Finding*> findings_of(const Cluster& cluster, const Moment& moment) {
    std::vector<const Finding*> result;
    for (const auto& finding : moment.view->findings) {
        if (finding.cluster_id == cluster.id) {
            result.push_back(&finding);
        }
    }
    return result;
}

std::vector<const recovery::Record*> recoveries_of(const Cluster& cluster, const Moment& moment) {
    std::vector<const recovery::Record*> result;
    for (const auto& recovery : moment.view->recoveries) {
        if (recovery->record.cluster_id == cluster.id) {
            result.push_back(&recovery->record);
        }
    }
    return result;
}

const recovery::Record* running_recovery(const Cluster& cluster, const Moment& moment) {
    for (const auto* record : recoveries_of(cluster, moment)) {
        if (record->running()) {
            return record;
        }
    }
    return nullptr;
}

Verdict verdict_of(const Cluster& cluster, const Moment& moment) {
    const auto& topology = *moment.view->topology;
    Verdict verdict;
    for (const auto* finding : findings_of(cluster, moment)) {
        if (!finding->downtimed) {
            verdict.worsen(state_of(finding->severity), finding->summary);
        } else if (finding->is_primary && state_of(finding->severity) == State::critical) {
            // Known, and nobody replaces it: that is not what a healthy cluster looks like.
            verdict.worsen(
                State::warning,
                fmt::format("{} (in downtime): {}", finding->subject.text(), finding->summary)
            );
        }
    }
    for (const auto& id : cluster.members) {
        const auto* const instance = topology.find(id);
        if (instance == nullptr || topology.downtime(id) != nullptr) {
            continue;
        }
        const auto its = verdict_of(*instance, moment);
        // One bad server does not make a bad cluster; its analysis has said that above.
        if (its.state != State::ok) {
            verdict.worsen(State::warning, fmt::format("{}: {}", id.text(), its.summary));
        }
    }
    return verdict;
}

std::string text_or_empty(const InstanceId& id) {
    return id.empty() ? std::string() : id.text();
}

void write_head(JsonWriter& json, const Cluster& cluster, const Verdict& verdict) {
    json.member("id", cluster.id);
    json.member("name", cluster.name);
    json.member("alias", cluster.alias);
    json.member("primary", text_or_empty(cluster.primary));
    json.member("state", to_string(verdict.state));
    json.member("summary", verdict.summary);
}

void write_ids(JsonWriter& json, std::string_view name, const std::vector<InstanceId>& ids) {
    json.key(name).begin_array();
    for (const auto& id : ids) {
        json.value(id.text());
    }
    json.end_array();
}

void write_findings(JsonWriter& json, const Cluster& cluster, const Moment& moment) {
    json.key("findings").begin_array();
    for (const auto* finding : findings_of(cluster, moment)) {
        const auto* const refusal = blocked(*finding, moment);
        json.begin_object();
        json.member("title", analysis::to_string(finding->code));
        json.member("code", analysis::api_name(finding->code));
        json.member("subject", finding->subject.text());
        json.member("state", to_string(state_of(finding->severity)));
        json.member("summary", finding->summary);
        json.member("evidence", finding->evidence);
        json.member("vetoes", finding->vetoes);
        json.member("actionable", finding->actionable());
        json.member("downtimed", finding->downtimed);
        json.member("refusal", refusal == nullptr ? std::string() : refusal->reason);
        json.member("refusal_kind", refusal == nullptr ? std::string() : refusal->kind);
        json.member(
            "waits_ms",
            refusal == nullptr ? WallMs{0} : std::max<WallMs>(refusal->until_ms - moment.wall_ms, 0)
        );
        json.key("structure").begin_array();
        for (const auto& [warning, sentence] : finding->structure) {
            json.value(sentence);
        }
        json.end_array();
        json.end_object();
    }
    json.end_array();
}

void write_candidates(JsonWriter& json, const std::vector<recovery::CandidateVerdict>& candidates) {
    json.key("candidates").begin_array();
    for (const auto& candidate : candidates) {
        json.begin_object();
        json.member("id", candidate.id.text());
        json.member("rank", candidate.rank);
        json.member("reason", candidate.reason);
        json.member("missing_transactions", candidate.missing_transactions);
        json.end_object();
    }
    json.end_array();
}

// ---- recoveries

std::string_view phase_in_words(recovery::Phase phase) {
    switch (phase) {
        case recovery::Phase::started:
            return "started; stopping the receivers of the replicas";
        case recovery::Phase::quiesced:
            return "receivers stopped; choosing the successor";
        case recovery::Phase::chosen:
            return "successor chosen; waiting until it has applied everything";
        case recovery::Phase::drained:
            return "everything applied; promoting";
        case recovery::Phase::promoted:
            return "promoted; pointing the replicas to it";
        case recovery::Phase::repointed:
            return "replicas moved; finishing";
        case recovery::Phase::finished:
            return "finished";
    }
    return "";
}

void write_recovery_members(JsonWriter& json, const recovery::Record& record) {
    json.member("id", record.id);
    json.member("number", record.number);
    json.member("state", recovery::to_string(record.state));
    json.member("phase", recovery::to_string(record.phase));
    switch (record.kind) {
        case analysis::RecoveryKind::dead_primary:
            json.member("kind", "dead primary");
            break;
        case analysis::RecoveryKind::dead_intermediate:
            json.member("kind", "dead intermediate source");
            break;
        case analysis::RecoveryKind::contain_deposed:
            json.member("kind", "containment of a deposed primary");
            break;
        case analysis::RecoveryKind::switchover:
            json.member("kind", "switchover");
            break;
        case analysis::RecoveryKind::rejoin:
            json.member("kind", "return of a deposed primary");
            break;
        case analysis::RecoveryKind::repair_semi_sync:
            json.member("kind", "repair of semi-sync");
            break;
        case analysis::RecoveryKind::make_writable:
            json.member("kind", "read-only primary");
            break;
        case analysis::RecoveryKind::restart_receiver:
            json.member("kind", "restart of a receiver");
            break;
        case analysis::RecoveryKind::none:
            json.member("kind", "");
            break;
    }
    json.member("code", analysis::api_name(record.code));
    json.member("cluster_id", record.cluster_id);
    json.member("cluster_name", record.cluster_name);
    json.member("cluster_alias", record.cluster_alias);
    json.member("failed", text_or_empty(record.failed));
    json.member("successor", text_or_empty(record.successor));
    json.member("started_ms", record.started_ms);
    json.member("ended_ms", record.ended_ms);
    json.member("total_ms", record.total_us / 1000);
    json.member(
        "summary",
        record.outcome.empty() ? std::string(phase_in_words(record.phase)) : record.outcome
    );
    json.member("node", record.node);
    json.member("epoch", record.epoch);
    json.member("acknowledged", record.acknowledged);
}

void write_step(JsonWriter& json, const recovery::StepRecord& step) {
    json.begin_object();
    json.member("number", step.number);
    json.member("epoch", step.epoch);
    json.member("phase", recovery::to_string(step.phase));
    json.member("kind", recovery::to_string(step.kind));
    json.member("target", text_or_empty(step.target));
    json.member("text", step.text);
    json.member("outcome", step.outcome);
    json.member("state", recovery::to_string(step.state));
    json.member("started_ms", step.started_ms);
    json.member("ended_ms", step.ended_ms);
    json.member("duration_ms", static_cast<double>(step.duration_us) / 1000);
    json.end_object();
}

}  // namespace parts

using namespace parts;

void write_cluster(JsonWriter& json, const Cluster& cluster, const Moment& moment) {
    const auto& topology = *moment.view->topology;
    json.begin_object();
    write_head(json, cluster, verdict_of(cluster, moment));
    json.member("recovering", running_recovery(cluster, moment) != nullptr);
    std::optional<std::int64_t> largest_lag;
    json.key("servers").begin_array();
    for (const auto* member : topology.members(cluster)) {
        const auto verdict = verdict_of(*member, moment);
        json.begin_object();
        json.member("id", member->id.text());
        json.member("state", to_string(verdict.state));
        json.member("primary", member->id == cluster.primary);
        json.member("summary", verdict.summary);
        json.end_object();
        // What a server that does not answer said last is no lag of now.
        if (const auto lag = member->lag_seconds(); lag && freshness_of(*member, moment).valid) {
            largest_lag = std::max(largest_lag.value_or(0), *lag);
        }
    }
    json.end_array();
    json.member("max_lag_seconds", largest_lag);
    json.end_object();
}

void write_cluster_details(JsonWriter& json, const Cluster& cluster, const Moment& moment) {
    json.begin_object();
    write_head(json, cluster, verdict_of(cluster, moment));
    json.key("members").begin_array();
    for (const auto* member : moment.view->topology->members(cluster)) {
        write_member(json, *member, cluster, moment);
    }
    json.end_array();
    write_findings(json, cluster, moment);
    json.key("recoveries").begin_array();
    for (const auto* record : recoveries_of(cluster, moment)) {
        write_recovery(json, *record);
    }
    json.end_array();
    json.end_object();
}

void write_recovery(JsonWriter& json, const recovery::Record& record) {
    json.begin_object();
    write_recovery_members(json, record);
    json.end_object();
}

void write_recovery_details(JsonWriter& json, const control::RecoveryView& recovery) {
    const auto& record = recovery.record;
    json.begin_object();
    write_recovery_members(json, record);
    json.member("evidence", record.evidence);
    write_candidates(json, record.candidates);
    json.member("loss", record.loss);
    json.member("errors", record.errors);
    write_ids(json, "lost", record.lost);
    write_ids(json, "repointed", record.repointed);
    json.member("outcome", record.outcome);
    json.member("requested_by", record.requested_by);
    json.member("command", record.command);
    json.member("fencing", record.fencing);
    json.member("writer_outage_ms", record.writer_outage_us / 1000);
    json.member("classification", record.classification);
    json.member("method", record.method);
    json.member("donor", text_or_empty(record.donor));
    json.member("promotion_ms", record.detection_to_promotion_us / 1000);
    json.member("acknowledged_ms", record.acknowledged_ms);
    json.member("acknowledged_by", record.acknowledged_by);
    json.member("acknowledged_comment", record.acknowledged_comment);
    json.key("hooks").begin_object();
    for (const auto& [name, outcome] : record.hooks) {
        json.member(name, outcome);
    }
    json.end_object();
    json.key("steps").begin_array();
    for (const auto& step : recovery.steps) {
        write_step(json, step);
    }
    json.end_array();
    json.end_object();
}

void write_probe(JsonWriter& json, const topology::Observation& seen, const std::string& node) {
    json.begin_object();
    json.member("server", seen.id.text());
    json.member("answered", !topology::is_absence(seen.failure));
    json.member("failure", topology::to_string(seen.failure));
    json.member("error", seen.error);
    json.member("latency_ms", to_ms(seen.ended - seen.started));
    json.member("node", node);
    json.end_object();
}

}  // namespace baton::api::v1
