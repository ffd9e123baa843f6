// SPDX-License-Identifier: Apache-2.0
#pragma once

// What clients may have been told is safe, and what no server that answers has any more:
// acknowledging replicas that do not answer, that were seen to have received more than they have
// now, or that were restarted and have dropped what they had not applied. Pure.

#include "holdings.hpp"
#include "view.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace baton::recovery {

/// A follower that was seen to have received what no reachable server has now.
struct Shrunk {
    InstanceId id;
    std::uint64_t missing = 0;  // transactions
};

struct Doubts {
    /// With semi-synchronous replication only.
    bool may_be_missing = false;
    std::vector<InstanceId> silent;
    std::vector<Shrunk> shrunk;       // whether there is semi-synchronous replication or not
    std::vector<InstanceId> dropped;  // may have dropped, at a restart, what was not seen
    std::uint64_t unknown = 0;        // acknowledgers that the primary counted, and nobody knows

    /// "transactions may be acknowledged that ...".
    [[nodiscard]] std::string text(const Record& record) const;
};

struct AboutAcknowledged {
    const Record& record;
    const Topology& topology;
    const std::vector<const Instance*>& followers;
    const std::vector<InstanceId> silent;  // who does not answer, or whose receiver may still run
    const gtid::GtidSet& all;              // what the servers that answer have together
    bool foresight = false;                // nothing is stopped yet
};

Doubts doubts(const AboutAcknowledged& about);

}  // namespace baton::recovery
