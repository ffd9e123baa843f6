// SPDX-License-Identifier: Apache-2.0
#include "can_replicate.hpp"
#include "fixture.hpp"
#include "osc_replicas.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

topology::Instance instance(Port port, topology::ServerState state) {
    topology::Instance result;
    result.id = server(port);
    result.state = std::move(state);
    return result;
}

class CanReplicate : public testing::Test {
protected:
    topology::Instance replica = instance(2, a_replica(2, 1));
    topology::Instance source = instance(1, a_server(1));

    [[nodiscard]] std::string why_not() const { return why_cannot_replicate(replica, source, 10); }

    [[nodiscard]] std::string why_not_by_gtid() const {
        return why_cannot_replicate_by_gtid(replica, source);
    }
};

TEST_F(CanReplicate, WhenNothingSpeaksAgainstIt) {
    EXPECT_EQ(why_not(), "");
    EXPECT_EQ(why_not_by_gtid(), "");
}

TEST_F(CanReplicate, NotFromItself) {
    EXPECT_NE(why_cannot_replicate(source, source, 10), "");
}

TEST_F(CanReplicate, NotFromAServerThatDoesNotLog) {
    source.state.identity.log_bin = false;
    EXPECT_NE(why_not().find("no binary log"), std::string::npos);
}

TEST_F(CanReplicate, NotFromANewerVersion) {
    replica.state.identity.version = "8.0.36";
    EXPECT_NE(why_not().find("version"), std::string::npos);
}

TEST_F(CanReplicate, NotAcrossFlavours) {
    replica.state.identity.flavor = topology::Flavor::mariadb;
    EXPECT_NE(why_not().find("MariaDB"), std::string::npos);
}

TEST_F(CanReplicate, NotInAFormatThatItCannotLog) {
    replica.state.identity.binlog_format = "STATEMENT";
    EXPECT_NE(why_not().find("formats"), std::string::npos);
}

TEST_F(CanReplicate, NotByGtidWhenWhatItLacksIsPurged) {
    const std::string uuid = "00000001-0000-0000-0000-000000000000";
    source.state.executed_gtid_set = uuid + ":1-100";
    source.state.purged_gtid_set = uuid + ":1-50";
    replica.state.executed_gtid_set = uuid + ":1-40";
    EXPECT_NE(why_not_by_gtid().find("10 transactions"), std::string::npos) << why_not_by_gtid();
    replica.state.executed_gtid_set = uuid + ":1-50";
    EXPECT_EQ(why_not_by_gtid(), "");
}

TEST_F(CanReplicate, NotByGtidWithErrantTransactions) {
    source.state.executed_gtid_set = "00000001-0000-0000-0000-000000000000:1-100";
    replica.state.executed_gtid_set = "00000009-0000-0000-0000-000000000000:1";
    EXPECT_NE(why_not_by_gtid().find("unknown there"), std::string::npos) << why_not_by_gtid();
}

TEST(OscReplicas, AreTwoOfEachTierAndDataCentre) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    builder.apply(seen(1, a_server(1), now));
    for (const Port port : {Port{11}, Port{12}, Port{13}}) {
        builder.apply(seen(port, a_replica(port, 1), now));
    }
    builder.apply(seen(21, a_replica(21, 13), now));
    const auto view = view_of(builder, now);

    const auto chosen = osc_replicas(view->topology->clusters().at(0), *view->topology);

    ASSERT_EQ(chosen.size(), 3U);
    EXPECT_EQ(chosen[0]->id, server(13));  // the busiest first
    EXPECT_EQ(chosen[2]->id, server(21));
}

}  // namespace
}  // namespace baton::api
