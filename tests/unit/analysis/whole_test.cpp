// SPDX-License-Identifier: Apache-2.0
// The list of findings as a whole.
#include "support.hpp"

#include <chrono>

namespace baton::analysis {
namespace {

using testing::ElementsAre;

std::vector<std::string> subjects(const std::vector<Finding>& findings) {
    std::vector<std::string> out;
    for (const auto& finding : findings) {
        out.push_back(scenario::name_of(finding.subject));
    }
    return out;
}

TEST(Analyze, PutsPrimariesFirstThenByCluster) {
    Stage stage(
        "  p1: {}\n  r1: {source: p1}\n  l1: {source: r1}\n"
        "  a1: {}\n  a2: {source: a1}\n"
    );
    stage.well();

    EXPECT_THAT(stage.findings, testing::IsEmpty());
    EXPECT_THAT(
        subjects(analyze(*stage.now, Policy{}, true)), ElementsAre("a1", "p1", "a2", "r1", "l1")
    );
}

TEST(Analyze, OfOneClusterSaysTheSameAsOfAll) {
    Stage stage("  p1: {}\n  r1: {source: p1}\n  a1: {}\n  a2: {source: a1}\n");
    stage.well().fails("p1", ProbeFailure::refused, 1000).fails("a1", ProbeFailure::refused, 1000);
    stage.look(1001);
    ASSERT_EQ(subjects(stage.findings), (std::vector<std::string>{"a1", "p1"}));

    const auto* cluster = stage.now->cluster_of(id("p1"));
    const auto of_one = analyze_cluster(*stage.now, *cluster, {});

    EXPECT_THAT(of_one, ElementsAre(stage.findings[1]));
}

TEST(Analyze, SaysWhatAReaderNeeds) {
    Stage stage(one_replica);
    stage.well().fails("p1", ProbeFailure::refused, 1000).look(1001);

    const auto& finding = stage.findings.at(0);

    EXPECT_EQ(finding.cluster_name, "p1:3306");
    EXPECT_EQ(finding.cluster_id, stage.now->clusters().at(0).id);
    EXPECT_TRUE(finding.is_primary);
    EXPECT_FALSE(finding.is_co_primary);
    EXPECT_THAT(finding.replicas, ElementsAre(id("r1")));
    EXPECT_FALSE(finding.summary.empty());
}

TEST(Analyze, SeesNoReasonForAFailoverInASecondDeadRootOfACluster) {
    Stage stage(two_replicas + "  x: {}\n  left: {source: x}\n");
    topology::Overlay overlay;
    overlay.clusters["c"] = {"c", id("p1"), 1, ""};
    for (const auto* name : {"p1", "r1", "r2", "x", "left"}) {
        overlay.membership[id(name)] = "c";
    }
    stage.builder.set_overlay(overlay);
    stage.well().fails("x", ProbeFailure::refused, 1000);
    stage.receiver("left", ThreadState::connecting, lost).good("left", 1010).look(1011);

    ASSERT_EQ(stage.code("x"), Code::dead_primary);
    EXPECT_FALSE(stage.actionable("x"));
    EXPECT_THAT(stage.find("x")->vetoes, ElementsAre("the primary of the cluster is p1:3306"));
}

TEST(Analyze, NamesOnlySomeOfManyReplicas) {
    std::string servers = "  p1: {}\n";
    for (int i = 10; i < 40; ++i) {
        servers += "  r" + std::to_string(i) + ": {source: p1}\n";
    }
    Stage stage(servers);
    stage.well();
    for (int i = 10; i < 40; ++i) {
        stage.receiver("r" + std::to_string(i), ThreadState::stopped)
            .good("r" + std::to_string(i), 1000);
    }
    stage.look(1001);

    ASSERT_EQ(stage.code("p1"), Code::all_replicas_not_replicating);
    EXPECT_THAT(
        stage.find("p1")->evidence, ElementsAre(testing::HasSubstr("r17:3306 and 22 others: "))
    );
    EXPECT_EQ(stage.find("p1")->replicas.size(), 30U);
}

TEST(Analyze, OfAThousandServersIsQuick) {
    std::string servers = "  p1: {}\n";
    for (int i = 0; i < 1000; ++i) {
        servers += "  r" + std::to_string(i) + ": {source: p1}\n";
    }
    Stage stage(servers);
    for (auto& [name, server] : stage.servers) {
        server.state.executed_gtid_set = scenario::uuid_of(name) + ":1-1000000";
    }
    stage.well().fails("p1", ProbeFailure::timeout, 1000).fails("p1", ProbeFailure::timeout, 1600);
    stage.look(1601);

    constexpr int rounds = 20;
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) {
        EXPECT_EQ(analyze(*stage.now, Policy{}).size(), 1U);
    }
    const auto each = (std::chrono::steady_clock::now() - begun) / rounds;

    // A generous limit, for busy machines; it takes well below a millisecond.
    EXPECT_LT(each, std::chrono::milliseconds(50));
    RecordProperty(
        "microseconds",
        static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(each).count())
    );
    std::printf(
        "1001 servers: %d us\n",
        static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(each).count())
    );
}

}  // namespace
}  // namespace baton::analysis
