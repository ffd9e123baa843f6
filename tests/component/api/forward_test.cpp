// SPDX-License-Identifier: Apache-2.0
#include "component/api/node.hpp"

#include "baton/http/auth.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace baton::api {
namespace {

constexpr auto act = "/api/begin-downtime/127.0.0.1/20721/ops/a%20b%2Fc/1h?x=1";

TEST(Forward, AStandbyPassesChangesOnAndAnswersReadsItself) {
    Node active("n1");
    Node standby("n2");
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url() + "/");

    const auto answer = standby.get(act);

    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(
        answer.body,
        R"({"Code":"OK","Message":"Downtime begun: 127.0.0.1:20721","Details":{"Hostname":"127.0.0.1","Port":20721}})"
    );
    ASSERT_EQ(active.core.calls().size(), 1U);
    EXPECT_EQ(
        active.core.calls()[0], "begin-downtime 127.0.0.1:20721 ops a b/c 3600s by 127.0.0.1 via n2"
    );
    EXPECT_TRUE(standby.core.calls().empty());
    EXPECT_EQ(standby.json("/api/all-instances").size(), 4U);
    const auto requests = active.server.statistics().requests;
    EXPECT_LE(requests, 1U);
}

TEST(Forward, ErrorsOfTheActiveNodeComeBackUnchanged) {
    Node active("n1");
    Node standby("n2");
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url());
    active.core.set_error(Error(Errc::refused, "no failure is seen"));

    const auto answer = standby.get("/api/recover/127.0.0.1/20720");

    EXPECT_EQ(answer.status, 500U);
    EXPECT_EQ(answer.headers.at("x-baton-reason"), "refused");
    EXPECT_EQ(answer.headers.at("content-type"), "application/json; charset=UTF-8");
    EXPECT_EQ(Json::parse(answer.body)["Message"], "no failure is seen");
}

TEST(Forward, WithoutAnActiveNodeTheClientIsToldToComeAgain) {
    Node standby("n2");
    standby.core.active = false;

    const auto answer = standby.get(act);

    EXPECT_EQ(answer.status, 503U);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
    EXPECT_EQ(Json::parse(answer.body)["Code"], "ERROR");
    EXPECT_TRUE(standby.core.calls().empty());
}

TEST(Forward, AChangeWaitsForTheEndOfAnElection) {
    Node active("n1");
    Node standby("n2");
    standby.core.active = false;
    std::jthread election([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        standby.core.set_active_node("n1", active.url());
    });

    EXPECT_EQ(standby.get(act).status, 200U);
    EXPECT_EQ(active.core.calls().size(), 1U);
}

TEST(Forward, ANodeThatBecomesTheActiveOneMeanwhileActsItself) {
    Node node("n1");
    node.core.active = false;
    std::jthread election([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        node.core.active = true;
    });

    EXPECT_EQ(node.get(act).status, 200U);
    EXPECT_EQ(node.core.calls().size(), 1U);
}

TEST(Forward, NobodyWaitsForANodeThatIsReplacedMeanwhile) {
    Node frozen("n1");
    Node next("n3");
    Node standby("n2");
    frozen.core.delay_ms = 3000;
    standby.core.active = false;
    standby.core.set_active_node("n1", frozen.url());
    std::jthread election([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        standby.core.set_active_node("n3", next.url());
    });

    const auto begin = std::chrono::steady_clock::now();
    const auto answer = standby.get(act);

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(2500));
    EXPECT_EQ(answer.headers.at("x-baton-reason"), "timeout");
    EXPECT_NE(answer.body.find("n1 is not the active node any more"), std::string::npos)
        << answer.body;
    EXPECT_TRUE(next.core.calls().empty()) << "it may have been done already";
}

TEST(Forward, NobodyWaitsForAnElectionWithoutBackend) {
    Node standby("n2");
    standby.core.active = false;
    standby.core.backend_ok = false;

    const auto begin = std::chrono::steady_clock::now();

    EXPECT_EQ(standby.get(act).status, 503U);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(800));
}

TEST(Forward, TwoNodesDoNotSendARequestRound) {
    Node one("n1");
    Node two("n2");
    one.core.active = two.core.active = false;
    one.core.set_active_node("n2", two.url());
    two.core.set_active_node("n1", one.url());

    const auto answer = one.get(act);

    EXPECT_EQ(answer.status, 503U);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
    EXPECT_EQ(answer.headers.at("x-baton-reason"), "not_leader");
}

TEST(Forward, AnActiveNodeThatIsGoneIsToldAsSuch) {
    std::string url;
    {
        Node gone("n1");
        url = gone.url();
    }
    Node standby("n2");
    standby.core.active = false;
    standby.core.set_active_node("n1", url);

    const auto answer = standby.get(act);

    EXPECT_EQ(answer.status, 503U);
    EXPECT_NE(Json::parse(answer.body)["Message"].get<std::string>().find("n1"), std::string::npos);
}

TEST(Forward, AnActiveNodeThatHangsDoesNotHangTheOthers) {
    Node active("n1");
    active.core.delay_ms = 60'000;
    auto options = some_options();
    options.forward_limit = std::chrono::milliseconds(200);
    Node standby("n2", options);
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url());

    const auto answer = standby.get(act);

    EXPECT_EQ(answer.status, 500U);
    EXPECT_EQ(answer.headers.at("x-baton-reason"), "timeout");
}

TEST(Forward, CredentialsGoAlong) {
    auto options = some_options();
    options.auth.method = AuthOptions::Method::basic;
    options.auth.user = "joe";
    options.auth.password = "secret";
    Node active("n1", options);
    Node standby("n2", options);
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url());

    const auto login = "Authorization: " + http::basic_authorization("joe", "secret") + "\r\n";
    const auto answer = standby.get(act, login);

    EXPECT_EQ(answer.status, 200U);
    EXPECT_TRUE(active.core.calls().at(0).ends_with(" by joe"));
}

TEST(Forward, UsersNamedByAProxyGoAlong) {
    auto options = some_options();
    options.auth.method = AuthOptions::Method::proxy;
    options.auth.power_users = {"ann"};
    Node active("n1", options);
    Node standby("n2", options);
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url());

    EXPECT_EQ(standby.get(act, "X-Forwarded-User: ann\r\n").status, 200U);
    EXPECT_TRUE(active.core.calls().at(0).ends_with(" by ann"));
    EXPECT_EQ(standby.get(act, "X-Forwarded-User: bob\r\n").status, 500U);
    EXPECT_EQ(active.core.calls().size(), 1U);
}

TEST(Forward, GrabElectionAsksTheActiveNodeToHandOver) {
    Node active("n1");
    Node standby("n2");
    standby.core.active = false;
    standby.core.set_active_node("n1", active.url());

    EXPECT_EQ(standby.get("/api/grab-election").status, 200U);
    EXPECT_EQ(active.core.calls().at(0), "hand-over n2 by 127.0.0.1 via n2");
    EXPECT_EQ(active.get("/api/grab-election").status, 200U);
    EXPECT_EQ(active.core.calls().size(), 1U);
}

TEST(Forward, ReloadActsOnTheNodeAsked) {
    Node standby("n2");
    standby.core.active = false;

    EXPECT_EQ(standby.get("/api/reload-configuration").status, 200U);
    EXPECT_EQ(standby.core.calls().at(0), "reload by 127.0.0.1");
}

}  // namespace
}  // namespace baton::api
