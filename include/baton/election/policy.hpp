// SPDX-License-Identifier: Apache-2.0
#pragma once

// Settings of the lease with their defaults and bounds (docs/internals/lease.md, "Times").

#include "baton/base/result.hpp"
#include "baton/election/clock.hpp"

#include <chrono>

namespace baton::election {

inline constexpr std::chrono::milliseconds shortest_duration{1000};
inline constexpr std::chrono::milliseconds longest_duration{60000};

struct LeasePolicy {
    /// D. Time without a manager after a crash, and tolerance of backend stalls. 1 s .. 60 s.
    std::chrono::milliseconds duration{3000};
    /// R. 10 ms .. D/4. Also the interval of a challenger's heartbeat.
    std::chrono::milliseconds renew_every{500};
    /// P. 10 ms .. D/4.
    std::chrono::milliseconds look_every{250};
    /// T. Limit of each statement and connect of the lease connection. R .. D/2.
    std::chrono::milliseconds statement_timeout{1000};
    /// By how much the rate of a machine's clock may be wrong. 0.001 .. 0.1.
    double clock_rate_bound = 0.01;
    /// How much earlier than it must the holder stops: scheduling noise that is survived. 10 ms ..
    /// D/4.
    std::chrono::milliseconds margin{100};
    /// Largest random delay before a grab. 0 .. D/4.
    std::chrono::milliseconds jitter{50};
    /// Ask the other nodes before a grab that is not of a fresh release (backends that can split).
    bool peer_check = false;

    /// The defaults in proportion to another duration.
    static LeasePolicy of_duration(std::chrono::milliseconds duration);
};

/// Errors: invalid_argument, naming the setting and its bounds.
Result<void> validate(const LeasePolicy& policy);

/// How long after sending a successful renewal the holder may act: D*(1-eps) - margin.
Span holder_span(const LeasePolicy& policy, std::chrono::milliseconds duration);

/// How long a version must stand still before a challenger may grab: D*(1+eps), D as the row says;
/// never less than the smallest duration allowed, whatever the row says.
Span challenger_span(const LeasePolicy& policy, std::chrono::milliseconds duration);

}  // namespace baton::election
