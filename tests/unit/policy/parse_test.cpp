// SPDX-License-Identifier: Apache-2.0
#include "baton/policy/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::policy {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// Text of the only fault, with its place.
std::string fault(std::string_view document) {
    const auto parsed = parse(document);
    EXPECT_EQ(parsed.faults.size(), 1U) << parsed.error().what;
    return parsed.faults.empty() ? "" : parsed.error().what;
}

std::string with(const std::string& set) {
    return R"({"rules":[{"match":{"clusters":["*"]},"set":)" + set + "}]}";
}

TEST(PolicyParse, ReadsRulesInOrderWithNestedAndDottedSettings) {
    const auto parsed = parse(R"({"rules":[
        {"name":"a","match":{"clusters":["alias=x","^db"],"except":"old"},
         "set":{"candidates":{"max_lag":"5s","regions":"eu"},"wait_before_acting":"2s","budget.recoveries":3}},
        {"match":{"clusters":"*"},"set":{"kill_writers":false}}]})");

    ASSERT_THAT(parsed.faults, IsEmpty());
    ASSERT_EQ(parsed.document.rules.size(), 2U);
    const auto& first = parsed.document.rules.front();
    EXPECT_EQ(first.name, "a");
    EXPECT_EQ(first.clusters, (std::vector<std::string>{"alias=x", "^db"}));
    EXPECT_EQ(first.except, std::vector<std::string>{"old"});
    EXPECT_EQ(first.set.at("candidates.max_lag").texts.front(), "5s");
    EXPECT_TRUE(first.set.at("candidates.regions").is_list) << "one text is a list of one";
    EXPECT_EQ(first.set.at("budget.recoveries").texts.front(), "3");
    EXPECT_EQ(parsed.document.rules.back().set.at("kill_writers").texts.front(), "off");
}

TEST(PolicyParse, AListOfRulesIsADocumentToo) {
    EXPECT_EQ(
        parse(R"([{"match":{"clusters":"*"},"set":{"mode":"shadow"}}])").document.rules.size(), 1U
    );
    EXPECT_TRUE(parse("null").good());
    EXPECT_TRUE(parse(R"({"rules":[]})").good());
}

TEST(PolicyParse, WrittenTextReadsAsTheSameDocument) {
    const auto parsed = parse(with(
        R"({"hooks":{"pre_failover":["a \"b\"","c"]},"loss":{"any":true},"candidates":{"never":[]}})"
    ));
    ASSERT_TRUE(parsed.good()) << parsed.error().what;

    const auto again = parse(parsed.document.text());

    EXPECT_TRUE(again.good()) << again.error().what;
    EXPECT_EQ(again.document.text(), parsed.document.text());
}

TEST(PolicyParse, NamesTheNearestKeyOfAnUnknownOne) {
    EXPECT_EQ(
        fault(with(R"({"lagggin":"5s"})")),
        "rules[0].set.lagggin: unknown key 'lagggin'; did you mean 'lagging'?"
    );
    EXPECT_THAT(
        fault(with(R"({"candidates":{"max_leg":"5s"}})")), HasSubstr("'candidates.max_lag'")
    );
    EXPECT_THAT(fault(R"({"rule":[]})"), HasSubstr("did you mean 'rules'"));
    EXPECT_THAT(
        fault(R"([{"match":{"cluster":["*"],"clusters":["*"]},"set":{}}])"),
        HasSubstr("rules[0].match.cluster: unknown key 'cluster'; did you mean 'clusters'?")
    );
}

TEST(PolicyParse, TellsWhatIsAllowedInsteadOfABadValue) {
    EXPECT_THAT(fault(with(R"({"lagging":"5"})")), HasSubstr("write a number with its unit"));
    EXPECT_THAT(fault(with(R"({"wait_before_acting":"2h"})")), HasSubstr("outside of 0s to 1h"));
    EXPECT_THAT(fault(with(R"({"mode":"off"})")), HasSubstr("neither active nor shadow"));
    EXPECT_THAT(
        fault(with(R"({"recovery":{"primary":"maybe"}})")), HasSubstr("neither on nor off")
    );
    EXPECT_THAT(
        fault(with(R"({"budget":{"recoveries":-1}})")), HasSubstr("no number from 0 to 100000")
    );
    EXPECT_THAT(fault(with(R"({"recovery":"on"})")), HasSubstr("a group of settings"));
    EXPECT_THAT(fault(with(R"({"mode":["active"]})")), HasSubstr("one value, not a list"));
}

TEST(PolicyParse, ABadPatternIsNamedWithItsPlace) {
    EXPECT_THAT(
        fault(R"([{"match":{"clusters":["ok","("]},"set":{}}])"),
        HasSubstr("rules[0].match.clusters[1]: '(' is not a regular expression")
    );
    EXPECT_THAT(
        fault(with(R"({"candidates":{"never":["["]}})")), HasSubstr("not a regular expression")
    );
}

TEST(PolicyParse, ARuleForNobodyOrWithoutSettingsIsAFault) {
    EXPECT_THAT(fault(R"([{"match":{},"set":{}}])"), HasSubstr("names no clusters"));
    EXPECT_THAT(fault(R"([{"set":{}}])"), HasSubstr("has no match"));
    EXPECT_THAT(fault(R"([{"match":{"clusters":"*"}}])"), HasSubstr("has no set"));
    EXPECT_THAT(
        fault(
            R"([{"name":"x","match":{"clusters":"*"},"set":{}},{"name":"x","match":{"clusters":"*"},"set":{}}])"
        ),
        HasSubstr("rules[1].name")
    );
}

TEST(PolicyParse, TellsAllFaultsAtOnce) {
    EXPECT_EQ(
        parse(R"([{"match":{"clusters":"("},"set":{"lagging":"x","foo":1}},7])").faults.size(), 4U
    );
}

TEST(PolicyParse, HostileTextIsAFaultAndNothingElse) {
    EXPECT_FALSE(parse("").good());
    EXPECT_FALSE(parse("{").good());
    EXPECT_FALSE(parse("7").good());
    EXPECT_FALSE(parse(R"({"rules":{}})").good());
    EXPECT_FALSE(parse(with(R"({"mode":null})")).good());
    EXPECT_FALSE(parse(with(R"({"mode":{}})")).good());
    EXPECT_FALSE(parse(std::string(300'000, ' ')).good());
    EXPECT_FALSE(parse("[" + std::string(2000, '7') + "]").good());
}

TEST(PolicyParse, ValuesSurviveTheJournal) {
    Effective effective;
    effective = with_values(
        effective,
        {{"wait_before_acting", Value{false, {"5s"}}},
         {"candidates.never", Value{true, {"a", "b"}}},
         {"recovery.primary", Value{false, {"off"}}}},
        "rule 1"
    );

    const auto values = values_from_text(values_text(effective));
    const auto again = with_values(Effective(), values, "version 3");

    EXPECT_EQ(again.recovery.wait_before_acting, 5s);
    EXPECT_EQ(again.recovery.promotion_ignore_hosts, (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(again.recovery.switches.at("primary").on);
    EXPECT_THAT(values_from_text("nonsense"), IsEmpty());
}

}  // namespace
}  // namespace baton::policy
