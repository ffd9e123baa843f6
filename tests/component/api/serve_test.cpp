// SPDX-License-Identifier: Apache-2.0

// What orchestrator's clients see of a single node.

#include "component/api/node.hpp"
#include "unit/api/served_members.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

TEST(Serve, LeaderCheckFollowsTheLeaseAtOnce) {
    Node node;

    EXPECT_EQ(node.get("/api/leader-check").status, 200U);
    EXPECT_EQ(node.get("/api/leader-check").body, R"("OK")");

    node.core.active = false;

    const auto answer = node.get("/api/leader-check");
    EXPECT_EQ(answer.status, 404U);
    EXPECT_EQ(answer.body, R"("Not leader")");
    EXPECT_EQ(node.get("/api/leader-check/503").status, 503U);
    EXPECT_EQ(node.get("/api/leader-check/abc").status, 404U);
    EXPECT_EQ(node.get("/api/routed-leader-check").status, 404U);
    EXPECT_EQ(node.get("/health/leader").status, 503U);
    EXPECT_EQ(node.get("/api/lb-check").body, R"("OK")");
}

TEST(Serve, HealthHasOrchestratorsForm) {
    Node node;

    const auto json = node.json("/api/health");

    EXPECT_EQ(json["Code"], "OK");
    EXPECT_EQ(keys_of(json["Details"]), health_members);
    EXPECT_EQ(keys_of(json["Details"]["ActiveNode"]), node_members);
    EXPECT_EQ(json["Details"]["AvailableNodes"].size(), 1U);

    node.core.backend_ok = false;
    const auto sick = node.get("/api/status");
    EXPECT_EQ(sick.status, 500U);
    EXPECT_EQ(Json::parse(sick.body)["Code"], "ERROR");
    EXPECT_EQ(node.get("/health/ready").status, 503U);
    EXPECT_EQ(node.get("/health/live").status, 200U);
}

TEST(Serve, ListsWhatTheClientLists) {
    Node node;

    EXPECT_EQ(node.get("/api/clusters").body, R"(["127.0.0.1:20720"])");
    EXPECT_EQ(node.json("/api/clusters-info")[0]["ClusterAlias"], "shop");
    EXPECT_EQ(node.json("/api/all-instances").size(), 4U);
    EXPECT_EQ(node.json("/api/instance/127.0.0.1/20721")["MasterKey"]["Port"], 20720);
    EXPECT_EQ(node.json("/api/instance-replicas/127.0.0.1/20720").size(), 2U);
    EXPECT_EQ(node.json("/api/cluster-info/127.0.0.1:20723")["ClusterName"], "127.0.0.1:20720");
    EXPECT_EQ(node.json("/api/master/shop")["ClusterName"], "127.0.0.1:20720");
    EXPECT_EQ(node.json("/api/masters").size(), 1U);
    EXPECT_EQ(node.json("/api/downtimed/")[0]["Key"]["Port"], 20723);
    EXPECT_EQ(node.json("/api/tagged?tag=role%3Dbackup,~x")[0]["Port"], 20721);
    EXPECT_EQ(node.get("/api/tags/127.0.0.1/20721").body, R"(["dc=2","role=backup"])");
    EXPECT_EQ(node.get("/api/tag-value/127.0.0.1/20721/dc").body, R"("2")");
    EXPECT_EQ(node.json("/api/search/20722").size(), 1U);
    EXPECT_EQ(node.get("/api/maintenance").body, "[]");  // ended by now
    EXPECT_EQ(
        node.json("/api/in-maintenance/127.0.0.1/20722")["Message"], "false"
    );  // ended by now
}

TEST(Serve, DrawsTheTopology) {
    Node node;

    const auto json = node.json("/api/topology/shop");

    EXPECT_EQ(json["Code"], "OK");
    EXPECT_TRUE(
        json["Details"].get<std::string>().starts_with("127.0.0.1:20720     [0s,ok,9.7.4-2,rw,ROW")
    );
    EXPECT_EQ(node.json("/api/topology/127.0.0.1:20723")["Details"], json["Details"]);
    EXPECT_EQ(node.json("/api/topology-tabulated/shop")["Code"], "OK");
}

