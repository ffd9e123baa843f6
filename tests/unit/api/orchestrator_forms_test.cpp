// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"
#include "instance_facts.hpp"
#include "json_analysis.hpp"
#include "json_instance.hpp"
#include "json_recovery.hpp"
#include "reply.hpp"
#include "route.hpp"
#include "served_members.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

Json instance_form(const Call& call, Port port) {
    return Json::parse(instance_json(*call.topology().find(server(port)), call.moment()));
}

TEST(OrchestratorForms, AnInstanceHasTheMembersInOrder) {
    const auto json = instance_form(a_call(a_view()), 20722);

    EXPECT_EQ(keys_of(json), instance_members);
}

TEST(OrchestratorForms, AnInstanceTellsWhatClientsRead) {
    const auto json = instance_form(a_call(a_view()), 20721);

    EXPECT_EQ(json["Key"].dump(), R"({"Hostname":"127.0.0.1","Port":20721})");
    EXPECT_EQ(json["MasterKey"].dump(), R"({"Hostname":"127.0.0.1","Port":20720})");
    EXPECT_EQ(json["Replicas"].dump(), R"([{"Hostname":"127.0.0.1","Port":20723}])");
    EXPECT_EQ(json["SlaveHosts"], json["Replicas"]);
    EXPECT_EQ(json["ClusterName"], "127.0.0.1:20720");
    EXPECT_EQ(json["ReplicationSQLThreadRuning"], true);
    EXPECT_EQ(json["ReplicationIOThreadState"], 1);
    EXPECT_EQ(json["SecondsBehindMaster"].dump(), R"({"Int64":0,"Valid":true})");
    EXPECT_EQ(
        json["SelfBinlogCoordinates"].dump(), R"({"LogFile":"binlog.000001","LogPos":158,"Type":0})"
    );
    EXPECT_EQ(json["PromotionRule"], "prefer");
    EXPECT_EQ(json["IsCandidate"], true);
    EXPECT_EQ(json["IsLastCheckValid"], true);
    EXPECT_EQ(json["IsRecentlyChecked"], true);
    EXPECT_EQ(json["Problems"].dump(), "[]");
    EXPECT_EQ(json["FlavorName"], "MySQL");
}

TEST(OrchestratorForms, APrimaryHasNoSource) {
    const auto json = instance_form(a_call(a_view()), 20720);

    EXPECT_EQ(json["MasterKey"].dump(), R"({"Hostname":"","Port":0})");
    EXPECT_EQ(json["ReplicationSQLThreadState"], -1);
    EXPECT_EQ(json["SecondsBehindMaster"].dump(), R"({"Int64":0,"Valid":false})");
    EXPECT_EQ(json["Replicas"].size(), 2U);
}

TEST(OrchestratorForms, DowntimeIsTold) {
    const auto json = instance_form(a_call(a_view()), 20723);

    EXPECT_EQ(json["IsDowntimed"], true);
    EXPECT_EQ(json["DowntimeOwner"], "ops");
    EXPECT_EQ(json["DowntimeEndTimestamp"], "2026-01-05 09:00:00");
    EXPECT_EQ(json["ElapsedDowntime"], 10'000'000'000);
}

TEST(OrchestratorForms, AReplicaThatStoppedHasProblems) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    auto replica = a_replica(20721, 20720);
    replica.channels[0].receiver = topology::ThreadState::connecting;
    replica.channels[0].receiver_error = "error \"x\"\n\xff";
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, replica, now));

    const auto json = instance_form(a_call(view_of(builder, now)), 20721);

    EXPECT_EQ(json["Problems"].dump(), R"(["not_replicating"])");
    EXPECT_EQ(json["ReplicationIOThreadState"], 2);
    EXPECT_EQ(json["LastIOError"], R"("error \"x\"\n\xff")");
}

TEST(OrchestratorForms, AStandbyTellsFreshnessByItsCopy) {
    auto view = a_view();
    view->active = false;
    auto call = a_call(view);

    EXPECT_EQ(instance_form(call, 20720)["IsRecentlyChecked"], true);
    call.now += std::chrono::minutes(1);
    const auto old = instance_form(call, 20720);

    EXPECT_EQ(old["IsRecentlyChecked"], false);
    EXPECT_EQ(old["Problems"].dump(), R"(["not_recently_checked"])");
}

TEST(OrchestratorForms, ClusterInfo) {
    const auto call = a_call(a_view());
    JsonWriter writer;
    write_cluster_info(writer, call.topology().clusters().at(0), call.moment());
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(keys_of(json), cluster_info_members);
    EXPECT_EQ(json["ClusterName"], "127.0.0.1:20720");
    EXPECT_EQ(json["ClusterAlias"], "shop");
    EXPECT_EQ(json["CountInstances"], 4);
    EXPECT_EQ(json["HasAutomatedMasterRecovery"], true);
    EXPECT_EQ(json["HasAutomatedIntermediateMasterRecovery"], false);
}

TEST(OrchestratorForms, AnAnalysis) {
    const auto call = a_call(a_view());
    JsonWriter writer;
    write_analysis(writer, call.view->findings.at(0), call.moment(), "n1", "t1");
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(keys_of(json), analysis_members);
    EXPECT_EQ(json["Analysis"], "NoProblem");
    EXPECT_EQ(
        json["StructureAnalysis"].dump(), R"(["StatementAndRowLoggingReplicasStructureWarning"])"
    );
    EXPECT_EQ(json["ProcessingNodeHostname"], "n1");
    EXPECT_EQ(json["OracleGTIDImmediateTopology"], true);
    EXPECT_EQ(json["ClusterDetails"]["ClusterAlias"], "shop");
}

