// SPDX-License-Identifier: Apache-2.0
#include "baton/store/reader.hpp"

#include "support.hpp"

#include "baton/store/writer.hpp"

#include <gmock/gmock.h>

#include <set>

namespace baton::store {
namespace {

using namespace test;
using ports::Document;

class ReaderTest : public testing::Test {
protected:
    ReaderTest()
        : backend_(sqlite_backend(folder_.path("db"))),
          database_(a_database(*backend_)),
          writer_(lease_, writers_watch_) {
        lease_.epoch = 1;
    }

    void write(std::vector<Document> documents) {
        const auto done = writer_.write(*database_, std::move(documents), soon());
        ASSERT_TRUE(done) << done.error().what;
    }

    ports::Changes read(std::uint64_t cursor, std::size_t limit) {
        auto changes = read_changes(*database_, watch_, cursor, limit, soon());
        EXPECT_TRUE(changes) << changes.error().what;
        return changes ? std::move(*changes) : ports::Changes();
    }

    Folder folder_;
    std::shared_ptr<Backend> backend_;
    std::unique_ptr<Database> database_;
    OrderedLease lease_;
    HistoryWatch writers_watch_;
    HistoryWatch watch_;
    Writer writer_;
};

TEST_F(ReaderTest, AnEmptyBackendHasNoChanges) {
    const auto changes = read(0, 10);

    EXPECT_TRUE(changes.documents.empty());
    EXPECT_FALSE(changes.more);
    EXPECT_EQ(changes.cursor, 0U);
}

TEST_F(ReaderTest, PagesThroughEverythingExactlyOnce) {
    for (int i = 0; i < 7; ++i) {
        std::vector<Document> documents;
        for (int k = 0; k < 9; ++k) {
            // Sizes from one to nine parts, so that page ends fall into documents.
            documents.emplace_back(
                "audit",
                std::to_string(i * 10 + k),
                std::string(static_cast<std::size_t>(k) * part_bytes + 1, 'x')
            );
        }
        write(std::move(documents));
    }
    for (const std::size_t limit : {1U, 2U, 5U, 16U, 17U, 1000U}) {
        std::uint64_t cursor = 0;
        std::uint64_t last = 0;
        std::set<std::string> keys;
        for (int pages = 0; pages < 200; ++pages) {
            const auto changes = read(cursor, limit);
            EXPECT_LE(changes.documents.size(), limit);
            for (const auto& document : changes.documents) {
                EXPECT_TRUE(keys.insert(document.key).second);
                EXPECT_GT(document.seq, last);
                EXPECT_EQ(document.data.size() % part_bytes, 1U);
                last = document.seq;
            }
            cursor = changes.cursor;
            if (!changes.more) {
                break;
            }
        }
        EXPECT_EQ(keys.size(), 63U) << "limit " << limit;
    }
}

TEST_F(ReaderTest, SkipsADocumentWhoseNewVersionIsYetToCome) {
    write({Document("audit", "a", std::string(2 * part_bytes, 'x')), Document("audit", "b", "1")});
    // As NDB may show it: one part replaced already, the other not yet.
    run(*database_,
        "UPDATE baton_document SET seq=seq+100 WHERE k='a' AND part=1; "
        "UPDATE baton_lease SET doc_seq=doc_seq+100");

    const auto changes = read(0, 10);

    ASSERT_EQ(changes.documents.size(), 1U);
    EXPECT_EQ(changes.documents[0].key, "b");
}

TEST_F(ReaderTest, ReportsEmptyTablesAsMissingSchema) {
    run(*database_, "DELETE FROM baton_lease");

    const auto changes = read_changes(*database_, watch_, 0, 10, soon());

    ASSERT_FALSE(changes);
    EXPECT_EQ(classify(changes.error()), election::ErrorClass::schema);
}

Position a_position(std::uint64_t epoch, std::uint64_t counter, std::uint64_t seq) {
    Position position;
    position.epoch = epoch;
    position.counter = counter;
    position.doc_seq = seq;
    position.doc_base = 0;
    position.history = "first";
    return position;
}

TEST(HistoryWatch, StaysTheSameWhileTheBackendMovesOn) {
    HistoryWatch watch;
    EXPECT_EQ(watch.id(), 0U);
    EXPECT_FALSE(watch.noted(a_position(1, 10, 100)));
    const auto id = watch.id();
    EXPECT_NE(id, 0U);

    EXPECT_FALSE(watch.noted(a_position(1, 10, 100)));
    EXPECT_FALSE(watch.noted(a_position(1, 12, 101)));
    auto next = a_position(2, 20, 200);
    next.doc_base = 101;
    EXPECT_FALSE(watch.noted(next));

    EXPECT_EQ(watch.id(), id);
}

TEST(HistoryWatch, NoticesEachWayOfGoingBack) {
    const auto broken_by = [](const Position& position) {
        HistoryWatch watch;
        watch.noted(a_position(5, 50, 500));
        const auto id = watch.id();
        const bool broken = watch.noted(position);
        EXPECT_EQ(broken, watch.id() != id);
        return broken;
    };

    EXPECT_TRUE(broken_by(a_position(4, 60, 600)));
    EXPECT_TRUE(broken_by(a_position(5, 49, 600)));
    EXPECT_TRUE(broken_by(a_position(5, 60, 499)));
    auto named = a_position(5, 60, 600);
    named.history = "second";
    EXPECT_TRUE(broken_by(named));
    // Restored and gone on under a new holder, past everything seen: its epoch began too low.
    auto overtaken = a_position(6, 99, 999);
    overtaken.doc_base = 450;
    EXPECT_TRUE(broken_by(overtaken));
    overtaken.doc_base = 500;
    EXPECT_FALSE(broken_by(overtaken));
}

TEST(HistoryWatch, CountsOwnWritesAsSeen) {
    HistoryWatch watch;
    watch.noted(a_position(5, 50, 500));
    watch.committed(5, 510);

    EXPECT_EQ(watch.floor(), 510U);
    EXPECT_TRUE(watch.noted(a_position(5, 51, 505)));
    EXPECT_TRUE(watch.needs_name());
}

TEST_F(ReaderTest, JudgesNodesByTheMovementOfTheirHeartbeat) {
    sql::NodeColumns node;
    node.token = "t1";
    node.name = "n1";
    node.api_url = "http://n1:3000";
    node.priority = -2;
    node.started_ms = 1234;
    run(*database_, sql::register_node(node));
    NodeWatch watch;
    const TimePoint start{};

    auto rows = watch.read(*database_, start + 1s, soon());
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 1U);
    EXPECT_EQ((*rows)[0].name, "n1");
    EXPECT_EQ((*rows)[0].priority, -2);
    EXPECT_EQ((*rows)[0].started_ms, 1234);
    EXPECT_FALSE((*rows)[0].alive);  // not seen to move yet

