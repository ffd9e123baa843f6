// SPDX-License-Identifier: Apache-2.0
// Each file of this folder is a topology in which something has happened, and what the analysis
// must say of it.
#include "expectation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace baton::analysis {
namespace {

std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(SCENARIO_FOLDER)) {
        if (entry.path().extension() == ".yaml") {
            out.push_back(entry.path().stem().string());
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

class AnalysisScenario : public testing::TestWithParam<std::string> {};

TEST_P(AnalysisScenario, GivesTheExpectedFindings) {
    const auto scenario = scenario::read_scenario_file(
        std::string(SCENARIO_FOLDER) + "/" + GetParam() + ".yaml",
        {"expect", "expect_structure", "policy"}
    );
    EXPECT_FALSE(scenario.about.empty());

    for (const auto& difference : Comparison(scenario).differences()) {
        ADD_FAILURE() << scenario.about << "\n" << difference;
    }
}

std::string name_of_case(const testing::TestParamInfo<std::string>& given) {
    return given.param;
}

INSTANTIATE_TEST_SUITE_P(All, AnalysisScenario, testing::ValuesIn(files()), name_of_case);

}  // namespace
}  // namespace baton::analysis
