// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is particular about a server, in plain words, and what Baton therefore does not do with it.
// No fault: faults are findings. Pure.

#include "baton/topology/topology.hpp"

#include <string>
#include <vector>

namespace baton::analysis {

/// Group members, co-primaries, delayed and filtered replicas, several channels, binlog servers.
std::vector<std::string> notes_of(
    const topology::Instance& instance, const topology::Topology& topology
);

}  // namespace baton::analysis
