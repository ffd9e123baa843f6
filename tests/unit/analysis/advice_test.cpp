// SPDX-License-Identifier: Apache-2.0
// The table of advice; what is advised is in tests/scenario/advice.
#include "baton/analysis/advice.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace baton::analysis {
namespace {

const std::string begin_mark =
    "<!-- advice: generated, see tests/unit/analysis/advice_test.cpp -->\n";
const std::string end_mark = "<!-- end of advice -->";

std::string table() {
    std::string out = "| code | severity | when, and why it matters |\n|---|---|---|\n";
    for (const auto& rule : advice_rules()) {
        out += "| `" + std::string(rule.code) + "` | " + std::string(to_string(rule.severity)) +
               " | " + std::string(rule.summary) + " |\n";
    }
    return out;
}

TEST(AdviceRules, AreInTheDocumentation) {
    const std::string file = std::string(BATON_DOCS_DIR) + "/operations.md";
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    const std::string page = text.str();
    const auto begin = page.find(begin_mark);
    const auto end = page.find(end_mark);
    ASSERT_TRUE(begin != std::string::npos && end != std::string::npos) << file;
    const auto after = begin + begin_mark.size();

    if (std::getenv("BATON_UPDATE_DOCS") != nullptr) {
        std::ofstream(file) << page.substr(0, after) + table() + page.substr(end);
        return;
    }
    EXPECT_EQ(page.substr(after, end - after), table()) << "run this test with BATON_UPDATE_DOCS=1";
}

TEST(AdviceRules, AreDifferentAndExplained) {
    std::set<std::string_view> codes;
    for (const auto& rule : advice_rules()) {
        EXPECT_TRUE(codes.insert(rule.code).second) << rule.code;
        EXPECT_FALSE(rule.summary.empty()) << rule.code;
        EXPECT_GE(rule.severity, Severity::notice) << rule.code;
        EXPECT_TRUE(is_advice_code(rule.code));
    }
    EXPECT_FALSE(is_advice_code("nothing"));
    EXPECT_FALSE(is_advice_code(""));
}

}  // namespace
}  // namespace baton::analysis
