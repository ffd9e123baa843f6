// SPDX-License-Identifier: Apache-2.0
#include "baton/store/writer.hpp"

#include "support.hpp"

#include <gmock/gmock.h>

namespace baton::store {
namespace {

using namespace test;
using ports::Document;

class WriterTest : public testing::Test {
protected:
    WriterTest()
        : backend_(sqlite_backend(folder_.path("db"))),
          database_(a_database(*backend_)),
          writer_(lease_, watch_) {
        lease_.epoch = 1;
        const auto position = read_position(*database_, soon());
        EXPECT_TRUE(position);
        watch_.noted(*position);
    }

    Result<void> write(std::vector<Document> documents) {
        return writer_.write(*database_, std::move(documents), soon());
    }

    std::vector<Document> read(std::uint64_t cursor = 0) {
        auto changes = read_changes(*database_, watch_, cursor, 1000, soon());
        EXPECT_TRUE(changes) << changes.error().what;
        return changes ? std::move(changes->documents) : std::vector<Document>();
    }

    /// Another process takes the lease.
    void taken_by_another(std::uint64_t epoch) {
        run(*database_,
            "UPDATE baton_lease SET holder='other', counter=counter+1, doc_base=doc_seq, epoch=" +
                std::to_string(epoch));
    }

    Folder folder_;
    std::shared_ptr<Backend> backend_;
    std::unique_ptr<Database> database_;
    OrderedLease lease_;
    HistoryWatch watch_;
    Writer writer_;
};

TEST_F(WriterTest, WritesAndNumbersDocumentsInOrder) {
    ASSERT_TRUE(write({Document("instance", "a", "1"), Document("instance", "b", "2")}));
    ASSERT_TRUE(write({Document("instance", "a", "3")}));

    const auto documents = read();

    ASSERT_EQ(documents.size(), 2U);
    EXPECT_EQ(documents[0].key, "b");
    EXPECT_EQ(documents[1].key, "a");
    EXPECT_EQ(documents[1].data, "3");
    EXPECT_EQ(documents[1].epoch, 1U);
    EXPECT_EQ(documents[1].seq, (std::uint64_t{1} << 40U) + 3);
    EXPECT_EQ(lease_.renewals, 2);
}

TEST_F(WriterTest, WritesNothingWithoutTheLease) {
    lease_.epoch = 0;

    const auto done = write({Document("instance", "a", "1")});

    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::not_leader);
    EXPECT_EQ(count_rows(*database_), 0U);
}

TEST_F(WriterTest, IsFencedByEpochAndTellsTheLease) {
    taken_by_another(2);

    const auto done = write({Document("instance", "a", "1")});

    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::not_leader);
    EXPECT_EQ(lease_.rejections, 1);
    EXPECT_EQ(count_rows(*database_), 0U);
}

// After a roll-back of the backend two holders can have had the same epoch.
TEST_F(WriterTest, IsFencedByHolderInTheSameEpoch) {
    taken_by_another(1);

    EXPECT_EQ(write({Document("instance", "a", "1")}).error().code, Errc::not_leader);
    EXPECT_EQ(count_rows(*database_), 0U);
}

TEST_F(WriterTest, IsFencedByARelease) {
    run(*database_, sql::release(1, "me"));

    EXPECT_EQ(write({Document("instance", "a", "1")}).error().code, Errc::not_leader);
    EXPECT_EQ(count_rows(*database_), 0U);
}

TEST_F(WriterTest, LeavesNoTransactionOpenWhenFenced) {
    taken_by_another(2);
    ignore(write({Document("instance", "a", "1")}), "fenced");

    auto other = backend_->database(Backend::Purpose::lease);
    ASSERT_TRUE(other->connect(0, soon()));
    const auto reply = other->query(
        "UPDATE baton_lease SET counter=counter+1", std::chrono::steady_clock::now() + 50ms
    );
    EXPECT_FALSE(reply.error);
}

TEST_F(WriterTest, SplitsLargeDocumentsAndRemovesPartsThatAreLeft) {
    const std::string large(3 * part_bytes + 1, 'x');
    ASSERT_TRUE(write({Document("audit", "a", large), Document("audit", "b", "small")}));
    ASSERT_EQ(count_rows(*database_, "k='a'"), 4U);
    ASSERT_EQ(read()[0].data, large);

    const std::string smaller(part_bytes, 'y');
    ASSERT_TRUE(write({Document("audit", "a", smaller)}));

    EXPECT_EQ(count_rows(*database_, "k='a'"), 1U);
    EXPECT_EQ(read()[1].data, smaller);
}

