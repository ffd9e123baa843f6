// SPDX-License-Identifier: Apache-2.0
#pragma once

// Under the hood of Builder: what it knows of each server, and how observations become the next
// snapshot. builder_observe.cpp folds in, builder_structure.cpp makes clusters of it.

#include "clusters.hpp"
#include "difference.hpp"
#include "errant.hpp"
#include "names.hpp"
#include "received.hpp"

#include "baton/topology/topology.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace baton::topology {

struct Server {
    /// Edited in place until a snapshot holds it, then replaced by a copy.
    std::shared_ptr<Instance> instance;
    bool published = false;
    bool dirty = false;
    /// Addresses as the server itself gave them, before names were reduced; parallel to channels,
    /// reported_replicas and group.members of the state.
    std::vector<InstanceId> sources, replicas, members;
    std::uint64_t order = 0;       // in which it became known
    std::size_t position = 0;      // in the list of instances
    std::size_t source = no_node;  // position of its source
    ParsedSet executed;
    ErrantCheck errant;
    ReceivedMark received;
    TimePoint lost_at{};  // end of the observation that changed what it lost
};

std::vector<InstanceId> channel_sources(const ServerState& state);
std::vector<InstanceId> group_members(const ServerState& state);

struct Builder::Impl {
    std::map<InstanceId, Server> servers;
    std::uint64_t next_order = 1;
    std::vector<Server*> dirty;

    Overlay overlay;
    std::shared_ptr<const Overlay> shared_overlay = std::make_shared<const Overlay>();
    bool overlay_dirty = false;
    std::map<std::string, ClusterRecord> recorded_clusters;  // not taken yet
    std::map<InstanceId, std::string> recorded_membership;   // not taken yet

    bool structure_dirty = true;
    TimePoint structure_due{};
    Splits splits;
    std::vector<Server*> by_position;
    std::vector<std::shared_ptr<const Instance>> list;
    std::shared_ptr<const Topology::Structure> structure =
        std::make_shared<const Topology::Structure>();
    std::map<InstanceId, std::string> aliases;  // removed duplicates: address -> uuid
    std::uint64_t version = 0;

    Server& ensure(const InstanceId& id) {
        auto [found, added] = servers.try_emplace(id);
        if (added) {
            found->second.instance = std::make_shared<Instance>();
            found->second.instance->id = id;
            found->second.order = next_order++;
            structure_dirty = true;
            mark(found->second);
        }
        return found->second;
    }

    void mark(Server& server) {
        if (!server.dirty) {
            server.dirty = true;
            dirty.push_back(&server);
        }
    }

    Instance& edit(Server& server) {
        if (server.published) {
            server.instance = std::make_shared<Instance>(*server.instance);
            server.published = false;
        }
        mark(server);
        return *server.instance;
    }

    [[nodiscard]] const Instance* source_of(const Server& server) const;

    /// First moment after `quiet` at which the source of the server was seen to have written.
    [[nodiscard]] TimePoint written_since(const Server& server, const Instance& replica) const;

    Change apply_failure(Server& server, const Observation& observation);

    static std::string follow_received(Server& server, const Instance& old, const Instance& now);

    /// A question for the place that found nothing is no answer: a server that is dying, or whose
    /// table is empty for a moment, does not move.
    static void keep_place(const Instance& old, Identity& now);

    Change apply_success(Server& server, Observation& observation);

    [[nodiscard]] NameIndex names() const;

    /// Reduces the names a server gave to the addresses of known servers.
    void reduce_names(Server& server, const NameIndex& index);

    [[nodiscard]] std::size_t position_of(const InstanceId& id) const {
        const auto found = servers.find(id);
        return found == servers.end() ? no_node : found->second.position;
    }

    /// The group's primary for a secondary member; no_node otherwise.
    [[nodiscard]] std::size_t group_primary_of(const Instance& instance) const {
        const auto& group = instance.state.group;
        if (group.name.empty() || !group.single_primary || group.member_role == "PRIMARY") {
            return no_node;
        }
        for (const auto& member : group.members) {
            if (member.role == "PRIMARY" && member.id != instance.id) {
                return position_of(member.id);
            }
        }
        return no_node;
    }

    [[nodiscard]] Node node_of(const Server& server) const;

    void rebuild_structure(TimePoint now);

    /// A replica that never answered is drawn below the server that names it.
    void name_reporters(std::vector<Node>& nodes) const;

    void record(const Grouping& grouping);

    void place(Server& server, const Grouping& grouping, const Placement& placement);

    /// Nearest first, without the server itself.
    [[nodiscard]] std::vector<const Instance*> ancestors_of(const Server& server) const;

    [[nodiscard]] std::string ancestry_of(const Server& server) const;

    void publish(Server& server) {
        server.published = true;
        server.dirty = false;
        list[server.position] = server.instance;
    }

    void check_errant(Server& server);

    /// A loss ends also when the primary shows that there is nothing of it to be had any more.
    void check_received(Server& server);

    void check_errant_where_news();
};

}  // namespace baton::topology
