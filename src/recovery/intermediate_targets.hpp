// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the replicas of a source that is gone may go. Pure.
//
// T1  A sibling of the dead one in its data centre, a living member of its group.
// T2  The local source: when nobody of T1 is there and what is left is in another data centre, one
//     of the replicas moves there and the others of its data centre follow that one, so that the
//     changes cross the distance once.
// T3  The source of the dead one; with that gone or deposed, the primary of the cluster.
// T4  A sibling elsewhere.
// T5  Another replica of the dead one that has found a place: for those that fit nowhere else.

#include "holdings.hpp"
#include "view.hpp"

#include <string>
#include <vector>

namespace baton::recovery {

struct Target {
    enum class Place { near, local, above, far, beside };
    const Instance* instance = nullptr;
    Place place = Place::near;
    std::uint64_t behind = 0;  // lag, in seconds
    bool has_all = false;      // it had everything before any replica of the dead one
};

struct Targets {
    std::vector<Target> list;                  // best first
    const Instance* local = nullptr;           // T2: moves first
    std::vector<CandidateVerdict> considered;  // each with its place or why it is none
};

/// Of record.failed, for the replicas `ids`.
Targets find_targets(
    const Record& record,
    const Topology& topology,
    const Policy& policy,
    const std::vector<InstanceId>& ids
);

/// Why the replica must not follow the target; nullopt: it may.
std::optional<std::string> unfit(
    const Record& record, const Topology& topology, const Instance& replica, const Target& target
);

/// In the data centre of the dead one, as far as that is known.
bool is_near(const Instance* failed, const Instance& instance);

}  // namespace baton::recovery
