// SPDX-License-Identifier: Apache-2.0
#pragma once

// What kind of news a probe brings compared with the one before. Pure.

#include "baton/topology/instance.hpp"

namespace baton::topology {

/// True when something differs that a decision can rest on: anything but positions, GTID sets, lag,
/// counters and uptime. A restart (uptime fell) counts.
bool differs_decisively(const ServerState& before, const ServerState& now);

/// True when positions, GTID sets, lag or counters differ.
bool differs_in_progress(const ServerState& before, const ServerState& now);

/// True when a channel of `now` proves that its source sent something, or accepted a connection,
/// after `before` was read.
bool shows_receipt(const ServerState& before, const ServerState& now);

}  // namespace baton::topology
