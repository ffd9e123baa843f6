// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a server is there, as far as this observer can tell. Pure.

#include "baton/analysis/analyze.hpp"
#include "baton/topology/instance.hpp"

namespace baton::analysis {

using topology::Channel;
using topology::Instance;
using topology::Topology;

enum class Sight {
    unknown,   // this observer has not probed it: says nothing, whatever others stored
    living,    // the last probe succeeded
    refusing,  // it answers, but does not let us look: proof that it lives
    doubtful,  // no answer, but not often enough to be sure
    absent,    // cannot be reached
};

Sight sight_of(const Instance& instance, const Policy& policy);

/// Start of its last good probe: what the probe showed was so at this time or later.
inline TimePoint looked_at(const Instance& instance) {
    return instance.health.last_seen - instance.health.latency;
}

}  // namespace baton::analysis
