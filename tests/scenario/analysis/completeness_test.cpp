// SPDX-License-Identifier: Apache-2.0
// Nothing that the analysis can say is without a scenario: a file for each code and each structure
// warning, by its name, and one in which each veto is spoken.
#include "analysis/vetoes.hpp"
#include "expectation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace baton::analysis {
namespace {

std::string file_name(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == ' ' || c == '-'; }, '_'
    );
    return text;
}

scenario::Scenario scenario_of(const std::string& name) {
    return scenario::read_scenario_file(
        std::string(SCENARIO_FOLDER) + "/" + name + ".yaml",
        {"expect", "expect_structure", "policy"}
    );
}

std::vector<Finding> all_findings() {
    std::vector<Finding> out;
    for (const auto& entry : std::filesystem::directory_iterator(SCENARIO_FOLDER)) {
        if (entry.path().extension() == ".yaml") {
            const auto scenario = scenario_of(entry.path().stem().string());
            const Comparison comparison(scenario);
            out.insert(out.end(), comparison.findings().begin(), comparison.findings().end());
        }
    }
    return out;
}

bool speaks_of(const std::string& text, std::string_view mark) {
    return text.find(mark) != std::string::npos;
}

TEST(Completeness, ThereIsAScenarioForEachCode) {
    for (int i = 0; i <= static_cast<int>(last_code); ++i) {
        const auto code = static_cast<Code>(i);
        const auto name = "code_" + file_name(std::string(to_string(code)));
        SCOPED_TRACE(name);
        const auto scenario = scenario_of(name);
        const Comparison comparison(scenario);
        const auto& findings = comparison.findings();
        const bool found =
            code == Code::no_problem
                ? (findings.empty() || scenario.document["expect"].size() == 0)
                : std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
                      return finding.code == code && !finding.summary.empty() &&
                             !finding.evidence.empty();
                  });
        EXPECT_TRUE(found) << "does not occur in its own scenario, with a summary and evidence";
    }
}

TEST(Completeness, ThereIsAScenarioForEachStructureWarning) {
    constexpr auto last = Structure::not_enough_semi_sync_replicas;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        const auto warning = static_cast<Structure>(i);
        const auto name = std::string(api_name(warning));
        bool found = false;
        for (const auto& entry : std::filesystem::directory_iterator(SCENARIO_FOLDER)) {
            const auto file = entry.path().stem().string();
            if (!file.starts_with("structure_")) {
                continue;
            }
            for (const auto& server : scenario_of(file).document["expect_structure"]) {
                found = found ||
                        std::any_of(
                            server.second.begin(),
                            server.second.end(),
                            [&](const YAML::Node& node) { return node.as<std::string>() == name; }
                        );
            }
        }
        EXPECT_TRUE(found) << name;
    }
}

TEST(Completeness, EachVetoIsSpokenInAScenario) {
    const auto findings = all_findings();
    for (const auto mark : veto::all) {
        const bool spoken = std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
            return std::any_of(f.vetoes.begin(), f.vetoes.end(), [&](const std::string& text) {
                return speaks_of(text, mark);
            });
        });
        EXPECT_TRUE(spoken) << mark;
    }
}

TEST(Completeness, NoVetoIsWithoutAMark) {
    for (const auto& finding : all_findings()) {
        for (const auto& text : finding.vetoes) {
            const bool known = std::any_of(veto::all.begin(), veto::all.end(), [&](auto mark) {
                return speaks_of(text, mark);
            });
            EXPECT_TRUE(known) << text;
        }
    }
}

TEST(Completeness, WhatIsNotActedUponSaysWhy) {
    for (const auto& finding : all_findings()) {
        const bool could_be = finding.severity == Severity::critical;
        EXPECT_TRUE(!could_be || finding.actionable() || !finding.vetoes.empty())
            << to_string(finding.code);
    }
}

}  // namespace
}  // namespace baton::analysis