TEST_F(WriterTest, RemovesLeftPartsOfAnEarlierHolder) {
    ASSERT_TRUE(write({Document("audit", "a", std::string(2 * part_bytes, 'x'))}));
    run(*database_, "UPDATE baton_lease SET epoch=2, doc_base=doc_seq");
    lease_.epoch = 2;
    Writer successor(lease_, watch_);

    ASSERT_TRUE(successor.write(*database_, {Document("audit", "a", "short")}, soon()));

    EXPECT_EQ(count_rows(*database_, "k='a'"), 1U);
    EXPECT_EQ(read()[0].data, "short");
    EXPECT_EQ(read()[0].seq, (std::uint64_t{2} << 40U) + 1);
}

TEST_F(WriterTest, DeletesByATombstoneThatReadersSee) {
    ASSERT_TRUE(write({Document("tags", "a", std::string(2 * part_bytes, 'x'))}));
    const auto cursor = read()[0].seq;

    ASSERT_TRUE(write({Document("tags", "a", "")}));

    const auto documents = read(cursor);
    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].key, "a");
    EXPECT_EQ(documents[0].data, "");
    EXPECT_EQ(count_rows(*database_, "k='a'"), 1U);
}

TEST_F(WriterTest, ExpiresForGood) {
    ASSERT_TRUE(write(
        {Document("audit", "a", std::string(2 * part_bytes, 'x')),
         Document("audit", "b", "1"),
         Document("tags", "a", "1")}
    ));

    ASSERT_TRUE(writer_.expire(*database_, "audit", {"a"}, soon()));

    EXPECT_EQ(count_rows(*database_), 2U);
    EXPECT_EQ(count_rows(*database_, "kind='audit' AND k='a'"), 0U);
}

TEST_F(WriterTest, ExpiryIsFencedToo) {
    ASSERT_TRUE(write({Document("audit", "a", "1")}));
    taken_by_another(2);

    EXPECT_EQ(writer_.expire(*database_, "audit", {"a"}, soon()).error().code, Errc::not_leader);
    EXPECT_EQ(count_rows(*database_), 1U);
}

TEST_F(WriterTest, OfSeveralOfOneNameTheLastCounts) {
    ASSERT_TRUE(write(
        {Document("tags", "a", std::string(2 * part_bytes, 'x')),
         Document("tags", "b", "1"),
         Document("tags", "a", "2")}
    ));

    const auto documents = read();
    ASSERT_EQ(documents.size(), 2U);
    EXPECT_EQ(documents[1].key, "a");
    EXPECT_EQ(documents[1].data, "2");
    EXPECT_EQ(count_rows(*database_), 2U);
}

TEST_F(WriterTest, KeepsHostileTextUnchanged) {
    const std::string hostile = R"({"name":"'); DROP TABLE baton_document; -- \\' \" <b>"})";
    ASSERT_TRUE(write({Document("instance", "it's\\", hostile)}));

    const auto documents = read();

    ASSERT_EQ(documents.size(), 1U);
    EXPECT_EQ(documents[0].key, "it's\\");
    EXPECT_EQ(documents[0].data, hostile);
}

TEST_F(WriterTest, RefusesWhatDoesNotFit) {
    EXPECT_EQ(write({Document("", "a", "1")}).error().code, Errc::invalid_argument);
    EXPECT_EQ(write({Document("tags", "", "1")}).error().code, Errc::invalid_argument);
    EXPECT_EQ(write({Document("tags", "a ", "1")}).error().code, Errc::invalid_argument);
    EXPECT_EQ(
        write({Document("tags", std::string(301, 'a'), "1")}).error().code, Errc::invalid_argument
    );
    EXPECT_EQ(write({Document("tags", "a", "\xc3\xa4")}).error().code, Errc::invalid_argument);
    EXPECT_EQ(
        write({Document("tags", "a", std::string(1, '\0'))}).error().code, Errc::invalid_argument
    );
    EXPECT_EQ(
        write({Document("tags", "a", std::string(document_bytes_limit + 1, 'x'))}).error().code,
        Errc::invalid_argument
    );
    EXPECT_EQ(count_rows(*database_), 0U);
}

