// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/mariadb_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace baton::gtid {
namespace {

using testing::HasSubstr;

MariadbGtidSet parsed(const std::string& text) {
    auto set = MariadbGtidSet::parse(text);
    EXPECT_TRUE(bool(set)) << text << ": " << (set ? "" : set.error().what);
    return set ? *set : MariadbGtidSet{};
}

std::string refusal(const std::string& text) {
    const auto set = MariadbGtidSet::parse(text);
    EXPECT_FALSE(bool(set)) << "accepted: " << text;
    return set ? "" : set.error().what;
}

TEST(MariadbGtidSet, ReadsAndPrintsPositions) {
    EXPECT_EQ(parsed("1-2-7, 0-1-5\n").text(), "0-1-5,1-2-7");
    EXPECT_TRUE(parsed("").empty());
    EXPECT_TRUE(parsed(" , ").empty());
    EXPECT_EQ(parsed("4294967295-4294967295-18446744073709551615").count(), 18446744073709551615U);
}

TEST(MariadbGtidSet, TakesTheHighestSequenceOfADomain) {
    EXPECT_EQ(parsed("0-1-5,0-2-9,0-3-7").text(), "0-2-9");
}

TEST(MariadbGtidSet, RefusesWhatIsNoPositionAndSaysWhy) {
    for (const auto* text :
         {"x",
          "0-1",
          "0-1-",
          "0-1-5x",
          "0-1-5-6",
          "-1-1-5",
          "0--1-5",
          "4294967296-1-1",
          "0-1-5 6",
          "0-1-18446744073709551616",
          "+0-1-5"}) {
        EXPECT_THAT(refusal(text), HasSubstr("domain-server-sequence"));
    }
}

TEST(MariadbGtidSet, FindsADomain) {
    const auto set = parsed("0-1-5,7-2-9");

    ASSERT_NE(set.find(7), nullptr);
    EXPECT_EQ(set.find(7)->sequence, 9U);
    EXPECT_EQ(set.find(3), nullptr);
}

TEST(MariadbGtidSet, TellsTheDomainsInWhichItIsAhead) {
    const auto left = parsed("0-1-5,1-1-8,2-1-3");
    const auto right = parsed("0-1-7,1-1-6");

    EXPECT_EQ(left.ahead_of(right).text(), "1-1-8,2-1-3");
    EXPECT_EQ(right.ahead_of(left).text(), "0-1-7");
    EXPECT_EQ(left.distance_from(right), 5U);
    EXPECT_EQ(right.distance_from(left), 2U);
}

TEST(MariadbGtidSet, NoticesTwoWritersAtTheSameSequence) {
    EXPECT_EQ(parsed("0-1-5").ahead_of(parsed("0-2-5")).text(), "0-1-5");
    EXPECT_TRUE(parsed("0-1-5").ahead_of(parsed("0-1-5")).empty());
}

TEST(MariadbGtidSet, AgreesWithANaiveMap) {
    using Naive = std::map<std::uint32_t, std::uint64_t>;
    std::mt19937_64 random(11);
    const auto random_set = [&](Naive& naive) {
        std::string text;
        for (auto n = random() % 6; n > 0; --n) {
            const auto domain = static_cast<std::uint32_t>(random() % 5);
            const auto sequence = 1 + random() % 50;
            text += std::to_string(domain) + "-1-" + std::to_string(sequence) + ",";
            naive[domain] = std::max(naive[domain], sequence);
        }
        return parsed(text);
    };
    for (int round = 0; round < 2000; ++round) {
        SCOPED_TRACE(round);
        Naive left_naive;
        Naive right_naive;
        const auto left = random_set(left_naive);
        const auto right = random_set(right_naive);
        ASSERT_EQ(parsed(left.text()), left);

        std::uint64_t distance = 0;
        auto merged = right_naive;
        for (const auto& [domain, sequence] : left_naive) {
            const auto theirs = right_naive.count(domain) == 1 ? right_naive[domain] : 0;
            distance += sequence > theirs ? sequence - theirs : 0;
            merged[domain] = std::max(merged[domain], sequence);
        }
        ASSERT_EQ(left.distance_from(right), distance);
        ASSERT_EQ(left.ahead_of(right).empty(), distance == 0);
        const auto both = left.united(right);
        ASSERT_EQ(both.positions().size(), merged.size());
        for (const auto& position : both.positions()) {
            ASSERT_EQ(position.sequence, merged[position.domain]);
        }
    }
}

}  // namespace
}  // namespace baton::gtid
