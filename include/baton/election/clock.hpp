// SPDX-License-Identifier: Apache-2.0
#pragma once

// The clock of the lease: CLOCK_BOOTTIME of this machine. A type of its own, because base's
// TimePoint is CLOCK_MONOTONIC, which stands still while the machine sleeps: a lease judged by it
// would outlive itself. Nothing here reads a clock; whoever drives the machine does.

#include <chrono>

namespace baton::election {

struct BootClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
};

using Span = BootClock::duration;
/// A reading of CLOCK_BOOTTIME. The zero value means "never" and lies before every reading.
using Instant = BootClock::time_point;

/// Both clocks, read one right after the other. `wall` (CLOCK_REALTIME since its epoch) serves only
/// to notice that the machine was frozen without its boot clock counting.
struct Clocks {
    Instant boot;
    std::chrono::nanoseconds wall{0};
};

}  // namespace baton::election
