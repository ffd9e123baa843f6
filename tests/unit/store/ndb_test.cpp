// SPDX-License-Identifier: Apache-2.0
// Keeps the store within what NDB Cluster allows: rows, keys, types and statements. Nothing of it
// was run on NDB; what is shown here is that no text asks for more.
#include "every_statement.hpp"
#include "sql_rules.hpp"

#include "baton/store/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace baton::store {
namespace {

using namespace test;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

const std::filesystem::path root(BATON_SOURCE_ROOT);

TEST(Ndb, AllowsEveryStatement) {
    for (const auto dialect : {Dialect::mysql, Dialect::mariadb}) {
        for (const auto& [name, statement] : every_statement(dialect, "NDB")) {
            EXPECT_THAT(breaches(statement), IsEmpty()) << name;
        }
    }
}

TEST(Ndb, AllowsEveryTableWithTheEngineOfTheConfiguration) {
    for (const auto dialect : {Dialect::mysql, Dialect::mariadb}) {
        for (const std::string engine : {"NDB", "InnoDB"}) {
            const auto tables = sql::create_tables(dialect, engine);
            EXPECT_EQ(tables.size(), 5U);
            for (const auto& table : tables) {
                EXPECT_THAT(table_breaches(table, engine), IsEmpty());
            }
        }
    }
}

TEST(Ndb, TakesTheLongestRowOfDocuments) {
    for (const auto& table : sql::create_tables(Dialect::mysql, "NDB")) {
        EXPECT_LE(widest_row(table), 8000U) << table;
        if (table.find("baton_document") != std::string::npos) {
            EXPECT_GT(widest_row(table), part_bytes + 300) << "counted too small";
            EXPECT_THAT(table, HasSubstr("data VARCHAR(" + std::to_string(part_bytes) + ")"));
        }
    }
}

/// A transaction of NDB may change 32,768 rows by default (MaxNoOfConcurrentOperations); the
/// largest packet is 3 MiB, and each row of it takes at least 110 bytes besides names and text.
TEST(Ndb, TakesTheLargestTransaction) {
    constexpr std::size_t packet_bytes = 3U << 20U;
    constexpr std::size_t row_bytes = 110;
    EXPECT_LT(packet_bytes / row_bytes, 32'768U);
}

// ---- nothing is left out

TEST(Ndb, IsAskedAboutEveryFunctionThatMakesAStatement) {
    const auto header = content_of(root / "include/baton/store/statements.hpp");
    std::set<std::string> declared;
    const std::regex function("\\n(?:std::string|std::vector<std::string>) (\\w+)\\(");
    for (std::sregex_iterator i(header.begin(), header.end(), function), end; i != end; ++i) {
        declared.insert((*i)[1]);
    }
    declared.erase("literal");          // a part of one
    declared.erase("server_identity");  // reads a row

    std::set<std::string> asked;
    for (const auto& [name, statement] : every_statement(Dialect::mysql)) {
        asked.insert(name);
    }
    EXPECT_GT(declared.size(), 20U) << "the header was not understood";
    EXPECT_EQ(asked, declared);
}

/// SQL that stands elsewhere in the store than in statements.cpp, whose texts are held above.
TEST(Ndb, AllowsWhatTheRestOfTheStoreSends) {
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root / "src/store")) {
        const auto name = entry.path().filename().string();
        // explain.cpp has sentences for operators; SQLite's file speaks to SQLite alone.
        if (entry.path().extension() != ".cpp" || name == "explain.cpp" ||
            name == "sqlite_database.cpp" || name == "statements.cpp") {
            continue;
        }
        for (const auto& literal : literals_of(content_of(entry.path()))) {
            if (!looks_like_sql(literal)) {
                continue;
            }
            ++seen;
            std::istringstream statements(literal);
            for (std::string statement; std::getline(statements, statement, ';');) {
                EXPECT_THAT(breaches(statement), IsEmpty()) << name;
            }
        }
    }
    EXPECT_GE(seen, 2U) << "the sources were not understood";
}

