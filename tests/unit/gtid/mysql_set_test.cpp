// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/mysql_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace baton::gtid {
namespace {

using testing::HasSubstr;

constexpr auto a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
constexpr auto b = "8a94f357-aab4-11df-86ab-c80aa9429562";

MysqlGtidSet parsed(const std::string& text) {
    auto set = MysqlGtidSet::parse(text);
    EXPECT_TRUE(bool(set)) << text << ": " << (set ? "" : set.error().what);
    return set ? *set : MysqlGtidSet{};
}

std::string refusal(const std::string& text) {
    const auto set = MysqlGtidSet::parse(text);
    EXPECT_FALSE(bool(set)) << "accepted: " << text;
    EXPECT_TRUE(set || set.error().code == Errc::invalid_argument);
    return set ? "" : set.error().what;
}

std::string with(const char* uuid, const std::string& numbers) {
    return std::string(uuid) + ":" + numbers;
}

TEST(MysqlGtidSet, ReadsWhatServersPrint) {
    const auto set = parsed(with(a, "1-5:7,\n") + with(b, "1"));

    EXPECT_EQ(set.count(), 7U);
    EXPECT_EQ(set.text(), with(a, "1-5:7,") + with(b, "1"));
}

TEST(MysqlGtidSet, ReadsNothingAsTheEmptySet) {
    EXPECT_TRUE(parsed("").empty());
    EXPECT_TRUE(parsed(" \n\t").empty());
    EXPECT_TRUE(parsed(",").empty());
    EXPECT_EQ(parsed("").text(), "");
}

TEST(MysqlGtidSet, ReadsAnyCaseAndWhiteSpaceAndOrder) {
    const std::string upper = "3E11FA47-71CA-11E1-9E33-C80AA9429562";

    EXPECT_EQ(parsed(" " + upper + " : 7 : 1 - 5 ,"), parsed(with(a, "1-5:7")));
    EXPECT_EQ(
        parsed(with(b, "1,") + with(a, "2,") + with(a, "1")).text(), with(a, "1-2,") + with(b, "1")
    );
}

TEST(MysqlGtidSet, ReadsTags) {
    const auto set = parsed(with(a, "1-5:7:tag:1-3:9:Tag_2:9"));

    EXPECT_EQ(set.text(), with(a, "1-5:7:tag:1-3:9:tag_2:9"));
    EXPECT_EQ(set.count(), 11U);
    const auto uuid = *parse_uuid(a);
    EXPECT_TRUE(set.contains(Origin{uuid, "tag"}, 9));
    EXPECT_FALSE(set.contains(Origin{uuid, ""}, 9));
    EXPECT_TRUE(set.contains(Origin{uuid, "tag_2"}, 9));
}

TEST(MysqlGtidSet, ReadsAUuidThatHasOnlyTaggedNumbers) {
    EXPECT_EQ(parsed(with(a, "x:1-3:x:4")).text(), with(a, "x:1-4"));
    EXPECT_EQ(parsed(with(a, "x:1,") + with(a, "1")).text(), with(a, "1:x:1"));
}

TEST(MysqlGtidSet, KeepsATagApartFromTheUntaggedNumbers) {
    const auto plain = parsed(with(a, "1-5"));
    const auto tagged = parsed(with(a, "t:1-5"));

    EXPECT_FALSE(plain.contains(tagged));
    EXPECT_FALSE(plain.intersects(tagged));
    EXPECT_EQ(plain.united(tagged).text(), with(a, "1-5:t:1-5"));
}

TEST(MysqlGtidSet, RefusesWhatIsNoSetAndSaysWhy) {
    EXPECT_THAT(refusal("nonsense"), HasSubstr("not a server UUID"));
    EXPECT_THAT(refusal("3e11fa47-71ca-11e1-9e33-c80aa942956:1"), HasSubstr("not a server UUID"));
    EXPECT_THAT(refusal("3e11fa47x71ca-11e1-9e33-c80aa9429562:1"), HasSubstr("not a server UUID"));
    EXPECT_THAT(refusal(a), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "0-5")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "5-1")), HasSubstr("backwards"));
    EXPECT_THAT(refusal(with(a, "1-")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "1-5x")), HasSubstr("',' or ':'"));
    EXPECT_THAT(refusal(with(a, "1 ") + with(b, "2")), HasSubstr("',' or ':'"));
    EXPECT_THAT(refusal(with(a, "9223372036854775807")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "99999999999999999999999")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "tag")), HasSubstr("transaction number"));
    EXPECT_THAT(refusal(with(a, "tag:other:1")), HasSubstr("after the tag"));
    EXPECT_THAT(refusal(with(a, "t-g:1")), HasSubstr("not a tag"));
    EXPECT_THAT(refusal(with(a, std::string(33, 't') + ":1")), HasSubstr("not a tag"));
    EXPECT_THAT(refusal(std::string("\0", 1)), HasSubstr("not a server UUID"));
    EXPECT_THAT(refusal(std::string(a) + ":1" + std::string("\0", 1)), HasSubstr("expected"));
}

