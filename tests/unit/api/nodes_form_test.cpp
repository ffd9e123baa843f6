// SPDX-License-Identifier: Apache-2.0
// What /api/v1/nodes tells of the nodes, and what it warns of.
#include "fixture.hpp"
#include "json_v1.hpp"
#include "json_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Served by n2, a standby; n1 is active, n3 is gone.
class NodesForm : public testing::Test {
protected:
    NodesForm() {
        view->nodes = {row("n1", "0123"), row("n2", "0123"), row("n3", "4567")};
        view->nodes[2].alive = false;
        status.name = "n2";
        status.token = "token n2";
        status.version = "1.0";
        status.config_fingerprint = "0123";
        status.active_name = "n1";
        status.active_token = "token n1";
        status.lease.epoch = 7;
        status.lease.holder_left = 1500ms;
        status.lease.backend_ok = true;
    }

    static ports::NodeRow row(const std::string& name, const std::string& fingerprint) {
        ports::NodeRow node;
        node.name = name;
        node.token = "token " + name;
        node.version = "1.0";
        node.config_fingerprint = fingerprint;
        node.backend_address = "db1:3306";
        node.alive = true;
        node.since_beat = 250ms;
        return node;
    }

    Json served() {
        JsonWriter json;
        v1::write_nodes(json, status, a_call(view).moment());
        return Json::parse(json.take());
    }

    std::vector<std::string> warnings() {
        return served()["warnings"].get<std::vector<std::string>>();
    }

    std::shared_ptr<control::View> view = std::make_shared<control::View>();
    control::NodeStatus status;
};

TEST_F(NodesForm, TellsAllOfEveryNode) {
    const auto nodes = served()["nodes"];

    ASSERT_EQ(nodes.size(), 3U);
    EXPECT_EQ(nodes[0]["name"], "n1");
    EXPECT_EQ(nodes[0]["active"], true);
    EXPECT_EQ(nodes[0]["epoch"], 7);
    EXPECT_EQ(nodes[0]["lease_left_ms"], 1500) << "as far as this node can tell";
    EXPECT_EQ(nodes[0]["backend_address"], "db1:3306");
    EXPECT_EQ(nodes[0]["version"], "1.0");
    EXPECT_EQ(nodes[0]["config_fingerprint"], "0123");
    EXPECT_EQ(nodes[0]["last_heard_ms"], 250);
    EXPECT_EQ(nodes[1]["active"], false);
    EXPECT_TRUE(nodes[1]["epoch"].is_null());
    EXPECT_EQ(nodes[1]["last_heard_ms"], 0) << "itself";
    EXPECT_EQ(nodes[2]["alive"], false);
}

TEST_F(NodesForm, WarnsOfNothingWhenAllIsWell) {
    EXPECT_THAT(warnings(), IsEmpty()) << "a node that is gone is no odd one";
}

TEST_F(NodesForm, WarnsOfAnotherConfigurationThanThatOfTheActiveNode) {
    view->nodes[2].alive = true;

    EXPECT_THAT(
        warnings(), ElementsAre("node n3 has another configuration (4567) than node n1 (0123)")
    );
}

TEST_F(NodesForm, KnowsThatTheOwnConfigurationWasReloaded) {
    status.config_fingerprint = "89ab";

    EXPECT_THAT(
        warnings(), ElementsAre("node n2 has another configuration (89ab) than node n1 (0123)")
    );
}

TEST_F(NodesForm, ComparesWithItselfWhileNobodyIsActive) {
    status.active_name.clear();
    status.active_token.clear();
    view->nodes[0].config_fingerprint = "4567";

    EXPECT_THAT(
        warnings(), ElementsAre("node n1 has another configuration (4567) than node n2 (0123)")
    );
}

TEST_F(NodesForm, WarnsOfAnotherVersion) {
    view->nodes[1].version = "1.1";

    EXPECT_THAT(warnings(), ElementsAre("node n2 runs version 1.1, node n1 version 1.0"));
}

TEST_F(NodesForm, PassesOnWhatNodesFindWrongWithThemselves) {
    view->nodes[0].warnings = {"the hook is missing"};
    view->nodes[2].warnings = {"it is gone"};
    status.warnings = {"the account is refused"};

    EXPECT_THAT(
        warnings(), ElementsAre("node n1: the hook is missing", "node n2: the account is refused")
    );
    EXPECT_EQ(served()["self"]["warnings"][0], "the account is refused");
}

}  // namespace
}  // namespace baton::api
