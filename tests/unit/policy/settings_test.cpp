// SPDX-License-Identifier: Apache-2.0
#include "baton/policy/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace baton::policy {
namespace {

class EverySetting : public testing::TestWithParam<Setting> {};

TEST_P(EverySetting, TakesWhatItGives) {
    const auto& row = GetParam();
    Effective effective;
    const auto value = row.get(effective);

    const auto set = row.set(effective, value);

    EXPECT_TRUE(set) << set.error().what;
    EXPECT_EQ(row.get(effective), value);
}

TEST_P(EverySetting, ChangesNothingButItself) {
    const auto& row = GetParam();
    const Effective before;
    Effective after;
    Value other = row.get(before);
    if (other.is_list) {
        other.texts = {row.key == "advice.ignore" ? "*" : "something"};
    } else if (other.texts.front() == "on" || other.texts.front() == "off") {
        other.texts.front() = other.texts.front() == "on" ? "off" : "on";
    } else if (row.key == "mode") {
        other.texts.front() = "shadow";
    } else {
        other.texts.front() = row.allowed.find('s') == std::string_view::npos ? "7" : "7s";
    }

    ASSERT_TRUE(row.set(after, other)) << row.key << " " << other.text();

    for (const auto& all : settings()) {
        if (all.key == row.key) {
            EXPECT_NE(all.get(before), all.get(after));
        } else {
            EXPECT_EQ(all.get(before), all.get(after)) << all.key;
        }
    }
}

TEST_P(EverySetting, RefusesNonsense) {
    const auto& row = GetParam();
    Effective effective;
    const bool any_word = row.allowed == "names" || row.allowed == "command lines";

    EXPECT_FALSE(row.set(effective, Value{row.get(effective).is_list, {any_word ? " " : "["}}));
}

std::string test_name(const testing::TestParamInfo<Setting>& setting) {
    std::string name(setting.param.key);
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Table, EverySetting, testing::ValuesIn(settings()), test_name);

TEST(Durations, AreWrittenAsTheyAreRead) {
    for (const auto* text : {"0s", "1500ms", "2s", "5m", "1h", "3d", "90s"}) {
        EXPECT_EQ(duration_text(*parse_duration(text)), text == std::string("90s") ? "90s" : text);
    }
    for (const auto* text : {"", "5", "s", "-1s", "1e99s", "nans", "1x"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

/// docs/policy.md ends with the table.
TEST(PolicyPage, HasTheTableOfSettings) {
    const std::string file = BATON_DOCS_DIR "/policy.md";
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    const std::string mark = "<!-- generated -->\n";
    const auto begins = text.str().find(mark);
    ASSERT_NE(begins, std::string::npos) << file;
    const auto head = text.str().substr(0, begins + mark.size());
    if (std::getenv("BATON_UPDATE_DOCS") != nullptr) {
        std::ofstream(file) << head << reference_table();
        return;
    }
    EXPECT_EQ(text.str().substr(begins + mark.size()), reference_table())
        << "run policy_test with BATON_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace baton::policy
