// SPDX-License-Identifier: Apache-2.0
// From servers to clusters: names reduced to known servers, who follows whom, and what of it is
// errant.
#include "builder_impl.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace baton::topology {

namespace {

constexpr std::size_t ancestors_limit = 16;

}  // namespace

NameIndex Builder::Impl::names() const {
    NameIndex index;
    for (const auto& [id, server] : servers) {
        index.add(*server.instance);
    }
    for (const auto& [address, uuid] : aliases) {
        index.add_alias(address, uuid);
    }
    return index;
}

void Builder::Impl::reduce_names(Server& server, const NameIndex& index) {
    const auto reduced = [&](const InstanceId& raw, const NameHint& hint) {
        const auto* known = index.find(raw, hint);
        return known != nullptr ? known->id : raw;
    };
    // edit() may exchange the instance: take it anew each time.
    for (std::size_t i = 0; i < server.sources.size(); ++i) {
        const auto& channel = server.instance->state.channels[i];
        auto id =
            reduced(server.sources[i], NameHint{channel.source_uuid, channel.source_server_id});
        if (id != channel.source) {
            edit(server).state.channels[i].source = std::move(id);
        }
    }
    for (std::size_t i = 0; i < server.replicas.size(); ++i) {
        auto id = reduced(server.replicas[i], NameHint{});
        if (id != server.instance->state.reported_replicas[i]) {
            edit(server).state.reported_replicas[i] = std::move(id);
        }
    }
    for (std::size_t i = 0; i < server.members.size(); ++i) {
        const auto& member = server.instance->state.group.members[i];
        auto id = reduced(server.members[i], NameHint{member.uuid, 0});
        if (id != member.id) {
            edit(server).state.group.members[i].id = std::move(id);
        }
    }
}

Node Builder::Impl::node_of(const Server& server) const {
    const auto& instance = *server.instance;
    Node node;
    node.instance = &instance;
    const auto source = instance.source();
    if (source.empty()) {
        node.parent = group_primary_of(instance);
    } else if (source != instance.id) {  // a server following itself follows nobody
        node.parent = position_of(source);
        if (node.parent == no_node) {
            node.unknown_parent = source;
        }
    }
    return node;
}

void Builder::Impl::rebuild_structure(TimePoint now) {
    const auto index = names();
    by_position.clear();
    for (auto& [id, server] : servers) {
        server.position = by_position.size();
        by_position.push_back(&server);
    }
    for (auto* server : by_position) {
        reduce_names(*server, index);
    }
    std::vector<Node> nodes;
    nodes.reserve(by_position.size());
    for (const auto* server : by_position) {
        nodes.push_back(node_of(*server));
    }
    name_reporters(nodes);
    const auto grouping = group(nodes, overlay, splits, now);
    structure_due = grouping.due;
    record(grouping);

    auto fresh = std::make_shared<Topology::Structure>();
    fresh->clusters = grouping.clusters;
    for (std::size_t i = 0; i < fresh->clusters.size(); ++i) {
        fresh->cluster_index.emplace(fresh->clusters[i].id, i);
    }
    for (std::size_t i = 0; i < by_position.size(); ++i) {
        const auto& instance = *by_position[i]->instance;
        fresh->index.emplace(instance.id, i);
        if (const auto source = instance.source(); !source.empty() && source != instance.id) {
            fresh->replicas[source].push_back(i);
        }
        by_position[i]->source = grouping.placements[i].source;
    }
    for (std::size_t i = 0; i < by_position.size(); ++i) {
        place(*by_position[i], grouping, grouping.placements[i]);
    }
    structure = std::move(fresh);
    list.resize(by_position.size());
    for (std::size_t i = 0; i < by_position.size(); ++i) {
        publish(*by_position[i]);
    }
    structure_dirty = false;
}

void Builder::Impl::name_reporters(std::vector<Node>& nodes) const {
    std::vector<bool> followed(nodes.size(), false);
    for (const auto& node : nodes) {
        if (node.parent != no_node) {
            followed[node.parent] = true;
        }
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        for (const auto& replica : nodes[i].instance->state.reported_replicas) {
            const auto position = position_of(replica);
            if (position != no_node && position != i && !followed[position] &&
                !nodes[position].instance->ever_seen) {
                nodes[position].reporter = i;
            }
        }
    }
}

