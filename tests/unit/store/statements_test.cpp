// SPDX-License-Identifier: Apache-2.0
// Holds every SQL text of the store against the rules of docs/internals/lease.md section 9 and
// against what NDB, Galera and Group Replication allow.
#include "baton/store/statements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

namespace baton::store {
namespace {

using testing::HasSubstr;

sql::FencedWrite a_write() {
    sql::FencedWrite write;
    write.epoch = 5;
    write.holder = "me";
    write.seq_floor = 7;
    write.seq_first = 9;
    write.seq_last = 10;
    return write;
}

std::vector<std::string> all_statements(Dialect dialect) {
    election::LeaseRow row;
    row.epoch = 4;
    row.holder = "other";
    sql::NodeColumns node;
    node.token = "me";
    sql::DocumentPart part;
    part.kind = "instance";
    part.key = "db1:3306";
    part.data = "{}";
    sql::DocumentKey key;
    key.kind = "instance";
    key.key = "db1:3306";
    key.part = 1;
    auto out = sql::create_tables(dialect, "InnoDB");
    for (auto statement :
         {sql::list_tables(dialect),
          sql::insert_meta(dialect, "schema", "1"),
          sql::select_meta(),
          sql::look(dialect),
          sql::create_row(dialect, 0, 3000),
          sql::renew(5, "me"),
          sql::grab(row, 5, "me", 3000),
          sql::release(5, "me"),
          sql::beat("me", "db1:3306"),
          sql::register_node(node),
          sql::select_nodes(),
          sql::delete_nodes({"a", "b"}),
          sql::begin(dialect),
          sql::fence(a_write()),
          sql::replace_parts(a_write(), {part, part}),
          sql::delete_parts(a_write(), {key}),
          sql::set_meta(a_write(), "history", "x"),
          sql::select_position(),
          sql::select_changes(5, 100),
          sql::select_document(5)}) {
        out.push_back(std::move(statement));
    }
    return out;
}

std::string without_literals(const std::string& statement) {
    return std::regex_replace(statement, std::regex("'[^']*'"), "''");
}

bool has_word(const std::string& statement, const std::string& word) {
    return std::regex_search(
        statement, std::regex("\\b" + word + "\\b", std::regex::icase | std::regex::ECMAScript)
    );
}

TEST(Statements, UseNothingThatSomeBackendForbidsOrDoesOtherwise) {
    const std::vector<std::string> forbidden{
        "LOCK",
        "GET_LOCK",
        "FOR UPDATE",
        "FOREIGN",
        "REFERENCES",
        "TRIGGER",
        "PROCEDURE",
        "EVENT",
        "SERIALIZABLE",
        "SAVEPOINT",
        "XA",
        "TEMPORARY",
        "AUTO_INCREMENT",
        "AUTOINCREMENT",
        "BLOB",
        "TEXT",
        "LONGTEXT",
        "JSON",
        "TIMESTAMP",
        "DATETIME",
        "NOW",
        "CURRENT_TIMESTAMP",
        "UNIX_TIMESTAMP",
        "RETURNING",
        "SKIP",
        "WITH",
        "OVER",
        "CHECK",
        "DROP",
        "RENAME",
        "TRUNCATE",
        "ALTER",
        "VALUES\\(",
        "FULLTEXT",
        "SPATIAL",
        "ENUM",
        "PARTITION",
        "INSERT_ID",
        "UUID\\("};

    for (const auto dialect : {Dialect::mysql, Dialect::mariadb, Dialect::sqlite}) {
        for (const auto& statement : all_statements(dialect)) {
            for (const auto& word : forbidden) {
                EXPECT_FALSE(has_word(without_literals(statement), word))
                    << word << " in: " << statement;
            }
            EXPECT_EQ(without_literals(statement).find("SELECT *"), std::string::npos);
            EXPECT_EQ(without_literals(statement).find(';'), std::string::npos) << statement;
        }
    }
}

TEST(Statements, GiveEachTableAPrimaryKeyAndNameTheCharacterSet) {
    for (const auto& statement : sql::create_tables(Dialect::mysql, "NDBCLUSTER")) {
        EXPECT_THAT(statement, HasSubstr("CREATE TABLE IF NOT EXISTS baton_"));
        EXPECT_THAT(statement, HasSubstr("PRIMARY KEY ("));
        EXPECT_THAT(statement, HasSubstr("ENGINE=NDBCLUSTER"));
        const std::regex varchar("VARCHAR\\([0-9]+\\)(?! CHARACTER SET ascii COLLATE ascii_bin)");
        EXPECT_FALSE(std::regex_search(statement, varchar)) << statement;
    }
}

// NDB: rows of at most 14,000 bytes (8,052 in old versions), keys of at most 3,072; InnoDB's oldest
// row formats: keys of at most 767 bytes.
TEST(Statements, KeepRowsAndKeysWithinTheLimitsOfAllEngines) {
    for (const auto& statement : sql::create_tables(Dialect::mysql, "InnoDB")) {
        const std::regex size("VARCHAR\\(([0-9]+)\\)");
        std::size_t bytes = 0;
        for (std::sregex_iterator i(statement.begin(), statement.end(), size), end; i != end; ++i) {
            bytes += std::stoul((*i)[1]) + 2;
        }
        EXPECT_LE(bytes + 64, 8000U) << statement;
    }
    EXPECT_LE(24 + 2 + 300 + 2 + 2, 767);
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
