// SPDX-License-Identifier: Apache-2.0
#include "baton/store/database.hpp"

#include "support.hpp"

#include "baton/store/schema.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::store {
namespace {

using namespace test;
using testing::HasSubstr;

TEST(SqliteDatabase, StopsAtTheFirstErrorAndKeepsWhatWasDone) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto database = backend->database(Backend::Purpose::documents);
    ASSERT_TRUE(database->connect(0, soon()));

    const auto reply = database->query(
        "CREATE TABLE t (a INT NOT NULL, PRIMARY KEY (a)); INSERT INTO t VALUES (1),(2); "
        "SELECT x FROM t; INSERT INTO t VALUES (3)",
        soon()
    );

    ASSERT_TRUE(reply.error);
    EXPECT_EQ(classify(*reply.error), election::ErrorClass::schema);
    ASSERT_EQ(reply.sets.size(), 2U);
    EXPECT_EQ(reply.sets[1].affected, 2U);
    EXPECT_EQ(number_of(run(*database, "SELECT COUNT(*) FROM t").sets[0].rows[0][0]), 2U);
}

TEST(SqliteDatabase, ReadsNullEmptyAndBinaryCells) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto database = backend->database(Backend::Purpose::documents);
    ASSERT_TRUE(database->connect(0, soon()));

    const auto reply = run(*database, "SELECT NULL, '', 'a''b', 18446744073709551615, 7");

    const auto& row = reply.sets.at(0).rows.at(0);
    EXPECT_FALSE(row[0]);
    EXPECT_EQ(row[1], "");
    EXPECT_EQ(row[2], "a'b");
    EXPECT_EQ(number_of(row[4]), 7U);
}

TEST(SqliteDatabase, SettleEndsAnOpenTransaction) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto one = backend->database(Backend::Purpose::documents);
    auto other = backend->database(Backend::Purpose::lease);
    ASSERT_TRUE(one->connect(0, soon()));
    ASSERT_TRUE(other->connect(0, soon()));
    run(*one, "CREATE TABLE t (a INT)");
    const auto failing =
        one->query("BEGIN IMMEDIATE; INSERT INTO t VALUES (1); SELECT x FROM t", soon());
    ASSERT_TRUE(failing.error);

    settle(*one, classify(*failing.error), soon());

    EXPECT_TRUE(one->connected());
    run(*other, "INSERT INTO t VALUES (2)");
    EXPECT_EQ(number_of(run(*one, "SELECT COUNT(*) FROM t").sets[0].rows[0][0]), 1U);
}

TEST(SqliteDatabase, ReportsALockHeldByAnotherConnectionAsLockWait) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto one = backend->database(Backend::Purpose::documents);
    auto other = backend->database(Backend::Purpose::lease);
    ASSERT_TRUE(one->connect(0, soon()));
    ASSERT_TRUE(other->connect(0, soon()));
    run(*one, "CREATE TABLE t (a INT); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");

    const auto reply =
        other->query("INSERT INTO t VALUES (2)", std::chrono::steady_clock::now() + 5ms);

    ASSERT_TRUE(reply.error);
    EXPECT_EQ(classify(*reply.error), election::ErrorClass::lock_wait);
}

TEST(SqliteDatabase, EndsALongStatementAtItsDeadline) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto database = backend->database(Backend::Purpose::documents);
    ASSERT_TRUE(database->connect(0, soon()));

    const auto reply = database->query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000000000) "
        "SELECT SUM(i) FROM n",
        std::chrono::steady_clock::now() + 20ms
    );

    ASSERT_TRUE(reply.error);
    EXPECT_EQ(reply.error->code, Errc::timeout);
}

