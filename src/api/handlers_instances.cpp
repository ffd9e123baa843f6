// SPDX-License-Identifier: Apache-2.0

// Reads about servers, in orchestrator's forms.

#include "can_replicate.hpp"
#include "instance_facts.hpp"
#include "json_instance.hpp"
#include "lookup.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <array>

namespace baton::api {

namespace {

using topology::Instance;

template <class Predicate>
std::vector<const Instance*> selected(const Call& call, Predicate wanted) {
    std::vector<const Instance*> result;
    for (const auto& instance : call.topology().instances()) {
        if (wanted(*instance)) {
            result.push_back(instance.get());
        }
    }
    return result;
}

http::Response list(const Call& call, const std::vector<const Instance*>& instances) {
    return plain(instances_json(instances, call.moment()));
}

http::Response instance(const Call& call) {
    const auto found = find_instance(call, 0);
    return found ? plain(instance_json(**found, call.moment())) : failure(found.error());
}

http::Response instance_replicas(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    return id ? list(call, call.topology().replicas_of(*id)) : failure(id.error());
}

http::Response all_instances(const Call& call) {
    return list(call, selected(call, [](const Instance&) { return true; }));
}

bool matches(const Instance& instance, std::string_view text) {
    const auto& identity = instance.state.identity;
    for (const auto& field :
         {instance.id.text(),
          instance.cluster_name,
          identity.suggested_cluster_alias,
          identity.version,
          identity.version_comment}) {
        if (contains_ignoring_case(field, text)) {
            return true;
        }
    }
    return text == std::to_string(identity.server_id) || text == std::to_string(instance.id.port);
}

http::Response search(const Call& call) {
    const auto text = call.parameters.empty() ? call.request.query_value("s") : call.parameter(0);
    return list(call, selected(call, [&](const Instance& i) { return matches(i, text); }));
}

http::Response problems(const Call& call) {
    const topology::Cluster* cluster = nullptr;
    if (!call.parameters.empty()) {
        const auto found = find_cluster(call, call.parameter(0));
        if (!found) {
            return plain("[]");
        }
        cluster = *found;
    }
    const auto moment = call.moment();
    return list(call, selected(call, [&](const Instance& i) {
                    return (cluster == nullptr || i.cluster_id == cluster->id) &&
                           call.topology().downtime(i.id) == nullptr &&
                           !problems_of(i, moment).empty();
                }));
}

http::Response downtimed(const Call& call) {
    const topology::Cluster* cluster = nullptr;
    if (!call.parameters.empty()) {
        const auto found = find_cluster(call, call.parameter(0));
        if (!found) {
            return failure(found.error());
        }
        cluster = *found;
    }
    return list(call, selected(call, [&](const Instance& i) {
                    return (cluster == nullptr || i.cluster_id == cluster->id) &&
                           call.topology().downtime(i.id) != nullptr;
                }));
}

http::Response bulk_instances(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& i : call.topology().instances()) {
        write_key(json, i->id);
    }
    json.end_array();
    return plain(json);
}

http::Response bulk_promotion_rules(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& [id, rule] : call.topology().overlay().candidates) {
        json.begin_object();
        json.member("Hostname", id.host);
        json.member("Port", id.port);
        json.member("PromotionRule", topology::to_string(rule.rule));
        json.member("LastSuggestedString", wall_text(rule.set_ms));
        json.member("PromotionRuleExpiry", wall_text(rule.expires_ms));
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

/// Of path parameters 0 to 3: may the first replicate from the second?
http::Response may_replicate(const Call& call, bool by_gtid) {
    const auto replica = find_instance(call, 0);
    if (!replica) {
        return failure(replica.error());
    }
    const auto source = find_instance(call, 2);
    if (!source) {
        return failure(source.error());
    }
    auto why_not = why_cannot_replicate(**replica, **source, call.view->reasonable_lag_seconds);
    if (why_not.empty() && by_gtid) {
        why_not = why_cannot_replicate_by_gtid(**replica, **source);
    }
    if (!why_not.empty()) {
        return failure(Errc::refused, why_not, key_json((*source)->id));
    }
    return ok("true", (*source)->id);
}

http::Response can_replicate(const Call& call) {
    return may_replicate(call, false);
}

http::Response can_replicate_by_gtid(const Call& call) {
    return may_replicate(call, true);
}

constexpr auto here = Runs::anywhere;

constexpr std::array rows{
    Route{"/api/instance/{host}/{port}", Access::read, here, instance, "One server"},
    Route{
        "/api/instance-replicas/{host}/{port}",
        Access::read,
        here,
        instance_replicas,
        "Its direct replicas"},
    Route{"/api/all-instances", Access::read, here, all_instances, "Every known server"},
    Route{
        "/api/search/{text}",
        Access::read,
        here,
        search,
        "Servers whose host, cluster, alias, version or comment contains the text, or whose server "
        "id or port is it"},
    Route{"/api/search", Access::read, here, search, "The same with ?s="},
    Route{
        "/api/problems",
        Access::read,
        here,
        problems,
        "Servers with problems, without downtimed ones"},
    Route{"/api/problems/{cluster}", Access::read, here, problems, "The same of one cluster"},
    Route{"/api/downtimed", Access::read, here, downtimed, "Servers under downtime"},
    Route{"/api/downtimed/{cluster}", Access::read, here, downtimed, "The same of one cluster"},
    Route{"/api/bulk-instances", Access::read, here, bulk_instances, "Keys of all servers"},
    Route{
        "/api/bulk-promotion-rules",
        Access::read,
        here,
        bulk_promotion_rules,
        "All promotion rules set"},
    Route{
        "/api/can-replicate-from/{host}/{port}/{source_host}/{source_port}",
        Access::read,
        here,
        can_replicate,
        "Whether one server could replicate from another by version, logging and format; a reason "
        "when not"},
    Route{
        "/api/can-replicate-from-gtid/{host}/{port}/{source_host}/{source_port}",
        Access::read,
        here,
        can_replicate_by_gtid,
        "The same, by GTID as well: nothing lacking is purged, nothing is errant"},
};

}  // namespace

std::span<const Route> instance_routes() {
    return rows;
}

}  // namespace baton::api
