// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/interval_set.hpp"

#include "baton/base/check.hpp"

#include <algorithm>

namespace baton::gtid {

void IntervalSet::append(Interval next) {
    if (!intervals_.empty() && next.first <= intervals_.back().last + 1) {
        intervals_.back().last = std::max(intervals_.back().last, next.last);
    } else {
        intervals_.push_back(next);
    }
}

void IntervalSet::add(std::uint64_t first, std::uint64_t last) {
    BATON_CHECK(first >= 1 && first <= last && last <= max_number, "not an interval");
    if (intervals_.empty() || first >= intervals_.back().first) {
        append({first, last});
        return;
    }
    // All that overlap or touch first..last become one.
    const auto begin = std::partition_point(
        intervals_.begin(), intervals_.end(), [&](const Interval& i) { return i.last + 1 < first; }
    );
    const auto end = std::partition_point(begin, intervals_.end(), [&](const Interval& i) {
        return i.first <= last + 1;
    });
    if (begin == end) {
        intervals_.insert(begin, Interval{first, last});
        return;
    }
    begin->first = std::min(begin->first, first);
    begin->last = std::max(std::prev(end)->last, last);
    intervals_.erase(std::next(begin), end);
}

std::uint64_t IntervalSet::count() const {
    std::uint64_t total = 0;
    for (const auto& interval : intervals_) {
        total += interval.last - interval.first + 1;
    }
    return total;
}

bool IntervalSet::contains(std::uint64_t number) const {
    const auto found = std::partition_point(
        intervals_.begin(), intervals_.end(), [&](const Interval& i) { return i.last < number; }
    );
    return found != intervals_.end() && found->first <= number;
}

bool IntervalSet::contains(const IntervalSet& part) const {
    auto whole = intervals_.begin();
    for (const auto& wanted : part.intervals_) {
        while (whole != intervals_.end() && whole->last < wanted.first) {
            ++whole;
        }
        if (whole == intervals_.end() || whole->first > wanted.first || whole->last < wanted.last) {
            return false;
        }
    }
    return true;
}

IntervalSet IntervalSet::united(const IntervalSet& other) const {
    IntervalSet out;
    out.intervals_.reserve(intervals_.size() + other.intervals_.size());
    auto a = intervals_.begin();
    auto b = other.intervals_.begin();
    while (a != intervals_.end() || b != other.intervals_.end()) {
        const bool take_a =
            b == other.intervals_.end() || (a != intervals_.end() && a->first <= b->first);
        out.append(take_a ? *a++ : *b++);
    }
    return out;
}

IntervalSet IntervalSet::minus(const IntervalSet& other) const {
    IntervalSet out;
    auto cut = other.intervals_.begin();
    for (auto rest : intervals_) {
        while (cut != other.intervals_.end() && cut->last < rest.first) {
            ++cut;
        }
        // An interval of `other` may reach into the next one of ours, so `cut` itself stays.
        bool gone = false;
        for (auto c = cut; !gone && c != other.intervals_.end() && c->first <= rest.last; ++c) {
            if (c->first > rest.first) {
                out.intervals_.push_back({rest.first, c->first - 1});
            }
            gone = c->last >= rest.last;
            rest.first = c->last + 1;
            cut = c;
        }
        if (!gone) {
            out.intervals_.push_back(rest);
        }
    }
    return out;
}

IntervalSet IntervalSet::common(const IntervalSet& other) const {
    IntervalSet out;
    auto a = intervals_.begin();
    auto b = other.intervals_.begin();
    while (a != intervals_.end() && b != other.intervals_.end()) {
        const auto first = std::max(a->first, b->first);
        const auto last = std::min(a->last, b->last);
        if (first <= last) {
            out.intervals_.push_back({first, last});
        }
        if (a->last < b->last) {
            ++a;
        } else {
            ++b;
        }
    }
    return out;
}

}  // namespace baton::gtid
