// SPDX-License-Identifier: Apache-2.0
#include "baton/api/peers.hpp"

#include "component/api/node.hpp"
#include "unit/async/run.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

using namespace std::chrono_literals;
using Kind = ports::Opinion::Kind;

ports::NodeRow row_of(const std::string& name, const std::string& url) {
    ports::NodeRow row;
    row.name = name;
    row.api_url = url;
    return row;
}

Task<void> ask_into(
    HttpPeers* peers,
    std::vector<ports::NodeRow> nodes,
    InstanceId server,
    std::vector<ports::Opinion>* opinions
) {
    const auto deadline = std::chrono::steady_clock::now() + 3s;
    *opinions = co_await peers->ask(std::move(nodes), std::move(server), deadline);
}

std::vector<ports::Opinion> asked(
    std::vector<ports::NodeRow> nodes, const InstanceId& server, const AuthOptions& auth = {}
) {
    asio::io_context loop;
    HttpPeers peers(http::ClientOptions(), auth, "n0");
    std::vector<ports::Opinion> opinions;
    test::run(loop, ask_into(&peers, std::move(nodes), server, &opinions));
    return opinions;
}

const InstanceId known("127.0.0.1", 20721);

TEST(HttpPeers, TellsApartWhoReachesItWhoDoesNotAndWhoWasNotHeard) {
    Node sees("n1");
    Node blind("n2");
    blind.core.probe_failure = topology::ProbeFailure::refused;

    const auto opinions = asked(
        {row_of("n1", sees.url() + "/"),
         row_of("n2", blind.url()),
         row_of("n3", "http://127.0.0.1:1"),
         row_of("n4", "")},
        known
    );

    ASSERT_EQ(opinions.size(), 4U);
    EXPECT_EQ(opinions[0].kind, Kind::reached);
    EXPECT_EQ(opinions[0].node, "n1");
    EXPECT_EQ(opinions[1].kind, Kind::not_reached);
    EXPECT_EQ(opinions[1].text, "connection refused");
    EXPECT_EQ(opinions[2].kind, Kind::unheard);
    EXPECT_EQ(opinions[3].kind, Kind::unheard);
    EXPECT_EQ(sees.core.calls(), std::vector<std::string>{"probe 127.0.0.1:20721"});
}

Task<void> look_and_ask(HttpPeers* peers, std::vector<ports::NodeRow> nodes, bool* leads) {
    const auto deadline = std::chrono::steady_clock::now() + 3s;
    co_await peers->look(nodes, deadline);
    *leads = co_await peers->anyone_leads(nodes, deadline);
}

TEST(HttpPeers, TellsOthersToLookAndHearsWhetherOneLeads) {
    Node first("n1");
    Node second("n2");
    first.core.active = false;
    second.core.active = false;
    const std::vector<ports::NodeRow> nodes{
        row_of("n1", first.url()), row_of("n2", second.url()), row_of("n3", "http://127.0.0.1:1")};
    HttpPeers peers(http::ClientOptions(), {}, "n0");
    bool leads = true;

    asio::io_context loop;
    test::run(loop, look_and_ask(&peers, nodes, &leads));

    EXPECT_FALSE(leads);
    EXPECT_EQ(first.core.looks, 1U);
    EXPECT_EQ(second.core.looks, 1U);
    second.core.active = true;
    asio::io_context again;
    test::run(again, look_and_ask(&peers, nodes, &leads));
    EXPECT_TRUE(leads);
}

TEST(HttpPeers, ALivingServerThatRefusesTheNodeIsReached) {
    Node refused("n1");
    refused.core.probe_failure = topology::ProbeFailure::access_denied;

    EXPECT_EQ(asked({row_of("n1", refused.url())}, known).front().kind, Kind::reached);
}

TEST(HttpPeers, ANodeThatDoesNotKnowTheServerAbstains) {
    Node other("n1");

    const auto opinions = asked({row_of("n1", other.url())}, InstanceId("elsewhere", 22));

    EXPECT_EQ(opinions.front().kind, Kind::abstained);
    EXPECT_NE(opinions.front().text.find("404"), std::string::npos) << opinions.front().text;
    EXPECT_TRUE(other.core.calls().empty()) << "it is no port scanner";
}

TEST(HttpPeers, ShowsThePasswordThatTheNodesShare) {
    auto options = some_options();
    options.auth.method = AuthOptions::Method::basic;
    options.auth.user = "baton";
    options.auth.password = "secret";
    Node guarded("n1", options);

    const std::vector nodes{row_of("n1", guarded.url())};
    EXPECT_EQ(asked(nodes, known, options.auth).front().kind, Kind::reached);
    EXPECT_EQ(asked(nodes, known).front().kind, Kind::abstained);

    auto proxied = some_options();
    proxied.auth.method = AuthOptions::Method::proxy;
    proxied.auth.power_users = {"operator"};
    Node behind_proxy("n2", proxied);
    EXPECT_EQ(
        asked({row_of("n2", behind_proxy.url())}, known, proxied.auth).front().kind, Kind::reached
    );
}

TEST(Probe, IsAskedByGetAndPostAndAnswersWhatWasSeen) {
    Node node("n1");

    const auto answer = node.get("/api/v1/probe/127.0.0.1/20721");

    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(
        answer.body,
        R"({"server":"127.0.0.1:20721","answered":true,"failure":"none","error":"","latency_ms":3,"node":"n1"})"
    );
    EXPECT_EQ(node.ask("POST", "/api/v1/probe/127.0.0.1/20721").status, 200U);
    EXPECT_EQ(node.get("/api/v1/probe/127.0.0.1/22").status, 404U);
}

TEST(Probe, NeedsTheRightToAct) {
    auto options = some_options();
    options.auth.read_only = true;
    Node node("n1", options);

    EXPECT_NE(node.get("/api/v1/probe/127.0.0.1/20721").status, 200U);
    EXPECT_TRUE(node.core.calls().empty());
}

}  // namespace
}  // namespace baton::api
