// SPDX-License-Identifier: Apache-2.0
#include "component/control/engine_fixture.hpp"

namespace baton::control {

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PolicyTest : public EngineTest {
protected:
    /// Gives the answer of a command when the loop has run it.
    template <class T>
    std::optional<Result<T>> ask(Task<Result<T>> command) {
        std::optional<Result<T>> answer;
        asio::co_spawn(io, keep(std::move(command), &answer), asio::detached);
        EXPECT_TRUE(until([&] { return answer.has_value(); }));
        return answer;
    }

    Result<std::uint64_t> set(const std::string& rules, std::uint64_t expected) {
        auto answer = ask(a->engine.set_policy(rules, expected, "why", "ann"));
        return *answer;
    }

    static std::string rule(const std::string& set) {
        return R"({"rules":[{"name":"shop","match":{"clusters":["*"]},"set":)" + set + "}]}";
    }

    /// Kinds of the decisions about the only cluster, oldest first, of all its nodes' knowledge.
    static std::vector<std::string> kinds(const Node& node) {
        std::vector<std::string> all;
        for (const auto& decision : decisions(node)) {
            all.emplace_back(to_string(decision->kind));
        }
        return all;
    }

    static std::vector<std::shared_ptr<const Decision>> decisions(const Node& node) {
        const auto view = node.engine.view();
        const auto& all = *view->decisions;
        const auto& clusters = view->topology->clusters();
        const auto found = clusters.empty() ? all.end() : all.find(clusters.front().id);
        return found == all.end() ? std::vector<std::shared_ptr<const Decision>>{} : found->second;
    }

    static recovery::Forecast foreseen(const View& view) {
        const auto& clusters = view.topology->clusters();
        return clusters.empty() ? recovery::Forecast{}
                                : forecast_of(
                                      view,
                                      clusters.front(),
                                      std::chrono::steady_clock::now(),
                                      view.topology->wall_ms()
                                  );
    }

    void run_for(std::chrono::milliseconds time) {
        io.restart();
        io.run_for(time);
    }

private:
    template <class T>
    static Task<void> keep(Task<Result<T>> command, std::optional<Result<T>>* answer) {
        auto result = co_await std::move(command);
        answer->emplace(std::move(result));
    }
};

}  // namespace

TEST_F(PolicyTest, ARuleSwitchesTheRecoveryOffAndIsNamedAsTheReason) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"recovery":{"primary":"off"}})"), 0));

    world.kill("p");

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    EXPECT_THAT(a->engine.view()->blocked.front().reason, HasSubstr("rule 1 (shop)"));
    EXPECT_THAT(world.performed, IsEmpty());
    EXPECT_THAT(kinds(*a), Contains("refused"));
}

TEST_F(PolicyTest, WaitsAsLongAsTheRuleSaysAndTellsWhenItWillAct) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"wait_before_acting":"700ms"})"), 0));

    world.kill("p");

    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    const auto begun = fake::now();
    EXPECT_EQ(a->engine.view()->blocked.front().kind, "waiting");
    EXPECT_GT(a->engine.view()->blocked.front().until_ms, 0);
    EXPECT_THAT(world.performed, IsEmpty());
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_GT(fake::now() - begun, 500ms);
    EXPECT_LT(fake::now() - begun, 3s) << "it does not wait for the next regular look";
    EXPECT_THAT(a->engine.view()->recoveries.front()->record.policy, HasSubstr("700ms"));
    EXPECT_EQ(a->engine.view()->recoveries.front()->record.policy_version, 1U);
}

TEST_F(PolicyTest, AnotherVersionThanTheExpectedOneIsAConflict) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_EQ(*set(rule(R"({"lagging":"20s"})"), 0), 1U);

    const auto late = set(rule(R"({"lagging":"30s"})"), 0);

    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::conflict);
    EXPECT_EQ(a->engine.view()->policy_version, 1U);
    EXPECT_TRUE(until([&] { return b->engine.view()->policy_version == 1U; }))
        << "the standby knows it too";
}

