// SPDX-License-Identifier: Apache-2.0
#include "component/api/node.hpp"

#include "baton/http/auth.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

ServerOptions with(AuthOptions::Method method) {
    auto options = some_options();
    options.auth.method = method;
    options.auth.user = "joe";
    options.auth.password = "secret";
    return options;
}

std::string login(const std::string& user, const std::string& password) {
    return "Authorization: " + http::basic_authorization(user, password) + "\r\n";
}

constexpr auto act = "/api/end-downtime/127.0.0.1/20721";

TEST(ServeAccess, BasicGuardsAllButTheChecks) {
    Node node("n1", with(AuthOptions::Method::basic));

    const auto refused = node.get("/api/clusters");
    EXPECT_EQ(refused.status, 401U);
    EXPECT_EQ(refused.headers.at("www-authenticate"), R"(Basic realm="Authorization Required")");
    EXPECT_EQ(Json::parse(refused.body)["Message"], "Unauthorized");
    EXPECT_EQ(node.get("/").status, 401U);
    EXPECT_EQ(node.get("/api/no-such-route").status, 401U);
    EXPECT_EQ(node.get("/metrics").status, 401U);
    EXPECT_EQ(node.get("/api/leader-check").status, 200U);
    EXPECT_EQ(node.get("/api/lb-check").status, 200U);
    EXPECT_EQ(node.get("/health/live").status, 200U);
    EXPECT_EQ(node.get("/api/clusters", login("joe", "secret")).status, 200U);
    EXPECT_EQ(node.get(act, login("joe", "secret")).status, 200U);
    EXPECT_EQ(node.core.calls().at(0), "end-downtime 127.0.0.1:20721 by joe");
}

TEST(ServeAccess, ChecksCanBeGuardedAsInOrchestrator) {
    auto options = with(AuthOptions::Method::basic);
    options.auth.exempt_checks = false;
    Node node("n1", options);

    EXPECT_EQ(node.get("/api/leader-check").status, 401U);
}

TEST(ServeAccess, TheClientSeesTheStatusLineItSearchesFor) {
    Node node("n1", with(AuthOptions::Method::basic));
    test::RawClient client(node.server.port());

    client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");

    EXPECT_NE(client.read_until("\r\n").find("HTTP/1.1 401 Unauthorized"), std::string::npos);
}

TEST(ServeAccess, ReadonlyMayNotAct) {
    Node node("n1", with(AuthOptions::Method::multi));

    EXPECT_EQ(node.get("/api/clusters", login("readonly", "x")).status, 200U);
    const auto refused = node.get(act, login("readonly", "x"));

    EXPECT_EQ(refused.status, 500U);
    EXPECT_EQ(refused.body, R"({"Code":"ERROR","Message":"Unauthorized","Details":null})");
    EXPECT_TRUE(node.core.calls().empty());
}

TEST(ServeAccess, ProxyNamesWhoMayAct) {
    auto options = with(AuthOptions::Method::proxy);
    options.auth.power_users = {"ann"};
    Node node("n1", options);

    EXPECT_EQ(node.get("/api/clusters").status, 200U);
    EXPECT_EQ(node.get(act).status, 500U);
    EXPECT_EQ(node.get(act, "X-Forwarded-User: bob\r\n").status, 500U);
    EXPECT_EQ(node.get(act, "X-Forwarded-User: ann\r\n").status, 200U);
    EXPECT_EQ(node.core.calls().size(), 1U);
}

TEST(ServeAccess, ReadOnlyNodesChangeNothing) {
    auto options = some_options();
    options.auth.read_only = true;
    Node node("n1", options);

    EXPECT_EQ(node.get(act).status, 500U);
    EXPECT_TRUE(node.core.calls().empty());
}

TEST(ServeAccess, PagesOfOtherSitesChangeNothing) {
    Node node;

    EXPECT_EQ(node.get(act, "Sec-Fetch-Site: cross-site\r\n").status, 403U);
    EXPECT_EQ(node.ask("POST", act, "Origin: http://evil.example\r\n").status, 403U);
    EXPECT_EQ(node.get("/api/clusters", "Sec-Fetch-Site: cross-site\r\n").status, 200U);
    EXPECT_TRUE(node.core.calls().empty());
}

TEST(ServeAccess, GetCanBeKeptFromActing) {
    auto options = some_options();
    options.mutations_by_get = false;
    Node node("n1", options);

    EXPECT_EQ(node.get(act).status, 405U);
    EXPECT_EQ(node.get(act).headers.at("allow"), "POST");
    EXPECT_EQ(node.ask("POST", act).status, 200U);
}

TEST(ServeAccess, OwnApiActsByPostOnly) {
    Node node;

    EXPECT_EQ(node.get("/api/v1/handover").status, 405U);
    EXPECT_EQ(node.ask("POST", "/api/v1/handover?to=n2").status, 200U);
    EXPECT_EQ(node.core.calls().at(0), "hand-over n2 by 127.0.0.1");
}

}  // namespace
}  // namespace baton::api
