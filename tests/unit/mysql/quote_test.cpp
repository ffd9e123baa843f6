// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/quote.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::mysql {

namespace {

using std::string_literals::operator""s;

TEST(QuoteText, KeepsOrdinaryTextReadable) {
    EXPECT_EQ(quote_text("db1.example.com"), "'db1.example.com'");
    EXPECT_EQ(quote_text(""), "''");
    EXPECT_EQ(quote_text("Zürich \xE2\x82\xAC"), "'Zürich \xE2\x82\xAC'");
}

TEST(QuoteText, DoublesQuotesWhichBothSqlModesReadAlike) {
    EXPECT_EQ(quote_text("O'Neill"), "'O''Neill'");
    EXPECT_EQ(quote_text("' OR 1=1; -- "), "''' OR 1=1; -- '");
}

TEST(QuoteText, WritesWhatDependsOnSqlModeInHexadecimal) {
    EXPECT_EQ(quote_text("\\"), "_utf8mb4 X'5C'");
    EXPECT_EQ(quote_text("\\' OR 1"), "_utf8mb4 X'5C27204F522031'");
    EXPECT_EQ(quote_text("a\nb"), "_utf8mb4 X'610A62'");
    EXPECT_EQ(quote_text("a\0b"s), "_utf8mb4 X'610062'");
}

TEST(QuoteText, WritesBytesThatAreNotUtf8AsBinary) {
    EXPECT_EQ(quote_text("\xFF'"), "X'FF27'");
    EXPECT_EQ(quote_text("\xC3"), "X'C3'");
}

TEST(QuoteLiteral, DoublesQuotesAndBackslashes) {
    EXPECT_EQ(quote_literal("p'w\\d"), "'p''w\\\\d'");
}

TEST(QuoteIdentifier, DoublesBackTicks) {
    EXPECT_EQ(quote_identifier("channel"), "`channel`");
    EXPECT_EQ(quote_identifier("a`; DROP TABLE t; --"), "`a``; DROP TABLE t; --`");
}

}  // namespace

}  // namespace baton::mysql