TEST_F(PolicyTest, ABadDocumentIsRefusedWithThePlaceOfEachFault) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    const auto refused = set(rule(R"({"lagging":"soon","recovry":{}})"), 0);

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    EXPECT_THAT(refused.error().what, HasSubstr("rules[0].set.lagging"));
    EXPECT_THAT(refused.error().what, HasSubstr("rules[0].set.recovry"));
    EXPECT_EQ(a->engine.view()->policy_version, 0U);
}

TEST_F(PolicyTest, AnOlderVersionHoldsAgainAfterARollback) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"mode":"shadow"})"), 0));
    ASSERT_TRUE(set(rule(R"({"lagging":"20s"})"), 1));

    ASSERT_EQ(**ask(a->engine.roll_back_policy(1, 2, "", "ann")), 3U);
    const auto* id = &a->engine.view()->topology->clusters().front().id;
    EXPECT_TRUE(a->engine.view()->policies->at(*id)->shadow);
    ASSERT_EQ(**ask(a->engine.roll_back_policy(0, 3, "", "ann")), 4U);
    EXPECT_FALSE(a->engine.view()->policies->at(*id)->shadow);

    EXPECT_EQ(a->engine.view()->policy_versions.size(), 4U);
    EXPECT_TRUE(until([&] { return b->engine.view()->policy_versions.size() == 4; }));
}

TEST_F(PolicyTest, TheNextActiveNodeGoesByTheStoredPolicy) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"recovery":{"primary":"off"}})"), 0));

    b->lease.take();
    a->engine.role_changed();
    b->engine.role_changed();
    ASSERT_TRUE(until([&] { return b->engine.view()->active && complete(*b, 4); }));
    world.kill("p");

    ASSERT_TRUE(until([&] { return !b->engine.view()->blocked.empty(); }));
    EXPECT_EQ(b->engine.view()->blocked.front().kind, "not_enabled_for_cluster");
    EXPECT_THAT(world.performed, IsEmpty());
}

TEST_F(PolicyTest, AClusterInShadowModeIsOnlyReportedOn) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"mode":"shadow"})"), 0));
    world.at("r1").receiver_on = false;  // so that it must not be chosen
    ASSERT_TRUE(world.write("p"));
    run_for(300ms);

    world.at("p").frozen = true;  // would be asked about by a witness test
    run_for(600ms);
    world.at("p").frozen = false;
    run_for(300ms);
    world.kill("p");

    ASSERT_TRUE(until([&] {
        const auto all = kinds(*a);
        return std::find(all.begin(), all.end(), "shadowed") != all.end();
    }));
    const auto made = decisions(*a);
    const auto shadowed = std::find_if(made.begin(), made.end(), [](const auto& decision) {
        return decision->kind == Decision::Kind::shadowed;
    });
    ASSERT_NE(shadowed, made.end());
    EXPECT_THAT((*shadowed)->plan, HasSubstr("promote "));
    EXPECT_THAT((*shadowed)->successor.host, Not("r1"));
    EXPECT_FALSE((*shadowed)->successor.empty());
    EXPECT_THAT((*shadowed)->evidence, Not(IsEmpty()));
    run_for(500ms);
    EXPECT_THAT(world.performed, IsEmpty()) << "no witness test, no step";
    EXPECT_EQ(a->engine.view()->counters.witness_tests, 0U);
    const auto again = kinds(*a);
    EXPECT_EQ(std::count(again.begin(), again.end(), "shadowed"), 1) << "once, not at each look";
    const auto refused = ask(a->engine.recover(InstanceId("p", 3306), {}, false, "ann"));
    ASSERT_TRUE(refused.has_value());
    EXPECT_FALSE(*refused) << "nor by order";
    EXPECT_TRUE(until([&] { return kinds(*b) == kinds(*a); })) << "the standby tells the same";
}

