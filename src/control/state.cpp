// SPDX-License-Identifier: Apache-2.0
#include "state.hpp"

#include "codec.hpp"

#include "baton/base/log.hpp"
#include "baton/topology/json.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::control {

namespace {

std::string number_key(std::uint64_t number) {
    return fmt::format("{:012}", number);
}

std::uint64_t number_from(std::string_view key) {
    std::uint64_t number = 0;
    std::from_chars(key.data(), key.data() + key.size(), number);
    return number;
}

/// The value, or nothing after a line in the log that names the document.
template <class T>
std::optional<T> readable(const ports::Document& document, Result<T> value) {
    if (!value) {
        log::warning(
            "the backend's document {} '{}' is left out: {}",
            document.kind,
            document.key,
            value.error().what
        );
        return std::nullopt;
    }
    return std::move(*value);
}

/// Puts in, or takes out when the document says it is deleted.
template <class Map, class Reader>
void put_or_erase(Map& map, const InstanceId& id, const ports::Document& document, Reader reader) {
    if (document.data.empty()) {
        map.erase(id);
    } else if (auto value = readable(document, reader(document.data))) {
        map[id] = std::move(*value);
    }
}

bool is_server_kind(const std::string& kind) {
    return kind == "instance" || kind == "progress" || kind == "downtime" ||
           kind == "maintenance" || kind == "candidate" || kind == "tags" || kind == "deposed" ||
           kind == "member" || kind == "blocked" || kind == "left_stopped";
}

std::string unquoted(const std::string& json_text) {
    return json_text.size() >= 2 && json_text.front() == '"'
               ? json_text.substr(1, json_text.size() - 2)
               : json_text;
}

}  // namespace

void State::apply(const ports::Document& document, Touched& touched) {
    if (is_server_kind(document.kind)) {
        auto id = readable(document, parse_instance_id(document.key));
        if (id) {
            apply_overlay(document, *id, touched);
        }
    } else if (document.kind == "cluster") {
        touched.overlay = true;
        if (document.data.empty()) {
            overlay.clusters.erase(document.key);
        } else if (auto record = readable(document, topology::cluster_from_json(document.data))) {
            overlay.clusters[document.key] = std::move(*record);
        }
    } else if (document.kind == "finding") {
        touched.findings = true;
        if (document.data.empty()) {
            findings.erase(document.key);
        } else if (auto list = readable(document, findings_from_json(document.data))) {
            findings[document.key] = std::move(*list);
        }
    } else if (document.kind == "setting") {
        if (document.key == "recoveries_disabled") {
            recoveries_disabled = !document.data.empty();
            recoveries_disabled_by = unquoted(document.data);
            touched.history = true;
        }
    } else {
        apply_history(document, touched);
    }
}

void State::apply_overlay(const ports::Document& document, const InstanceId& id, Touched& touched) {
    if (document.kind == "instance" || document.kind == "progress") {
        if (document.data.empty()) {
            if (document.kind == "instance") {
                instances.erase(id);
                touched.removed.push_back(id);
            }
            return;
        }
        auto& entry = instances[id];
        (document.kind == "instance" ? entry.first : entry.second) = document.data;
        touched.instances.push_back(id);
        return;
    }
    if (document.kind == "blocked") {
        put_or_erase(blocked_, id, document, blocked_from_json);
        touched.history = true;
        return;
    }
    touched.overlay = true;
    if (document.kind == "downtime") {
        put_or_erase(overlay.downtimes, id, document, topology::downtime_from_json);
    } else if (document.kind == "maintenance") {
        put_or_erase(overlay.maintenances, id, document, topology::maintenance_from_json);
    } else if (document.kind == "candidate") {
        put_or_erase(overlay.candidates, id, document, topology::candidate_from_json);
    } else if (document.kind == "tags") {
        put_or_erase(overlay.tags, id, document, topology::tags_from_json);
    } else if (document.kind == "deposed") {
        put_or_erase(overlay.deposed, id, document, topology::deposed_from_json);
    } else if (document.kind == "left_stopped") {
        put_or_erase(overlay.left_stopped, id, document, topology::left_stopped_from_json);
    } else if (document.data.empty()) {
        overlay.membership.erase(id);
    } else {
        overlay.membership[id] = unquoted(document.data);
    }
}

