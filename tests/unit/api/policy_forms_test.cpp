// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"
#include "json_policy.hpp"
#include "json_v1.hpp"
#include "timeline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace baton::api {
namespace {

control::Decision a_decision(
    const control::View& view, control::Decision::Kind kind, WallMs at_ms, std::uint64_t number
) {
    control::Decision decision;
    decision.number = number;
    decision.kind = kind;
    decision.at_ms = at_ms;
    decision.cluster_id = view.topology->clusters().at(0).id;
    decision.subject = server(20720);
    decision.text = fmt::format("decision {}", number);
    decision.rule = "waiting";
    decision.evidence = {"it refuses connections"};
    decision.node = "n1";
    decision.epoch = 9;
    return decision;
}

/// With rules that put the cluster into shadow mode.
control::View with_policy() {
    control::View view = *a_view();
    const auto& cluster = view.topology->clusters().at(0);
    auto parsed = policy::parse(
        R"([{"name":"shop","match":{"clusters":["*"]},"set":{"mode":"shadow","wait_before_acting":"4s"}}])"
    );
    policy::Effective base;
    base.recovery = view.policy;
    policy::Resolver resolver(base, parsed.document, 3);
    auto policies =
        std::make_shared<std::map<std::string, std::shared_ptr<const policy::Effective>>>();
    (*policies)[cluster.id] = resolver.of(cluster.id, cluster.name, cluster.alias);
    (*policies)[""] = resolver.base();
    view.policies = policies;
    view.policy_document = std::make_shared<const policy::Document>(parsed.document);
    view.policy_version = 3;
    auto version = std::make_shared<policy::Version>();
    version->number = 3;
    version->by = "ann";
    version->comment = "<why>";
    version->at_ms = wall_start;
    version->document = parsed.document.text();
    view.policy_versions.push_back(version);
    return view;
}

Json timeline_of(const control::View& view, std::size_t limit = 100, WallMs before = 0) {
    Moment moment{&view, view.fresh_at, wall_start};
    JsonWriter writer;
    v1::write_timeline(writer, view.topology->clusters().at(0), moment, limit, before);
    return Json::parse(writer.text());
}

std::vector<std::string> kinds_of(const Json& timeline) {
    std::vector<std::string> kinds;
    for (const auto& entry : timeline["entries"]) {
        kinds.push_back(entry["kind"]);
    }
    return kinds;
}

TEST(Timeline, TellsWhatWasSeenDecidedAndDoneNewestFirst) {
    auto view = *a_view();
    view.audit.clear();
    auto all = std::make_shared<
        std::map<std::string, std::vector<std::shared_ptr<const control::Decision>>>>();
    auto taken = a_decision(view, control::Decision::Kind::taken, wall_start - 59'000, 1);
    taken.recovery_id = view.recoveries.front()->record.id;
    (*all)[taken.cluster_id] = {
        std::make_shared<const control::Decision>(taken),
        std::make_shared<const control::Decision>(
            a_decision(view, control::Decision::Kind::role, wall_start - 58'000, 2)
        )};
    auto everywhere = a_decision(view, control::Decision::Kind::policy, wall_start - 50'000, 3);
    everywhere.cluster_id.clear();
    (*all)[""] = {std::make_shared<const control::Decision>(everywhere)};
    auto other = a_decision(view, control::Decision::Kind::policy, wall_start - 49'000, 4);
    (*all)["other"] = {std::make_shared<const control::Decision>(other)};
    view.decisions = all;

    const auto json = timeline_of(view);

    EXPECT_EQ(
        kinds_of(json),
        (std::vector<std::string>{"policy", "done", "over", "role", "taken", "detected"})
    );
    const auto& done = json["entries"][1];
    EXPECT_EQ(done["recovery_number"], 17);
    EXPECT_EQ(done["steps"][0]["text"], "promote 127.0.0.1:20720");
    EXPECT_EQ(json["entries"][4]["recovery"], view.recoveries.front()->record.id);
    EXPECT_EQ(json["entries"][4]["evidence"][0], "it refuses connections");
    EXPECT_EQ(json["entries"][4]["epoch"], 9);
    EXPECT_EQ(json["more"], false);
}

TEST(Timeline, IsCutToTheLimitAndGoesOnBeforeATime) {
    auto view = *a_view();

    const auto first = timeline_of(view, 10);
    const auto next = timeline_of(view, 10, first["entries"].back()["at_ms"]);

    EXPECT_EQ(first["entries"].size(), 10U);
    EXPECT_EQ(first["more"], true);
    EXPECT_LT(next["entries"][0]["at_ms"], first["entries"].back()["at_ms"]);
}

TEST(Timeline, AnOldRecoveryWithoutDecisionBeginsAllTheSame) {
    auto view = *a_view();
    view.audit.clear();
    const auto kinds = kinds_of(timeline_of(view));

    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "taken"), 1);
}

TEST(Timeline, ShowsCommandsOfTheClusterOnly) {
    auto view = *a_view();
    view.audit.clear();
    const auto add = [&](const std::string& type, const std::string& cluster_id) {
        auto entry = std::make_shared<control::AuditEntry>();
        entry->at_ms = wall_start;
        entry->type = type;
        entry->by = "ann";
        entry->cluster_id = cluster_id;
        view.audit.push_back(entry);
    };
    add("begin-downtime", view.topology->clusters().at(0).id);
    add("begin-downtime", "another");
    add("become-active", "");
    add("recover", view.topology->clusters().at(0).id);  // the recovery itself tells it

    const auto kinds = kinds_of(timeline_of(view));

    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "command"), 1);
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "node"), 1);
}

