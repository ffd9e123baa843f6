// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/planner.hpp"

#include <gtest/gtest.h>

#include <set>

namespace baton::recovery {
namespace {

TEST(Step, NamesCanBeReadBackAndAreDifferent) {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(StepKind::hook); ++i) {
        const auto kind = static_cast<StepKind>(i);
        EXPECT_EQ(parse_step_kind(to_string(kind)), kind);
        names.insert(to_string(kind));
    }
    EXPECT_EQ(names.size(), static_cast<std::size_t>(StepKind::hook) + 1);
    EXPECT_FALSE(parse_step_kind("no such step"));
}

TEST(Step, SaysWhatItDoesInOneLine) {
    Step step(StepKind::repoint, InstanceId{"r2", 3306});
    step.source = InstanceId{"r1", 3306};
    EXPECT_EQ(step.text(), "let r2:3306 replicate from r1:3306");
    EXPECT_EQ(
        Step(StepKind::stop_receiver, InstanceId{"r2", 3306}).text(), "stop the receiver of r2:3306"
    );
}

TEST(ClusterMatches, PatternsAreUnanchoredOnNameAndAlias) {
    EXPECT_TRUE(cluster_matches({"db1"}, "old-db1.example:3306", "shop"));
    EXPECT_TRUE(cluster_matches({"^sh"}, "db1:3306", "shop"));
    EXPECT_FALSE(cluster_matches({"^hop"}, "db1:3306", "shop"));
    EXPECT_TRUE(cluster_matches({"none", "*"}, "db1:3306", ""));
    EXPECT_FALSE(cluster_matches({}, "db1:3306", "shop"));
    EXPECT_FALSE(cluster_matches({""}, "db1:3306", "shop"));
}

TEST(ClusterMatches, AliasIsComparedAsAWhole) {
    EXPECT_TRUE(cluster_matches({"alias=shop"}, "db1:3306", "shop"));
    EXPECT_FALSE(cluster_matches({"alias=shop"}, "db1:3306", "shop2"));
    EXPECT_FALSE(cluster_matches({"alias="}, "db1:3306", ""));
}

TEST(ClusterMatches, BadAndCostlyPatternsNeverMatch) {
    EXPECT_FALSE(cluster_matches({"(", "["}, "db1:3306", "shop"));
    EXPECT_FALSE(cluster_matches({"^(a|b)*c$"}, std::string(200'000, 'a'), ""));
}

}  // namespace
}  // namespace baton::recovery