void Builder::Impl::record(const Grouping& grouping) {
    for (const auto& changed : grouping.changed_records) {
        overlay.clusters[changed.id] = changed;
        recorded_clusters[changed.id] = changed;
        overlay_dirty = true;
    }
    for (const auto& [id, cluster] : grouping.changed_membership) {
        overlay.membership[id] = cluster;
        recorded_membership[id] = cluster;
        overlay_dirty = true;
    }
}

void Builder::Impl::place(Server& server, const Grouping& grouping, const Placement& placement) {
    const auto& instance = *server.instance;
    const bool in_cluster = placement.cluster != no_node;
    const auto& id = in_cluster ? grouping.clusters[placement.cluster].id : std::string{};
    const auto& name = in_cluster ? grouping.clusters[placement.cluster].name : std::string{};
    auto ancestry = ancestry_of(server);
    if (instance.cluster_id != id || instance.cluster_name != name ||
        instance.depth != placement.depth || instance.is_co_primary != placement.is_co_primary ||
        instance.ancestry_uuid != ancestry) {
        auto& changed = edit(server);
        changed.cluster_id = id;
        changed.cluster_name = name;
        changed.depth = placement.depth;
        changed.is_co_primary = placement.is_co_primary;
        changed.ancestry_uuid = std::move(ancestry);
    }
}

std::vector<const Instance*> Builder::Impl::ancestors_of(const Server& server) const {
    std::vector<const Instance*> out;
    for (auto source = server.source; source != no_node && out.size() < ancestors_limit;
         source = by_position[source]->source) {
        out.push_back(by_position[source]->instance.get());
    }
    return out;
}

std::string Builder::Impl::ancestry_of(const Server& server) const {
    std::string out;
    const auto ancestors = ancestors_of(server);
    for (auto ancestor = ancestors.rbegin(); ancestor != ancestors.rend(); ++ancestor) {
        out += (*ancestor)->state.identity.uuid + ",";
    }
    return out + server.instance->state.identity.uuid;
}

void Builder::Impl::check_errant(Server& server) {
    const auto ancestors = ancestors_of(server);
    if (ancestors.empty()) {
        if (!server.instance->errant_gtid.empty() && server.instance->health.valid) {
            edit(server).errant_gtid.clear();  // a primary has none: it is the measure
        }
        return;
    }
    auto text = errant_of(
        *server.instance,
        server.executed,
        ancestors,
        by_position[server.source]->executed,
        server.errant
    );
    if (text != server.instance->errant_gtid) {
        edit(server).errant_gtid = std::move(text);
    }
}

void Builder::Impl::check_received(Server& server) {
    const auto& instance = *server.instance;
    if (instance.received_lost.empty() || !instance.health.valid) {
        return;
    }
    if (!instance.is_replica()) {
        edit(server).received_lost.clear();  // a primary is itself the measure
        return;
    }
    const auto ancestors = ancestors_of(server);
    if (ancestors.empty()) {
        return;
    }
    const auto& top = *ancestors.back();
    const auto executed = gtid::GtidSet::parse(top.state.executed_gtid_set);
    if (!top.health.checked || !top.health.valid || !executed ||
        top.health.last_seen - top.health.latency < server.lost_at) {
        return;
    }
    auto wanted = still_wanted(instance.received_lost, *executed);
    if (wanted != instance.received_lost) {
        edit(server).received_lost = std::move(wanted);
    }
}

void Builder::Impl::check_errant_where_news() {
    std::set<std::size_t> affected;
    for (const auto* server : dirty) {
        affected.insert(server->position);
        const auto replicas = structure->replicas.find(server->instance->id);
        if (replicas != structure->replicas.end()) {
            affected.insert(replicas->second.begin(), replicas->second.end());
        }
    }
    for (const auto position : affected) {
        check_errant(*by_position[position]);
        check_received(*by_position[position]);
    }
}

}  // namespace baton::topology
