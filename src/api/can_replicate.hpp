// SPDX-License-Identifier: Apache-2.0
#pragma once

// Static rules of replication between two servers. Pure.

#include "baton/topology/instance.hpp"

#include <cstdint>
#include <string>

namespace baton::api {

/// "" when it can, else the first violated rule as a sentence.
std::string why_cannot_replicate(
    const topology::Instance& replica,
    const topology::Instance& source,
    std::int64_t reasonable_lag_seconds
);

/// The same for replication by GTID, on top of the static rules: the source still has what the
/// replica lacks, and the replica has nothing that the source does not know.
std::string why_cannot_replicate_by_gtid(
    const topology::Instance& replica, const topology::Instance& source
);

}  // namespace baton::api
