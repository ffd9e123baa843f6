// SPDX-License-Identifier: Apache-2.0
#include "topology_text.hpp"

#include "fixture.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

std::string drawn(const control::View& view, TopologyStyle style) {
    Moment moment{&view, view.fresh_at, wall_start};
    return topology_text(view.topology->clusters().at(0), moment, style);
}

/// As orchestrator drew this very cluster.
TEST(TopologyText, DrawsATree) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, a_replica(20721, 20720), now));
    builder.apply(seen(20722, a_replica(20722, 20720), now));
    builder.apply(seen(20723, a_replica(20723, 20721), now));
    const auto view = view_of(builder, now);

    EXPECT_EQ(
        drawn(*view, TopologyStyle::tree),
        "127.0.0.1:20720     [0s,ok,9.7.4-2,rw,ROW,>>,GTID,semi:master]\n"
        "+ 127.0.0.1:20721   [0s,ok,9.7.4-2,ro,ROW,>>,GTID,semi:master,semi:replica]\n"
        "  + 127.0.0.1:20723 [0s,ok,9.7.4-2,ro,ROW,>>,GTID,semi:master,semi:replica]\n"
        "+ 127.0.0.1:20722   [0s,ok,9.7.4-2,ro,ROW,>>,GTID,semi:master,semi:replica]"
    );
    EXPECT_EQ(
        drawn(*view, TopologyStyle::tabulated),
        "127.0.0.1:20720    |0s|ok|9.7.4-2|rw|ROW|>>,GTID,semi:master             \n"
        "+ 127.0.0.1:20721  |0s|ok|9.7.4-2|ro|ROW|>>,GTID,semi:master,semi:replica\n"
        "  + 127.0.0.1:20723|0s|ok|9.7.4-2|ro|ROW|>>,GTID,semi:master,semi:replica\n"
        "+ 127.0.0.1:20722  |0s|ok|9.7.4-2|ro|ROW|>>,GTID,semi:master,semi:replica"
    );
}

TEST(TopologyText, AddsTagsAndDowntime) {
    const auto view = a_view();

    const auto text = drawn(*view, TopologyStyle::tags);

    EXPECT_NE(
        text.find("127.0.0.1:20720     [0s,ok,9.7.4-2,rw,ROW,>>,GTID,semi:master] []"),
        std::string::npos
    ) << text;
    EXPECT_NE(text.find("semi:replica] [dc=2,role=backup]\n"), std::string::npos) << text;
    EXPECT_NE(text.find("semi:replica,downtimed] []"), std::string::npos) << text;
}

TEST(TopologyText, ShowsBrokenReplication) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    auto replica = a_replica(20721, 20720);
    replica.channels[0].applier = topology::ThreadState::stopped;
    replica.identity.log_bin = false;
    replica.identity.alias = "spare\none";
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, replica, now));
    const auto view = view_of(builder, now);

    const auto text = drawn(*view, TopologyStyle::tree);

    EXPECT_NE(
        text.find("\n- 127.0.0.1:20721 (spare_one) [null,nonreplicating,9.7.4-2,ro,nobinlog,GTID,"),
        std::string::npos
    ) << text;
}

TEST(TopologyText, DrawsCoPrimariesAsBranchesAndEnds) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    builder.apply(seen(20720, a_replica(20720, 20721), now));
    builder.apply(seen(20721, a_replica(20721, 20720), now));
    builder.apply(seen(20722, a_replica(20722, 20721), now));
    const auto view = view_of(builder, now);

    const auto text = drawn(*view, TopologyStyle::tree);

    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
    EXPECT_TRUE(text.starts_with("+ 127.0.0.1:207")) << text;
    EXPECT_NE(text.find("\n  + 127.0.0.1:20722"), std::string::npos) << text;
}

}  // namespace
}  // namespace baton::api
