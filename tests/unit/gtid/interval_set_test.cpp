// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/interval_set.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>

namespace baton::gtid {
namespace {

using Naive = std::set<std::uint64_t>;

IntervalSet set_of(std::initializer_list<Interval> intervals) {
    IntervalSet out;
    for (const auto& i : intervals) {
        out.add(i.first, i.last);
    }
    return out;
}

/// Random intervals in a small space, so that they overlap, touch and leave gaps.
IntervalSet random_set(std::mt19937_64& random, Naive& naive) {
    IntervalSet out;
    for (auto n = random() % 12; n > 0; --n) {
        const auto first = 1 + random() % 60;
        const auto last = first + random() % 8;
        out.add(first, last);
        for (auto number = first; number <= last; ++number) {
            naive.insert(number);
        }
    }
    return out;
}

Naive elements(const IntervalSet& set) {
    Naive out;
    for (const auto& interval : set.intervals()) {
        for (auto number = interval.first; number <= interval.last; ++number) {
            out.insert(number);
        }
    }
    return out;
}

void expect_canonical(const IntervalSet& set) {
    std::uint64_t previous_last = 0;
    for (const auto& interval : set.intervals()) {
        EXPECT_LE(interval.first, interval.last);
        EXPECT_TRUE(previous_last == 0 || interval.first > previous_last + 1)
            << interval.first << " after " << previous_last;
        previous_last = interval.last;
    }
}

TEST(IntervalSet, JoinsWhatTouches) {
    EXPECT_EQ(set_of({{1, 3}, {4, 6}}), set_of({{1, 6}}));
    EXPECT_EQ(set_of({{4, 6}, {1, 3}}), set_of({{1, 6}}));
    EXPECT_EQ(set_of({{1, 2}, {9, 9}, {5, 6}, {3, 4}}), set_of({{1, 6}, {9, 9}}));
}

TEST(IntervalSet, KeepsGaps) {
    const auto set = set_of({{1, 3}, {5, 6}});

    ASSERT_EQ(set.intervals().size(), 2U);
    EXPECT_FALSE(set.contains(4));
    EXPECT_TRUE(set.contains(5));
}

TEST(IntervalSet, TakesTheLargestNumbers) {
    const auto set = set_of({{1, max_number}});

    EXPECT_EQ(set.count(), max_number);
    EXPECT_EQ(set.minus(set_of({{1, max_number - 1}})), set_of({{max_number, max_number}}));
    EXPECT_TRUE(set.minus(set).empty());
}

TEST(IntervalSet, AgreesWithANaiveSet) {
    std::mt19937_64 random(20240501);
    for (int round = 0; round < 5000; ++round) {
        SCOPED_TRACE(round);
        Naive naive_a;
        Naive naive_b;
        const auto a = random_set(random, naive_a);
        const auto b = random_set(random, naive_b);
        expect_canonical(a);
        ASSERT_EQ(elements(a), naive_a);
        ASSERT_EQ(a.count(), naive_a.size());

        Naive expected;
        std::set_union(
            naive_a.begin(),
            naive_a.end(),
            naive_b.begin(),
            naive_b.end(),
            std::inserter(expected, expected.end())
        );
        const auto both = a.united(b);
        ASSERT_EQ(elements(both), expected);
        expect_canonical(both);

        expected.clear();
        std::set_difference(
            naive_a.begin(),
            naive_a.end(),
            naive_b.begin(),
            naive_b.end(),
            std::inserter(expected, expected.end())
        );
        const auto rest = a.minus(b);
        ASSERT_EQ(elements(rest), expected);
        expect_canonical(rest);

        expected.clear();
        std::set_intersection(
            naive_a.begin(),
            naive_a.end(),
            naive_b.begin(),
            naive_b.end(),
            std::inserter(expected, expected.end())
        );
        const auto shared = a.common(b);
        ASSERT_EQ(elements(shared), expected);
        expect_canonical(shared);

        ASSERT_EQ(
            a.contains(b),
            std::includes(naive_a.begin(), naive_a.end(), naive_b.begin(), naive_b.end())
        );
        const auto number = 1 + random() % 70;
        ASSERT_EQ(a.contains(number), naive_a.count(number) == 1);
        ASSERT_EQ(a == b, naive_a == naive_b);
    }
}

}  // namespace
}  // namespace baton::gtid
