// SPDX-License-Identifier: Apache-2.0
#include "baton/policy/policy.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Document document(const std::string& text) {
    auto parsed = parse(text);
    EXPECT_TRUE(parsed.good()) << parsed.error().what;
    return parsed.document;
}

Resolver resolver(const std::string& text, Effective base = {}) {
    return Resolver(std::move(base), document(text), 7);
}

TEST(Resolver, LaterRulesWinOverEarlierOnes) {
    auto policy = resolver(R"([
        {"match":{"clusters":"*"},"set":{"wait_before_acting":"1s","lagging":"30s"}},
        {"name":"orders","match":{"clusters":["alias=orders"]},"set":{"wait_before_acting":"3s"}},
        {"match":{"clusters":["^db"],"except":["orders"]},"set":{"wait_before_acting":"9s"}}])");

    const auto orders = policy.of("1", "db1:3306", "orders");
    const auto other = policy.of("2", "db2:3306", "stock");

    EXPECT_EQ(orders->recovery.wait_before_acting, 3s);
    EXPECT_EQ(orders->analysis.lagging_seconds, 30);
    EXPECT_EQ(orders->set_by.at("wait_before_acting"), "rule 2 (orders)");
    EXPECT_EQ(orders->set_by.at("lagging"), "rule 1");
    EXPECT_EQ(other->recovery.wait_before_acting, 9s);
    EXPECT_EQ(other->version, 7U);
}

TEST(Resolver, WhatARuleSetsAsItIsAnywayIsNotToldAsSet) {
    auto policy = resolver(R"([
        {"match":{"clusters":"*"},"set":{"wait_before_acting":"1s"}},
        {"match":{"clusters":"*"},"set":{"wait_before_acting":"0s"}}])");

    EXPECT_TRUE(policy.of("1", "a:1", "a")->set_by.empty());
}

TEST(Resolver, TheConfigurationsListsDecideWhereNoRuleDoes) {
    Effective base;
    base.recovery.primary_clusters = {"alias=orders"};
    base.recovery.intermediate_clusters = {"*"};
    auto policy = resolver(
        R"([{"match":{"clusters":"alias=stock"},"set":{"recovery":{"primary":true,"intermediate":false}}}])",
        base
    );

    const auto orders = policy.of("1", "a:1", "orders");
    const auto stock = policy.of("2", "b:1", "stock");
    const auto other = policy.of("3", "c:1", "other");

    EXPECT_TRUE(orders->recovery.switches.at("primary").on);
    EXPECT_TRUE(stock->recovery.switches.at("primary").on);
    EXPECT_EQ(stock->recovery.switches.at("primary").by, "rule 1");
    EXPECT_FALSE(stock->recovery.switches.at("intermediate").on);
    EXPECT_FALSE(other->recovery.switches.at("primary").on);
    EXPECT_EQ(other->recovery.switches.at("primary").by, "");
}

TEST(Resolver, ARenamedClusterIsResolvedAnew) {
    auto policy = resolver(R"([{"match":{"clusters":"^db1"},"set":{"wait_before_acting":"1s"}}])");

    EXPECT_EQ(policy.of("1", "db1:1", "")->recovery.wait_before_acting, 1s);
    EXPECT_EQ(policy.of("1", "db2:1", "")->recovery.wait_before_acting, 0s);
}

TEST(Resolver, ClustersWithTheSameRulesShareOneValue) {
    auto policy = resolver(R"([
        {"match":{"clusters":"^a"},"set":{"wait_before_acting":"1s"}},
        {"match":{"clusters":"^b"},"set":{"mode":"shadow"}}])");
    std::set<const Effective*> values;

    for (int at = 0; at < 3000; ++at) {
        values.insert(
            policy.of(std::to_string(at), fmt::format("{}{}:1", at % 2 ? "a" : "b", at), "").get()
        );
    }

    EXPECT_EQ(values.size(), 2U);
    EXPECT_EQ(policy.of("7", "a7:1", "").get(), policy.of("7", "a7:1", "").get());
}

TEST(Resolver, ARuleCannotSwitchOnAServiceThatIsInShadowModeAsAWhole) {
    Effective base;
    base.shadow = true;
    auto policy = resolver(R"([{"match":{"clusters":"*"},"set":{"mode":"active"}}])", base);

    EXPECT_TRUE(policy.of("1", "a:1", "")->shadow);
}

TEST(Resolver, HooksOfARuleAreWhatThePlannerIsTold) {
    Effective base;
    base.hooks["pre_failover"] = {"x"};
    base.recovery.has_pre_hooks = true;
    auto policy = resolver(
        R"([{"match":{"clusters":"*"},"set":{"hooks":{"pre_failover":[],"post_failover":["y"]}}}])",
        base
    );

    const auto effective = policy.of("1", "a:1", "");

    EXPECT_FALSE(effective->recovery.has_pre_hooks);
    EXPECT_TRUE(effective->recovery.has_post_hooks);
    EXPECT_THAT(effective->hooks.at("post_failover"), ElementsAre("y"));
}

TEST(Differences, NameTheSettingBothValuesAndTheRule) {
    auto before = resolver("[]");
    auto after = resolver(
        R"([{"name":"n","match":{"clusters":"*"},"set":{"candidates":{"regions":["eu"]}}}])"
    );

    const auto found = differences(*before.of("1", "a:1", ""), *after.of("1", "a:1", ""));

    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front(), (Difference{"candidates.regions", "[]", R"(["eu"])", "rule 1 (n)"}));
}

}  // namespace
}  // namespace baton::policy
