// SPDX-License-Identifier: Apache-2.0

// Reads about clusters, in orchestrator's forms.

#include "json_instance.hpp"
#include "lookup.hpp"
#include "osc_replicas.hpp"
#include "reply.hpp"
#include "route.hpp"
#include "topology_text.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::api {

namespace {

using topology::Cluster;
using topology::Instance;

/// Hint "host:port" from two parameters.
Result<const Cluster*> cluster_of_instance(const Call& call) {
    const auto found = find_instance(call, 0);
    if (!found) {
        return found.error();
    }
    const auto* const cluster = call.topology().cluster_of((*found)->id);
    if (cluster == nullptr) {
        return fail(Errc::not_found, fmt::format("{} is in no cluster", (*found)->id.text()));
    }
    return cluster;
}

Result<const Cluster*> asked_cluster(const Call& call) {
    return call.parameters.size() == 2 ? cluster_of_instance(call)
                                       : find_cluster(call, call.parameter(0));
}

http::Response members(const Call& call, const Result<const Cluster*>& cluster) {
    if (!cluster) {
        return failure(cluster.error());
    }
    return plain(instances_json(call.topology().members(**cluster), call.moment()));
}

http::Response info(const Call& call, const Result<const Cluster*>& cluster) {
    if (!cluster) {
        return failure(cluster.error());
    }
    JsonWriter json;
    write_cluster_info(json, **cluster, call.moment());
    return plain(json);
}

http::Response clusters(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& cluster : call.topology().clusters()) {
        json.value(cluster.name);
    }
    json.end_array();
    return plain(json);
}

http::Response clusters_info(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& cluster : call.topology().clusters()) {
        write_cluster_info(json, cluster, call.moment());
    }
    json.end_array();
    return plain(json);
}

http::Response cluster_info(const Call& call) {
    return info(call, asked_cluster(call));
}

http::Response cluster_info_alias(const Call& call) {
    return info(call, find_alias(call, call.parameter(0)));
}

http::Response cluster(const Call& call) {
    return members(call, asked_cluster(call));
}

http::Response cluster_alias(const Call& call) {
    return members(call, find_alias(call, call.parameter(0)));
}

http::Response osc(const Call& call) {
    const auto found = asked_cluster(call);
    if (!found) {
        return failure(found.error());
    }
    return plain(instances_json(osc_replicas(**found, call.topology()), call.moment()));
}

http::Response masters(const Call& call) {
    std::vector<const Instance*> primaries;
    for (const auto& cluster : call.topology().clusters()) {
        const auto* const primary = call.topology().find(cluster.primary);
        if (primary != nullptr && !primary->state.read_only) {
            primaries.push_back(primary);
        }
    }
    return plain(instances_json(primaries, call.moment()));
}

http::Response master(const Call& call) {
    const auto found = asked_cluster(call);
    if (!found) {
        return failure(found.error());
    }
    const auto* const primary = call.topology().find((*found)->primary);
    if (primary == nullptr) {
        return failure(Errc::not_found, fmt::format("No masters found for {}", (*found)->name));
    }
    return plain(instance_json(*primary, call.moment()));
}

http::Response drawn(const Call& call, TopologyStyle style) {
    const auto found = asked_cluster(call);
    if (!found) {
        return failure(found.error());
    }
    return ok(
        fmt::format("Topology for cluster {}", (*found)->name),
        text_json(topology_text(**found, call.moment(), style))
    );
}

http::Response tree(const Call& call) {
    return drawn(call, TopologyStyle::tree);
}

http::Response tabulated(const Call& call) {
    return drawn(call, TopologyStyle::tabulated);
}

http::Response with_tags(const Call& call) {
    return drawn(call, TopologyStyle::tags);
}

http::Response reload_cluster_alias(const Call& /*call*/) {
    return failure(Errc::refused, "This API call has been retired");
}

constexpr auto here = Runs::anywhere;

constexpr std::array rows{
    Route{"/api/clusters", Access::read, here, clusters, "Names of all clusters"},
    Route{
        "/api/clusters-info",
        Access::read,
        here,
        clusters_info,
        "All clusters with alias, size and whether recovery is automatic"},
    Route{
        "/api/cluster-info/{cluster}",
        Access::read,
        here,
        cluster_info,
        "One of them, by name, alias or member"},
    Route{
        "/api/cluster-info/{host}/{port}", Access::read, here, cluster_info, "The same by member"},
    Route{
        "/api/cluster-info/alias/{alias}",
        Access::read,
        here,
        cluster_info_alias,
        "The same by alias alone"},
    Route{
        "/api/cluster/{cluster}",
        Access::read,
        here,
        cluster,
        "Members of a cluster, primary first"},
    Route{"/api/cluster/{host}/{port}", Access::read, here, cluster, "The same by member"},
    Route{
        "/api/cluster/alias/{alias}", Access::read, here, cluster_alias, "The same by alias alone"},
    Route{"/api/cluster/instance/{host}/{port}", Access::read, here, cluster, "The same by member"},
    Route{
        "/api/cluster-osc-replicas/{cluster}",
        Access::read,
        here,
        osc,
        "A few replicas fit as control replicas of an online schema change"},
    Route{"/api/cluster-osc-replicas/{host}/{port}", Access::read, here, osc, "The same by member"},
    Route{
        "/api/cluster-osc-slaves/{cluster}",
        Access::read,
        here,
        osc,
        "Old name of cluster-osc-replicas"},
    Route{"/api/cluster-osc-slaves/{host}/{port}", Access::read, here, osc, "The same by member"},
    Route{"/api/masters", Access::read, here, masters, "One writable primary of each cluster"},
    Route{"/api/master/{cluster}", Access::read, here, master, "The primary of a cluster"},
    Route{"/api/master/{host}/{port}", Access::read, here, master, "The same by member"},
    Route{"/api/topology/{cluster}", Access::read, here, tree, "The cluster as a tree in text"},
    Route{"/api/topology/{host}/{port}", Access::read, here, tree, "The same by member"},
    Route{
        "/api/topology-tabulated/{cluster}",
        Access::read,
        here,
        tabulated,
        "The tree in columns separated by |"},
    Route{
        "/api/topology-tabulated/{host}/{port}",
        Access::read,
        here,
        tabulated,
        "The same by member"},
    Route{"/api/topology-tags/{cluster}", Access::read, here, with_tags, "The tree with tags"},
    Route{"/api/topology-tags/{host}/{port}", Access::read, here, with_tags, "The same by member"},
    Route{
        "/api/reload-cluster-alias",
        Access::operate,
        here,
        reload_cluster_alias,
        "Retired; always an error, as in orchestrator"},
};

}  // namespace

std::span<const Route> cluster_routes() {
    return rows;
}

}  // namespace baton::api
