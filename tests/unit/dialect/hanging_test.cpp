// SPDX-License-Identifier: Apache-2.0
// A server that answers some statements and hangs in others.
#include "recorded.hpp"

#include "baton/base/text.hpp"
#include "baton/dialect/state_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace baton::dialect {
namespace {

using Outcome = StateReader::Outcome;

/// A writable MySQL 9 primary.
class Primary {
public:
    std::set<std::string> hangs_in;
    std::vector<std::string> asked;  // of the last request
    std::string state_of_session;    // of a client's session; "" = there is none
    std::string seconds = "0";
    std::string executed = "a:1-3";
    std::string position = "444";
    bool semi_sync = false;
    std::string disk_errors = "0", turned_away = "0", connections = "20";

    /// One probe on a session; a hang ends the session.
    Outcome probe(StateReader& reader, TimePoint now) {
        for (;;) {
            const auto outcome = request(reader, now);
            if (!outcome) {
                reader.begin_session();
                return Outcome::failed;
            }
            if (*outcome != Outcome::again) {
                return *outcome;
            }
        }
    }

    [[nodiscard]] bool was_asked(const std::string& part) const {
        return std::any_of(asked.begin(), asked.end(), [&](const std::string& statement) {
            return contains_ignoring_case(statement, part);
        });
    }

private:
    std::optional<Outcome> request(StateReader& reader, TimePoint now) {
        asked.clear();
        std::vector<ResultRows> sets;
        for (const auto& statement : split(reader.sql(now), ';')) {
            asked.emplace_back(statement);
            for (const auto& hanging : hangs_in) {
                if (contains_ignoring_case(statement, hanging)) {
                    reader.on_silence(std::move(sets), false, now);
                    return std::nullopt;
                }
            }
            sets.push_back(answer(std::string(statement)));
        }
        return reader.on_reply(std::move(sets), std::nullopt, now);
    }

    [[nodiscard]] ResultRows answer(const std::string& statement) const {
        const auto has = [&](std::string_view part) {
            return contains_ignoring_case(statement, part);
        };
        const auto one = [](const std::string& value) {
            return ResultRows({"x"}, {{std::optional<std::string>(value)}});
        };
        if (has("SHOW GLOBAL VARIABLES")) {
            auto rows = recorded::variables(recorded::mysql9_variables);
            rows.rows.push_back({std::string("max_connections"), std::string("20")});
            return rows;
        }
        if (has("Uptime")) {
            return ResultRows(
                {"Variable_name", "Value"},
                {{std::string("Uptime"), std::string("5")},
                 {std::string("Threads_connected"), connections},
                 {std::string("Threads_running"), std::string("1")},
                 {std::string("Connection_errors_max_connections"), turned_away}}
            );
        }
        if (has("@@global.read_only")) {
            return recorded::row(
                "read_only: 0\nsuper_read_only: 0\nsemi_replica: 0\nsemi_source: " +
                std::string(semi_sync ? "1" : "0") + "\nexecuted: " + executed
            );
        }
        if (has("semi_sync")) {
            return ResultRows(
                {"Variable_name", "Value"},
                {{std::string("Rpl_semi_sync_source_status"), std::string("ON")},
                 {std::string("Rpl_semi_sync_source_clients"), std::string("1")}}
            );
        }
        if (has("error_log")) {
            return one(disk_errors);
        }
        if (has("PROCESSLIST")) {
            ResultRows rows({"Id", "User", "Host", "db", "Command", "Time", "State"}, {});
            if (!state_of_session.empty()) {
                rows.rows.push_back(
                    {std::string("5"),
                     std::string("app"),
                     std::string("h:1"),
                     std::nullopt,
                     std::string("Query"),
                     seconds,
                     state_of_session}
                );
            }
            return rows;
        }
        if (has("BINARY LOG STATUS")) {
            return ResultRows({"File", "Position"}, {{std::string("binlog.000002"), position}});
        }
        return has("SELECT 1") ? one("1") : ResultRows({"Server_Id", "Host", "Port"}, {});
    }
};

class Hanging : public testing::Test {
protected:
    StateReader reader{InstanceId("db1", 3306), 10s};
    Primary server;
    TimePoint now = TimePoint{} + 1h;

    void SetUp() override { ASSERT_EQ(server.probe(reader, now), Outcome::complete); }
};

TEST_F(Hanging, ASemiSynchronousPrimaryWhoseLogHasJustStoppedIsLookedAtClosely) {
    server.semi_sync = true;
    server.state_of_session = "Waiting for semi-sync ACK from replica";
    for (int second = 1; second < 8; ++second) {
        server.position = std::to_string(444 + second);
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
        ASSERT_FALSE(server.was_asked("PROCESSLIST")) << second;
    }
    ASSERT_EQ(server.probe(reader, now + 8s), Outcome::complete);  // stands still

    ASSERT_EQ(server.probe(reader, now + 9s), Outcome::complete);

    EXPECT_TRUE(server.was_asked("PROCESSLIST"));
    EXPECT_EQ(reader.state().strain.acknowledgement.sessions, 1U);
}

TEST_F(Hanging, OneThatWritesNowAndThenIsNotLookedAtMoreOften) {
    server.semi_sync = true;
    for (int second = 1; second < 4; ++second) {
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
    }
    for (int second = 4; second < 7; ++second) {
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
        EXPECT_FALSE(server.was_asked("PROCESSLIST")) << second;
    }
}

TEST_F(Hanging, AStatementThatHungIsNotAskedAgainAtOnce) {
    server.hangs_in = {"BINARY LOG STATUS"};
    EXPECT_EQ(server.probe(reader, now + 1s), Outcome::failed);
    EXPECT_EQ(reader.strain().unanswered, "SHOW BINARY LOG STATUS");

    // Else each probe would leave one more session behind that hangs.
    for (int second = 2; second < 11; ++second) {
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete) << second;
        ASSERT_FALSE(server.was_asked("BINARY LOG STATUS")) << second;
        EXPECT_TRUE(server.was_asked("REPLICA STATUS"));
        EXPECT_EQ(reader.state().binlog.pos, 444U) << "as it was known last";
        EXPECT_EQ(reader.state().strain.unanswered, "SHOW BINARY LOG STATUS");
        EXPECT_EQ(reader.state().strain.unanswered_since, now + 1s);
    }
    EXPECT_EQ(server.probe(reader, now + 12s), Outcome::failed) << "tried again after ten seconds";
    EXPECT_EQ(server.probe(reader, now + 25s), Outcome::complete) << "and then after twenty";