void State::apply_history(const ports::Document& document, Touched& touched) {
    touched.history = true;
    if (document.kind == "detection") {
        if (document.data.empty()) {
            detections_.erase(number_from(document.key));
        } else if (auto value = readable(document, detection_from_json(document.data))) {
            detections_[value->number] = std::make_shared<const Detection>(std::move(*value));
        }
    } else if (document.kind == "audit") {
        if (document.data.empty()) {
            audit_.erase(number_from(document.key));
        } else if (auto value = readable(document, audit_from_json(document.data))) {
            audit_[value->number] = std::make_shared<const AuditEntry>(std::move(*value));
        }
    } else if (document.kind == "decision") {
        decisions_by_cluster_.reset();
        if (document.data.empty()) {
            decisions_.erase(number_from(document.key));
        } else if (auto value = readable(document, decision_from_json(document.data))) {
            decisions_[value->number] = std::make_shared<const Decision>(std::move(*value));
        }
    } else if (document.kind == "policy") {
        touched.policy = true;
        if (document.data.empty()) {
            policy_versions_.erase(number_from(document.key));
        } else if (auto value = readable(document, policy_version_from_json(document.data))) {
            policy_versions_[value->number] =
                std::make_shared<const policy::Version>(std::move(*value));
        }
    } else if (document.kind == "recovery") {
        if (document.data.empty()) {
            if (const auto known = recovery_numbers_.find(document.key);
                known != recovery_numbers_.end()) {
                recoveries_.erase(known->second);
                recovery_numbers_.erase(known);
            }
        } else if (auto value = readable(document, recovery::record_from_json(document.data))) {
            touched.recoveries.push_back(value->id);
            put(*value);
        }
    } else if (document.kind == "step") {
        const auto slash = document.key.rfind('/');
        if (slash == std::string::npos || document.data.empty()) {
            return;
        }
        if (auto value = readable(document, recovery::step_from_json(document.data))) {
            touched.recoveries.push_back(document.key.substr(0, slash));
            put(document.key.substr(0, slash), *value);
        }
    } else {
        log::debug(
            "document of unknown kind '{}' from a newer version is left alone", document.kind
        );
    }
}

std::shared_ptr<const RecoveryView> State::recovery(const std::string& id) const {
    const auto number = recovery_numbers_.find(id);
    return number == recovery_numbers_.end() ? nullptr : recoveries_.at(number->second);
}

ports::Document State::put(Detection detection) {
    ports::Document document("detection", number_key(detection.number), to_json_text(detection));
    const auto number = detection.number;
    detections_[number] = std::make_shared<const Detection>(std::move(detection));
    return document;
}

ports::Document State::put(AuditEntry entry) {
    ports::Document document("audit", number_key(entry.number), to_json_text(entry));
    const auto number = entry.number;
    audit_[number] = std::make_shared<const AuditEntry>(std::move(entry));
    return document;
}

ports::Document State::put(Blocked blocked) {
    ports::Document document("blocked", blocked.failed.text(), to_json_text(blocked));
    const auto id = blocked.failed;
    blocked_[id] = std::move(blocked);
    return document;
}

ports::Document State::put(Decision decision) {
    ports::Document document("decision", number_key(decision.number), to_json_text(decision));
    const auto number = decision.number;
    decisions_[number] = std::make_shared<const Decision>(std::move(decision));
    decisions_by_cluster_.reset();
    return document;
}

ports::Document State::put(policy::Version version) {
    ports::Document document("policy", number_key(version.number), to_json_text(version));
    const auto number = version.number;
    policy_versions_[number] = std::make_shared<const policy::Version>(std::move(version));
    return document;
}

std::shared_ptr<const State::Decisions> State::decisions() {
    if (decisions_by_cluster_ == nullptr) {
        auto sorted = std::make_shared<Decisions>();
        for (const auto& [number, decision] : decisions_) {
            (*sorted)[decision->cluster_id].push_back(decision);
        }
        decisions_by_cluster_ = std::move(sorted);
    }
    return decisions_by_cluster_;
}

std::vector<ports::Document> State::trim_decisions(
    std::size_t limit, std::size_t limit_of_one, WallMs oldest_ms
) {
    std::vector<std::uint64_t> gone;
    const auto all = decisions();
    for (const auto& [cluster, list] : *all) {
        for (std::size_t at = 0; at < list.size(); ++at) {
            if (list.size() - at > limit_of_one || list[at]->at_ms < oldest_ms) {
                gone.push_back(list[at]->number);
            }
        }
    }
    std::vector<ports::Document> deletions;
    const auto drop = [&](std::uint64_t number) {
        deletions.emplace_back("decision", number_key(number), "");
        decisions_.erase(number);
        decisions_by_cluster_.reset();
    };
    for (const auto number : gone) {
        drop(number);
    }
    while (decisions_.size() > limit) {
        drop(decisions_.begin()->first);
    }
    return deletions;
}

std::vector<ports::Document> State::trim_policies(std::size_t limit) {
    std::vector<ports::Document> deletions;
    while (policy_versions_.size() > limit) {
        deletions.emplace_back("policy", number_key(policy_versions_.begin()->first), "");
        policy_versions_.erase(policy_versions_.begin());
    }
    return deletions;
}

ports::Document State::unblock(const InstanceId& id) {
    blocked_.erase(id);
    return {"blocked", id.text(), ""};
}

ports::Document State::put(const recovery::Record& record) {
    auto view = std::make_shared<RecoveryView>();
    if (const auto known = recovery(record.id)) {
        view->steps = known->steps;
    }
    view->record = record;
    if (const auto early = early_steps_.find(record.id); early != early_steps_.end()) {
        for (const auto& [number, step] : early->second) {
            view->steps.push_back(step);
        }
        early_steps_.erase(early);
    }
    recoveries_[record.number] = std::move(view);
    recovery_numbers_[record.id] = record.number;
    return {"recovery", record.id, to_json_text(record)};
}

