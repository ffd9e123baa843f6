// SPDX-License-Identifier: Apache-2.0
#include "codec.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace baton::control {

namespace {

using Json = nlohmann::json;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Json ids(const std::vector<InstanceId>& list) {
    Json json = Json::array();
    for (const auto& id : list) {
        json.push_back(id.text());
    }
    return json;
}

std::string text_of(const InstanceId& id) {
    return id.empty() ? std::string() : id.text();
}

InstanceId id_from(const std::string& text) {
    auto id = parse_instance_id(text);
    return id ? *id : InstanceId{};
}

std::vector<InstanceId> ids_from(const Json& json) {
    std::vector<InstanceId> list;
    for (const auto& item : json) {
        list.push_back(id_from(item.get<std::string>()));
    }
    return list;
}

/// Calls the reader on the parsed object; every malformation becomes one Error.
template <class T, class Reader>
Result<T> read(std::string_view text, const char* what, Reader reader) {
    try {
        const Json json = Json::parse(text);
        T value;
        reader(json, value);
        return value;
    } catch (const Json::exception& failure) {
        return fail(
            Errc::protocol, fmt::format("stored {} cannot be read: {}", what, failure.what())
        );
    }
}

template <class Enum>
void get_enum(const Json& json, const char* key, Enum& target, Enum last) {
    const auto number = json.value(key, 0);
    if (number >= 0 && number <= static_cast<int>(last)) {
        target = static_cast<Enum>(number);
    }
}

using analysis::last_code;

/// Codes are stored by name: numbers would shift between versions.
analysis::Code code_from(const std::string& name) {
    for (int i = 0; i <= static_cast<int>(last_code); ++i) {
        const auto code = static_cast<analysis::Code>(i);
        if (analysis::to_string(code) == name) {
            return code;
        }
    }
    return analysis::Code::no_problem;
}

Json code_text(analysis::Code code) {
    return std::string(analysis::to_string(code));
}

Json counts_json(const analysis::Counts& c) {
    return Json::array(
        {c.replicas,
         c.valid,
         c.replicating,
         c.failing_to_connect,
         c.downtimed,
         c.delayed,
         c.lagging,
         c.hearing,
         c.silent,
         c.logging,
         c.statement,
         c.mixed,
         c.row,
         c.major_versions}
    );
}

void counts_from(const Json& json, analysis::Counts& c) {
    unsigned* const fields[] = {
        &c.replicas,
        &c.valid,
        &c.replicating,
        &c.failing_to_connect,
        &c.downtimed,
        &c.delayed,
        &c.lagging,
        &c.hearing,
        &c.silent,
        &c.logging,
        &c.statement,
        &c.mixed,
        &c.row,
        &c.major_versions};
    for (std::size_t i = 0; i < std::size(fields) && i < json.size(); ++i) {
        *fields[i] = json.at(i).get<unsigned>();
    }
}

Json finding_json(const analysis::Finding& f) {
    Json structure = Json::array();
    for (const auto& [code, text] : f.structure) {
        structure.push_back(Json::array({static_cast<int>(code), text}));
    }
    Json json;
    json["code"] = code_text(f.code);
    json["subject"] = text_of(f.subject);
    json["cluster_id"] = f.cluster_id;
    json["cluster_name"] = f.cluster_name;
    json["severity"] = static_cast<int>(f.severity);
    json["summary"] = f.summary;
    json["evidence"] = f.evidence;
    json["vetoes"] = f.vetoes;
    json["structure"] = std::move(structure);
    json["counts"] = counts_json(f.counts);
    json["primary"] = f.is_primary;
    json["co_primary"] = f.is_co_primary;
    json["replicas"] = ids(f.replicas);
    json["recovery"] = static_cast<int>(f.recovery);
    json["downtimed"] = f.downtimed;
    json["replicas_downtimed"] = f.replicas_downtimed;
    return json;
}

void finding_from(const Json& json, analysis::Finding& f) {
    f.code = code_from(json.value("code", ""));
    f.subject = id_from(json.value("subject", ""));
    f.cluster_id = json.value("cluster_id", "");
    f.cluster_name = json.value("cluster_name", "");
    get_enum(json, "severity", f.severity, analysis::Severity::critical);
    f.summary = json.value("summary", "");
    f.evidence = json.value("evidence", std::vector<std::string>{});
    f.vetoes = json.value("vetoes", std::vector<std::string>{});
    for (const auto& item : json.value("structure", Json::array())) {
        const auto code = static_cast<analysis::Structure>(item.at(0).get<int>());
        f.structure.emplace_back(code, item.at(1).get<std::string>());
    }
    counts_from(json.value("counts", Json::array()), f.counts);
    f.is_primary = json.value("primary", false);
    f.is_co_primary = json.value("co_primary", false);
    f.replicas = ids_from(json.value("replicas", Json::array()));
    get_enum(json, "recovery", f.recovery, analysis::RecoveryKind::restart_receiver);
    f.downtimed = json.value("downtimed", false);
    f.replicas_downtimed = json.value("replicas_downtimed", false);
}

}  // namespace

