// SPDX-License-Identifier: Apache-2.0
#include "baton/store/boot_clock.hpp"

#include "baton/base/check.hpp"

#include <ctime>

namespace baton::store {

namespace {

std::chrono::nanoseconds read(clockid_t clock) {
    timespec time{};
    BATON_CHECK(
        ::clock_gettime(clock, &time) == 0, "this system lacks a clock that the lease needs"
    );
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

election::Instant boot_now() {
    return election::Instant(read(CLOCK_BOOTTIME));
}

election::Clocks read_clocks() {
    election::Clocks clocks;
    clocks.boot = boot_now();
    clocks.wall = read(CLOCK_REALTIME);
    return clocks;
}

Deadline deadline_at(election::Instant instant) {
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<Duration>(instant - boot_now());
}

WallMs wall_now_ms() {
    return to_ms(read(CLOCK_REALTIME));
}

}  // namespace baton::store
