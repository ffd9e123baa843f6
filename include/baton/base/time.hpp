// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two clocks, never compared with each other. Monotonic decides; wall time is for people.

#include <chrono>
#include <cstdint>
#include <string>

namespace baton {

using namespace std::chrono_literals;

using Duration = std::chrono::steady_clock::duration;
/// Monotonic time of this process; all deadlines and ages are of this kind.
using TimePoint = std::chrono::steady_clock::time_point;
using Deadline = TimePoint;

/// Milliseconds since the Unix epoch, UTC; for people and for storage, never for a decision.
using WallMs = std::int64_t;

/// "YYYY-MM-DD hh:mm:ss" in UTC; "" for 0.
std::string wall_text(WallMs ms);
/// "YYYY-MM-DDThh:mm:ss.mmmZ"; "" for 0.
std::string wall_iso(WallMs ms);

/// Milliseconds of a duration, for messages and JSON.
template <class Rep, class Period>
constexpr std::int64_t to_ms(std::chrono::duration<Rep, Period> d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

}  // namespace baton