std::string to_json_text(const Detection& d) {
    Json json;
    json["number"] = d.number;
    json["code"] = code_text(d.code);
    json["failed"] = text_of(d.failed);
    json["cluster_id"] = d.cluster_id;
    json["cluster_name"] = d.cluster_name;
    json["cluster_alias"] = d.cluster_alias;
    json["replicas"] = ids(d.replicas);
    json["summary"] = d.summary;
    json["evidence"] = d.evidence;
    json["vetoes"] = d.vetoes;
    json["actionable"] = d.actionable;
    json["node"] = d.node;
    json["token"] = d.token;
    json["epoch"] = d.epoch;
    json["begin_ms"] = d.begin_ms;
    json["end_ms"] = d.end_ms;
    json["recovery_id"] = d.recovery_id;
    json["refusal"] = d.refusal;
    return dump(json);
}

Result<Detection> detection_from_json(std::string_view text) {
    return read<Detection>(text, "detection", [](const Json& json, Detection& d) {
        d.number = json.value("number", std::uint64_t{0});
        d.code = code_from(json.value("code", ""));
        d.failed = id_from(json.value("failed", ""));
        d.cluster_id = json.value("cluster_id", "");
        d.cluster_name = json.value("cluster_name", "");
        d.cluster_alias = json.value("cluster_alias", "");
        d.replicas = ids_from(json.value("replicas", Json::array()));
        d.summary = json.value("summary", "");
        d.evidence = json.value("evidence", std::vector<std::string>{});
        d.vetoes = json.value("vetoes", std::vector<std::string>{});
        d.actionable = json.value("actionable", false);
        d.node = json.value("node", "");
        d.token = json.value("token", "");
        d.epoch = json.value("epoch", std::uint64_t{0});
        d.begin_ms = json.value("begin_ms", WallMs{0});
        d.end_ms = json.value("end_ms", WallMs{0});
        d.recovery_id = json.value("recovery_id", "");
        d.refusal = json.value("refusal", "");
    });
}

std::string to_json_text(const Blocked& b) {
    Json json;
    json["failed"] = text_of(b.failed);
    json["cluster_id"] = b.cluster_id;
    json["cluster_name"] = b.cluster_name;
    json["code"] = code_text(b.code);
    json["kind"] = b.kind;
    json["reason"] = b.reason;
    json["blocking_recovery"] = b.blocking_recovery;
    json["last_ms"] = b.last_ms;
    json["until_ms"] = b.until_ms;
    return dump(json);
}

Result<Blocked> blocked_from_json(std::string_view text) {
    return read<Blocked>(text, "blocked recovery", [](const Json& json, Blocked& b) {
        b.failed = id_from(json.value("failed", ""));
        b.cluster_id = json.value("cluster_id", "");
        b.cluster_name = json.value("cluster_name", "");
        b.code = code_from(json.value("code", ""));
        b.kind = json.value("kind", "");
        b.reason = json.value("reason", "");
        b.blocking_recovery = json.value("blocking_recovery", std::uint64_t{0});
        b.last_ms = json.value("last_ms", WallMs{0});
        b.until_ms = json.value("until_ms", WallMs{0});
    });
}

std::string to_json_text(const AuditEntry& a) {
    Json json;
    json["number"] = a.number;
    json["at_ms"] = a.at_ms;
    json["type"] = a.type;
    json["instance"] = text_of(a.instance);
    json["cluster_name"] = a.cluster_name;
    json["cluster_id"] = a.cluster_id;
    json["message"] = a.message;
    json["by"] = a.by;
    json["node"] = a.node;
    json["epoch"] = a.epoch;
    return dump(json);
}

Result<AuditEntry> audit_from_json(std::string_view text) {
    return read<AuditEntry>(text, "audit entry", [](const Json& json, AuditEntry& a) {
        a.number = json.value("number", std::uint64_t{0});
        a.at_ms = json.value("at_ms", WallMs{0});
        a.type = json.value("type", "");
        a.instance = id_from(json.value("instance", ""));
        a.cluster_name = json.value("cluster_name", "");
        a.cluster_id = json.value("cluster_id", "");
        a.message = json.value("message", "");
        a.by = json.value("by", "");
        a.node = json.value("node", "");
        a.epoch = json.value("epoch", std::uint64_t{0});
    });
}

std::string to_json_text(const std::vector<analysis::Finding>& findings) {
    Json json = Json::array();
    for (const auto& finding : findings) {
        json.push_back(finding_json(finding));
    }
    return dump(json);
}

Result<std::vector<analysis::Finding>> findings_from_json(std::string_view text) {
    return read<std::vector<analysis::Finding>>(
        text,
        "findings",
        [](const Json& json, std::vector<analysis::Finding>& findings) {
            for (const auto& item : json) {
                finding_from(item, findings.emplace_back());
            }
        }
    );
}

}  // namespace baton::control