    server.hangs_in.clear();
    EXPECT_EQ(server.probe(reader, now + 33s), Outcome::complete);
    EXPECT_TRUE(server.was_asked("BINARY LOG STATUS"));
    EXPECT_EQ(reader.state().strain.unanswered, "");
}

TEST_F(Hanging, ItIsNotAskedWhileCommitsHang) {
    server.hangs_in = {"BINARY LOG STATUS"};
    server.state_of_session = "waiting for handler commit";
    EXPECT_EQ(server.probe(reader, now + 1s), Outcome::failed);
    for (int second = 2; second < 90; ++second) {
        server.seconds = std::to_string(second);
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete) << second;
    }
    EXPECT_GE(reader.state().strain.commit.seconds, 80U);
}

TEST_F(Hanging, CommitsThatGetThroughDoNotHang) {
    server.state_of_session = "waiting for handler commit";
    for (int second = 1; second < 30; ++second) {
        server.seconds = std::to_string(second);
        server.executed = "a:1-" + std::to_string(100 + second);
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
        EXPECT_EQ(reader.state().strain.commit.seconds, 0U) << second;
    }
}

TEST_F(Hanging, WithoutTheReplicationStatusThereIsNoState) {
    server.hangs_in = {"REPLICA STATUS"};
    EXPECT_EQ(server.probe(reader, now + 1s), Outcome::failed);
    EXPECT_EQ(server.probe(reader, now + 2s), Outcome::failed);
    EXPECT_TRUE(reader.hangs());
    EXPECT_FALSE(server.was_asked("REPLICA STATUS"));
    EXPECT_TRUE(server.was_asked("PROCESSLIST")) << "what it waits for is looked at";
    EXPECT_NE(reader.error().what.find("SHOW REPLICA STATUS"), std::string::npos);

    server.hangs_in.clear();
    EXPECT_EQ(server.probe(reader, now + 12s), Outcome::complete);
    EXPECT_FALSE(reader.hangs());
}

TEST_F(Hanging, WithoutVariablesOnlyAPingIsAsked) {
    server.hangs_in = {"SHOW GLOBAL VARIABLES"};
    reader.begin_session();
    EXPECT_EQ(server.probe(reader, now + 1s), Outcome::failed);

    EXPECT_EQ(server.probe(reader, now + 2s), Outcome::failed);

    EXPECT_EQ(server.asked, (std::vector<std::string>{"SELECT 1"}));
    EXPECT_TRUE(reader.hangs());
}

TEST_F(Hanging, InHasteNothingIsConcluded) {
    EXPECT_FALSE(reader.sql(now + 1s).empty());
    reader.on_silence({}, true, now + 1s);
    reader.begin_session();

    EXPECT_EQ(server.probe(reader, now + 2s), Outcome::complete);
    EXPECT_EQ(reader.state().strain.unanswered, "");
}

TEST_F(Hanging, CommitsOfAFullDiskAreToldByTheServersOwnLog) {
    server.state_of_session = "waiting for handler commit";
    server.disk_errors = "1";
    for (int second = 1; second < 20; ++second) {
        server.seconds = std::to_string(second);
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
    }

    EXPECT_EQ(reader.state().strain.commit.sessions, 0U);
    EXPECT_GE(reader.state().strain.disk.seconds, 10U);
}

TEST_F(Hanging, SessionsAreLookedAtNowAndThenAndCloselyWhenTheyWait) {
    unsigned looks = 0;
    for (int second = 1; second <= 20; ++second) {
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
        looks += server.was_asked("PROCESSLIST") ? 1U : 0U;
    }
    EXPECT_LE(looks, 5U);

    server.state_of_session = "Waiting for table metadata lock";
    looks = 0;
    for (int second = 21; second <= 40; ++second) {
        server.seconds = std::to_string(second);
        ASSERT_EQ(server.probe(reader, now + second * 1s), Outcome::complete);
        looks += server.was_asked("PROCESSLIST") ? 1U : 0U;
    }
    EXPECT_GE(looks, 15U);
    EXPECT_GE(reader.state().strain.metadata_lock.seconds, 14U);
}

TEST_F(Hanging, ClientsThatWereTurnedAwayAreNoticed) {
    EXPECT_EQ(reader.state().strain.connection_limit, 20U);
    EXPECT_EQ(reader.state().strain.connections, 20U);
    EXPECT_FALSE(reader.state().strain.turns_away) << "there is nothing to compare with yet";

    server.turned_away = "3";
    ASSERT_EQ(server.probe(reader, now + 10s), Outcome::complete);
    EXPECT_TRUE(reader.state().strain.turns_away);

    ASSERT_EQ(server.probe(reader, now + 11s), Outcome::complete);
    EXPECT_FALSE(reader.state().strain.turns_away);
}

}  // namespace
}  // namespace baton::dialect
