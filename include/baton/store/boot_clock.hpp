// SPDX-License-Identifier: Apache-2.0
#pragma once

// Readings of CLOCK_BOOTTIME, which also counts while the machine sleeps, and their translation
// into deadlines of base's monotonic clock. Thread-safe.

#include "baton/base/time.hpp"
#include "baton/election/clock.hpp"

namespace baton::store {

election::Instant boot_now();
election::Clocks read_clocks();

/// The monotonic deadline that lies as far ahead as the instant.
Deadline deadline_at(election::Instant instant);

/// Milliseconds since the Unix epoch, for people.
WallMs wall_now_ms();

}  // namespace baton::store
