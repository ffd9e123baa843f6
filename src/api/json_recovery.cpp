// SPDX-License-Identifier: Apache-2.0
#include "json_recovery.hpp"

#include "json_analysis.hpp"
#include "json_instance.hpp"
#include "json_policy.hpp"
#include "reply.hpp"

#include <algorithm>

namespace baton::api {

namespace {

using recovery::Record;
using recovery::State;

std::string_view type_of(analysis::RecoveryKind kind) {
    switch (kind) {
        case analysis::RecoveryKind::dead_primary:
        case analysis::RecoveryKind::switchover:
            return "MasterRecovery";
        case analysis::RecoveryKind::dead_intermediate:
            return "IntermediateMasterRecovery";
        case analysis::RecoveryKind::contain_deposed:
        case analysis::RecoveryKind::rejoin:
        case analysis::RecoveryKind::repair_semi_sync:
        case analysis::RecoveryKind::make_writable:
        case analysis::RecoveryKind::restart_receiver:
        case analysis::RecoveryKind::none:
            break;
    }
    return "";
}

std::vector<InstanceId> participants(const Record& record) {
    auto result = record.repointed;
    if (!record.successor.empty()) {
        result.push_back(record.successor);
    }
    std::sort(result.begin(), result.end());
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

std::uint64_t detection_of(const Record& record, const Moment& moment) {
    for (const auto& detection : moment.view->detections) {
        if (detection->recovery_id == record.id) {
            return detection->number;
        }
    }
    return 0;
}

std::uint64_t recovery_of(const control::Detection& detection, const Moment& moment) {
    for (const auto& recovery : moment.view->recoveries) {
        if (!detection.recovery_id.empty() && recovery->record.id == detection.recovery_id) {
            return recovery->record.number;
        }
    }
    return 0;
}

}  // namespace

bool in_active_period(const Record& record, const Moment& moment) {
    if (record.running()) {
        return true;
    }
    const auto* own = effective_policy(*moment.view, record.cluster_id);
    const auto& policy = own == nullptr ? moment.view->policy : own->recovery;
    const auto window_ms = to_ms(policy.anti_flapping_window);
    return !record.acknowledged && record.ended_ms + window_ms > moment.wall_ms;
}

void write_recovery(JsonWriter& json, const Record& record, const Moment& moment) {
    json.begin_object();
    json.member("Id", record.number);
    json.member("UID", record.id);
    json.key("AnalysisEntry");
    PastAnalysis past;
    past.failed = record.failed;
    past.code = record.code;
    past.cluster_name = record.cluster_name;
    past.cluster_alias = record.cluster_alias;
    past.replicas = record.replicas;
    write_analysis(json, past, moment);
    json.key("SuccessorKey");
    write_key(json, record.successor);
    json.member("SuccessorAlias", "");
    json.key("SuccessorBinlogCoordinates");
    if (record.successor_binlog.file.empty()) {
        json.null();
    } else {
        write_coordinates(json, record.successor_binlog, 0);
    }
    json.member("IsActive", in_active_period(record, moment));
    json.member("IsSuccessful", record.state == State::done);
    json.key("LostReplicas");
    write_keys(json, record.lost);
    json.key("ParticipatingInstanceKeys");
    write_keys(json, participants(record));
    // As orchestrator reads it back: no error is one empty text.
    json.member("AllErrors", record.errors.empty() ? std::vector<std::string>{""} : record.errors);
    json.member("RecoveryStartTimestamp", wall_text(record.started_ms));
    json.member("RecoveryEndTimestamp", wall_text(record.ended_ms));
    json.member("ProcessingNodeHostname", record.node);
    json.member("ProcessingNodeToken", record.holder);
    json.member("Acknowledged", record.acknowledged);
    json.member("AcknowledgedAt", wall_text(record.acknowledged_ms));
    json.member("AcknowledgedBy", record.acknowledged_by);
    json.member("AcknowledgedComment", record.acknowledged_comment);
    json.member("LastDetectionId", detection_of(record, moment));
    json.member("RelatedRecoveryId", 0);
    json.member("Type", type_of(record.kind));
    json.member(
        "RecoveryType",
        record.kind == analysis::RecoveryKind::dead_primary ? "MasterRecoveryGTID"
                                                            : "NotMasterRecovery"
    );
    json.end_object();
}

void write_detection(JsonWriter& json, const control::Detection& detection, const Moment& moment) {
    json.begin_object();
    json.member("Id", detection.number);
    json.member("UID", "");
    json.key("AnalysisEntry");
    PastAnalysis past;
    past.failed = detection.failed;
    past.code = detection.code;
    past.cluster_name = detection.cluster_name;
    past.cluster_alias = detection.cluster_alias;
    past.replicas = detection.replicas;
    past.begin_ms = detection.begin_ms;
    past.description = detection.summary;
    write_analysis(json, past, moment);
    json.key("SuccessorKey").null();
    json.member("SuccessorAlias", "");
    json.key("SuccessorBinlogCoordinates").null();
    json.member("IsActive", detection.end_ms == 0);
    json.member("IsSuccessful", false);
    json.key("LostReplicas").begin_array().end_array();
    json.key("ParticipatingInstanceKeys").begin_array().end_array();
    json.key("AllErrors").null();
    json.member("RecoveryStartTimestamp", wall_text(detection.begin_ms));
    json.member("RecoveryEndTimestamp", "");
    json.member("ProcessingNodeHostname", detection.node);
    json.member("ProcessingNodeToken", detection.token);
    json.member("Acknowledged", false);
    json.member("AcknowledgedAt", "");
    json.member("AcknowledgedBy", "");
    json.member("AcknowledgedComment", "");
    json.member("LastDetectionId", 0);
    json.member("RelatedRecoveryId", recovery_of(detection, moment));
    json.member("Type", "");
    json.member("RecoveryType", "");
    json.end_object();
}

void write_step(JsonWriter& json, const Record& record, const recovery::StepRecord& step) {
    json.begin_object();
    json.member("Id", step.number);
    json.member("RecoveryUID", record.id);
    json.member("AuditAt", wall_text(step.started_ms));
    const bool told = step.text.find(step.outcome) != std::string::npos;
    json.member("Message", told ? step.text : step.text + ": " + step.outcome);
    json.end_object();
}

}  // namespace baton::api