TEST(PolicyForms, ExplainNamesTheRuleOfEachSettingThatIsNotAsConfigured) {
    const auto view = with_policy();
    Moment moment{&view, view.fresh_at, wall_start};
    JsonWriter writer;
    v1::write_explanation(writer, view.topology->clusters().at(0), moment);
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(json["mode"], "shadow");
    EXPECT_EQ(json["policy"]["version"], 3);
    EXPECT_EQ(json["policy"]["source"], "stored");
    EXPECT_EQ(
        json["policy"]["settings"].dump(),
        R"j([{"key":"mode","value":"shadow","configured":"active","set_by":"rule 1 (shop)"},)j"
        R"j({"key":"wait_before_acting","value":"4s","configured":"0s","set_by":"rule 1 (shop)"}])j"
    );
    EXPECT_EQ(json["evidence"][0], "127.0.0.1:20720 answers in 1 ms and is writable");
}

TEST(PolicyForms, ExplainTellsTheTimeTheLostAndTheCountdown) {
    auto view = *a_view();
    const auto& cluster = view.topology->clusters().at(0);
    recovery::Forecast forecast;
    forecast.duration = {{"detection", 30, "a"}, {"promotion", 12, "b"}};
    forecast.lost.push_back({server(20723), "it does not answer"});
    forecast.successor_lag_seconds = 3;
    auto& finding = view.findings.at(0);
    finding.code = analysis::Code::dead_primary;
    view.blocked.at(0).failed = finding.subject;
    view.blocked.at(0).kind = "waiting";
    view.blocked.at(0).until_ms = wall_start + 2500;
    Moment moment{&view, view.fresh_at, wall_start};
    JsonWriter writer;
    v1::write_explanation(writer, cluster, moment);
    const auto json = Json::parse(writer.text());
    JsonWriter of_forecast;
    v1::write_forecast(of_forecast, forecast);
    const auto foreseen = Json::parse(of_forecast.text());

    EXPECT_EQ(foreseen["duration_ms"], 42);
    EXPECT_EQ(foreseen["duration"][1]["basis"], "b");
    EXPECT_EQ(foreseen["lost"][0]["reason"], "it does not answer");
    EXPECT_EQ(foreseen["successor_lag_seconds"], 3);
    EXPECT_EQ(json["forecast"]["successor"], "127.0.0.1:20721");
    EXPECT_EQ(json["findings"][0]["waits_ms"], 2500);
    EXPECT_EQ(json["findings"][0]["refusal_kind"], "waiting");
}

TEST(PolicyForms, TheDocumentComesWithItsVersionAndAuthor) {
    const auto view = with_policy();
    JsonWriter writer;
    v1::write_policy(writer, view);
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(json["version"], 3);
    EXPECT_EQ(json["by"], "ann");
    EXPECT_EQ(json["comment"], "<why>");
    EXPECT_EQ(json["at"], "2026-01-05 08:00:00");
    EXPECT_EQ(json["document"]["rules"][0]["set"]["mode"], "shadow");
    EXPECT_TRUE(policy::parse(json["document"].dump()).good());
}

TEST(PolicyForms, AClusterHasEverySettingWithWhoMadeIt) {
    const auto view = with_policy();
    JsonWriter writer;
    v1::write_cluster_policy(writer, view.topology->clusters().at(0), view);
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(json["settings"].size(), policy::settings().size());
    EXPECT_EQ(json["settings"][0]["key"], "mode");
    EXPECT_EQ(json["settings"][0]["set_by"], "rule 1 (shop)");
    EXPECT_EQ(json["settings"][1]["set_by"], "configuration");
}

TEST(PolicyForms, ANodeThatKnowsNoPolicyYetAnswersToo) {
    const auto view = *a_view();
    JsonWriter first;
    v1::write_policy(first, view);
    JsonWriter second;
    v1::write_cluster_policy(second, view.topology->clusters().at(0), view);

    EXPECT_EQ(Json::parse(first.text())["document"].dump(), R"({"rules":[]})");
    EXPECT_EQ(Json::parse(second.text())["settings"].size(), policy::settings().size());
}

TEST(PolicyForms, ATrialTellsBlockersThatComeAndGo) {
    control::PolicyTrial trial;
    trial.cluster_name = "a";
    trial.settings.push_back({"lagging", R"("10s")", R"("5s")", "rule 1"});
    trial.before.successor = server(1);
    trial.before.blockers = {"x", "y"};
    trial.after.blockers = {"y", "z"};
    JsonWriter writer;
    v1::write_trials(writer, {trial}, 5);
    const auto json = Json::parse(writer.text());

    EXPECT_EQ(json["unchanged"], 4);
    EXPECT_EQ(json["clusters"][0]["blockers_added"].dump(), R"(["z"])");
    EXPECT_EQ(json["clusters"][0]["blockers_removed"].dump(), R"(["x"])");
    EXPECT_EQ(json["clusters"][0]["successor"].dump(), R"({"before":"127.0.0.1:1","after":""})");
    EXPECT_EQ(json["clusters"][0]["settings"][0]["after"], "5s");
}

}  // namespace
}  // namespace
   // baton::api