TEST(Ndb, IsReadAtReadCommitted) {
    EXPECT_THAT(
        content_of(root / "src/store/mysql_database.cpp"),
        HasSubstr("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    );
}

// ---- the check itself

TEST(SqlRules, FindEachThingThatIsForbidden) {
    for (const std::string statement :
         {"SELECT a FROM t WHERE k=1 FOR UPDATE",
          "select a from t for share",
          "SELECT a FROM t LOCK IN SHARE MODE",
          "SELECT GET_LOCK('x',1)",
          "LOCK TABLES t WRITE",
          "UPDATE t SET a=NOW() WHERE k=1",
          "UPDATE t SET a=CURRENT_TIMESTAMP WHERE k=1",
          "UPDATE t SET a=UNIX_TIMESTAMP() WHERE k=1",
          "INSERT INTO t (a) VALUES (1) RETURNING a",
          "SELECT a FROM t FOR UPDATE SKIP LOCKED",
          "WITH x AS (SELECT 1) SELECT a FROM x",
          "SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t",
          "SELECT JSON_EXTRACT(a,'$.b') FROM t",
          "SAVEPOINT s",
          "CREATE TEMPORARY TABLE t (a INT)",
          "SELECT LAST_INSERT_ID()",
          "SELECT * FROM t",
          "SELECT l.* FROM t l",
          "DROP TABLE t",
          "ALTER TABLE t ADD COLUMN a INT",
          "TRUNCATE TABLE t",
          "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a=2",
          "UPDATE l JOIN r ON r.a=l.a SET l.b=1",
          "SELECT UUID()",
          "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
          "SELECT 1; SELECT 2",
          "CALL p()",
          "XA START 'x'"}) {
        EXPECT_THAT(breaches(statement), testing::Not(IsEmpty())) << statement;
    }
    EXPECT_THAT(breaches("SELECT a FROM t WHERE k='DROP TABLE; NOW()'"), IsEmpty());
}

constexpr const char* good_table =
    "CREATE TABLE IF NOT EXISTS t (k VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, "
    "n BIGINT NOT NULL, PRIMARY KEY (k)) ENGINE=NDB";

std::string table(const std::string& part, const std::string& replacement) {
    std::string text = good_table;
    const auto at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return text.replace(at, part.size(), replacement);
}

TEST(SqlRules, FindEachThingThatATableMayNotHave) {
    const std::string engine = "NDB";
    EXPECT_THAT(table_breaches(good_table, engine), IsEmpty());

    EXPECT_THAT(
        table_breaches(table(", PRIMARY KEY (k)", ""), engine),
        Contains(HasSubstr("no primary key"))
    );
    EXPECT_THAT(
        table_breaches(table("ENGINE=NDB", "ENGINE=InnoDB"), engine), Contains(HasSubstr("engine"))
    );
    EXPECT_THAT(table_breaches(table(" ENGINE=NDB", ""), engine), Contains(HasSubstr("engine")));
    EXPECT_THAT(
        table_breaches(table("n BIGINT", "n BIGINT AUTO_INCREMENT"), engine),
        Contains(HasSubstr("chooses keys"))
    );
    EXPECT_THAT(
        table_breaches(table(" CHARACTER SET ascii COLLATE ascii_bin", ""), engine),
        Contains(HasSubstr("no character set"))
    );
    EXPECT_THAT(
        table_breaches(table("n BIGINT NOT NULL", "n BIGINT"), engine),
        Contains(HasSubstr("may be NULL"))
    );
    EXPECT_THAT(
        table_breaches(table("VARCHAR(64)", "VARCHAR(800)"), engine),
        Contains(HasSubstr("a key of 804 bytes"))
    );
    EXPECT_THAT(
        table_breaches(
            table(
                "n BIGINT NOT NULL",
                "n VARCHAR(7950) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
            ),
            engine
        ),
        ElementsAre(HasSubstr("rows of"))
    );
    EXPECT_THAT(
        table_breaches(table("n BIGINT NOT NULL", "n TIMESTAMP NOT NULL, m INT NOT NULL"), engine)
            .size(),
        testing::Ge(1U)
    );
}

TEST(SqlRules, CountTheWidestCharacter) {
    const auto wide = [](const std::string& set) {
        return widest_row(
            "CREATE TABLE t (a VARCHAR(2000)" + set + " NOT NULL, PRIMARY KEY (a)) ENGINE=X"
        );
    };
    EXPECT_LT(wide(" CHARACTER SET ascii"), 2050U);
    EXPECT_GT(wide(" CHARACTER SET utf8mb4"), 8000U);
    EXPECT_GT(wide(""), 8000U);
}

TEST(SqlRules, ReadSources) {
    const auto literals = literals_of(
        "// \"no\"\nf(\"SELECT a \"\n  \"FROM t\", 'x', \"b\\\"c\"); const char c = '\"'; g(\"d\");"
    );
    EXPECT_THAT(literals, ElementsAre("SELECT a FROM t", "b\"c", "d"));
    EXPECT_TRUE(looks_like_sql(literals[0]));
    EXPECT_FALSE(looks_like_sql(literals[1]));
}

}  // namespace
}  // namespace baton::store