    run(*database_, sql::beat("t1", "db2:3306"));
    rows = watch.read(*database_, start + 2s, soon());
    EXPECT_TRUE((*rows)[0].alive);
    EXPECT_EQ((*rows)[0].backend_address, "db2:3306");
    EXPECT_EQ((*rows)[0].since_beat, 0s);

    rows = watch.read(*database_, start + 9s, soon());
    EXPECT_FALSE((*rows)[0].alive);
    EXPECT_EQ((*rows)[0].since_beat, 7s);
    EXPECT_TRUE(watch.silent_for(8s, start + 9s).empty());
    EXPECT_THAT(watch.silent_for(7s, start + 9s), testing::ElementsAre("t1"));
}

TEST_F(ReaderTest, PassesOnWhatNodesReport) {
    sql::NodeColumns node;
    node.token = "t1";
    node.name = "n1";
    node.config_fingerprint = "at the start";
    run(*database_, sql::register_node(node));
    node.token = "t2";
    node.name = "n2";
    run(*database_, sql::register_node(node));
    const auto text = report_text({"the account is refused", "two\nlines, \xc3\xa4"});
    run(*database_, sql::report("t2", "reloaded", text));
    NodeWatch watch;

    const auto rows = watch.read(*database_, TimePoint{}, soon());

    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 2U);
    EXPECT_EQ((*rows)[0].config_fingerprint, "at the start");
    EXPECT_TRUE((*rows)[0].warnings.empty());
    EXPECT_EQ((*rows)[1].config_fingerprint, "reloaded");
    EXPECT_THAT(
        (*rows)[1].warnings, testing::ElementsAre("the account is refused", "two?lines, ??")
    );
}

TEST(ReportText, FitsTheColumn) {
    EXPECT_EQ(report_text({}), "");
    EXPECT_LE(report_text(std::vector<std::string>(100, std::string(1000, 'x'))).size(), 4000U);
    EXPECT_EQ(report_text({std::string(1000, 'x')}).size(), 600U);
}

}  // namespace
}  // namespace baton::store
