// SPDX-License-Identifier: Apache-2.0
#include "begin.hpp"
#include "candidates.hpp"

#include <algorithm>

namespace baton::recovery {

namespace {

using Part = Forecast::Part;

/// Statements that one step sends, one after the other; counted in the performer.
constexpr int stop_round_trips = 4;
constexpr int promote_round_trips = 6;
/// Journaling of a stage: one fenced transaction in the backend.
constexpr std::int64_t journal_ms = 10;

std::int64_t slowest_ms(const std::vector<const Instance*>& servers) {
    Duration slowest{};
    for (const Instance* server : servers) {
        slowest = std::max(slowest, server->health.latency);
    }
    return std::max<std::int64_t>(1, to_ms(slowest));
}

std::string because(const Instance& follower, const Instance* successor, const Instance* primary) {
    if (!follower.reachable() || !follower.ever_seen) {
        return "it does not answer" +
               (follower.health.error.empty() ? "" : ": " + follower.health.error);
    }
    if (successor == nullptr) {
        return {};
    }
    if (auto reason = cannot_follow(follower, *successor, primary)) {
        return *reason;
    }
    // One that replicates is close to the others; only of the rest it is worth to compare the sets.
    const Channel* channel = follower.channel();
    if (channel != nullptr && !channel->replicating()) {
        if (auto reason = needs_purged(holdings_of(follower, nullptr), *successor)) {
            return *reason;
        }
    }
    return {};
}

void estimate(
    Forecast& out,
    const Choice& choice,
    const std::vector<const Instance*>& all,
    const Policy& policy
) {
    if (policy.wait_before_acting > Duration{}) {
        out.duration.push_back(Part{
            "waiting", to_ms(policy.wait_before_acting), "the policy's wait_before_acting"});
    }
    std::vector<const Instance*> answering;
    std::copy_if(all.begin(), all.end(), std::back_inserter(answering), [](const Instance* server) {
        return server->reachable();
    });
    const auto latency = slowest_ms(answering);
    out.duration.push_back(Part{
        "stopping the receivers",
        stop_round_trips * latency + journal_ms,
        (answering.size() == 1 ? "of the only replica, which answers in "
                               : "of " + std::to_string(answering.size()) +
                                     " replicas at once, the slowest answers in ") +
            std::to_string(latency) + " ms"});
    const Instance& successor = *choice.successor;
    const auto lag = successor.lag_seconds();
    out.successor_lag_seconds = lag;
    if (choice.helper != nullptr) {
        out.duration.push_back(Part{
            "catching up",
            to_ms(1s),
            "from " + choice.helper->id.text() +
                ", which has what it lacks; at least, by the number of transactions"});
    }
    if (lag) {
        const auto limit = to_ms(policy.drain_limit);
        out.duration.push_back(Part{
            "applying what was received",
            std::min<std::int64_t>(*lag * 1000, limit),
            successor.id.text() + " is " + std::to_string(*lag) + " s behind" +
                (*lag * 1000 > limit ? "; after drain_limit the next candidate is looked at" : "")}
        );
    }
    const auto own = slowest_ms({&successor});
    out.duration.push_back(Part{
        "promotion",
        promote_round_trips * own + journal_ms,
        successor.id.text() + " answers in " + std::to_string(own) + " ms"});
    if (policy.has_pre_hooks) {
        out.duration.push_back(Part{
            "hooks",
            0,
            "those of pre_failover come on top, at most " +
                std::to_string(to_ms(policy.hook_limit) / 1000) + " s each"});
    }
}

/// What nobody has received cannot be known; how far that can go, can.
std::string bound_of_loss(const Instance& successor) {
    const Channel* channel = successor.channel();
    if (channel == nullptr || channel->receiver != topology::ThreadState::running) {
        return "The receiver of " + successor.id.text() +
               " is not connected: everything that is committed until it is may be lost";
    }
    std::string text = "Bound: the receiver of " + successor.id.text() +
                       " is connected, so what may be lost is what was on its way at that moment";
    if (const auto lag = successor.lag_seconds(); lag && *lag > 0) {
        text +=
            "; that it applies " + std::to_string(*lag) + " s late costs time and no transaction";
    }
    return text;
}

}  // namespace

Forecast forecast(
    const topology::Cluster& cluster,
    const Topology& topology,
    const Policy& policy,
    const History& history
) {
    Forecast out;
    if (cluster.primary.empty()) {
        out.blockers.emplace_back(
            "The cluster has no known primary; see that exactly one of its servers is writable and "
            "replicates from nobody"
        );
        return out;
    }
    const Occasion occasion{
        analysis::RecoveryKind::dead_primary,
        cluster.primary,
        cluster.name,
        cluster.alias,
        topology,
        policy,
        history,
    };
    if (auto refusal = never_now(occasion, &cluster)) {
        out.blockers.push_back(refusal->reason);
    }
    if (auto refusal = held_back(occasion, nullptr)) {
        out.blockers.push_back(refusal->reason);
    }
    const Record record = record_for(occasion.kind, cluster.primary, topology, &cluster);
    const Choice choice = choose({record, topology, policy, true});
    out.candidates = choice.candidates;
    out.loss = choice.loss;
    const auto all = followers(record, topology);
    if (choice.successor == nullptr) {
        out.blockers.push_back(choice.refusal.reason);
    } else {
        out.successor = choice.successor->id;
        const Instance* living = topology.find(cluster.primary);
        if (!record.semi_sync && living != nullptr && living->reachable()) {
            out.loss += ". " + bound_of_loss(*choice.successor);
        }
        estimate(out, choice, all, policy);
    }
    const Instance* primary = topology.find(cluster.primary);
    for (const Instance* follower : all) {
        if (follower == choice.successor) {
            continue;
        }
        if (auto reason = because(*follower, choice.successor, primary); !reason.empty()) {
            out.would_be_lost.push_back(follower->id);
            out.lost.push_back({follower->id, std::move(reason)});
        }
    }
    return out;
}

}  // namespace baton::recovery