TEST_F(WriterTest, WritesTheLargestDocumentAndLongestKey) {
    const std::string data(document_bytes_limit, 'z');
    const std::string key(300, 'k');

    ASSERT_TRUE(write({Document(std::string(24, 'd'), key, data)}));

    const auto changes = read_changes(*database_, watch_, 0, 1, soon());
    ASSERT_TRUE(changes);
    ASSERT_EQ(changes->documents.size(), 1U);
    EXPECT_EQ(changes->documents[0].data, data);
    EXPECT_EQ(changes->documents[0].key, key);
}

TEST_F(WriterTest, WritesManyDocumentsInFewStatementsOfOneTransaction) {
    std::vector<Document> documents;
    for (int i = 0; i < 1000; ++i) {
        documents.emplace_back("instance", "host-" + std::to_string(i), "{}");
    }

    ASSERT_TRUE(write(documents));

    EXPECT_EQ(read().size(), 1000U);
    EXPECT_EQ(lease_.renewals, 1);
}

// What an own transaction whose sender gave up does when the server executes it late: it must not
// cover what was written since, and readers must not miss it.
TEST_F(WriterTest, AnOwnLateTransactionIsFencedByItsNumbers) {
    sql::FencedWrite late;
    late.epoch = 1;
    late.holder = "me";
    late.seq_first = (std::uint64_t{1} << 40U) + 1;
    late.seq_last = late.seq_first;
    sql::DocumentPart part;
    part.kind = "instance";
    part.key = "a";
    part.data = "old";
    part.seq = late.seq_first;
    // The writer gives a number to one attempt only; this is what the first one would have carried.
    ASSERT_TRUE(write({Document("instance", "b", "1")}));
    ASSERT_TRUE(write({Document("instance", "a", "new")}));

    const auto reply =
        run(*database_,
            "BEGIN IMMEDIATE; " + sql::fence(late) + "; " + sql::replace_parts(late, {part}) +
                "; COMMIT");

    EXPECT_EQ(reply.sets[1].affected, 0U);
    ASSERT_EQ(read().size(), 2U);
    EXPECT_EQ(read()[1].data, "new");
}

TEST_F(WriterTest, NoticesABackendThatLostWhatWasCommitted) {
    ASSERT_TRUE(write({Document("instance", "a", "1"), Document("instance", "b", "1")}));
    const auto before = watch_.id();
    const auto seq = std::to_string((std::uint64_t{1} << 40U) + 1);
    run(*database_,
        "DELETE FROM baton_document WHERE k='b'; UPDATE baton_lease SET doc_seq=" + seq);
    HistoryWatch reader;
    reader.noted(*read_position(*database_, soon()));
    const auto reader_before = reader.id();

    ASSERT_TRUE(write({Document("instance", "c", "1")}));

    EXPECT_NE(watch_.id(), before);
    EXPECT_TRUE(reader.noted(*read_position(*database_, soon())));
    EXPECT_NE(reader.id(), reader_before);
    EXPECT_FALSE(watch_.noted(*read_position(*database_, soon())));
}

/// Answers from a script; otherwise passes through.
class FailingDatabase final : public Database {
public:
    explicit FailingDatabase(Database& inner) : inner_(inner) {}

    Result<void> connect(std::size_t index, Deadline deadline) override {
        return inner_.connect(index, deadline);
    }

    Reply query(const std::string& sql, Deadline deadline) override {
        if (sql == "ROLLBACK") {
            ++rollbacks;
            return {};
        }
        if (failures.empty() || !sql.starts_with("BEGIN")) {
            return inner_.query(sql, deadline);
        }
        Reply reply;
        reply.error = Error(Errc::server_error, "scripted", failures.front(), "");
        failures.erase(failures.begin());
        return reply;
    }

    void close() override { ++closed; }

    [[nodiscard]] bool connected() const override { return closed == 0; }

    [[nodiscard]] std::uint64_t connection_number() const override { return 1; }

    [[nodiscard]] std::string address() const override { return "scripted"; }

    [[nodiscard]] std::size_t address_count() const override { return 1; }

    [[nodiscard]] Dialect dialect() const override { return inner_.dialect(); }

    [[nodiscard]] std::size_t packet_limit() const override { return inner_.packet_limit(); }

    std::vector<unsigned> failures;
    int rollbacks = 0;
    int closed = 0;

private:
    Database& inner_;
};

