// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"
#include "json_v1.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::api {
namespace {

template <class Write>
Json form(const control::View& view, Write write) {
    Moment moment{&view, view.fresh_at, wall_start};
    JsonWriter json;
    write(json, view.topology->clusters().at(0), moment);
    return Json::parse(json.text());
}

const Json& member(const Json& cluster, const std::string& id) {
    for (const auto& one : cluster["members"]) {
        if (one["id"] == id) {
            return one;
        }
    }
    throw std::runtime_error("no member " + id);
}

TEST(ClusterForms, ShortForm) {
    const auto json = form(*a_view(), v1::write_cluster);

    EXPECT_EQ(
        keys_of(json), "id name alias primary state summary recovering servers max_lag_seconds"
    );
    EXPECT_EQ(json["primary"], "127.0.0.1:20720");
    EXPECT_EQ(json["state"], "warning");
    EXPECT_EQ(json["summary"], "the primary has statement and row based replicas");
    EXPECT_EQ(json["recovering"], false);
    EXPECT_EQ(json["servers"].size(), 4U);
    EXPECT_EQ(json["servers"][0]["primary"], true);
    EXPECT_EQ(json["max_lag_seconds"], 0);
}

TEST(ClusterForms, DetailsHaveMembersFindingsAndRecoveries) {
    const auto json = form(*a_view(), v1::write_cluster_details);

    EXPECT_EQ(json["members"].size(), 4U);
    EXPECT_EQ(member(json, "127.0.0.1:20720")["role"], "primary");
    EXPECT_EQ(member(json, "127.0.0.1:20721")["role"], "intermediate");
    EXPECT_EQ(member(json, "127.0.0.1:20722")["role"], "replica");
    EXPECT_EQ(member(json, "127.0.0.1:20723")["source"], "127.0.0.1:20721");
    EXPECT_EQ(member(json, "127.0.0.1:20723")["downtime_reason"], "disk");
    EXPECT_EQ(member(json, "127.0.0.1:20722")["semi_sync"], true);
    EXPECT_EQ(json["findings"][0]["code"], "NoProblem");
    EXPECT_EQ(json["findings"][0]["structure"].dump(), R"(["statement and row"])");
    EXPECT_EQ(json["recoveries"][0]["number"], 17);
}

TEST(ClusterForms, ADeadReplicaIsCriticalItselfAndAWarningForItsCluster) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, a_replica(20721, 20720), now));
    topology::Observation lost;
    lost.id = server(20721);
    lost.started = lost.ended = now + std::chrono::seconds(1);
    lost.failure = topology::ProbeFailure::refused;
    lost.error = "connection refused";
    builder.apply(lost);
    const auto view = view_of(builder, now + std::chrono::seconds(1));

    const auto json = form(*view, v1::write_cluster_details);

    EXPECT_EQ(json["state"], "warning");
    EXPECT_EQ(json["summary"], "127.0.0.1:20721: cannot be reached: connection refused");
    const auto& replica = member(json, "127.0.0.1:20721");
    EXPECT_EQ(replica["state"], "critical");
    EXPECT_EQ(replica["valid"], false);
    EXPECT_EQ(replica["problems"].dump(), R"(["cannot be reached: connection refused"])");
}

TEST(ClusterForms, ADeposedPrimaryIsTold) {
    auto view = a_view();
    topology::Builder builder;
    auto overlay = an_overlay();
    topology::Deposed deposed;
    deposed.uuid = "00020722-0000-0000-0000-000000000000";
    deposed.successor = server(20720);
    deposed.contained = true;
    deposed.classification = "clean";
    overlay.deposed[server(20722)] = deposed;
    builder.set_overlay(overlay);
    builder.apply(seen(20720, a_server(20720), view->fresh_at));
    builder.apply(seen(20722, a_replica(20722, 20720), view->fresh_at));
    view->topology = builder.build(view->fresh_at, wall_start);

    const auto json = form(*view, v1::write_cluster_details);

    const auto& old = member(json, "127.0.0.1:20722");
    EXPECT_EQ(old["role"], "deposed");
    EXPECT_EQ(
        old["problems"].dump(),
        R"(["was replaced as primary by 127.0.0.1:20720, and made read-only; data against its successor: clean"])"
    );
}

control::View failing() {
    control::View view = *a_view();
    auto& finding = view.findings.at(0);
    finding.code = analysis::Code::dead_primary;
    finding.severity = analysis::Severity::critical;
    finding.recovery = analysis::RecoveryKind::dead_primary;
    finding.summary = "the primary is dead";
    return view;
}

