// SPDX-License-Identifier: Apache-2.0
#include "component/api/node.hpp"

#include "baton/api/routes.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace baton::api {
namespace {

/// The path with its parameters filled in.
std::string filled(
    std::string_view path, const std::map<std::string, std::string, std::less<>>& values
) {
    std::string result;
    while (!path.empty()) {
        const auto open = path.find('{');
        result += path.substr(0, open);
        if (open == std::string_view::npos) {
            break;
        }
        const auto close = path.find('}', open);
        const auto name = path.substr(open + 1, close - open - 1);
        const auto known = values.find(name);
        result += known == values.end() ? "x" : known->second;
        path.remove_prefix(close + 1);
    }
    return result;
}

const std::map<std::string, std::string, std::less<>> good{
    {"host", "127.0.0.1"},
    {"port", "20721"},
    {"source_host", "127.0.0.1"},
    {"source_port", "20720"},
    {"candidate_host", "127.0.0.1"},
    {"candidate_port", "20722"},
    {"to_host", "127.0.0.1"},
    {"to_port", "20722"},
    {"cluster", "shop"},
    {"alias", "shop"},
    {"text", "20721"},
    {"page", "0"},
    {"id", "17"},
    {"uid", "1767600000123456789:abc"},
    {"duration", "1h"},
    {"name", "role"},
    {"value", "backup"},
    {"rule", "prefer"},
    {"code", "503"},
};

constexpr std::string_view query = "?comment=seen&tag=role%3Dbackup&alias=new&s=20721";

std::string_view method_of(const RouteInfo& route) {
    return route.access == Access::operate ? "POST" : "GET";
}

bool is_json_with_envelope(const test::RawAnswer& answer) {
    const auto json = Json::parse(answer.body, nullptr, false);
    return json.is_object() && keys_of(json) == "Code Message Details";
}

/// One node for all of them: it keeps nothing but the list of calls.
class EveryRoute : public testing::TestWithParam<RouteInfo> {
protected:
    static void SetUpTestSuite() { shared_ = std::make_unique<Node>(); }

    static void TearDownTestSuite() { shared_.reset(); }

    Node& node = *shared_;

private:
    inline static std::unique_ptr<Node> shared_;
};

TEST_P(EveryRoute, AnswersAGoodRequest) {
    const auto& route = GetParam();
    auto values = good;
    if (route.path.starts_with("/api/resolve")) {
        values["port"] = std::to_string(node.server.port());  // something that listens
    }
    const auto target = filled(route.path, values) + std::string(query);

    test::RawClient client(node.server.port());
    if (route.path == "/api/v1/events") {
        client.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        const auto text = client.read_until("hello");
        EXPECT_NE(text.find("200 OK"), std::string::npos);
        EXPECT_NE(text.find("text/event-stream"), std::string::npos);
        return;
    }
    const auto answer = client.request(method_of(route), target);

    if (!route.offered || route.path == "/api/reload-cluster-alias") {
        EXPECT_EQ(answer.status, 500U);
        EXPECT_TRUE(is_json_with_envelope(answer)) << answer.body;
        EXPECT_EQ(answer.headers.at("x-baton-reason"), "refused");
        return;
    }
    if (route.path == "/api/graceful-master-takeover/{cluster}" ||
        route.path == "/api/graceful-master-takeover/{host}/{port}") {
        // As orchestrator: with several replicas one has to be named.
        EXPECT_EQ(answer.status, 500U);
        EXPECT_TRUE(is_json_with_envelope(answer)) << answer.body;
        EXPECT_NE(answer.body.find("name one"), std::string::npos) << answer.body;
        return;
    }
    EXPECT_EQ(answer.status, 200U) << answer.body;
    if (route.path == "/metrics") {
        EXPECT_TRUE(answer.headers.at("content-type").starts_with("text/plain; version=0.0.4"));
        return;
    }
    EXPECT_EQ(answer.headers.at("content-type"), "application/json; charset=UTF-8");
    EXPECT_FALSE(Json::parse(answer.body, nullptr, false).is_discarded()) << answer.body;
}

TEST_P(EveryRoute, AnswersABadRequestWithJson) {
    const auto& route = GetParam();
    if (route.path == "/api/v1/events" || route.path == "/metrics") {
        return;
    }
    const std::string evil = "%3Cx%3E%00%FF%22'";
    const std::map<std::string, std::string, std::less<>> bad{
        {"host", evil},
        {"port", "0x1"},
        {"cluster", evil},
        {"alias", evil},
        {"id", evil},
        {"page", "-1"},
        {"duration", "forever"},
        {"rule", evil},
        {"code", evil},
        {"uid", evil}};

    for (const std::string rest : {"", "?tag=&comment=&alias=&q=%zz", "/"}) {
        const auto answer = node.ask(method_of(route), filled(route.path, bad) + rest);

        EXPECT_EQ(answer.headers.at("content-type"), "application/json; charset=UTF-8");
        EXPECT_FALSE(Json::parse(answer.body, nullptr, false).is_discarded()) << answer.body;
        EXPECT_EQ(answer.body.find("internal error"), std::string::npos) << answer.body;
        if (answer.status != 200) {
            EXPECT_TRUE(is_json_with_envelope(answer)) << answer.body;
        }
    }
}

TEST_P(EveryRoute, DoesNotActByHead) {
    const auto& route = GetParam();
    if (route.access != Access::operate) {
        return;
    }

    const auto before = node.core.calls().size();
    test::RawClient client(node.server.port());
    client.send(fmt::format("HEAD {} HTTP/1.1\r\nHost: x\r\n\r\n", filled(route.path, good)));

    EXPECT_EQ(client.read_answer(true).status, 405U);
    EXPECT_EQ(node.core.calls().size(), before);
}

std::string test_name(const testing::TestParamInfo<RouteInfo>& info) {
    std::string name;
    for (const char c : info.param.path) {
        name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    }
    return name;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryRoute, testing::ValuesIn(route_list()), test_name);

}  // namespace
}  // namespace baton::api
