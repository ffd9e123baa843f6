// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether the replicas of a primary that answers us still reach it: a network may be broken between
// them and nowhere else. Pure.
//
// A receiver that waits long between two attempts, or that believes to be connected, is no proof
// (A2 of testimony.hpp): those are made to reconnect, and only a replica that could not counts.

#include "sight.hpp"

#include <vector>

namespace baton::analysis {

struct Reach {
    unsigned cut = 0;        // cannot connect to it, as was seen just now
    unsigned open = 0;       // does not seem to be connected, and has still to be asked
    unsigned connected = 0;  // or was stopped, or nothing says otherwise
    TimePoint since{};       // since when none of the cut ones has received anything
    std::vector<const Instance*> ask;

    [[nodiscard]] bool all_cut() const { return cut > 0 && open == 0 && connected == 0; }
};

/// Of a living server and its replicas; those that cannot be observed themselves say nothing.
Reach reach_of(
    const Instance& source,
    const std::vector<const Instance*>& replicas,
    const Topology& topology,
    const Policy& policy
);

}  // namespace baton::analysis
