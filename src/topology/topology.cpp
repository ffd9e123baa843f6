// SPDX-License-Identifier: Apache-2.0
#include "baton/topology/topology.hpp"

#include <algorithm>
#include <tuple>

namespace baton::topology {

const Instance* Topology::find(const InstanceId& id) const {
    const auto found = structure_->index.find(id);
    return found == structure_->index.end() ? nullptr : instances_[found->second].get();
}

std::vector<const Instance*> Topology::replicas_of(const InstanceId& id) const {
    std::vector<const Instance*> out;
    if (const auto found = structure_->replicas.find(id); found != structure_->replicas.end()) {
        out.reserve(found->second.size());
        for (const auto position : found->second) {
            out.push_back(instances_[position].get());
        }
    }
    return out;
}

const Cluster* Topology::cluster_of(const InstanceId& id) const {
    const auto* instance = find(id);
    return instance != nullptr ? cluster_by_id(instance->cluster_id) : nullptr;
}

const Cluster* Topology::cluster_by_id(std::string_view id) const {
    const auto found = structure_->cluster_index.find(std::string(id));
    return found == structure_->cluster_index.end() ? nullptr
                                                    : &structure_->clusters[found->second];
}

const Cluster* Topology::find_cluster(std::string_view hint) const {
    if (hint.empty()) {
        return nullptr;
    }
    const auto& all = structure_->clusters;
    const auto by = [&](const auto& matches) -> const Cluster* {
        const auto found = std::find_if(all.begin(), all.end(), matches);
        return found == all.end() ? nullptr : &*found;
    };
    if (const auto* found = by([&](const Cluster& c) { return c.name == hint; })) {
        return found;
    }
    if (const auto* found = by([&](const Cluster& c) { return c.alias == hint; })) {
        return found;
    }
    if (const auto* found = cluster_by_id(hint)) {
        return found;
    }
    const auto id = parse_instance_id(hint);
    return id ? cluster_of(*id) : nullptr;
}

std::vector<const Instance*> Topology::members(const Cluster& cluster) const {
    std::vector<const Instance*> out;
    out.reserve(cluster.members.size());
    for (const auto& id : cluster.members) {
        if (const auto* instance = find(id)) {
            out.push_back(instance);
        }
    }
    std::sort(out.begin(), out.end(), [&](const Instance* a, const Instance* b) {
        return std::make_tuple(a->id != cluster.primary, a->depth, std::cref(a->id)) <
               std::make_tuple(b->id != cluster.primary, b->depth, std::cref(b->id));
    });
    return out;
}

const Downtime* Topology::downtime(const InstanceId& id) const {
    const auto found = overlay_->downtimes.find(id);
    if (found == overlay_->downtimes.end()) {
        return nullptr;
    }
    const auto& entry = found->second;
    return entry.begin_ms <= wall_ms_ && wall_ms_ < entry.end_ms ? &entry : nullptr;
}

PromotionRule Topology::promotion_rule(const InstanceId& id) const {
    const auto found = overlay_->candidates.find(id);
    if (found == overlay_->candidates.end()) {
        return PromotionRule::neutral;
    }
    const auto& entry = found->second;
    return entry.expires_ms == 0 || wall_ms_ < entry.expires_ms ? entry.rule
                                                                : PromotionRule::neutral;
}

}  // namespace baton::topology
