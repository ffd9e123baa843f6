// SPDX-License-Identifier: Apache-2.0
#pragma once

// The brake on correlated failures. When most servers vanish at once, the likeliest fault is the
// observer's own network; then nothing is recovered before the other nodes were asked how they see
// the servers from where they stand. Pure; the loop asks, waits and hands over.

#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"
#include "baton/topology/topology.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace baton::recovery {

struct BrakePolicy {
    Duration window = std::chrono::seconds(10);
    /// The brake goes on when more than this part of the servers vanished within the window.
    double share = 0.5;
    /// After a hand-over because of the brake there is no second one before this time.
    Duration handover_pause = std::chrono::seconds(60);
};

/// Answer of one other node that was asked to try a server.
struct Opinion {
    enum class Kind {
        reached,      // the server answered it, so it lives
        not_reached,  // nor can that node reach it
        abstained,    // the node answered, but did not try (does not know it, refuses, is too busy)
        unheard,      // the node itself could not be reached
    };
    std::string node;
    Kind kind = Kind::unheard;
    std::string text;  // the server's or the node's error
    friend bool operator==(const Opinion&, const Opinion&) = default;
};

/// By server; an empty list: asked, but nobody was there to answer.
using Opinions = std::map<InstanceId, std::vector<Opinion>>;

/// What vanished from this observer's sight lately.
struct Loss {
    std::vector<InstanceId> servers;  // sorted
    std::size_t known = 0;  // servers that it reached before or has not tried yet, these included
    std::size_t clusters = 0;  // that they belong to
    bool correlated = false;   // too many to be a coincidence

    [[nodiscard]] std::string text() const;
};

/// Lost: it gave no answer, be it once: servers fail one probe after the other, and the first
/// recovery must not begin while the last of them is only in doubt. Since less than the window; one
/// that has been gone for longer is not counted at all. Correlated: more than the share of the
/// known, at least three, of at least two clusters; or all of them.
Loss recent_loss(const topology::Topology& topology, const BrakePolicy& policy, TimePoint now);

/// Those of the servers that give no answer, so many times in a row when it is silence rather than
/// a refusal.
std::vector<InstanceId> still_lost(
    const topology::Topology& topology, const std::vector<InstanceId>& servers, unsigned timeouts
);

/// At most `limit` of the lost servers, `first` before all others, the rest taken from all clusters
/// in turn, without those in `asked`: enough to tell whose fault it is.
std::vector<InstanceId> to_ask(
    const topology::Topology& topology,
    const std::vector<InstanceId>& lost,
    const std::vector<InstanceId>& first,
    const Opinions& asked,
    std::size_t limit
);

enum class Cause {
    undecided,    // nobody was asked yet
    servers,      // they are really gone
    own_network,  // others reach what this node does not
};

struct Judgement {
    Cause cause = Cause::undecided;
    std::string why;
    friend bool operator==(const Judgement&, const Judgement&) = default;
};

/// `beating`: names of nodes that were not heard, while the shared backend shows that they live.
/// Own network: some node reaches most of what it was asked about; or no node was heard at all
/// although one of them lives.
Judgement judge(const Opinions& opinions, const std::vector<std::string>& beating);

/// The node that reaches the server; null when none does.
const Opinion* reached_by(const std::vector<Opinion>& opinions);
/// Sentences for the record of a recovery.
std::vector<std::string> testimony(const InstanceId& server, const std::vector<Opinion>& opinions);

}  // namespace baton::recovery