TEST(Serve, AnswersUnknownNamesWithTheEnvelope) {
    Node node;
    for (const auto* path :
         {"/api/instance/nowhere/3306",
          "/api/instance/127.0.0.1/x",
          "/api/cluster/nothing",
          "/api/topology/nothing",
          "/api/cluster/alias/nothing",
          "/api/master/nothing"}) {
        const auto answer = node.get(path);

        EXPECT_EQ(answer.status, 500U) << path;
        EXPECT_EQ(Json::parse(answer.body)["Code"], "ERROR") << path;
    }
    const auto unknown = node.get("/api/no-such-route");
    EXPECT_EQ(unknown.status, 404U);
    EXPECT_EQ(Json::parse(unknown.body)["Code"], "ERROR");
    EXPECT_EQ(node.ask("DELETE", "/api/clusters").status, 405U);
    EXPECT_EQ(node.ask("DELETE", "/api/clusters").headers.at("allow"), "GET");
}

TEST(Serve, PagesTheAuditByTwenty) {
    Node node;

    EXPECT_EQ(node.json("/api/audit").size(), 20U);
    EXPECT_EQ(keys_of(node.json("/api/audit")[0]), audit_members);
    EXPECT_EQ(node.json("/api/audit/0")[0]["AuditId"], 45);
    EXPECT_EQ(node.json("/api/audit/2").size(), 5U);
    EXPECT_EQ(node.json("/api/audit/3").size(), 0U);
    EXPECT_EQ(node.json("/api/audit/99999999999999999999")[0]["AuditId"], 45);
    EXPECT_EQ(node.json("/api/audit/instance/127.0.0.1/20723/1").size(), 20U);
    EXPECT_EQ(node.get("/api/audit").body.find("<b>"), std::string::npos);
}

TEST(Serve, RecoveriesAreFoundInEachWay) {
    Node node;
    for (const auto* path :
         {"/api/audit-recovery",
          "/api/audit-recovery/id/17",
          "/api/audit-recovery/uid/1767600000123456789:abc",
          "/api/audit-recovery/cluster/shop",
          "/api/audit-recovery/cluster/127.0.0.1:20720",
          "/api/audit-recovery/alias/shop",
          "/api/audit-recovery?unacknowledged=true"}) {
        EXPECT_EQ(node.json(path).size(), 1U) << path;
    }
    EXPECT_EQ(node.json("/api/audit-recovery/id/18").size(), 0U);
    EXPECT_EQ(node.json("/api/audit-recovery-steps/1767600000123456789:abc").size(), 1U);
    EXPECT_EQ(node.json("/api/audit-failure-detection/id/31").size(), 1U);
    EXPECT_EQ(node.json("/api/blocked-recoveries")[0]["BlockingRecoveryId"], 17);
    EXPECT_EQ(node.json("/api/v1/recoveries/17")["number"], 17);
    EXPECT_EQ(node.json("/api/v1/recoveries/1767600000123456789%3Aabc")["number"], 17);
    EXPECT_EQ(node.get("/api/v1/recoveries/18").status, 404U);
    const auto analysis = node.json("/api/replication-analysis");
    EXPECT_EQ(analysis["Details"][0]["Analysis"], "NoProblem");
    EXPECT_EQ(
        node.json("/api/replication-analysis-changelog")[0]["Changelog"].dump(),
        R"(["2026-01-05 07:59:00;DeadMaster,","2026-01-05 07:59:03;NoProblem,"])"
    );
}

