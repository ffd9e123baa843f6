// SPDX-License-Identifier: Apache-2.0
#include "builder_impl.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace baton::topology {

namespace {

// What servers name is outside input (C3): nothing here grows with it without a limit.
constexpr std::size_t undiscovered_limit = 1'000;
constexpr std::size_t alias_limit = 10'000;

}  // namespace

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
