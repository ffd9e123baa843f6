// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string living = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: p1}
)";

std::variant<Record, Refusal> ordered(
    const World& world, const std::string& to = "", Order order = {}, const Policy& policy = {}
) {
    order.by = "dba";
    if (!to.empty()) {
        order.candidate = id(to);
    }
    return begin_switchover(
        *world.topology->cluster_of(id("p1")), *world.topology, policy, {}, order
    );
}

Record switched(const World& world, const std::string& to = "", const Order& order = {}) {
    auto answer = ordered(world, to, order);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        ADD_FAILURE() << "refused: " << refusal->reason;
        return {};
    }
    auto record = std::get<Record>(std::move(answer));
    record.id = "switchover-1";
    return record;
}

std::string reason(const World& world, const std::string& to = "") {
    return refused(ordered(world, to)).reason;
}

/// As it was before: p1 takes writes, and the others follow it.
void expect_as_before(const World& world) {
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
    for (const char* name : {"r1", "r2"}) {
        const auto& server = world.servers.at(name);
        if (world.up(server)) {
            EXPECT_EQ(server.state.channels.at(0).source, id("p1")) << name;
            EXPECT_EQ(server.state.channels.at(0).receiver, ThreadState::running) << name;
        }
    }
}

TEST(Switchover, FreezesPromotesAndTakesEverybodyAlong) {
    World world(scene(living));
    Drive drive(world, switched(world, "r2"), Policy{});
    drive.on_stage = [&](const Stage&) {
        world.flow();  // writers never rest
        EXPECT_LE(world.writable().size(), 1U);
    };

    ASSERT_TRUE(drive.run());

    const auto& record = drive.record();
    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r2"));
    EXPECT_EQ(record.fencing, "read-only");
    ASSERT_EQ(drive.stages.size(), 5U) << testing::PrintToString(drive.intents());
    EXPECT_THAT(kinds(drive.stages[0]), ElementsAre(StepKind::read_credentials));
    EXPECT_THAT(kinds(drive.stages[1]), ElementsAre(StepKind::wait_applied));
    EXPECT_THAT(kinds(drive.stages[2]), ElementsAre(StepKind::set_read_only));
    EXPECT_THAT(kinds(drive.stages[3]), ElementsAre(StepKind::promote));
    EXPECT_THAT(kinds(drive.stages[4]), ElementsAre(StepKind::repoint, StepKind::repoint));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r2"});
    for (const char* name : {"p1", "r1"}) {
        EXPECT_EQ(world.at(name).state.channels.at(0).source, id("r2")) << name;
        EXPECT_EQ(world.at(name).state.channels.at(0).receiver, ThreadState::running) << name;
    }
    EXPECT_TRUE(world.at("p1").state.super_read_only);
    EXPECT_EQ(
        gtid::missing_from(World::executed(world.at("p1")), World::executed(world.at("r2"))), 0U
    );
}

TEST(Switchover, NothingLooksAtAServerWhileNobodyCanWrite) {
    World world(scene(living));
    Drive drive(world, switched(world), Policy{});

    ASSERT_TRUE(drive.run());

    EXPECT_THAT(drive.stages.at(2).reprobe, IsEmpty());
    const auto& promotion = drive.stages.at(3).steps.at(0);
    EXPECT_TRUE(promotion.await_required);
    EXPECT_EQ(promotion.guard, id("p1"));
    EXPECT_EQ(promotion.required_gtid_set, scenario::expand_gtids("p1:1-100"));
}

TEST(Switchover, LeavesTheOldOneStoppedWhenAskedTo) {
    World world(scene(living));
    Order order;
    order.start_old = false;
    Drive drive(world, switched(world, "r1", order), Policy{});

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done);
    EXPECT_EQ(world.at("p1").state.channels.at(0).source, id("r1"));
    EXPECT_EQ(world.at("p1").state.channels.at(0).receiver, ThreadState::stopped);
    EXPECT_THAT(drive.record().repointed, Contains(id("p1")));
}

TEST(Switchover, GoesToAReplicaOfAReplicaWhenNamed) {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: r1}
)");
    World world(setting);
    Drive drive(world, switched(world, "r2"), Policy{});

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r2"});
    EXPECT_EQ(world.at("r1").state.channels.at(0).source, id("r2"));
    EXPECT_EQ(world.at("p1").state.channels.at(0).source, id("r2"));
}

TEST(Switchover, RefusesWhatCannotTakeOver) {
    const auto refusal_with = [](const std::string& server, const std::string& to = "r1") {
        return reason(
            World(scene(
                "defaults: {executed: \"p1:1-100\"}\nservers:\n  p1: {}\n  r1: " + server +
                "\n  r2: {source: p1}\n"
            )),
            to
        );
    };

    EXPECT_THAT(refusal_with("{source: p1, lag: 600}"), HasSubstr("is 600 s behind"));
    EXPECT_THAT(refusal_with("{source: p1, receiver: stopped}"), HasSubstr("does not replicate"));
    EXPECT_THAT(refusal_with("{source: p1, executed: \"p1:1-100,r1:1-3\"}"), HasSubstr("errant"));
    EXPECT_THAT(refusal_with("{source: p1, probe: timeout}"), HasSubstr("does not answer"));
    EXPECT_THAT(refusal_with("{source: p1}", "p1"), HasSubstr("is the primary already"));
}

