// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/result_set.hpp"

#include <gtest/gtest.h>

namespace baton::mysql {

namespace {

ResultSet sample() {
    std::vector<Row> rows;
    rows.push_back({"db1", "3306", std::nullopt, "-1"});
    rows.push_back({"db2", "18446744073709551615", "x", "12abc"});
    return {{"Source_Host", "Port", "Lag", "Other"}, std::move(rows)};
}

TEST(ResultSet, FindsColumnsIgnoringCase) {
    const ResultSet set = sample();
    EXPECT_EQ(set.find("source_host"), 0U);
    EXPECT_TRUE(set.has("PORT"));
    EXPECT_FALSE(set.has("Ports"));
    EXPECT_EQ(set.text("SOURCE_HOST"), "db1");
    EXPECT_EQ(set.text(1, "source_host"), "db2");
}

TEST(ResultSet, TreatsMissingColumnMissingRowAndNullAsAbsent) {
    const ResultSet set = sample();
    EXPECT_TRUE(set.is_null("Lag"));
    EXPECT_FALSE(set.is_null(1, "Lag"));
    EXPECT_TRUE(set.is_null("nothing"));
    EXPECT_TRUE(set.is_null(7, "Port"));
    EXPECT_EQ(set.text("Lag"), "");
    EXPECT_EQ(set.text(7, "Port"), "");
    EXPECT_EQ(set.int64("Lag"), std::nullopt);
}

TEST(ResultSet, ReadsWholeNumbersOnly) {
    const ResultSet set = sample();
    EXPECT_EQ(set.int64("Port"), 3306);
    EXPECT_EQ(set.int64("Other"), -1);
    EXPECT_EQ(set.uint64("Other"), std::nullopt);
    EXPECT_EQ(set.uint64(1, "Port"), 18446744073709551615ULL);
    EXPECT_EQ(set.int64(1, "Port"), std::nullopt);
    EXPECT_EQ(set.int64(1, "Other"), std::nullopt);
}

TEST(ResultSet, SurvivesRowsNarrowerThanTheColumns) {
    const ResultSet set({"a", "b"}, {Row{"1"}});
    EXPECT_EQ(set.text("b"), "");
    EXPECT_TRUE(set.is_null("b"));
}

TEST(Reply, GivesTheOneSetOrTheError) {
    Reply reply;
    EXPECT_TRUE(reply.ok());
    EXPECT_TRUE(reply.first().empty());
    reply.sets.push_back(sample());
    EXPECT_EQ(reply.first().text("Port"), "3306");
    const auto one = std::move(reply).one();
    ASSERT_TRUE(one);
    EXPECT_EQ(one->rows.size(), 2U);

    Reply failed(Error(Errc::timeout, "late"));
    const auto none = std::move(failed).one();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Errc::timeout);

    Reply nothing;
    const auto missing = std::move(nothing).one();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::protocol);
}

}  // namespace

}  // namespace baton::mysql
