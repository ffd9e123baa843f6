// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cluster as text, one line for each server, as orchestrator draws it; people and scripts read
// it.

#include "call.hpp"

#include <string>

namespace baton::api {

enum class TopologyStyle { tree, tabulated, tags };

std::string topology_text(
    const topology::Cluster& cluster, const Moment& moment, TopologyStyle style
);

}  // namespace baton::api
