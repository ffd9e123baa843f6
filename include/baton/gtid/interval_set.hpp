// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transaction numbers of one origin as sorted intervals that neither overlap nor touch, so that
// equal sets have equal representations. Set operations are linear in the number of intervals.

#include <cstdint>
#include <vector>

namespace baton::gtid {

/// MySQL's largest transaction number (GNO_END - 1). Source: MySQL 8.0 manual, "GTID Format and
/// Storage".
inline constexpr std::uint64_t max_number = (std::uint64_t{1} << 63) - 2;

/// first..last, both inclusive; 1 <= first <= last <= max_number.
struct Interval {
    std::uint64_t first = 1;
    std::uint64_t last = 1;
    friend bool operator==(const Interval&, const Interval&) = default;
};

class IntervalSet {
public:
    IntervalSet() = default;

    /// Adds first..last. Constant time when it lies behind all others, as in servers' output.
    void add(std::uint64_t first, std::uint64_t last);

    [[nodiscard]] bool empty() const { return intervals_.empty(); }

    /// Number of transactions; cannot overflow, since all numbers are below 2^63.
    [[nodiscard]] std::uint64_t count() const;
    [[nodiscard]] bool contains(std::uint64_t number) const;
    [[nodiscard]] bool contains(const IntervalSet& part) const;

    [[nodiscard]] const std::vector<Interval>& intervals() const& { return intervals_; }

    /// Not of a temporary: a range-for over it would read freed memory.
    const std::vector<Interval>& intervals() && = delete;

    [[nodiscard]] IntervalSet united(const IntervalSet& other) const;
    [[nodiscard]] IntervalSet minus(const IntervalSet& other) const;
    [[nodiscard]] IntervalSet common(const IntervalSet& other) const;

    friend bool operator==(const IntervalSet&, const IntervalSet&) = default;

private:
    void append(Interval next);

    std::vector<Interval> intervals_;
};

}  // namespace baton::gtid
