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

}  // namespace baton::api
