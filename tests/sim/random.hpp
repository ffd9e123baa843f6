// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one source of chance of a simulated run. Own arithmetic, because the distributions of the
// standard library differ between libraries, and a seed must mean the same run everywhere.

#include <cstdint>

namespace baton::sim {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {  // splitmix64
        state_ += 0x9e3779b97f4a7c15U;
        auto z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

    /// 0 <= result < limit; limit > 0.
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }

    /// Both inclusive.
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return least +
               static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
    }

    double fraction() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

    bool chance(double probability) { return fraction() < probability; }

private:
    std::uint64_t state_;
};

}  // namespace baton::sim