TEST_F(PolicyTest, ARecoveryKeepsThePolicyItBeganWith) {
    auto s = settings();
    s.recovery.has_pre_hooks = true;
    s.hooks["pre_failover"] = {"check"};
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"candidates":{"never":["r1","r3"]}})"), 0));
    bool changed = false;
    std::optional<Result<std::uint64_t>> answer;
    world.before_step = [&](const recovery::Step& step) {
        if (!changed && step.kind == recovery::StepKind::stop_receiver) {
            changed = true;  // in the middle of the recovery
            asio::co_spawn(
                io,
                [](Engine* engine, std::optional<Result<std::uint64_t>>* out) -> Task<void> {
                    auto done = co_await engine->set_policy(
                        R"([{"match":{"clusters":"*"},"set":{"candidates.never":["r2"]}}])",
                        1,
                        "",
                        "ann"
                    );
                    out->emplace(std::move(done));
                }(&a->engine, &answer),
                asio::detached
            );
        }
        return true;
    };

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    EXPECT_EQ(a->engine.view()->recoveries.front()->record.successor.host, "r2");
    EXPECT_EQ(a->engine.view()->recoveries.front()->record.policy_version, 1U);
    ASSERT_TRUE(until([&] { return answer.has_value(); }));
    EXPECT_TRUE(*answer);
}

TEST_F(PolicyTest, ARuleThatConcernsOnlyDetectionHolds) {
    auto strict = settings();
    strict.analysis.read_only_after = 0s;
    start(strict);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    const auto severity = [&] {
        for (const auto& finding : a->engine.view()->findings) {
            if (finding.code == analysis::Code::no_writable_primary) {
                return finding.severity;
            }
        }
        return analysis::Severity::none;
    };
    world.at("p").read_only = true;
    ASSERT_TRUE(until([&] { return severity() == analysis::Severity::warning; }));

    ASSERT_TRUE(set(rule(R"({"detection":{"read_only_after":"1h"}})"), 0));

    EXPECT_TRUE(until([&] { return severity() == analysis::Severity::notice; }));
}

TEST_F(PolicyTest, AForecastIsOfTheFactsOfItsView) {
    start(settings());
    ASSERT_TRUE(until([&] {
        return complete(*a, 4) && !foreseen(*a->engine.view()).successor.empty();
    }));
    const auto before = a->engine.view();
    const auto chosen = foreseen(*before).successor;
    ASSERT_THAT(foreseen(*before).blockers, IsEmpty());

    ask(a->engine.register_candidate(chosen, topology::PromotionRule::must_not, "ann"));
    ask(a->engine.set_recoveries_enabled(false, "ann"));
    ASSERT_TRUE(until([&] {
        const auto view = a->engine.view();
        return view->recoveries_disabled &&
               view->topology->promotion_rule(chosen) == topology::PromotionRule::must_not;
    }));

    const auto after = a->engine.view();
    EXPECT_NE(foreseen(*after).successor, chosen);
    EXPECT_FALSE(foreseen(*after).successor.empty());
    EXPECT_THAT(foreseen(*after).blockers, Contains(HasSubstr("baton automatic on")));
    EXPECT_EQ(foreseen(*before).successor, chosen);
    EXPECT_THAT(foreseen(*before).blockers, IsEmpty());
}

TEST_F(PolicyTest, AForecastKnowsOfTheMaintenanceOfThePrimary) {
    start(settings());
    ASSERT_TRUE(until([&] {
        return complete(*a, 4) && !foreseen(*a->engine.view()).successor.empty();
    }));
    const auto primary = a->engine.view()->topology->clusters().front().primary;

    ask(a->engine.begin_maintenance(primary, "ann", "new disk", "ann"));

    ASSERT_TRUE(until([&] { return !foreseen(*a->engine.view()).blockers.empty(); }));
    EXPECT_THAT(foreseen(*a->engine.view()).blockers, Contains(HasSubstr("is under maintenance")));
}

