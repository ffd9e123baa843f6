// SPDX-License-Identifier: Apache-2.0
#include "sight.hpp"

#include <algorithm>

namespace baton::analysis {

using topology::ProbeFailure;

Sight sight_of(const Instance& instance, const Policy& policy) {
    const auto& health = instance.health;
    if (!health.checked) {
        return Sight::unknown;
    }
    if (health.valid) {
        return Sight::living;
    }
    if (!topology::is_absence(health.failure)) {
        return Sight::refusing;
    }
    // A refusal or reset is the answer of a host without the server, and the probe has tried a
    // new connection already. A timeout may be a hiccup, and a name that is not found may be the
    // resolver's.
    if (health.failure == ProbeFailure::refused || health.failure == ProbeFailure::reset ||
        health.consecutive_failures >= std::max(policy.timeouts_before_unreachable, 1U)) {
        return Sight::absent;
    }
    return Sight::doubtful;
}

}  // namespace baton::analysis
