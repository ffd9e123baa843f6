// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a replica was seen to have received and has no more: the high-water mark of its received
// transactions, kept as the difference to what it has now. A set that only grows costs one
// comparison, and only when its text changed.

#include "baton/gtid/gtid_set.hpp"
#include "baton/topology/instance.hpp"

#include <optional>
#include <string>

namespace baton::topology {

/// Follows one server.
class ReceivedMark {
public:
    /// Instance::received_lost after an observation of the same server; `before` and its `lost` are
    /// of the observation (or the stored one) before. Unchanged when a set cannot be read.
    std::string follow(const ServerState& before, const std::string& lost, const ServerState& now);

private:
    struct Known {
        std::string executed, received;  // texts
        gtid::GtidSet set;
    };

    static std::optional<Known> known(const ServerState& state);

    std::optional<Known> known_;  // of the observation before
};

/// Of `lost`, what the living primary has too, observed later than the loss: what it has not was
/// never acknowledged to anybody, or belongs to a past that is over (RESET, a failover with loss).
std::string still_wanted(const std::string& lost, const gtid::GtidSet& primary);

}  // namespace baton::topology