/// Does once what Galera does when a transaction meets one of another server in the middle of a
/// packet: rolls back, says nothing, and goes on with the next statement.
class SilentlyRollingBack final : public Database {
public:
    explicit SilentlyRollingBack(Database& inner) : inner_(inner) {}

    Result<void> connect(std::size_t index, Deadline deadline) override {
        return inner_.connect(index, deadline);
    }

    Reply query(const std::string& sql, Deadline deadline) override {
        const auto cut = sql.find("; REPLACE INTO baton_document");
        const auto commit = sql.find("; COMMIT");
        if (times == 0 || cut == std::string::npos || commit == std::string::npos) {
            return inner_.query(sql, deadline);
        }
        --times;
        Reply reply = inner_.query(sql.substr(0, cut) + "; ROLLBACK", deadline);
        Reply rest = inner_.query(sql.substr(cut + 2, commit - cut - 2), deadline);
        Reply last = inner_.query(sql.substr(commit + 2 + 6 + 2), deadline);
        EXPECT_FALSE(reply.error || rest.error || last.error);
        reply.sets.back() = ResultSet();  // of COMMIT
        reply.sets.insert(reply.sets.end() - 1, rest.sets.begin(), rest.sets.end());
        reply.sets.insert(reply.sets.end(), last.sets.begin(), last.sets.end());
        return reply;
    }

    void close() override { inner_.close(); }

    [[nodiscard]] bool connected() const override { return inner_.connected(); }

    [[nodiscard]] std::uint64_t connection_number() const override { return 1; }

    [[nodiscard]] std::string address() const override { return "rolling back"; }

    [[nodiscard]] std::size_t address_count() const override { return 1; }

    [[nodiscard]] Dialect dialect() const override { return inner_.dialect(); }

    [[nodiscard]] std::size_t packet_limit() const override { return inner_.packet_limit(); }

    int times = 1;

private:
    Database& inner_;
};

TEST_F(WriterTest, RepeatsWhatTheBackendRolledBackWithoutAnError) {
    SilentlyRollingBack galera(*database_);

    const auto done = writer_.write(galera, {Document("step", "1/0001", "intended")}, soon());

    EXPECT_TRUE(done);
    EXPECT_EQ(galera.times, 0);
    EXPECT_EQ(count_rows(*database_, "k='1/0001'"), 1U);
    EXPECT_EQ(lease_.renewals, 1);
    EXPECT_EQ(lease_.rejections, 0);
}

TEST_F(WriterTest, DoesNotCallWrittenWhatTheBackendRollsBackEachTime) {
    SilentlyRollingBack galera(*database_);
    galera.times = 100;

    const auto done = writer_.write(galera, {Document("step", "1/0001", "intended")}, soon());

    EXPECT_FALSE(done);
    EXPECT_EQ(count_rows(*database_), 0U);
    EXPECT_EQ(lease_.renewals, 0);
}

TEST_F(WriterTest, RepeatsWhatWasCertainlyNotDone) {
    FailingDatabase failing(*database_);
    failing.failures = {1213, 1205};

    const auto done = writer_.write(failing, {Document("tags", "a", "1")}, soon());

    EXPECT_TRUE(done);
    EXPECT_EQ(failing.rollbacks, 2);
    EXPECT_EQ(count_rows(*database_), 1U);
}

TEST_F(WriterTest, GivesUpOnEndlessConflicts) {
    FailingDatabase failing(*database_);
    failing.failures.assign(100, 1213);

    const auto done = writer_.write(failing, {Document("tags", "a", "1")}, soon());

    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().mysql_errno, 1213U);
    EXPECT_GT(failing.failures.size(), 90U);
}

TEST_F(WriterTest, DoesNotRepeatAnUnknownOutcomeAndClosesTheConnection) {
    FailingDatabase failing(*database_);
    failing.failures = {2013};

    const auto done = writer_.write(failing, {Document("tags", "a", "1")}, soon());

    ASSERT_FALSE(done);
    EXPECT_EQ(failing.closed, 1);
    EXPECT_EQ(lease_.renewals, 0);
    EXPECT_EQ(count_rows(*database_), 0U);
}

TEST_F(WriterTest, LeavesAReadOnlyServer) {
    FailingDatabase failing(*database_);
    failing.failures = {1290};

    EXPECT_FALSE(writer_.write(failing, {Document("tags", "a", "1")}, soon()));
    EXPECT_EQ(failing.closed, 1);
}

}  // namespace
}  // namespace baton::store