TEST(OrchestratorForms, ARecovery) {
    const auto call = a_call(a_view());
    JsonWriter writer;
    write_recovery(writer, call.view->recoveries.at(0)->record, call.moment());
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(keys_of(json), recovery_members);
    EXPECT_EQ(keys_of(json["AnalysisEntry"]), analysis_members);
    EXPECT_EQ(json["Id"], 17);
    EXPECT_EQ(json["AnalysisEntry"]["Analysis"], "DeadMaster");
    EXPECT_EQ(json["AnalysisEntry"]["CountReplicas"], 2);
    EXPECT_EQ(json["SuccessorKey"]["Port"], 20720);
    EXPECT_EQ(json["AllErrors"].dump(), R"([""])");
    EXPECT_EQ(json["IsSuccessful"], true);
    EXPECT_EQ(json["IsActive"], true);  // its anti-flapping window lasts
    EXPECT_EQ(json["RecoveryStartTimestamp"], "2026-01-05 07:59:00");
    EXPECT_EQ(json["LastDetectionId"], 31);
}

TEST(OrchestratorForms, AFailureDetection) {
    const auto call = a_call(a_view());
    JsonWriter writer;
    write_detection(writer, *call.view->detections.at(0), call.moment());
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(keys_of(json), recovery_members);
    EXPECT_EQ(json["RelatedRecoveryId"], 17);
    EXPECT_TRUE(json["SuccessorKey"].is_null());
    EXPECT_TRUE(json["AllErrors"].is_null());
    EXPECT_EQ(json["AnalysisEntry"]["StartActivePeriod"], "2026-01-05 07:59:00");
}

TEST(OrchestratorForms, ARecoveryStep) {
    const auto view = a_view();
    JsonWriter writer;
    write_step(writer, view->recoveries.at(0)->record, view->recoveries.at(0)->steps.at(0));
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(keys_of(json), step_members);
    EXPECT_EQ(json["Message"], "promote 127.0.0.1:20720: writable");
}

/// What the handler of the path answers.
Json answered(const Call& call, std::string_view path) {
    for (const auto& route : all_routes()) {
        if (route.path == path && route.handler.read != nullptr) {
            return Json::parse(route.handler.read(call).body);
        }
    }
    throw std::runtime_error("no such read: " + std::string(path));
}

TEST(OrchestratorForms, Maintenance) {
    auto call = a_call(a_view());

    const auto list = answered(call, "/api/maintenance");

    EXPECT_EQ(keys_of(list.at(0)), maintenance_members);
    EXPECT_EQ(list.at(0)["MaintenanceId"], 12);
    EXPECT_EQ(list.at(0)["SecondsElapsed"], 14);
    call.parameters = {"127.0.0.1", "20722"};
    EXPECT_EQ(answered(call, "/api/in-maintenance/{host}/{port}")["Message"], "true");
    call.wall_ms += 3'600'000;
    EXPECT_EQ(answered(call, "/api/in-maintenance/{host}/{port}")["Message"], "false");
    EXPECT_TRUE(answered(call, "/api/maintenance").empty());
}

TEST(OrchestratorForms, PromotionRulesAndFilters) {
    const auto call = a_call(a_view());

    EXPECT_EQ(
        answered(call, "/api/bulk-promotion-rules").dump(),
        R"([{"Hostname":"127.0.0.1","Port":20721,"PromotionRule":"prefer",)"
        R"("LastSuggestedString":"2026-01-05 08:00:00","PromotionRuleExpiry":"2026-01-05 09:00:00"}])"
    );
    EXPECT_EQ(
        answered(call, "/api/automated-recovery-filters")["Details"].dump(),
        R"({"RecoverMasterClusterFilters":["*"],"RecoverIntermediateMasterClusterFilters":[],)"
        R"("RecoveryIgnoreHostnameFilters":[]})"
    );
}

TEST(OrchestratorForms, TheEnvelope) {
    EXPECT_EQ(ok("fine").body, R"({"Code":"OK","Message":"fine","Details":null})");
    EXPECT_EQ(
        ok("fine", server(1)).body,
        R"({"Code":"OK","Message":"fine","Details":{"Hostname":"127.0.0.1","Port":1}})"
    );

    const auto refused = failure(Error(Errc::refused, "no"));
    EXPECT_EQ(refused.status, 500U);
    EXPECT_EQ(refused.headers.get("X-Baton-Reason"), "refused");
    EXPECT_EQ(refused.body, R"({"Code":"ERROR","Message":"no","Details":null})");

    const auto later = failure(Error(Errc::not_leader, "no"));
    EXPECT_EQ(later.status, 503U);
    EXPECT_EQ(later.headers.get("Retry-After"), "1");
}

TEST(OrchestratorForms, AThousandServersAreOneAnswer) {
    topology::Builder builder;
    const auto now = std::chrono::steady_clock::now();
    for (Port cluster = 0; cluster < 100; ++cluster) {
        const auto primary = static_cast<Port>(1000 + cluster * 10);
        builder.apply(seen(primary, a_server(primary), now));
        for (Port i = 1; i < 10; ++i) {
            const auto port = static_cast<Port>(primary + i);
            builder.apply(seen(port, a_replica(port, primary), now));
        }
    }
    const auto call = a_call(view_of(builder, now));
    std::vector<const topology::Instance*> all;
    for (const auto& instance : call.topology().instances()) {
        all.push_back(instance.get());
    }
    ASSERT_EQ(all.size(), 1000U);

    const auto json = instances_json(all, call.moment());

    EXPECT_GT(json.size(), 1'000'000U);
    EXPECT_EQ(nlohmann::json::parse(json).size(), 1000U);
}

}  // namespace
}  // namespace baton::api