ports::Document State::put(const std::string& recovery_id, const recovery::StepRecord& step) {
    if (const auto known = recovery(recovery_id)) {
        auto view = std::make_shared<RecoveryView>(*known);
        const auto place = std::lower_bound(
            view->steps.begin(),
            view->steps.end(),
            step.number,
            [](const recovery::StepRecord& a, unsigned number) { return a.number < number; }
        );
        if (place != view->steps.end() && place->number == step.number) {
            *place = step;
        } else {
            view->steps.insert(place, step);
        }
        recoveries_[view->record.number] = view;
    } else {
        early_steps_[recovery_id][step.number] = step;
    }
    return {"step", fmt::format("{}/{:04}", recovery_id, step.number), to_json_text(step)};
}

ports::Document State::put_downtime(const InstanceId& id, const topology::Downtime* downtime) {
    if (downtime == nullptr) {
        overlay.downtimes.erase(id);
        return {"downtime", id.text(), ""};
    }
    overlay.downtimes[id] = *downtime;
    return {"downtime", id.text(), topology::to_json_text(*downtime)};
}

ports::Document State::put_maintenance(
    const InstanceId& id, const topology::Maintenance* maintenance
) {
    if (maintenance == nullptr) {
        overlay.maintenances.erase(id);
        return {"maintenance", id.text(), ""};
    }
    overlay.maintenances[id] = *maintenance;
    return {"maintenance", id.text(), topology::to_json_text(*maintenance)};
}

ports::Document State::put_candidate(const InstanceId& id, const topology::CandidateRule* rule) {
    if (rule == nullptr) {
        overlay.candidates.erase(id);
        return {"candidate", id.text(), ""};
    }
    overlay.candidates[id] = *rule;
    return {"candidate", id.text(), topology::to_json_text(*rule)};
}

ports::Document State::put_tags(
    const InstanceId& id, const std::map<std::string, std::string>& tags
) {
    if (tags.empty()) {
        overlay.tags.erase(id);
        return {"tags", id.text(), ""};
    }
    overlay.tags[id] = tags;
    return {"tags", id.text(), topology::to_json_text(tags)};
}

ports::Document State::put_deposed(const InstanceId& id, const topology::Deposed* deposed) {
    if (deposed == nullptr) {
        overlay.deposed.erase(id);
        return {"deposed", id.text(), ""};
    }
    overlay.deposed[id] = *deposed;
    return {"deposed", id.text(), topology::to_json_text(*deposed)};
}

ports::Document State::put_left_stopped(
    const InstanceId& id, const topology::LeftStopped* left_stopped
) {
    if (left_stopped == nullptr) {
        overlay.left_stopped.erase(id);
        return {"left_stopped", id.text(), ""};
    }
    overlay.left_stopped[id] = *left_stopped;
    return {"left_stopped", id.text(), topology::to_json_text(*left_stopped)};
}

ports::Document State::put_cluster(const topology::ClusterRecord& record) {
    overlay.clusters[record.id] = record;
    return {"cluster", record.id, topology::to_json_text(record)};
}

ports::Document State::put_member(const InstanceId& id, const std::string& cluster_id) {
    if (cluster_id.empty()) {
        overlay.membership.erase(id);
        return {"member", id.text(), ""};
    }
    overlay.membership[id] = cluster_id;
    return {"member", id.text(), '"' + cluster_id + '"'};
}

ports::Document State::put_recoveries_disabled(bool disabled, const std::string& by) {
    recoveries_disabled = disabled;
    recoveries_disabled_by = disabled ? by : "";
    std::string safe;
    for (const char c : by) {
        safe += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ||
                        static_cast<unsigned char>(c) > 0x7E
                    ? '?'
                    : c;
    }
    return {"setting", "recoveries_disabled", disabled ? '"' + safe + '"' : ""};
}

std::vector<ports::Document> State::trim(
    std::size_t audit_limit, std::size_t detection_limit, std::size_t recovery_limit
) {
    std::vector<ports::Document> deletions;
    while (audit_.size() > audit_limit) {
        deletions.emplace_back("audit", number_key(audit_.begin()->first), "");
        audit_.erase(audit_.begin());
    }
    while (detections_.size() > detection_limit) {
        deletions.emplace_back("detection", number_key(detections_.begin()->first), "");
        detections_.erase(detections_.begin());
    }
    while (recoveries_.size() > recovery_limit && !recoveries_.begin()->second->record.running()) {
        const auto oldest = recoveries_.begin()->second;
        for (const auto& step : oldest->steps) {
            deletions.emplace_back(
                "step", fmt::format("{}/{:04}", oldest->record.id, step.number), ""
            );
        }
        deletions.emplace_back("recovery", oldest->record.id, "");
        recovery_numbers_.erase(oldest->record.id);
        recoveries_.erase(recoveries_.begin());
    }
    return deletions;
}

}  // namespace baton::control