TEST(Switchover, NeedsALivingPrimary) {
    World world(scene(plain));

    EXPECT_THAT(reason(world), HasSubstr("Order a failover"));
}

TEST(Switchover, DoesNotLoseSemiSync) {
    auto setting = scene(living);
    for (auto* servers : {&setting.before, &setting.meanwhile}) {
        for (auto& [name, server] : *servers) {
            server.state.semi_sync.available = true;
            server.state.semi_sync.source_enabled = server.state.semi_sync.source_status =
                name == "p1";
            server.state.semi_sync.replica_enabled = server.state.semi_sync.replica_status =
                name == "r1";
        }
    }
    World world(setting);

    EXPECT_THAT(reason(world, "r1"), HasSubstr("too few of the others acknowledge"));
    EXPECT_TRUE(std::holds_alternative<Record>(ordered(world, "r2")));
}

TEST(Switchover, IsTakenBackWhenTheCandidateFails) {
    World world(scene(living));
    Drive drive(world, switched(world, "r1"), Policy{});
    world.trouble = [](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::promote) {
            return fail(Errc::timeout, "it has not applied everything in time");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("p1:3306 is writable, as before"));
    expect_as_before(world);
}

TEST(Switchover, IsTakenBackWhenThePrimaryCannotBeFrozen) {
    World world(scene(living));
    Drive drive(world, switched(world, "r1"), Policy{});
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::set_read_only) {
            world.at("p1").state.read_only = true;  // it came true, and was not answered
            return fail(Errc::timeout, "SET GLOBAL read_only waits for commits or locks");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    expect_as_before(world);
}

