// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/session_watch.hpp"

#include <gtest/gtest.h>

namespace baton::dialect {
namespace {

using topology::Strain;
using topology::Waiters;

const TimePoint start = TimePoint{} + 1h;

class Sessions {
public:
    Sessions& with(
        const std::string& id,
        const std::string& state,
        const std::string& time = "60",
        const std::string& command = "Query",
        const std::string& user = "app"
    ) {
        rows_.rows.push_back({id, user, std::string("h:1"), std::nullopt, command, time, state});
        return *this;
    }

    operator const ResultRows&() const { return rows_; }  // NOLINT: reads well

private:
    ResultRows rows_{{"Id", "User", "Host", "db", "Command", "Time", "State"}, {}};
};

TEST(SessionWatch, CountsFromTheLookThatShowedASessionWaitingFirst) {
    SessionWatch watch;
    Strain strain;

    // The server counts from the begin of the statement, which may have worked until a moment ago.
    watch.look(Sessions().with("7", "waiting for handler commit", "600"), start, strain);
    EXPECT_EQ(strain.commit, (Waiters{1, 0}));

    watch.look(Sessions().with("7", "waiting for handler commit", "612"), start + 12s, strain);
    EXPECT_EQ(strain.commit, (Waiters{1, 12}));
}

TEST(SessionWatch, ADoneStatementThatWaitsAgainBeginsAnew) {
    SessionWatch watch;
    Strain strain;
    watch.look(Sessions().with("7", "waiting for handler commit", "0"), start, strain);
    watch.look(Sessions().with("7", "waiting for handler commit", "0"), start + 30s, strain);
    EXPECT_EQ(strain.commit, (Waiters{1, 1})) << "the server says that it is a young one";

    watch.look(Sessions().with("7", "updating", "5"), start + 31s, strain);
    EXPECT_EQ(strain.commit, Waiters{});
    watch.look(Sessions().with("7", "waiting for handler commit", "9"), start + 32s, strain);
    EXPECT_EQ(strain.commit, (Waiters{1, 0}));
}

TEST(SessionWatch, AProcedureThatCommitsInALoopDoesNotHang) {
    SessionWatch watch;
    Strain strain;
    for (int second = 0; second < 30; ++second) {
        watch.look(
            Sessions().with("7", "waiting for handler commit", std::to_string(600 + second)),
            start + second * 1s,
            strain
        );
        watch.commits_passed(start + second * 1s, strain);
    }
    EXPECT_EQ(strain.commit, (Waiters{1, 0}));
}

TEST(SessionWatch, KnowsWhatServersCallIt) {
    SessionWatch watch;
    Strain strain;
    const auto sessions = Sessions()
                              .with("1", "Waiting for someone to free space")
                              .with("2", "Commit")
                              .with("3", "Waiting for prior transaction to commit")
                              .with("4", "Waiting for semi-sync ACK from replica")
                              .with("5", "Waiting for semi-sync ACK from slave")
                              .with("6", "Waiting for table metadata lock")
                              .with("7", "Waiting for schema metadata lock")
                              .with("8", "Waiting for global read lock")
                              .with("9", "Waiting for backup lock")
                              .with("10", "Waiting for commit lock")
                              .with("11", "Sending data");
    watch.look(sessions, start, strain);

    EXPECT_EQ(strain.disk.sessions, 1U);
    EXPECT_EQ(strain.commit.sessions, 2U);
    EXPECT_EQ(strain.acknowledgement.sessions, 2U);
    EXPECT_EQ(strain.metadata_lock.sessions, 2U);
    EXPECT_EQ(strain.global_lock.sessions, 3U);
}

TEST(SessionWatch, LeavesOutWhoIsNoClient) {
    SessionWatch watch;
    Strain strain;
    const auto sessions =
        Sessions()
            .with("1", "waiting for handler commit", "60", "Query", "system user")
            .with("2", "Waiting for table metadata lock", "60", "Query", "event_scheduler")
            .with("3", "Waiting for semi-sync ACK from slave", "60", "Slave_worker")
            .with(
                "4", "Master has sent all binlog to slave; waiting to commit", "60", "Binlog Dump"
            )
            .with("5", "waiting for handler commit", "60", "Sleep")
            .with("6", "waiting for commit", "60", "Daemon");
    watch.look(sessions, start, strain);

    EXPECT_EQ(strain, Strain{});
}

TEST(SessionWatch, AFullDiskIsTheCauseOfCommitsThatWait) {
    Strain strain;
    strain.commit = {3, 12};
    strain.disk = {1, 5};

    blame_disk(strain);

    EXPECT_EQ(strain.disk, (Waiters{4, 12}));
    EXPECT_EQ(strain.commit, Waiters{});
}

TEST(SessionWatch, RowsOfAnotherShapeSayNothing) {
    SessionWatch watch;
    Strain strain;
    watch.look(ResultRows({"a"}, {{std::string("b")}, {}}), start, strain);
    EXPECT_EQ(strain, Strain{});
}

}  // namespace
}  // namespace baton::dialect
