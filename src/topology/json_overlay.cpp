// SPDX-License-Identifier: Apache-2.0
#include "json_text.hpp"

#include "baton/topology/json.hpp"

namespace baton::topology {

std::string to_json_text(const Downtime& value) {
    return ascii(Json{
        {"owner", value.owner},
        {"reason", value.reason},
        {"begin_ms", value.begin_ms},
        {"end_ms", value.end_ms}});
}

std::string to_json_text(const Maintenance& value) {
    return ascii(Json{
        {"id", value.id},
        {"owner", value.owner},
        {"reason", value.reason},
        {"begin_ms", value.begin_ms},
        {"end_ms", value.end_ms}});
}

std::string to_json_text(const CandidateRule& value) {
    return ascii(Json{
        {"rule", to_string(value.rule)}, {"set_ms", value.set_ms}, {"expires_ms", value.expires_ms}}
    );
}

std::string to_json_text(const std::map<std::string, std::string>& tags) {
    auto json = Json::object();
    for (const auto& [name, value] : tags) {
        json[name] = value;
    }
    return ascii(json);
}

std::string to_json_text(const Deposed& value) {
    return ascii(Json{
        {"uuid", value.uuid},
        {"cluster_id", value.cluster_id},
        {"recovery_id", value.recovery_id},
        {"successor", id_json(value.successor)},
        {"since_ms", value.since_ms},
        {"contained", value.contained},
        {"classification", value.classification}});
}

std::string to_json_text(const LeftStopped& value) {
    return ascii(Json{
        {"channel", value.channel},
        {"recovery_id", value.recovery_id},
        {"since_ms", value.since_ms}});
}

std::string to_json_text(const ClusterRecord& value) {
    return ascii(Json{
        {"id", value.id},
        {"primary", id_json(value.primary)},
        {"term", value.term},
        {"alias", value.alias}});
}

Result<Downtime> downtime_from_json(std::string_view text) {
    const auto json = parse_object(text, "downtime");
    if (!json) {
        return json.error();
    }
    Downtime out;
    read(*json, "owner", out.owner);
    read(*json, "reason", out.reason);
    read(*json, "begin_ms", out.begin_ms);
    read(*json, "end_ms", out.end_ms);
    return out;
}

Result<Maintenance> maintenance_from_json(std::string_view text) {
    const auto json = parse_object(text, "maintenance");
    if (!json) {
        return json.error();
    }
    Maintenance out;
    read(*json, "id", out.id);
    read(*json, "owner", out.owner);
    read(*json, "reason", out.reason);
    read(*json, "begin_ms", out.begin_ms);
    read(*json, "end_ms", out.end_ms);
    return out;
}

Result<CandidateRule> candidate_from_json(std::string_view text) {
    const auto json = parse_object(text, "promotion rule");
    if (!json) {
        return json.error();
    }
    CandidateRule out;
    std::string rule;
    read(*json, "rule", rule);
    out.rule = parse_promotion_rule(rule).value_or(PromotionRule::neutral);
    read(*json, "set_ms", out.set_ms);
    read(*json, "expires_ms", out.expires_ms);
    return out;
}

Result<std::map<std::string, std::string>> tags_from_json(std::string_view text) {
    const auto json = parse_object(text, "tags");
    if (!json) {
        return json.error();
    }
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : json->items()) {
        if (value.is_string()) {
            out[name] = value.get<std::string>();
        }
    }
    return out;
}

Result<Deposed> deposed_from_json(std::string_view text) {
    const auto json = parse_object(text, "deposed primary");
    if (!json) {
        return json.error();
    }
    Deposed out;
    read(*json, "uuid", out.uuid);
    read(*json, "cluster_id", out.cluster_id);
    read(*json, "recovery_id", out.recovery_id);
    read(*json, "successor", out.successor);
    read(*json, "since_ms", out.since_ms);
    read(*json, "contained", out.contained);
    read(*json, "classification", out.classification);
    return out;
}

Result<LeftStopped> left_stopped_from_json(std::string_view text) {
    const auto json = parse_object(text, "stopped receiver");
    if (!json) {
        return json.error();
    }
    LeftStopped out;
    read(*json, "channel", out.channel);
    read(*json, "recovery_id", out.recovery_id);
    read(*json, "since_ms", out.since_ms);
    return out;
}

Result<ClusterRecord> cluster_from_json(std::string_view text) {
    const auto json = parse_object(text, "cluster");
    if (!json) {
        return json.error();
    }
    ClusterRecord out;
    read(*json, "id", out.id);
    read(*json, "primary", out.primary);
    read(*json, "term", out.term);
    read(*json, "alias", out.alias);
    return out;
}

}  // namespace baton::topology
