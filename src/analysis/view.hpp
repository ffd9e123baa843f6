// SPDX-License-Identifier: Apache-2.0
#pragma once

// One server with what counts for its analysis: its place, its replicas, their testimony. Points
// into the snapshot; copies no texts. Pure.

#include "reach.hpp"
#include "testimony.hpp"

#include <vector>

namespace baton::analysis {

/// The rows of the truth table that apply to a server.
enum class Place { primary, co_primary, intermediate, group_member, leaf };

struct View {
    const Topology* topology = nullptr;
    const Policy* policy = nullptr;
    const Instance* subject = nullptr;
    const topology::Cluster* cluster = nullptr;
    const topology::Deposed* deposed = nullptr;  // in force: this server was replaced
    Place place = Place::leaf;
    Sight sight = Sight::unknown;
    std::vector<const Instance*> replicas;
    Counts counts;

    // Of an absent subject only.
    std::vector<Testified> testified;
    unsigned unknown = 0, gone = 0, deaf = 0, mute = 0;
    // Of a subject that is not absent: replicas of which it is not clear whether they are there.
    unsigned unsettled = 0;
    Reach reach;  // of a living primary

    [[nodiscard]] TimePoint now() const { return topology->taken_at(); }

    [[nodiscard]] bool is_cluster_primary() const {
        return cluster != nullptr && cluster->primary == subject->id;
    }
};

View view_of(const Topology& topology, const Instance& subject, const Policy& policy);

/// Nothing was written to its binary log for long, as far as this observer has seen.
bool stands_still(const View& view);
/// Every replica that does not wait on purpose is behind.
bool all_lag(const View& view);
/// A replica that cannot connect although it runs; orchestrator's "failing to connect".
bool failing_to_connect(const Instance& replica);

}  // namespace baton::analysis
