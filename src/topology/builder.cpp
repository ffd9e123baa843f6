// SPDX-License-Identifier: Apache-2.0
#include "clusters.hpp"
#include "difference.hpp"
#include "errant.hpp"
#include "names.hpp"
#include "received.hpp"

#include "baton/topology/topology.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace baton::topology {
namespace {

// What servers name is outside input (C3): nothing here grows with it without a limit.
constexpr std::size_t undiscovered_limit = 1'000;
constexpr std::size_t alias_limit = 10'000;
constexpr std::size_t ancestors_limit = 16;
/// Failures in a row beyond which one more tells nothing new.
constexpr std::uint32_t telling_failures = 10;

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

std::vector<InstanceId> channel_sources(const ServerState& state) {
    std::vector<InstanceId> out;
    out.reserve(state.channels.size());
    for (const auto& channel : state.channels) {
        out.push_back(channel.source);
    }
    return out;
}

std::vector<InstanceId> group_members(const ServerState& state) {
    std::vector<InstanceId> out;
    out.reserve(state.group.members.size());
    for (const auto& member : state.group.members) {
        out.push_back(member.id);
    }
    return out;
}

bool fails_absent(const Instance& instance) {
    return !instance.health.valid && is_absence(instance.health.failure);
}

}  // namespace

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

    [[nodiscard]] const Instance* source_of(const Server& server) const {
        const auto* channel = server.instance->channel();
        if (channel == nullptr) {
            return nullptr;
        }
        const auto found = servers.find(channel->source);
        return found == servers.end() ? nullptr : found->second.instance.get();
    }

    /// First moment after `quiet` at which the source of the server was seen to have written.
    [[nodiscard]] TimePoint written_since(const Server& server, const Instance& replica) const {
        constexpr Duration lately = 2s;
        const auto quiet = replica.quiet_since;
        const auto* source = source_of(server);
        if (source == nullptr || source->binlog_moving_since == TimePoint{}) {
            return {};
        }
        if (source->binlog_moved_at > quiet) {
            return std::max(quiet, source->binlog_moving_since);
        }
        // Its writes may hang from the moment on at which the replica lost it: then it was seen to
        // move for the last time shortly before that, and the replica has not got so far.
        const auto* channel = replica.channel();
        const bool behind = channel != nullptr && !channel->read.file.empty() &&
                            std::tie(channel->read.file, channel->read.pos) <
                                std::tie(source->state.binlog.file, source->state.binlog.pos);
        return behind && quiet - source->binlog_moved_at < lately ? quiet : TimePoint{};
    }

    Change apply_failure(Server& server, const Observation& observation) {
        auto& instance = edit(server);
        auto& health = instance.health;
        if (observation.strain) {
            instance.state.strain = *observation.strain;
        }
        // An observation without state that claims success is one we cannot understand.
        const auto failure =
            observation.failure == ProbeFailure::none ? ProbeFailure::error : observation.failure;
        const auto before = health;
        const bool continues = health.checked && health.consecutive_failures > 0 &&
                               is_absence(failure) == is_absence(health.failure);
        health.checked = true;
        health.valid = false;
        health.failure = failure;
        health.error = observation.error;
        health.last_attempt = observation.ended;
        health.last_attempt_ms = observation.wall_ms;
        if (continues) {
            ++health.consecutive_failures;
        } else {
            health.consecutive_failures = 1;
            health.first_failure = observation.started;
            health.first_failure_ms =
                observation.wall_ms - to_ms(observation.ended - observation.started);
        }
        structure_dirty = structure_dirty || before.valid;
        return before.checked && !before.valid && before.failure == failure &&
                       before.consecutive_failures >= telling_failures
                   ? Change::none
                   : Change::decisive;
    }

    static std::string follow_received(Server& server, const Instance& old, const Instance& now) {
        const bool same = old.ever_seen && old.state.identity.uuid == now.state.identity.uuid;
        if (!same || !now.is_replica()) {
            server.received = ReceivedMark{};
            return same ? old.received_lost : std::string{};
        }
        auto lost = server.received.follow(old.state, old.received_lost, now.state);
        if (lost != old.received_lost) {
            server.lost_at = now.health.last_seen;
        }
        return lost;
    }

    /// A question for the place that found nothing is no answer: a server that is dying, or whose
    /// table is empty for a moment, does not move.
    static void keep_place(const Instance& old, Identity& now) {
        if (!old.ever_seen || old.state.identity.uuid != now.uuid) {
            return;
        }
        const auto keep = [](std::string& fresh, const std::string& known) {
            if (fresh.empty()) {
                fresh = known;
            }
        };
        keep(now.data_center, old.state.identity.data_center);
        keep(now.region, old.state.identity.region);
        keep(now.environment, old.state.identity.environment);
    }

    Change apply_success(Server& server, Observation& observation) {
        const auto& old = *server.instance;

        auto next = std::make_shared<Instance>();
        next->id = old.id;
        next->health.checked = next->health.valid = true;
        next->health.last_attempt = next->health.last_seen = observation.ended;
        next->health.last_attempt_ms = next->health.last_seen_ms = observation.wall_ms;
        next->health.latency = observation.ended - observation.started;
        next->ever_seen = true;
        next->state = std::move(*observation.state);
        keep_place(old, next->state.identity);
        const auto& state = next->state;
        next->witness = old.witness;
        next->witness_begun = old.witness_begun;
        next->cluster_id = old.cluster_id;
        next->cluster_name = old.cluster_name;
        next->depth = old.depth;
        next->is_co_primary = old.is_co_primary;
        next->ancestry_uuid = old.ancestry_uuid;
        next->errant_gtid = old.errant_gtid;
        next->received_lost = follow_received(server, old, *next);

        // Names reduced before stay reduced: what decides about that has not changed.
        auto sources = channel_sources(state);
        auto members = group_members(state);
        const bool same_sources = old.ever_seen && sources == server.sources;
        const bool same_replicas = state.reported_replicas == server.replicas;
        const bool same_members = members == server.members;
        bool structural = !same_sources || !same_replicas || !same_members;
        for (std::size_t i = 0; same_sources && i < sources.size(); ++i) {
            next->state.channels[i].source = old.state.channels[i].source;
            structural =
                structural || state.channels[i].source_uuid != old.state.channels[i].source_uuid;
        }
        if (same_replicas) {
            next->state.reported_replicas = old.state.reported_replicas;
        } else {
            server.replicas = state.reported_replicas;
        }
        for (std::size_t i = 0; same_members && i < members.size(); ++i) {
            next->state.group.members[i].id = old.state.group.members[i].id;
        }
        server.sources = std::move(sources);
        server.members = std::move(members);
        const bool decisive = structural || !old.health.valid ||
                              differs_decisively(old.state, next->state) ||
                              old.received_lost != next->received_lost;
        const bool progress = decisive || differs_in_progress(old.state, next->state);
        next->received_at = old.received_at;
        next->binlog_moved_at = old.binlog_moved_at;
        next->binlog_moving_since = old.binlog_moving_since;
        next->quiet_since = observation.started;
        // Both ends must be observations of this process: stored ones have no monotonic time.
        if (old.ever_seen && old.health.last_seen != TimePoint{}) {
            if (same_sources && shows_receipt(old.state, next->state)) {
                next->received_at = old.health.last_seen - old.health.latency;
            } else if (same_sources) {
                next->quiet_since = old.quiet_since;
                next->unheard_since = old.unheard_since;
            }
            if (old.state.binlog != next->state.binlog) {
                const bool goes_on = old.binlog_moving_since != TimePoint{} &&
                                     old.binlog_moved_at == old.health.last_seen;
                next->binlog_moved_at = observation.ended;
                next->binlog_moving_since = goes_on ? old.binlog_moving_since : observation.ended;
            }
        } else {
            next->binlog_moved_at = observation.ended;
        }
        const auto* channel = next->channel();
        if (channel != nullptr && channel->receiver != ThreadState::running) {
            next->unconnected_since = same_sources && old.unconnected_since != TimePoint{}
                                          ? old.unconnected_since
                                          : observation.ended;
        }
        if (same_sources && next->unheard_since == TimePoint{}) {
            next->unheard_since = written_since(server, *next);
        }
        if (next->state.read_only) {
            next->read_only_since =
                old.read_only_since == TimePoint{} ? observation.ended : old.read_only_since;
        }
        structure_dirty = structure_dirty || structural || !old.health.valid ||
                          old.state.read_only != next->state.read_only ||
                          old.state.identity != next->state.identity ||
                          old.state.group != next->state.group;
        server.instance = std::move(next);
        server.published = false;
        mark(server);
        if (decisive) {
            return Change::decisive;
        }
        const auto* source = source_of(server);
        if (source != nullptr && fails_absent(*source)) {
            return Change::decisive;
        }
        return progress ? Change::progress : Change::none;
    }

    [[nodiscard]] NameIndex names() const {
        NameIndex index;
        for (const auto& [id, server] : servers) {
            index.add(*server.instance);
        }
        for (const auto& [address, uuid] : aliases) {
            index.add_alias(address, uuid);
        }
        return index;
    }

    /// Reduces the names a server gave to the addresses of known servers.
    void reduce_names(Server& server, const NameIndex& index) {
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

    [[nodiscard]] Node node_of(const Server& server) const {
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

    void rebuild_structure(TimePoint now) {
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

    /// A replica that never answered is drawn below the server that names it.
    void name_reporters(std::vector<Node>& nodes) const {
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

    void record(const Grouping& grouping) {
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

    void place(Server& server, const Grouping& grouping, const Placement& placement) {
        const auto& instance = *server.instance;
        const bool in_cluster = placement.cluster != no_node;
        const auto& id = in_cluster ? grouping.clusters[placement.cluster].id : std::string{};
        const auto& name = in_cluster ? grouping.clusters[placement.cluster].name : std::string{};
        auto ancestry = ancestry_of(server);
        if (instance.cluster_id != id || instance.cluster_name != name ||
            instance.depth != placement.depth ||
            instance.is_co_primary != placement.is_co_primary ||
            instance.ancestry_uuid != ancestry) {
            auto& changed = edit(server);
            changed.cluster_id = id;
            changed.cluster_name = name;
            changed.depth = placement.depth;
            changed.is_co_primary = placement.is_co_primary;
            changed.ancestry_uuid = std::move(ancestry);
        }
    }

    /// Nearest first, without the server itself.
    [[nodiscard]] std::vector<const Instance*> ancestors_of(const Server& server) const {
        std::vector<const Instance*> out;
        for (auto source = server.source; source != no_node && out.size() < ancestors_limit;
             source = by_position[source]->source) {
            out.push_back(by_position[source]->instance.get());
        }
        return out;
    }

    [[nodiscard]] std::string ancestry_of(const Server& server) const {
        std::string out;
        const auto ancestors = ancestors_of(server);
        for (auto ancestor = ancestors.rbegin(); ancestor != ancestors.rend(); ++ancestor) {
            out += (*ancestor)->state.identity.uuid + ",";
        }
        return out + server.instance->state.identity.uuid;
    }

    void publish(Server& server) {
        server.published = true;
        server.dirty = false;
        list[server.position] = server.instance;
    }

    void check_errant(Server& server) {
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

    /// A loss ends also when the primary shows that there is nothing of it to be had any more.
    void check_received(Server& server) {
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

    void check_errant_where_news() {
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
};

Builder::Builder() : impl_(std::make_unique<Impl>()) {}

Builder::~Builder() = default;
Builder::Builder(Builder&&) noexcept = default;
Builder& Builder::operator=(Builder&&) noexcept = default;

bool Builder::add(const InstanceId& id) {
    const auto before = impl_->servers.size();
    impl_->ensure(id);
    impl_->aliases.erase(id);
    return impl_->servers.size() != before;
}

bool Builder::remove(const InstanceId& id) {
    for (const auto& [duplicate, kept] : aliases()) {
        if (duplicate == id && impl_->aliases.size() < alias_limit) {
            impl_->aliases[id] = impl_->servers.at(id).instance->state.identity.uuid;
        }
    }
    const auto found = impl_->servers.find(id);
    if (found == impl_->servers.end()) {
        return false;
    }
    auto& dirty = impl_->dirty;
    dirty.erase(std::remove(dirty.begin(), dirty.end(), &found->second), dirty.end());
    impl_->servers.erase(found);
    impl_->overlay_dirty |= impl_->overlay.membership.erase(id) != 0;
    impl_->recorded_membership.erase(id);
    impl_->structure_dirty = true;
    return true;
}

Builder::Change Builder::apply(Observation observation) {
    auto& server = impl_->ensure(observation.id);
    const auto& health = server.instance->health;
    if (health.checked && observation.ended < health.last_attempt) {
        return Change::none;  // overtaken by a later probe
    }
    return observation.failure == ProbeFailure::none && observation.state
               ? impl_->apply_success(server, observation)
               : impl_->apply_failure(server, observation);
}

Builder::Change Builder::apply_witness(const InstanceId& replica, const WitnessReport& report) {
    const auto found = impl_->servers.find(replica);
    if (found == impl_->servers.end()) {
        return Change::none;
    }
    const auto& known = found->second.instance->witness;
    if (known && (report.answered < known->answered || report == *known)) {
        return Change::none;
    }
    impl_->edit(found->second).witness = report;
    return Change::decisive;
}

void Builder::set_witness_begun(const InstanceId& replica, TimePoint begun) {
    const auto found = impl_->servers.find(replica);
    if (found != impl_->servers.end()) {
        impl_->edit(found->second).witness_begun = begun;
    }
}

void Builder::restore(Instance instance) {
    auto& server = impl_->ensure(instance.id);
    instance.health.checked = false;
    instance.health.last_attempt = instance.health.last_seen = instance.health.first_failure =
        TimePoint{};
    instance.health.first_failure_ms = 0;
    instance.received_at = instance.binlog_moved_at = instance.binlog_moving_since = TimePoint{};
    instance.read_only_since = instance.quiet_since = TimePoint{};
    instance.unheard_since = instance.unconnected_since = TimePoint{};
    instance.witness.reset();
    instance.witness_begun = TimePoint{};
    server.sources = channel_sources(instance.state);
    server.replicas = instance.state.reported_replicas;
    server.members = group_members(instance.state);
    server.received = ReceivedMark{};
    server.lost_at = TimePoint{};
    server.instance = std::make_shared<Instance>(std::move(instance));
    server.published = false;
    impl_->mark(server);
    impl_->structure_dirty = true;
}

void Builder::set_overlay(Overlay overlay) {
    auto& own = impl_->overlay;
    for (const auto& [id, cluster] : own.membership) {
        if (impl_->servers.count(id) != 0) {
            overlay.membership.emplace(id, cluster);
        }
    }
    for (const auto& [id, cluster] : impl_->recorded_membership) {
        overlay.membership[id] = cluster;
    }
    for (const auto& cluster : impl_->structure->clusters) {
        if (const auto known = own.clusters.find(cluster.id); known != own.clusters.end()) {
            overlay.clusters.emplace(*known);
        }
    }
    for (const auto& [id, cluster] : impl_->recorded_clusters) {
        // Only the primary is this builder's to say; alias and term are others'.
        overlay.clusters.try_emplace(id, cluster).first->second.primary = cluster.primary;
    }
    if (overlay != own) {
        own = std::move(overlay);
        impl_->overlay_dirty = true;
        impl_->structure_dirty = true;
    }
}

const Overlay& Builder::overlay() const {
    return impl_->overlay;
}

std::vector<InstanceId> Builder::undiscovered() const {
    const auto index = impl_->names();
    std::set<InstanceId> out;
    const auto consider = [&](const InstanceId& raw, const NameHint& hint) {
        if (out.size() < undiscovered_limit && is_plausible_address(raw) &&
            index.find(raw, hint) == nullptr) {
            out.insert(raw);
        }
    };
    for (const auto& [id, server] : impl_->servers) {
        const auto& state = server.instance->state;
        for (std::size_t i = 0; i < server.sources.size(); ++i) {
            const auto& channel = state.channels[i];
            consider(server.sources[i], NameHint{channel.source_uuid, channel.source_server_id});
        }
        for (const auto& replica : server.replicas) {
            consider(replica, NameHint{});
        }
        for (std::size_t i = 0; i < server.members.size(); ++i) {
            consider(server.members[i], NameHint{state.group.members[i].uuid, 0});
        }
    }
    return {out.begin(), out.end()};
}

std::vector<std::pair<InstanceId, InstanceId>> Builder::aliases() const {
    std::map<std::string, std::vector<const Server*>> by_uuid;
    for (const auto& [id, server] : impl_->servers) {
        const auto& instance = *server.instance;
        if (instance.health.checked && instance.health.valid &&
            !instance.state.identity.uuid.empty()) {
            by_uuid[instance.state.identity.uuid].push_back(&server);
        }
    }
    std::vector<std::pair<InstanceId, InstanceId>> out;
    for (auto& [uuid, same] : by_uuid) {
        if (same.size() < 2) {
            continue;
        }
        const auto rank = [&](const Server* server) {
            const auto& id = server->instance->id;
            const auto& identity = server->instance->state.identity;
            const auto named =
                std::count_if(impl_->servers.begin(), impl_->servers.end(), [&](const auto& other) {
                    const auto& sources = other.second.sources;
                    return std::find(sources.begin(), sources.end(), id) != sources.end();
                });
            return std::make_tuple(
                -named,
                !(id.host == identity.report_host &&
                  (id.port == identity.report_port || identity.report_port == 0)),
                server->order
            );
        };
        std::sort(same.begin(), same.end(), [&](const Server* a, const Server* b) {
            return rank(a) < rank(b);
        });
        std::vector<const Server*> kept;
        for (const auto* server : same) {
            const auto twin = std::find_if(kept.begin(), kept.end(), [&](const Server* other) {
                return is_same_server(*other->instance, *server->instance);
            });
            if (twin == kept.end()) {
                kept.push_back(server);
            } else {
                out.emplace_back(server->instance->id, (*twin)->instance->id);
            }
        }
    }
    return out;
}

TopologyPtr Builder::build(TimePoint now, WallMs wall_ms) {
    auto& impl = *impl_;
    if (impl.structure_dirty || (impl.structure_due != TimePoint{} && now >= impl.structure_due)) {
        // Errant transactions need the new structure, and publishing ends the marks.
        const auto news = impl.dirty;
        impl.rebuild_structure(now);
        impl.dirty = news;
    }
    impl.check_errant_where_news();
    for (auto* server : impl.dirty) {
        impl.publish(*server);
    }
    impl.dirty.clear();
    if (impl.overlay_dirty) {
        impl.shared_overlay = std::make_shared<const Overlay>(impl.overlay);
        impl.overlay_dirty = false;
    }
    auto out = std::make_shared<Topology>();
    out->version_ = ++impl.version;
    out->taken_at_ = now;
    out->wall_ms_ = wall_ms;
    out->instances_ = impl.list;
    out->structure_ = impl.structure;
    out->overlay_ = impl.shared_overlay;
    return out;
}

Builder::Recorded Builder::take_recorded() {
    Recorded out;
    for (auto& [id, cluster] : impl_->recorded_clusters) {
        out.clusters.push_back(std::move(cluster));
    }
    for (auto& [id, cluster] : impl_->recorded_membership) {
        out.membership.emplace_back(id, std::move(cluster));
    }
    impl_->recorded_clusters.clear();
    impl_->recorded_membership.clear();
    return out;
}

}  // namespace baton::topology