TEST_F(PolicyTest, ATrialTellsWhatWouldChangeAndChangesNothing) {
    start(settings());
    ASSERT_TRUE(until([&] {
        return complete(*a, 4) && !foreseen(*a->engine.view()).successor.empty();
    }));
    const auto chosen = foreseen(*a->engine.view()).successor;

    const auto tried = ask(a->engine.try_policy(
        rule(R"({"candidates":{"never":[")" + chosen.host + R"("]},"recovery":{"primary":"off"}})")
    ));

    ASSERT_TRUE(tried && *tried);
    ASSERT_EQ((*tried)->size(), 1U);
    const auto& trial = (**tried).front();
    EXPECT_EQ(trial.before.successor, chosen);
    EXPECT_NE(trial.after.successor, chosen);
    EXPECT_THAT(trial.before.blockers, IsEmpty());
    EXPECT_THAT(trial.after.blockers, ElementsAre(HasSubstr("rule 1 (shop)")));
    EXPECT_EQ(trial.settings.size(), 2U);
    EXPECT_EQ(a->engine.view()->policy_version, 0U);
    const auto nothing = ask(b->engine.try_policy(""));
    ASSERT_TRUE(nothing && *nothing);
    EXPECT_TRUE((*nothing)->empty());
}

TEST_F(PolicyTest, ABudgetOfTheClusterBoundsItsRecoveries) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));
    ASSERT_TRUE(set(rule(R"({"budget":{"recoveries":1,"window":"1h"}})"), 0));
    world.kill("p");
    ASSERT_TRUE(until([&] { return recovered(*a); }));
    const auto first = a->engine.view()->recoveries.front()->record.successor;
    ASSERT_TRUE(until([&] {
        return a->engine.view()->topology->clusters().front().primary == first &&
               world.at(first.host).up;
    }));

    world.kill(first.host);

    ASSERT_TRUE(until([&] {
        const auto view = a->engine.view();
        return std::any_of(view->blocked.begin(), view->blocked.end(), [](const auto& blocked) {
            return blocked.kind == "budget_spent";
        });
    }));
    EXPECT_THAT(world.writable(), ElementsAre());
}

TEST_F(PolicyTest, TheTimelineTellsARecoveryAndTheChangeOfThePrimaryOnce) {
    start(settings());
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    world.kill("p");

    ASSERT_TRUE(until([&] { return recovered(*a); }));
    run_for(300ms);
    const auto made = kinds(*a);
    EXPECT_EQ(std::count(made.begin(), made.end(), "taken"), 1);
    EXPECT_EQ(std::count(made.begin(), made.end(), "role"), 1);
    for (const auto& decision : decisions(*a)) {
        EXPECT_EQ(decision->node, "a");
        EXPECT_GT(decision->epoch, 0U);
        EXPECT_FALSE(decision->rule.empty());
        EXPECT_FALSE(decision->recovery_id.empty()) << to_string(decision->kind);
    }
    EXPECT_TRUE(until([&] { return kinds(*b) == kinds(*a); }));
}

TEST_F(PolicyTest, AReloadThatChangesSettingsOfAClusterIsInItsTimeline) {
    auto s = settings();
    start(s);
    ASSERT_TRUE(until([&] { return complete(*a, 4); }));

    s.shadow = true;
    a->engine.apply(s);

    ASSERT_TRUE(until([&] { return !decisions(*a).empty(); }));
    const auto decision = decisions(*a).back();
    EXPECT_EQ(decision->kind, Decision::Kind::policy);
    EXPECT_EQ(decision->rule, "configuration");
    EXPECT_THAT(decision->evidence, ElementsAre("mode: active -> shadow"));
    world.kill("p");
    ASSERT_TRUE(until([&] { return !a->engine.view()->blocked.empty(); }));
    run_for(300ms);
    EXPECT_THAT(world.performed, IsEmpty());
    // Active again: now it acts on what it only reported.
    s.shadow = false;
    a->engine.apply(s);
    EXPECT_TRUE(until([&] { return recovered(*a); }));
}

}  // namespace baton::control
