// SPDX-License-Identifier: Apache-2.0
// What the statements must say. What they must not, on any backend: ndb_test.cpp.
#include "baton/store/statements.hpp"

#include "every_statement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace baton::store {
namespace {

using testing::HasSubstr;

using test::a_write;

TEST(Statements, GiveEachTableAPrimaryKeyAndNameTheCharacterSet) {
    for (const auto& statement : sql::create_tables(Dialect::mysql, "NDB")) {
        EXPECT_THAT(statement, HasSubstr("CREATE TABLE IF NOT EXISTS baton_"));
        EXPECT_THAT(statement, HasSubstr("PRIMARY KEY ("));
        EXPECT_THAT(statement, HasSubstr("ENGINE=NDB"));
        const std::regex varchar("VARCHAR\\([0-9]+\\)(?! CHARACTER SET ascii COLLATE ascii_bin)");
        EXPECT_FALSE(std::regex_search(statement, varchar)) << statement;
    }
}

// A match that changes nothing would be counted as 0 rows: the lease would be thought lost.
TEST(Statements, ChangeTheRowWheneverTheyMatchIt) {
    election::LeaseRow row;
    for (const auto& statement :
         {sql::renew(5, "me"),
          sql::grab(row, 5, "me", 3000),
          sql::release(5, "me"),
          sql::fence(a_write())}) {
        EXPECT_THAT(statement, HasSubstr("counter=counter+1"));
    }
    EXPECT_THAT(sql::beat("me", ""), HasSubstr("beat=beat+1"));
}

TEST(Statements, CompareTheWholeVersionInAGrab) {
    election::LeaseRow row;
    row.epoch = 4;
    row.holder = "h";
    row.counter = 17;
    row.released = true;

    EXPECT_THAT(
        sql::grab(row, 9, "me", 3000),
        HasSubstr("WHERE anchor=1 AND epoch=4 AND holder='h' AND counter=17 AND released=1")
    );
}

TEST(Statements, FenceEveryWriteOfDocumentsByEpochAndHolder) {
    sql::DocumentPart part;
    part.kind = "k";
    part.key = "a";
    sql::DocumentKey key;
    key.kind = "k";
    key.key = "a";
    for (const auto& statement :
         {sql::replace_parts(a_write(), {part}),
          sql::delete_parts(a_write(), {key}),
          sql::set_meta(a_write(), "history", "x")}) {
        EXPECT_THAT(
            statement,
            HasSubstr("l.anchor=1 AND l.epoch=5 AND l.holder='me' AND l.released=0 AND l.doc_seq=10"
            )
        );
    }
    EXPECT_THAT(sql::fence(a_write()), HasSubstr("doc_seq>=7 AND doc_seq<9"));
}

TEST(Statements, QuoteHostileText) {
    EXPECT_EQ(sql::literal("it's"), "'it''s'");
    EXPECT_EQ(sql::literal("\\'; DROP TABLE x; --"), "'\\''; DROP TABLE x; --'");
}

}  // namespace
}  // namespace baton::store
