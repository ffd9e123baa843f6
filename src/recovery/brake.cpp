// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/brake.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <set>

namespace baton::recovery {

namespace {

constexpr std::size_t least_servers = 3;
constexpr std::size_t least_clusters = 2;

bool gone(const topology::Instance& instance, unsigned timeouts) {
    const auto& health = instance.health;
    if (!health.checked || health.valid || !topology::is_absence(health.failure)) {
        return false;
    }
    return health.failure == topology::ProbeFailure::refused ||
           health.failure == topology::ProbeFailure::reset ||
           health.consecutive_failures >= std::max(timeouts, 1U);
}

std::string number(std::size_t count) {
    return std::to_string(count);
}

struct Tally {
    std::size_t reached = 0, asked = 0;
};

}  // namespace

std::string Loss::text() const {
    return number(servers.size()) + " of " + number(known) + " servers, of " + number(clusters) +
           (clusters == 1 ? " cluster" : " clusters");
}

Loss recent_loss(const topology::Topology& topology, const BrakePolicy& policy, TimePoint now) {
    Loss loss;
    std::set<std::string> clusters;
    for (const auto& instance : topology.instances()) {
        const bool lost = gone(*instance, 1);
        if (lost && now - instance->health.first_failure > policy.window) {
            continue;
        }
        ++loss.known;
        if (lost) {
            loss.servers.push_back(instance->id);
            clusters.insert(instance->cluster_id);
        }
    }
    loss.clusters = clusters.size();
    const auto lost = loss.servers.size();
    const bool all = lost > 0 && lost == loss.known;
    const bool most = static_cast<double>(lost) > policy.share * static_cast<double>(loss.known);
    loss.correlated = all || (most && lost >= least_servers && clusters.size() >= least_clusters);
    return loss;
}

std::vector<InstanceId> still_lost(
    const topology::Topology& topology, const std::vector<InstanceId>& servers, unsigned timeouts
) {
    std::vector<InstanceId> lost;
    for (const auto& id : servers) {
        const auto* instance = topology.find(id);
        if (instance != nullptr && gone(*instance, timeouts)) {
            lost.push_back(id);
        }
    }
    return lost;
}

std::vector<InstanceId> to_ask(
    const topology::Topology& topology,
    const std::vector<InstanceId>& lost,
    const std::vector<InstanceId>& first,
    const Opinions& asked,
    std::size_t limit
) {
    std::vector<InstanceId> chosen;
    const auto add = [&](const InstanceId& id) {
        if (chosen.size() < limit && !asked.contains(id) &&
            std::find(chosen.begin(), chosen.end(), id) == chosen.end()) {
            chosen.push_back(id);
        }
    };
    for (const auto& id : first) {
        add(id);
    }
    std::map<std::string, std::vector<InstanceId>> by_cluster;
    for (const auto& id : lost) {
        const auto* instance = topology.find(id);
        by_cluster[instance != nullptr ? instance->cluster_id : std::string()].push_back(id);
    }
    for (std::size_t turn = 0; turn < lost.size() && chosen.size() < limit; ++turn) {
        for (const auto& [cluster, members] : by_cluster) {
            if (turn < members.size()) {
                add(members[turn]);
            }
        }
    }
    return chosen;
}

Judgement judge(const Opinions& opinions, const std::vector<std::string>& beating) {
    if (opinions.empty()) {
        return {};
    }
    std::map<std::string, Tally> nodes;
    bool heard = false;
    for (const auto& [server, list] : opinions) {
        for (const auto& opinion : list) {
            heard = heard || opinion.kind != Opinion::Kind::unheard;
            if (opinion.kind == Opinion::Kind::reached ||
                opinion.kind == Opinion::Kind::not_reached) {
                auto& tally = nodes[opinion.node];
                ++tally.asked;
                tally.reached += opinion.kind == Opinion::Kind::reached ? 1 : 0;
            }
        }
    }
    for (const auto& [node, tally] : nodes) {
        if (2 * tally.reached > tally.asked) {
            return Judgement{
                Cause::own_network,
                "node " + node + " reaches " + number(tally.reached) + " of the " +
                    number(tally.asked) + " lost servers that it was asked about"};
        }
    }
    if (!heard && !beating.empty()) {
        return Judgement{
            Cause::own_network,
            "neither the servers nor the other nodes can be reached from here, although the "
            "backend shows that " +
                join(beating, ", ") + (beating.size() == 1 ? " lives" : " live")};
    }
    if (nodes.empty()) {
        return Judgement{Cause::servers, "no other node could tell otherwise"};
    }
    std::vector<std::string> names;
    for (const auto& [node, tally] : nodes) {
        names.push_back(node);
    }
    return Judgement{Cause::servers, "most are out of reach for " + join(names, ", ") + " too"};
}

const Opinion* reached_by(const std::vector<Opinion>& opinions) {
    const auto found = std::find_if(opinions.begin(), opinions.end(), [](const auto& opinion) {
        return opinion.kind == Opinion::Kind::reached;
    });
    return found == opinions.end() ? nullptr : &*found;
}

std::vector<std::string> testimony(const InstanceId& server, const std::vector<Opinion>& opinions) {
    std::vector<std::string> sentences;
    for (const auto& opinion : opinions) {
        const auto text = opinion.text.empty() ? std::string() : ": " + clipped(opinion.text, 200);
        switch (opinion.kind) {
            case Opinion::Kind::reached:
                sentences.push_back("node " + opinion.node + " reaches " + server.text());
                break;
            case Opinion::Kind::not_reached:
                sentences.push_back(
                    "node " + opinion.node + " does not reach " + server.text() + " either" + text
                );
                break;
            case Opinion::Kind::abstained:
                sentences.push_back(
                    "node " + opinion.node + " did not try " + server.text() + text
                );
                break;
            case Opinion::Kind::unheard:
                sentences.push_back("node " + opinion.node + " could not be asked" + text);
                break;
        }
    }
    if (opinions.empty()) {
        sentences.push_back("no other node is there to be asked about " + server.text());
    }
    return sentences;
}

}  // namespace baton::recovery
