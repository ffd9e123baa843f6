// SPDX-License-Identifier: Apache-2.0
#pragma once

// Events in the order of (time, sequence): equal times keep the order in which they were planned,
// so that a run is a function of its seed alone.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace baton::sim {

/// True time in nanoseconds since the start of the run; no node can read it.
using Time = std::int64_t;

constexpr Time us = 1000;
constexpr Time ms = 1000 * us;
constexpr Time s = 1000 * ms;

class EventQueue {
public:
    void at(Time when, std::function<void()> what) {
        events_.push_back(Event{std::max(when, now_), ++sequence_, std::move(what)});
        std::push_heap(events_.begin(), events_.end(), later);
    }

    [[nodiscard]] Time now() const { return now_; }

    /// Runs the next event; false when there is none before `end`.
    bool run_one(Time end) {
        if (events_.empty() || events_.front().when > end) {
            return false;
        }
        std::pop_heap(events_.begin(), events_.end(), later);
        auto event = std::move(events_.back());
        events_.pop_back();
        now_ = event.when;
        event.what();
        return true;
    }

private:
    struct Event {
        Time when;
        std::uint64_t sequence;
        std::function<void()> what;
    };

    static bool later(const Event& a, const Event& b) {
        return std::pair(a.when, a.sequence) > std::pair(b.when, b.sequence);
    }

    std::vector<Event> events_;
    std::uint64_t sequence_ = 0;
    Time now_ = 0;
};

}  // namespace baton::sim
