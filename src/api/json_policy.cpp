// SPDX-License-Identifier: Apache-2.0
#include "json_policy.hpp"

#include <algorithm>

namespace baton::api {

namespace {

std::string text_or_empty(const InstanceId& id) {
    return id.empty() ? std::string() : id.text();
}

const policy::Version* present_version(const control::View& view) {
    for (const auto& version : view.policy_versions) {
        if (version->number == view.policy_version) {
            return version.get();
        }
    }
    return nullptr;
}

std::string_view source_of(const policy::Version* version) {
    return version == nullptr || version->cleared ? "configuration" : "stored";
}

/// As the daemon is configured, for what no rule concerns.
policy::Effective configured(const control::View& view, const topology::Cluster& cluster) {
    const auto* base = effective_policy(view, "");
    policy::Effective out = base == nullptr ? policy::Effective() : *base;
    out.recovery.switches["primary"].on =
        recovery::cluster_matches(view.policy.primary_clusters, cluster.name, cluster.alias);
    out.recovery.switches["intermediate"].on =
        recovery::cluster_matches(view.policy.intermediate_clusters, cluster.name, cluster.alias);
    return out;
}

void write_change(
    JsonWriter& json, std::string_view name, const std::string& before, const std::string& after
) {
    json.key(name).begin_object();
    json.member("before", before);
    json.member("after", after);
    json.end_object();
}

/// Those of the first list that are not in the second.
std::vector<std::string> without(
    const std::vector<std::string>& list, const std::vector<std::string>& other
) {
    std::vector<std::string> rest;
    std::copy_if(list.begin(), list.end(), std::back_inserter(rest), [&](const auto& text) {
        return std::find(other.begin(), other.end(), text) == other.end();
    });
    return rest;
}

}  // namespace

const policy::Effective* effective_policy(
    const control::View& view, const std::string& cluster_id
) {
    if (view.policies == nullptr) {
        return nullptr;
    }
    const auto found = view.policies->find(cluster_id);
    return found == view.policies->end() ? nullptr : found->second.get();
}

bool is_automatic(
    const control::View& view,
    const std::string& cluster_id,
    const std::string& name,
    const std::string& alias,
    const std::string& kind
) {
    if (const auto* own = effective_policy(view, cluster_id)) {
        const auto decided = own->recovery.switches.find(kind);
        if (own->shadow || decided != own->recovery.switches.end()) {
            return !own->shadow && decided->second.on;
        }
    }
    return recovery::cluster_matches(
        kind == "intermediate" ? view.policy.intermediate_clusters : view.policy.primary_clusters,
        name,
        alias
    );
}

namespace v1 {

void write_policy_version(JsonWriter& json, const policy::Version& version, bool with_document) {
    json.member("version", version.number);
    json.member("source", source_of(&version));
    json.member("at_ms", version.at_ms);
    json.member("at", wall_text(version.at_ms));
    json.member("by", version.by);
    json.member("comment", version.comment);
    json.member("rolled_back_to", version.rolled_back_to);
    json.member("cleared", version.cleared);
    const auto parsed = policy::parse(version.document.empty() ? "null" : version.document);
    json.member("rules", parsed.document.rules.size());
    if (with_document) {
        json.key("document").raw(parsed.document.text());
    }
}

void write_policy(JsonWriter& json, const control::View& view) {
    const auto* version = present_version(view);
    const policy::Document none;
    const auto& document = view.policy_document == nullptr ? none : *view.policy_document;
    json.begin_object();
    json.member("version", view.policy_version);
    json.member("source", source_of(version));
    json.member("at_ms", version == nullptr ? WallMs{0} : version->at_ms);
    json.member("at", version == nullptr ? std::string() : wall_text(version->at_ms));
    json.member("by", version == nullptr ? std::string() : version->by);
    json.member("comment", version == nullptr ? std::string() : version->comment);
    json.member("rules", document.rules.size());
    json.key("document").raw(document.text());
    json.end_object();
}

void write_policy_summary(
    JsonWriter& json, const topology::Cluster& cluster, const control::View& view
) {
    json.key("policy").begin_object();
    json.member("version", view.policy_version);
    json.member("source", source_of(present_version(view)));
    json.key("settings").begin_array();
    if (const auto* effective = effective_policy(view, cluster.id)) {
        const auto base = configured(view, cluster);
        for (const auto& row : policy::settings()) {
            const auto by = effective->set_by.find(std::string(row.key));
            if (by == effective->set_by.end()) {
                continue;
            }
            json.begin_object();
            json.member("key", row.key);
            json.key("value").raw(row.get(*effective).text());
            json.key("configured").raw(row.get(base).text());
            json.member("set_by", by->second);
            json.end_object();
        }
    }
    json.end_array();
    json.end_object();
}

void write_cluster_policy(
    JsonWriter& json, const topology::Cluster& cluster, const control::View& view
) {
    const policy::Effective none;
    const auto* effective = effective_policy(view, cluster.id);
    json.begin_object();
    json.member("cluster", cluster.name);
    json.member("alias", cluster.alias);
    json.member("version", view.policy_version);
    json.member("source", source_of(present_version(view)));
    json.key("settings").begin_array();
    for (const auto& row : policy::settings()) {
        json.begin_object();
        json.member("key", row.key);
        json.key("value").raw(row.get(effective == nullptr ? none : *effective).text());
        const auto by = effective == nullptr ? std::map<std::string, std::string>::const_iterator{}
                                             : effective->set_by.find(std::string(row.key));
        const bool set = effective != nullptr && by != effective->set_by.end();
        json.member("set_by", set ? by->second : std::string("configuration"));
        json.member("allowed", row.allowed);
        json.member("meaning", row.sentence);
        json.end_object();
    }
    json.end_array();
    json.end_object();
}

void write_faults(JsonWriter& json, const policy::Parsed& parsed) {
    json.begin_object();
    json.member("good", parsed.good());
    json.member("rules", parsed.document.rules.size());
    json.key("faults").begin_array();
    for (const auto& fault : parsed.faults) {
        json.begin_object();
        json.member("path", fault.path);
        json.member("text", fault.text);
        json.end_object();
    }
    json.end_array();
    json.end_object();
}

void write_trials(
    JsonWriter& json, const std::vector<control::PolicyTrial>& trials, std::size_t clusters
) {
    json.begin_object();
    json.key("clusters").begin_array();
    for (const auto& trial : trials) {
        json.begin_object();
        json.member("id", trial.cluster_id);
        json.member("name", trial.cluster_name);
        json.member("alias", trial.cluster_alias);
        json.key("settings").begin_array();
        for (const auto& difference : trial.settings) {
            json.begin_object();
            json.member("key", difference.key);
            json.key("before").raw(difference.before);
            json.key("after").raw(difference.after);
            json.member("set_by", difference.set_by);
            json.end_object();
        }
        json.end_array();
        write_change(
            json,
            "successor",
            text_or_empty(trial.before.successor),
            text_or_empty(trial.after.successor)
        );
        write_change(json, "loss", trial.before.loss, trial.after.loss);
        json.member("blockers_added", without(trial.after.blockers, trial.before.blockers));
        json.member("blockers_removed", without(trial.before.blockers, trial.after.blockers));
        json.member("blockers", trial.after.blockers);
        json.key("duration_ms").begin_object();
        json.member("before", trial.before.duration_ms());
        json.member("after", trial.after.duration_ms());
        json.end_object();
        json.end_object();
    }
    json.end_array();
    json.member("unchanged", clusters - std::min(clusters, trials.size()));
    json.end_object();
}

}  // namespace v1

}  // namespace baton::api