TEST(Explain, SaysThatNothingIsWrong) {
    const auto json = form(*a_view(), v1::write_explanation);

    EXPECT_EQ(json["would_fail_over_now"], false);
    EXPECT_EQ(json["why"], "no failure is seen that a recovery would cure");
    EXPECT_EQ(json["forecast"]["successor"], "127.0.0.1:20721");
    EXPECT_EQ(json["forecast"]["candidates"][0]["rank"], 1);
}

TEST(Explain, SaysThatItWouldAct) {
    const auto json = form(failing(), v1::write_explanation);

    EXPECT_EQ(json["would_fail_over_now"], true);
    EXPECT_EQ(json["why"], "the primary is dead");
    EXPECT_EQ(json["state"], "critical");
    EXPECT_EQ(json["findings"][0]["actionable"], true);
}

TEST(Explain, SaysWhatKeepsItFromActing) {
    auto view = failing();
    view.recoveries_disabled = true;
    view.recoveries_disabled_by = "jo";
    EXPECT_EQ(form(view, v1::write_explanation)["why"], "automatic recovery is disabled by jo");

    view.blocked.at(0).failed = server(20720);
    const auto json = form(view, v1::write_explanation);
    EXPECT_EQ(json["would_fail_over_now"], false);
    EXPECT_EQ(json["why"], "anti-flapping");
    EXPECT_EQ(json["findings"][0]["refusal"], "anti-flapping");

    view.shadow = true;
    EXPECT_EQ(
        form(view, v1::write_explanation)["why"],
        "this service runs in shadow mode and changes nothing"
    );
}

TEST(Explain, EndsWithSettingsThatShouldBeMended) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    auto replica = a_replica(20721, 20720);
    replica.settings.read = replica.settings.replica_words = replica.settings.can_persist = true;
    replica.identity.replica_net_timeout_seconds = 60;
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, replica, now));
    auto view = view_of(builder, now);

    const auto settings = form(*view, v1::write_explanation)["settings"];
    const auto found = std::find_if(settings.begin(), settings.end(), [](const Json& advice) {
        return advice["code"] == "replica_net_timeout_long";
    });
    ASSERT_NE(found, settings.end()) << settings.dump();
    EXPECT_EQ(keys_of(*found), "code server severity sentence statements config");
    EXPECT_EQ((*found)["server"], "127.0.0.1:20721");
    EXPECT_EQ((*found)["severity"], "warning");
    EXPECT_EQ((*found)["statements"][0], "SET PERSIST replica_net_timeout = 10");
    EXPECT_EQ((*found)["config"], "replica_net_timeout = 10");

    view->advice.ignore = {"*"};
    EXPECT_TRUE(form(*view, v1::write_explanation)["settings"].empty());
}

TEST(Explain, QuotesTheVetoes) {
    auto view = failing();
    view.findings.at(0).recovery = analysis::RecoveryKind::none;
    view.findings.at(0).vetoes = {"a replica still hears it", "seen only once"};

    const auto json = form(view, v1::write_explanation);

    EXPECT_EQ(json["would_fail_over_now"], false);
    EXPECT_EQ(json["why"], "a replica still hears it; seen only once");
}

TEST(RecoveryForms, Details) {
    JsonWriter writer;
    v1::write_recovery_details(writer, *a_recovery());
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(json["number"], 17);
    EXPECT_EQ(json["state"], "done");
    EXPECT_EQ(json["code"], "DeadMaster");
    EXPECT_EQ(json["total_ms"], 3000);
    EXPECT_EQ(json["summary"], "127.0.0.1:20720 promoted");
    EXPECT_EQ(json["steps"][0]["duration_ms"], 1.5);
    EXPECT_EQ(json["steps"][0]["state"], "done");
}

TEST(NodeForms, ANodeThatIsInNoListShowsItself) {
    auto view = *a_view();
    view.nodes.clear();
    control::NodeStatus status;
    status.name = "n2";
    status.token = "t2";
    status.lease.left = std::chrono::seconds(2);
    Moment moment{&view, view.fresh_at, wall_start};
    JsonWriter writer;
    v1::write_nodes(writer, status, moment);
    const auto json = Json::parse(writer.text());

    ASSERT_EQ(json["nodes"].size(), 1U);
    EXPECT_EQ(json["nodes"][0]["name"], "n2");
    EXPECT_EQ(json["nodes"][0]["alive"], true);
    EXPECT_EQ(json["nodes"][0]["lease_left_ms"], 2000);
    EXPECT_EQ(json["self"]["active"], false);
}

}  // namespace
}  // namespace baton::api
