// SPDX-License-Identifier: Apache-2.0
// Each file of this folder is a topology with settings that are not good, and what is advised:
//
//   expect:                        # each server with an advice, no others; {} = all is well
//     r1:
//       - code: replica_net_timeout_long
//         severity: warning
//         sentence: 60 s                        # a part of it
//         statements: [SET PERSIST ..., ...]    # all of them, in this order
//         config: replica_net_timeout = 10
//   ignore: [codes]                # AdvicePolicy
//   replication_user: name         # the same; "repl" unless said, as the replicas' channels have
//   it tags: {r1: "codes"}            # advice.ignore
#include "scenario/scenario_reader.hpp"

#include "baton/analysis/advice.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

namespace baton::analysis {
namespace {

const std::set<std::string> sections{"expect", "ignore", "tags", "replication_user"};

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

scenario::Scenario scenario_of(const std::string& name) {
    return scenario::read_scenario_file(
        std::string(SCENARIO_FOLDER) + "/" + name + ".yaml", sections
    );
}

std::vector<Advice> advices_of(scenario::Scenario setting) {
    AdvicePolicy policy;
    const auto user = setting.document["replication_user"];
    policy.replication_user = user.IsDefined() ? user.as<std::string>() : "repl";
    for (const auto& code : setting.document["ignore"]) {
        policy.ignore.push_back(code.as<std::string>());
    }
    for (const auto& entry : setting.document["tags"]) {
        setting.overlay.tags[scenario::id_of(entry.first.as<std::string>())]["advice.ignore"] =
            entry.second.as<std::string>();
    }
    const auto topology = setting.topology();
    std::vector<Advice> out;
    for (const auto& cluster : topology->clusters()) {
        for (auto& advice : advise(*topology, cluster, policy)) {
            out.push_back(std::move(advice));
        }
    }
    return out;
}

std::string text_of(const Advice& advice) {
    std::string out = advice.code + " of " + advice.server.text() + " (" +
                      std::string(to_string(advice.severity)) + "): " + advice.sentence;
    for (const auto& statement : advice.statements) {
        out += "\n    " + statement + ";";
    }
    return out + (advice.config.empty() ? "" : "\n    [mysqld] " + advice.config);
}

void compare(const Advice& advice, const YAML::Node& expected) {
    for (const auto& entry : expected) {
        const auto key = entry.first.as<std::string>();
        const auto& node = entry.second;
        if (key == "severity") {
            EXPECT_EQ(to_string(advice.severity), node.as<std::string>()) << text_of(advice);
        } else if (key == "sentence") {
            EXPECT_NE(advice.sentence.find(node.as<std::string>()), std::string::npos)
                << text_of(advice);
        } else if (key == "config") {
            EXPECT_EQ(advice.config, node.as<std::string>()) << text_of(advice);
        } else if (key == "statements") {
            EXPECT_EQ(advice.statements, node.as<std::vector<std::string>>()) << text_of(advice);
        } else {
            EXPECT_EQ(key, "code") << "is nothing that can be expected";
        }
    }
}

class AdviceScenario : public testing::TestWithParam<std::string> {};

TEST_P(AdviceScenario, GivesTheExpectedAdvice) {
    const auto setting = scenario_of(GetParam());
    EXPECT_FALSE(setting.about.empty());
    auto left = advices_of(setting);

    for (const auto& server : setting.document["expect"]) {
        const auto id = scenario::id_of(server.first.as<std::string>());
        for (const auto& expected : server.second) {
            const auto code = expected["code"].as<std::string>();
            const auto found = std::find_if(left.begin(), left.end(), [&](const Advice& advice) {
                return advice.server == id && advice.code == code;
            });
            if (found == left.end()) {
                ADD_FAILURE() << setting.about << "\n"
                              << code << " of " << id.text() << " is missing";
                continue;
            }
            compare(*found, expected);
            left.erase(found);
        }
    }

    for (const auto& advice : left) {
        ADD_FAILURE() << setting.about << "\nnot expected: " << text_of(advice);
    }
}

TEST(AdviceRules, EachHasAScenarioInWhichItIsGiven) {
    std::set<std::string> given;
    for (const auto& file : files()) {
        for (const auto& advice : advices_of(scenario_of(file))) {
            given.insert(advice.code);
        }
    }

    for (const auto& rule : advice_rules()) {
        EXPECT_EQ(given.count(std::string(rule.code)), 1U) << rule.code;
    }
}

TEST(AdviceRules, NoAdviceIsWorseThanItsRuleSays) {
    for (const auto& file : files()) {
        for (const auto& advice : advices_of(scenario_of(file))) {
            for (const auto& rule : advice_rules()) {
                if (rule.code == advice.code) {
                    EXPECT_LE(advice.severity, rule.severity) << text_of(advice);
                }
            }
        }
    }
}

std::string name_of_case(const testing::TestParamInfo<std::string>& given) {
    return given.param;
}

INSTANTIATE_TEST_SUITE_P(All, AdviceScenario, testing::ValuesIn(files()), name_of_case);

}  // namespace
}  // namespace baton::analysis