TEST(Serve, CommandsGetWhatWasAsked) {
    Node node;
    const auto key = [](int port) {
        return fmt::format(R"({{"Hostname":"127.0.0.1","Port":{}}})", port);
    };

    const auto details = [&](std::string_view target) {
        return node.json(target)["Details"].dump();
    };

    EXPECT_EQ(details("/api/begin-downtime/127.0.0.1/20722/ops/a%20reason/1h"), key(20722));
    EXPECT_EQ(details("/api/begin-downtime/127.0.0.1/20722/ops/short"), key(20722));
    EXPECT_EQ(details("/api/end-downtime/127.0.0.1/20722"), key(20722));
    EXPECT_EQ(details("/api/recover/127.0.0.1/20720"), key(20721));
    EXPECT_EQ(
        details("/api/recover/127.0.0.1/20720/127.0.0.1/20722?skipProcesses=true"), key(20722)
    );
    EXPECT_EQ(details("/api/ack-recovery/cluster/alias/shop?comment=seen"), R"("127.0.0.1:20720")");
    EXPECT_EQ(details("/api/ack-recovery/17?comment=seen"), R"("17")");
    EXPECT_EQ(details("/api/disable-global-recoveries"), R"("disabled")");
    EXPECT_EQ(details("/api/untag/127.0.0.1/20721?tag=role"), "[" + key(20721) + "]");
    EXPECT_EQ(Json::parse(details("/api/discover/127.0.0.1/20721"))["Key"]["Port"], 20721);
    EXPECT_EQ(details("/api/end-maintenance/12"), "12");

    const std::vector<std::string> expected{
        "begin-downtime 127.0.0.1:20722 ops a reason 3600s by 127.0.0.1",
        "begin-downtime 127.0.0.1:20722 ops short 600s by 127.0.0.1",
        "end-downtime 127.0.0.1:20722 by 127.0.0.1",
        "recover 127.0.0.1:20720 - with hooks by 127.0.0.1",
        "recover 127.0.0.1:20720 127.0.0.1:20722 without hooks by 127.0.0.1",
        "ack 1 127.0.0.1:20720 seen by 127.0.0.1",
        "ack 3 17 seen by 127.0.0.1",
        "disable-global-recoveries by 127.0.0.1",
        "untag 127.0.0.1:20721 role=(any) by 127.0.0.1",
        "discover 127.0.0.1:20721 by 127.0.0.1",
        "end-maintenance 127.0.0.1:20722 by 127.0.0.1",
    };
    EXPECT_EQ(node.core.calls(), expected);
}

TEST(Serve, AChangeNeedsTheExactName) {
    Node node;

    // "7.0.0.1" is part of the known name: enough for a read, not for a change.
    EXPECT_EQ(node.get("/api/instance/7.0.0.1x/20721").status, 500U);
    const auto answer = node.get("/api/begin-downtime/localhost/20721/a/b");

    EXPECT_EQ(answer.status, 500U);
    EXPECT_TRUE(node.core.calls().empty());
}

TEST(Serve, BadArgumentsChangeNothing) {
    Node node;
    for (const auto* path :
         {"/api/begin-downtime/127.0.0.1/20722/a/b/10",
          "/api/begin-downtime/127.0.0.1/20722/a/b/-1m",
          "/api/begin-downtime/127.0.0.1/20722/a/b/99999999999w",
          "/api/register-candidate/127.0.0.1/20722/must",
          "/api/ack-all-recoveries",
          "/api/ack-all-recoveries?comment=%20",
          "/api/ack-recovery/x?comment=a",
          "/api/untag-all?tag=role",
          "/api/tag/127.0.0.1/20722?tag==x",
          "/api/reload-configuration?config=/etc/passwd"}) {
        const auto answer = node.get(path);

        EXPECT_EQ(answer.status, 500U) << path;
        EXPECT_EQ(Json::parse(answer.body)["Code"], "ERROR") << path;
    }
    EXPECT_TRUE(node.core.calls().empty());
}