TEST(Switchover, AHookCanForbidIt) {
    World world(scene(living));
    Policy policy;
    policy.has_pre_graceful_hooks = policy.has_failed_hooks = true;
    Drive drive(world, switched(world, "r1"), policy);
    world.trouble = [](const Step& step) -> std::optional<Error> {
        if (step.hook == "pre_graceful_takeover") {
            return fail(Errc::refused, "not today");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_THAT(drive.record().outcome, HasSubstr("not today"));
    EXPECT_THAT(world.hooks, ElementsAre("post_unsuccessful_failover"));
    expect_as_before(world);
}

TEST(Switchover, ACandidateThatDiesInItsPromotionCountsAsDeposed) {
    World world(scene(living));
    Drive drive(world, switched(world, "r1"), Policy{});
    drive.on_stage = [&](const Stage& stage) {
        if (!stage.steps.empty() && stage.steps.at(0).kind == StepKind::promote) {
            world.kill("r1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_TRUE(drive.record().displaced.contains(id("r1")));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
}

TEST(Switchover, ThePrimaryIsNotWritableAgainWhileTheCandidateMayBe) {
    World world(scene(living));
    Drive drive(world, switched(world, "r1"), Policy{});
    unsigned looks = 0;
    drive.on_stage = [&](const Stage& stage) {
        if (stage.steps.empty()) {
            ++looks;
            EXPECT_THAT(world.writable(), IsEmpty());
            if (looks == 2) {
                world.revive("r1");  // it was promoted, and only not seen
            }
        }
    };
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::promote && looks == 0) {
            auto& server = world.at("r1");
            server.state.channels.clear();
            server.state.read_only = server.state.super_read_only = false;
            server.probe = topology::ProbeFailure::timeout;
            return fail(Errc::timeout, "no answer");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(looks, 2U);
    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
}

TEST(Switchover, EndsAtOnceWhenThePrimaryDiesSoThatAFailoverCanBegin) {
    World world(scene(living));
    Drive drive(world, switched(world, "r1"), Policy{});
    drive.on_stage = [&](const Stage& stage) {
        if (!stage.steps.empty() && stage.steps.at(0).kind == StepKind::promote) {
            world.kill("p1");
            for (const char* name : {"r1", "r2"}) {
                world.at(name).state.channels.at(0).receiver = ThreadState::connecting;
            }
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("Nothing was promoted"));
    EXPECT_THAT(world.writable(), IsEmpty());
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1")));
}

TEST(Switchover, EveryStageAfterEveryPartOfItsSteps) {
    for (std::size_t stage = 0; stage < 7; ++stage) {
        for (unsigned mask = 0; mask < 8; ++mask) {
            for (const bool journaled : {true, false}) {
                for (const int half : {-1, 0, 1}) {
                    SCOPED_TRACE(
                        "stage " + std::to_string(stage) + " mask " + std::to_string(mask) +
                        (journaled ? " journaled" : "") + " half " + std::to_string(half)
                    );
                    World world(scene(living));
                    Drive drive(world, switched(world, "r1"), Policy{});
                    drive.journals_before = journaled;
                    drive.crash = [&](const Stage& now) -> std::optional<std::vector<bool>> {
                        if (drive.stages.size() != stage + 1) {
                            return std::nullopt;
                        }
                        std::vector<bool> done;
                        for (std::size_t i = 0; i < now.steps.size(); ++i) {
                            done.push_back(((mask >> i) & 1U) != 0);
                        }
                        return done;
                    };
                    if (half >= 0) {
                        drive.on_cut = [&](const Step& step) {
                            world.half(step, static_cast<unsigned>(half));
                        };
                    }
                    drive.on_stage = [&](const Stage&) {
                        world.flow();
                        EXPECT_LE(world.writable().size(), 1U);
                    };

                    ASSERT_TRUE(drive.run()) << testing::PrintToString(drive.intents());

                    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
                    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
                    for (const char* name : {"p1", "r2"}) {
                        EXPECT_EQ(world.at(name).state.channels.at(0).source, id("r1")) << name;
                    }
                }
            }
        }
    }
}

TEST(Switchover, ForecastTellsWhoTakesOverAndWhatForbidsIt) {
    World world(scene(living));
    const auto& cluster = *world.topology->cluster_of(id("p1"));

    const auto good = forecast_switchover(cluster, *world.topology, {}, {}, {});
    Order order;
    order.candidate = id("p1");
    const auto bad = forecast_switchover(cluster, *world.topology, {}, {}, order);

    EXPECT_EQ(good.successor, id("r1"));
    EXPECT_THAT(good.blockers, IsEmpty());
    EXPECT_THAT(good.loss, HasSubstr("none"));
    EXPECT_THAT(bad.blockers, ElementsAre(HasSubstr("is the primary already")));
}

// ---- by force

std::variant<Record, Refusal> forced(
    const World& world, Order order = {}, const Policy& policy = enabled_policy()
) {
    order.by = "dba";
    order.command = "force-master-failover";
    return begin_forced_failover(
        *world.topology->cluster_of(id("p1")), *world.topology, policy, {}, order
    );
}

TEST(ForcedFailover, MakesALivingPrimaryReadOnlyAndLosesNothing) {
    World world(scene(living));
    auto policy = enabled_policy();
    Drive drive(world, std::get<Record>(forced(world)), policy);
    drive.on_stage = [&](const Stage&) {
        world.flow();
        EXPECT_LE(world.writable().size(), 1U);
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().fencing, "read-only");
    EXPECT_EQ(world.writable().size(), 1U);
    EXPECT_NE(world.writable().front(), "p1");
    EXPECT_EQ(
        gtid::missing_from(
            World::executed(world.at("p1")), World::executed(world.at(drive.record().successor))
        ),
        0U
    );
}

TEST(ForcedFailover, PromotesNobodyBesideAPrimaryThatStaysWritable) {
    World world(scene(living));
    auto policy = enabled_policy();
    const auto stubborn = [](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::set_read_only) {
            return fail(Errc::access_denied, "no right to do so");
        }
        return std::nullopt;
    };
    world.trouble = stubborn;
    Drive drive(world, std::get<Record>(forced(world)), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("accept-loss"));
    expect_as_before(world);

    Order order;
    order.accept_loss = true;
    Drive accepting(world, std::get<Record>(forced(world, order)), policy);
    ASSERT_TRUE(accepting.run());
    EXPECT_EQ(accepting.record().state, State::done) << accepting.record().outcome;
    EXPECT_THAT(accepting.record().fencing, HasSubstr("NOT fenced"));
}

TEST(ForcedFailover, AHookOfFenceIsAsGood) {
    World world(scene(living));
    auto policy = enabled_policy();
    policy.has_fence_hooks = true;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.hook == "fence") {
            world.kill("p1");
        }
        if (step.kind == StepKind::set_read_only) {
            return fail(Errc::access_denied, "no right to do so");
        }
        return std::nullopt;
    };
    Drive drive(world, std::get<Record>(forced(world)), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_THAT(drive.record().fencing, HasSubstr("hook"));
    EXPECT_THAT(world.hooks, ElementsAre("fence"));
}

TEST(Fencing, RequiredButNotPossibleMeansNoPromotion) {
    auto setting = scene(plain);
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::timeout;
    auto policy = enabled_policy();
    policy.fence_required = true;
    World world(setting);
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("fence_required"));
    EXPECT_THAT(world.writable(), IsEmpty());
}

TEST(Fencing, AProcessThatIsGoneNeedsNone) {
    auto policy = enabled_policy();
    policy.fence_required = policy.has_fence_hooks = true;
    World world(scene(plain));
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().fencing, "its process is gone");
    EXPECT_THAT(world.hooks, IsEmpty());
}

TEST(Fencing, WithoutBeingRequiredTheHookRunsAfterThePromotion) {
    auto setting = scene(plain);
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::timeout;
    auto policy = enabled_policy();
    policy.has_fence_hooks = true;
    World world(setting);
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_THAT(kinds(drive.stages.at(1)), ElementsAre(StepKind::promote));
    EXPECT_THAT(world.hooks, ElementsAre("fence"));
}

}  // namespace
}  // namespace baton::recovery