TEST(SqliteBackend, RefusesASecondDaemonInWords) {
    const Folder folder;
    const auto path = folder.path("db");
    const auto first = sqlite_backend(path);
    ASSERT_TRUE(first);

    BackendOptions options;
    options.url.path = path;
    const auto second = Backend::open(options);

    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_THAT(second.error().what, HasSubstr("another daemon"));
    EXPECT_THAT(second.error().what, HasSubstr(std::to_string(::getpid())));
    EXPECT_THAT(second.error().what, HasSubstr("mysql://"));
}

TEST(SqliteBackend, FreesTheFileWithItsLastUser) {
    const Folder folder;
    const auto path = folder.path("db");
    auto database = sqlite_backend(path)->database(Backend::Purpose::lease);
    EXPECT_FALSE(sqlite_backend(path));

    database.reset();

    EXPECT_TRUE(sqlite_backend(path));
}

TEST(SqliteBackend, SaysWhenTheFolderIsMissing) {
    BackendOptions options;
    options.url.path = "/nonexistent/folder/db";

    const auto backend = Backend::open(options);

    ASSERT_FALSE(backend);
    EXPECT_EQ(backend.error().code, Errc::io);
    EXPECT_THAT(backend.error().what, HasSubstr("must exist and be writable"));
}

TEST(SqliteBackend, ReportsAFileThatIsNoDatabase) {
    const Folder folder;
    const auto path = folder.path("db");
    std::ofstream(path) << std::string(4096, 'x');
    auto database = sqlite_backend(path)->database(Backend::Purpose::lease);

    const auto connected = database->connect(0, soon());

    ASSERT_FALSE(connected);
    EXPECT_THAT(connected.error().what, HasSubstr(path));
}

TEST(MysqlBackend, RefusesAnUnknownTlsMode) {
    BackendOptions options;
    options.url = *parse_backend_url("mysql://u@h/d");
    options.tls = "maybe";

    const auto backend = Backend::open(options);

    ASSERT_FALSE(backend);
    EXPECT_THAT(backend.error().what, HasSubstr("verify_ca"));
}

TEST(Schema, IsSafeToPrepareTwice) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto database = backend->database(Backend::Purpose::documents);
    ASSERT_TRUE(database->connect(0, soon()));

    ASSERT_TRUE(prepare_schema(*database, soon(), "InnoDB"));
    const auto history = run(*database, "SELECT v FROM baton_meta WHERE k='history'");
    ASSERT_TRUE(prepare_schema(*database, soon(), "InnoDB"));

    const auto again = run(*database, "SELECT v FROM baton_meta WHERE k='history'");
    EXPECT_EQ(history.sets[0].rows, again.sets[0].rows);
    EXPECT_EQ(text_of(history.sets[0].rows.at(0)[0]).size(), 16U);
}

TEST(Schema, CompletesAHalfMadeOne) {
    const Folder folder;
    const auto backend = sqlite_backend(folder.path("db"));
    auto database = backend->database(Backend::Purpose::documents);
    ASSERT_TRUE(database->connect(0, soon()));
    run(*database, sql::create_tables(Dialect::sqlite, "").front());

    ASSERT_TRUE(prepare_schema(*database, soon(), "InnoDB"));

    run(*database, sql::select_nodes());
    run(*database, sql::select_changes(0, 1));
}

TEST(Explain, NamesTheRemedy) {
    const auto url = *parse_backend_url("mysql://baton@h/state");
    const auto text = [&url](unsigned number) {
        return explain(Error(Errc::server_error, "said", number, ""), url);
    };

    EXPECT_THAT(text(1044), HasSubstr("GRANT CREATE"));
    EXPECT_THAT(text(1044), HasSubstr("`state`.* TO 'baton'"));
    EXPECT_THAT(text(1045), HasSubstr("backend.password"));
    EXPECT_THAT(text(1049), HasSubstr("CREATE DATABASE `state`"));
    EXPECT_THAT(text(1290), HasSubstr("read-only"));
    EXPECT_THAT(text(1040), HasSubstr("max_connections"));
    EXPECT_EQ(text(9999), "said");
}

}  // namespace
}  // namespace baton::store