TEST(Serve, ErrorsOfCommandsBecomeEnvelopes) {
    Node node;
    node.core.set_error(Error(Errc::refused, "nothing to recover"));

    const auto answer = node.get("/api/recover/127.0.0.1/20720");

    EXPECT_EQ(answer.status, 500U);
    EXPECT_EQ(
        answer.body,
        R"({"Code":"ERROR","Message":"nothing to recover","Details":{"Hostname":"127.0.0.1","Port":20720}})"
    );
    node.core.set_error(Error(Errc::not_leader, "lost"));
    EXPECT_EQ(node.get("/api/recover/127.0.0.1/20720").status, 503U);
}

TEST(Serve, ForgettingTwiceIsNoError) {
    Node node;
    auto view = std::make_shared<control::View>(*a_view());
    auto entry = std::make_shared<control::AuditEntry>();
    entry->type = "forget";
    entry->instance = InstanceId("gone", 3306);
    entry->at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch()
    )
                       .count();
    view->audit.insert(view->audit.begin(), entry);
    node.core.set_view(view);
    node.core.set_error(Error(Errc::not_found, "not known"));

    EXPECT_EQ(node.json("/api/forget/gone/3306")["Code"], "OK");
    EXPECT_EQ(node.json("/api/forget/other/3306")["Code"], "ERROR");
}

TEST(Serve, ACommandThatTakesTooLongIsAnsweredInTime) {
    auto options = some_options();
    options.forward_limit = std::chrono::milliseconds(200);
    Node node("n1", options);
    node.core.delay_ms = 5000;

    const auto begin = std::chrono::steady_clock::now();
    const auto answer = node.get("/api/end-downtime/127.0.0.1/20721");

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    EXPECT_EQ(answer.status, 500U);
    EXPECT_EQ(answer.headers.at("x-baton-reason"), "timeout");
}

TEST(Serve, MetricsAreOnePerLine) {
    Node node;

    const auto text = node.get("/metrics").body;

    EXPECT_NE(text.find("\nbaton_active 1\n"), std::string::npos);
    EXPECT_NE(text.find("\nbaton_servers 4\n"), std::string::npos);
    EXPECT_NE(
        text.find("baton_server_up{server=\"127.0.0.1:20721\",cluster=\"127.0.0.1:20720\"} 1\n"),
        std::string::npos
    ) << text;
}

const http::StaticFile* some_page(std::string_view path) {
    static const http::StaticFile page{"/", "text/html; charset=utf-8", "<html>", "\"tag\""};
    return path == "/" || path.starts_with("/web") ? &page : nullptr;
}

TEST(Serve, GivesThePage) {
    Node node("n1", some_options(), some_page);

    EXPECT_EQ(node.get("/").body, "<html>");
    EXPECT_EQ(node.get("/web/cluster/a%3A3306").status, 200U);
    EXPECT_EQ(node.get("/").headers.at("content-type"), "text/html; charset=utf-8");
    EXPECT_NE(
        node.get("/").headers.at("content-security-policy").find("default-src 'self'"),
        std::string::npos
    );
    EXPECT_EQ(node.get("/", "If-None-Match: \"tag\"\r\n").status, 304U);
    EXPECT_EQ(node.get("/assets/none.js").status, 404U);
}

TEST(Serve, BelowAPrefix) {
    auto options = some_options();
    options.url_prefix = "orchestrator/";
    options.status_endpoint = "/my-status";
    Node node("n1", options, some_page);

    EXPECT_EQ(node.get("/orchestrator/api/lb-check").status, 200U);
    EXPECT_EQ(node.get("/api/lb-check").status, 404U);
    EXPECT_EQ(node.get("/orchestrator/web").status, 200U);
    EXPECT_EQ(node.get("/orchestratorx/web").status, 404U);
    EXPECT_EQ(node.get("/my-status").status, 200U);
    EXPECT_EQ(node.get("/orchestrator/api/status").status, 404U);
}

TEST(Serve, RefusesAPrefixThatIsNone) {
    auto options = some_options();
    options.url_prefix = "/a b";
    fake::Commands core("n1");
    Server server(options, core, {});

    EXPECT_FALSE(server.start());
}

}  // namespace
}  // namespace baton::api