TEST(MysqlGtidSet, DropsAServersTransactionsWithAllTheirTags) {
    const auto set = parsed(with(a, "1-5:t:1-3,") + with(b, "1-2"));
    const Uuid dropped[] = {*parse_uuid(a)};

    EXPECT_EQ(set.without(dropped).text(), with(b, "1-2"));
}

TEST(MysqlGtidSet, CountsWithoutOverflow) {
    MysqlGtidSet set;
    for (std::uint8_t n = 0; n < 4; ++n) {
        set.add(Origin{Uuid{{n}}, ""}, 1, max_number);
    }

    EXPECT_EQ(set.count(), std::numeric_limits<std::uint64_t>::max());
}

using Naive = std::set<std::pair<std::string, std::uint64_t>>;

MysqlGtidSet random_set(std::mt19937_64& random, Naive& naive) {
    const std::string origins[] = {a, b, with(a, "t"), with(b, "u"), with(b, "t")};
    std::string text;
    for (auto n = random() % 10; n > 0; --n) {
        const auto& origin = origins[random() % 5];
        const auto first = 1 + random() % 30;
        const auto last = first + random() % 5;
        text += (text.empty()        ? ""
                 : random() % 2 == 0 ? ","
                                     : " ,\n") +
                origin + ":" + std::to_string(first);
        text += last == first ? "" : "-" + std::to_string(last);
        for (auto number = first; number <= last; ++number) {
            naive.emplace(origin, number);
        }
    }
    return parsed(text);
}

Naive elements(const MysqlGtidSet& set) {
    Naive out;
    for (const auto& part : set.parts()) {
        EXPECT_FALSE(part.numbers.empty());
        const auto uuid = part.origin.uuid.text();
        const auto origin = part.origin.tag.empty() ? uuid : uuid + ":" + part.origin.tag;
        for (const auto& interval : part.numbers.intervals()) {
            for (auto number = interval.first; number <= interval.last; ++number) {
                out.emplace(origin, number);
            }
        }
    }
    return out;
}

TEST(MysqlGtidSet, AgreesWithANaiveSetAndRoundTrips) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 4000; ++round) {
        SCOPED_TRACE(round);
        Naive left_naive;
        Naive right_naive;
        const auto left = random_set(random, left_naive);
        const auto right = random_set(random, right_naive);
        ASSERT_EQ(elements(left), left_naive);
        ASSERT_EQ(parsed(left.text()), left);
        ASSERT_EQ(left.count(), left_naive.size());

        auto expected = left_naive;
        expected.insert(right_naive.begin(), right_naive.end());
        ASSERT_EQ(elements(left.united(right)), expected);

        expected.clear();
        Naive shared;
        for (const auto& element : left_naive) {
            (right_naive.count(element) == 1 ? shared : expected).insert(element);
        }
        ASSERT_EQ(elements(left.minus(right)), expected);
        ASSERT_EQ(elements(left.common(right)), shared);
        ASSERT_EQ(left.intersects(right), !shared.empty());
        ASSERT_EQ(left.is_subset_of(right), expected.empty());
        ASSERT_EQ(left == right, left_naive == right_naive);
    }
}

TEST(MysqlGtidSet, IsLinearInTheNumberOfIntervals) {
    // 20 000 intervals each: a quadratic way would need 400 million steps for each operation.
    std::string odd = a;
    std::string even = a;
    for (int n = 0; n < 20000; ++n) {
        odd += ":" + std::to_string(4 * n + 1);
        even += ":" + std::to_string(4 * n + 3);
    }
    const auto started = std::chrono::steady_clock::now();

    const auto left = parsed(odd);
    const auto right = parsed(even);
    const auto both = left.united(right);

    EXPECT_EQ(both.count(), 40000U);
    EXPECT_EQ(both.minus(left), right);
    EXPECT_TRUE(both.contains(left));
    EXPECT_TRUE(left.common(right).empty());
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
}

}  // namespace
}  // namespace baton::gtid
