// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::analysis {
namespace {

struct Case {
    const char* name;
    const char* text;
};

constexpr Case cases[] = {
    {"NoLoggingReplicas", R"(
servers: {p1: {}, r1: {source: p1, log_replica_updates: no}, r2: {source: p1, log_bin: no}}
expect_structure: {p1: [NoLoggingReplicasStructureWarning]})"},
    {"OneLoggingReplicaIsEnough", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1, log_bin: no}}
expect_structure: {p1: []})"},
    {"AnOnlyReplicaIsNotWarnedOf", R"(
servers: {p1: {}, r1: {source: p1, log_bin: no}}
expect_structure: {p1: []})"},
    {"NoFailoverSupport", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1, auto_position: no}}
expect_structure: {p1: [NoFailoverSupportStructureWarning]})"},
    {"MariadbGtidIsSupport", R"(
defaults: {version: 10.11.6-MariaDB}
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
expect_structure: {p1: []})"},
    {"MariadbWithoutGtidIsNot", R"(
defaults: {version: 10.11.6-MariaDB}
servers: {p1: {}, r1: {source: p1, using_gtid: "No"}, r2: {source: p1}}
expect_structure: {p1: [NoFailoverSupportStructureWarning]})"},
    {"StatementAndRow", R"(
servers: {p1: {}, r1: {source: p1, binlog_format: STATEMENT}, r2: {source: p1}}
expect_structure: {p1: [StatementAndRowLoggingReplicasStructureWarning]})"},
    {"AllThreeFormats", R"(
servers:
  p1: {}
  r1: {source: p1, binlog_format: STATEMENT}
  r2: {source: p1}
  r3: {source: p1, binlog_format: MIXED}
expect_structure:
  p1: [StatementAndRowLoggingReplicasStructureWarning, StatementAndMixedLoggingReplicasStructureWarning, MixedAndRowLoggingReplicasStructureWarning])"},
    {"FormatsOfReplicasThatDoNotLogDoNotMatter", R"(
servers: {p1: {}, r1: {source: p1, binlog_format: STATEMENT, log_bin: no}, r2: {source: p1}}
expect_structure: {p1: []})"},
    {"MajorVersions", R"(
servers: {p1: {version: 5.7.44}, r1: {source: p1, version: 5.7.44}, r2: {source: p1, version: 8.0.36}}
expect_structure: {p1: [MultipleMajorVersionsLoggingReplicasStructureWarning]})"},
    {"MinorVersionsDoNotMatter", R"(
servers: {p1: {}, r1: {source: p1, version: 8.0.34}, r2: {source: p1, version: 8.0.36}}
expect_structure: {p1: []})"},
    {"GtidModesDiffer", R"(
servers: {p1: {}, r1: {source: p1, gtid_mode: ON_PERMISSIVE}}
expect_structure: {p1: [DifferentGTIDModesStructureWarning]})"},
    {"GtidModesBelowAnIntermediate", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1, gtid_mode: ON_PERMISSIVE}}
expect_structure: {p1: [], r1: [DifferentGTIDModesStructureWarning]})"},
    {"ReadOnlyStandalone", R"(
servers: {p1: {read_only: yes}}
expect_structure: {p1: [NoWriteableMasterStructureWarning]})"},
    {"NotEnoughSemiSyncReplicas", R"(
servers: {p1: {semi_sync: {source: yes, status: no, wait: 2, clients: 1}}, r1: {source: p1}}
expect_structure: {p1: [NotEnoughValidSemiSyncReplicasStructureWarning]})"},
    {"EnoughSemiSyncReplicas", R"(
servers: {p1: {semi_sync: {source: yes, status: no, wait: 1, clients: 1}}, r1: {source: p1}}
expect_structure: {p1: []})"},
};

class Structures : public testing::TestWithParam<Case> {};

TEST_P(Structures, AreWarnedOfExactly) {
    const auto scenario = scenario::read_scenario(GetParam().text, {"expect_structure"});
    Comparison comparison(scenario);

    for (const auto& entry : scenario.document["expect_structure"]) {
        std::vector<std::string> expected;
        for (const auto& warning : entry.second) {
            expected.push_back(warning.as<std::string>());
        }
        std::vector<std::string> given;
        if (const auto* finding = comparison.find(entry.first.as<std::string>())) {
            for (const auto& [warning, sentence] : finding->structure) {
                given.emplace_back(api_name(warning));
                EXPECT_FALSE(sentence.empty());
            }
        }
        EXPECT_THAT(given, testing::UnorderedElementsAreArray(expected));
    }
}

std::string name_of_case(const testing::TestParamInfo<Case>& given) {
    return given.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, Structures, testing::ValuesIn(cases), name_of_case);

TEST(Structures, WarnOfErrantTransactionsOfReplicasThatAreNotDowntimed) {
    Stage stage(
        "  p1: {executed: \"p1:1-100\"}\n"
        "  r1: {source: p1, executed: \"p1:1-100,r1:1-2\"}\n"
        "  r2: {source: p1, executed: \"p1:1-90\"}\n"
    );
    stage.well().good("p1", 100).look(101);

    ASSERT_NE(stage.find("p1"), nullptr);
    EXPECT_EQ(stage.code("p1"), Code::no_problem);
    ASSERT_EQ(stage.find("p1")->structure.size(), 1U);
    EXPECT_EQ(stage.find("p1")->structure[0].first, Structure::errant_gtid);
    EXPECT_THAT(stage.find("p1")->structure[0].second, testing::EndsWith("executed on r1:3306"));

    auto overlay = stage.builder.overlay();
    overlay.downtimes[id("r1")] = {
        "dba", "to be cloned", scenario::start_wall_ms, scenario::start_wall_ms + 60'000};
    stage.builder.set_overlay(overlay);
    stage.look(200);

    EXPECT_THAT(stage.findings, testing::IsEmpty());
}

}  // namespace
}  // namespace baton::analysis
