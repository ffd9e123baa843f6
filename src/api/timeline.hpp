// SPDX-License-Identifier: Apache-2.0
#pragma once

// The timeline of a cluster: what was seen, decided and done, from all that is remembered. Every
// node makes the same one, since all it is made of comes from the shared state.

#include "call.hpp"
#include "json_writer.hpp"

#include <cstddef>

namespace baton::api::v1 {

/// Newest first, at most `limit` entries older than `before_ms` (0: from now on).
void write_timeline(
    JsonWriter& json,
    const topology::Cluster& cluster,
    const Moment& moment,
    std::size_t limit,
    WallMs before_ms
);

}  // namespace baton::api::v1
