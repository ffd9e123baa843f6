// SPDX-License-Identifier: Apache-2.0
// Stored form of decisions and of versions of the policy.
#include "codec.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace baton::control {

namespace {

using Json = nlohmann::json;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string text_of(const InstanceId& id) {
    return id.empty() ? std::string() : id.text();
}

InstanceId id_from(const std::string& text) {
    auto id = parse_instance_id(text);
    return id ? *id : InstanceId{};
}

/// Kinds and codes are stored by name: numbers would shift between versions.
Decision::Kind kind_from(const std::string& name) {
    using Kind = Decision::Kind;
    for (const auto kind :
         {Kind::taken,
          Kind::refused,
          Kind::blocked,
          Kind::waiting,
          Kind::shadowed,
          Kind::cleared,
          Kind::role,
          Kind::policy}) {
        if (to_string(kind) == name) {
            return kind;
        }
    }
    return Kind::blocked;
}

analysis::Code code_from(const std::string& name) {
    for (int i = 0; i <= static_cast<int>(analysis::last_code); ++i) {
        const auto code = static_cast<analysis::Code>(i);
        if (analysis::to_string(code) == name) {
            return code;
        }
    }
    return analysis::Code::no_problem;
}

}  // namespace

std::string to_json_text(const Decision& d) {
    Json json;
    json["number"] = d.number;
    json["at_ms"] = d.at_ms;
    json["kind"] = std::string(to_string(d.kind));
    json["cluster_id"] = d.cluster_id;
    json["cluster_name"] = d.cluster_name;
    json["cluster_alias"] = d.cluster_alias;
    json["code"] = std::string(analysis::to_string(d.code));
    json["subject"] = text_of(d.subject);
    json["rule"] = d.rule;
    json["text"] = d.text;
    json["evidence"] = d.evidence;
    json["successor"] = text_of(d.successor);
    json["plan"] = d.plan;
    json["recovery_id"] = d.recovery_id;
    json["by"] = d.by;
    json["node"] = d.node;
    json["epoch"] = d.epoch;
    json["policy_version"] = d.policy_version;
    return dump(json);
}

Result<Decision> decision_from_json(std::string_view text) {
    try {
        const Json json = Json::parse(text);
        Decision d;
        d.number = json.value("number", std::uint64_t{0});
        d.at_ms = json.value("at_ms", WallMs{0});
        d.kind = kind_from(json.value("kind", ""));
        d.cluster_id = json.value("cluster_id", "");
        d.cluster_name = json.value("cluster_name", "");
        d.cluster_alias = json.value("cluster_alias", "");
        d.code = code_from(json.value("code", ""));
        d.subject = id_from(json.value("subject", ""));
        d.rule = json.value("rule", "");
        d.text = json.value("text", "");
        d.evidence = json.value("evidence", std::vector<std::string>{});
        d.successor = id_from(json.value("successor", ""));
        d.plan = json.value("plan", "");
        d.recovery_id = json.value("recovery_id", "");
        d.by = json.value("by", "");
        d.node = json.value("node", "");
        d.epoch = json.value("epoch", std::uint64_t{0});
        d.policy_version = json.value("policy_version", std::uint64_t{0});
        return d;
    } catch (const Json::exception& failure) {
        return fail(
            Errc::protocol, fmt::format("stored decision cannot be read: {}", failure.what())
        );
    }
}

std::string to_json_text(const policy::Version& v) {
    Json json;
    json["number"] = v.number;
    json["at_ms"] = v.at_ms;
    json["by"] = v.by;
    json["comment"] = v.comment;
    json["document"] = v.document;
    json["rolled_back_to"] = v.rolled_back_to;
    json["cleared"] = v.cleared;
    return dump(json);
}

Result<policy::Version> policy_version_from_json(std::string_view text) {
    try {
        const Json json = Json::parse(text);
        policy::Version v;
        v.number = json.value("number", std::uint64_t{0});
        v.at_ms = json.value("at_ms", WallMs{0});
        v.by = json.value("by", "");
        v.comment = json.value("comment", "");
        v.document = json.value("document", "");
        v.rolled_back_to = json.value("rolled_back_to", std::uint64_t{0});
        v.cleared = json.value("cleared", false);
        return v;
    } catch (const Json::exception& failure) {
        return fail(
            Errc::protocol,
            fmt::format("stored version of the policy cannot be read: {}", failure.what())
        );
    }
}

}  // namespace baton::control
