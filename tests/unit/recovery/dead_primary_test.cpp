// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(DeadPrimary, NeedsThreeStagesWhenNothingIsUnapplied) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().phase, Phase::finished);
    EXPECT_EQ(drive.record().successor, id("r1"));
    EXPECT_THAT(drive.record().repointed, ElementsAre(id("r2")));
    ASSERT_EQ(drive.stages.size(), 3U);
    EXPECT_THAT(
        kinds(drive.stages[0]), ElementsAre(StepKind::stop_receiver, StepKind::stop_receiver)
    );
    EXPECT_THAT(kinds(drive.stages[1]), ElementsAre(StepKind::promote));
    EXPECT_THAT(kinds(drive.stages[2]), ElementsAre(StepKind::repoint));
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, AppliesWhatWasReceivedBeforePromoting) {
    auto setting = scene(plain);
    for (const char* name : {"r1", "r2"}) {
        auto& server = setting.meanwhile.at(name);
        server.state.channels[0].retrieved_gtid_set = scenario::expand_gtids("p1:90-120");
    }
    World world(setting);
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    ASSERT_EQ(drive.stages.size(), 4U);
    EXPECT_THAT(kinds(drive.stages[1]), ElementsAre(StepKind::wait_applied));
    EXPECT_EQ(drive.stages[2].steps.at(0).required_gtid_set, scenario::expand_gtids("p1:1-120"));
    EXPECT_EQ(world.at("r1").state.executed_gtid_set, scenario::expand_gtids("p1:1-120"));
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, EachStepNamesTheServerItIsMeantFor) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    for (const auto& stage : drive.stages) {
        EXPECT_FALSE(stage.intent.empty());
        for (const auto& step : stage.steps) {
            EXPECT_EQ(step.expected_uuid, scenario::uuid_of(scenario::name_of(step.target)));
            EXPECT_GT(step.limit, Duration::zero());
        }
    }
    // Before anything irreversible the failed primary is looked at again.
    EXPECT_THAT(drive.stages[0].reprobe, Contains(id("p1")));
}

TEST(DeadPrimary, IsAbandonedWhenThePrimaryIsBackBeforeThePromotion) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {
        if (drive.stages.size() == 1) {
            world.revive("p1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::abandoned);
    EXPECT_THAT(drive.record().outcome, HasSubstr("p1:3306 answers again"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
    for (const char* name : {"r1", "r2"}) {
        EXPECT_EQ(world.at(name).state.channels.at(0).receiver, ThreadState::running);
    }
}

TEST(DeadPrimary, DoesNotStartReceiversThatWereStoppedBefore) {
    auto setting = scene(plain);
    setting.meanwhile.at("r2").state.channels[0].receiver = ThreadState::stopped;
    World world(setting);
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {
        if (drive.stages.size() == 1) {
            world.revive("p1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(world.at("r1").state.channels.at(0).receiver, ThreadState::running);
    EXPECT_EQ(world.at("r2").state.channels.at(0).receiver, ThreadState::stopped);
}

TEST(DeadPrimary, AnotherServerAtItsAddressIsNotThePrimaryBack) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {
        if (drive.stages.size() == 1) {
            world.revive("p1");
            world.at("p1").state.identity.uuid = scenario::uuid_of("somebody else");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r1"));
    EXPECT_FALSE(world.at("p1").state.read_only) << "it is not ours to touch";
}

TEST(DeadPrimary, AReceiverThatGaveUpBelowTheNewPrimaryDoesNotFollowIt) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    ASSERT_TRUE(drive.run());
    auto record = drive.record();
    record.state = State::running;
    record.repointed.clear();
    // It connected, and heard that what it needs is purged.
    auto& channel = world.at("r2").state.channels.at(0);
    channel.receiver = ThreadState::stopped;
    channel.receiver_errno = 1236;
    channel.receiver_error = "the source purged required binary logs";
    world.look();

    auto move = next(record, *world.topology, enabled_policy());

    ASSERT_TRUE(std::holds_alternative<Finish>(move));
    record = conclude(std::move(record), std::get<Finish>(move));
    EXPECT_THAT(record.lost, testing::ElementsAre(id("r2")));
    EXPECT_THAT(record.repointed, testing::IsEmpty());
    EXPECT_THAT(record.outcome, testing::HasSubstr("purged required binary logs"));
}

TEST(DeadPrimary, FetchesTheRestFromAPrimaryThatIsBackReadOnly) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {
        if (drive.stages.size() == 1) {
            world.revive("p1");
            world.at("p1").state.read_only = world.at("p1").state.super_read_only = true;
            world.at("p1").state.executed_gtid_set = scenario::expand_gtids("p1:1-107");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(
        world.at(drive.record().successor).state.executed_gtid_set,
        scenario::expand_gtids("p1:1-107")
    );
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, MakesTheOldOneReadOnlyWhenItReturnsAfterThePromotion) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::promoted) {
            world.revive("p1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done);
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
    EXPECT_TRUE(world.at("p1").state.super_read_only);
}

TEST(DeadPrimary, ChoosesAgainWhenTheCandidateDies) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {
        if (drive.stages.size() == 1) {
            world.kill("r1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done);
    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_THAT(drive.record().lost, ElementsAre(id("r1")));
    EXPECT_THAT(drive.record().errors, Contains(HasSubstr("lost r1:3306: it did not answer")));
}

TEST(DeadPrimary, ChoosesAgainWhenTheServerIsKilledByItsPromotion) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::promoted && stage.steps.at(0).target == id("r1")) {
            world.kill("r1");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_TRUE(drive.record().displaced.contains(id("r1")))
        << "it may have become writable: it counts as deposed";
}

TEST(DeadPrimary, WaitsForASilentServerWhosePromotionMayHaveBeenDone) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    unsigned looks = 0;
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::promoted && stage.steps.at(0).target == id("r1")) {
            world.at("r1").probe = topology::ProbeFailure::timeout;
        }
        if (stage.steps.empty() && ++looks == 3) {
            // It was only slow, and the statement had arrived.
            world.revive("r1");
            world.at("r1").state.channels.clear();
            world.at("r1").state.read_only = world.at("r1").state.super_read_only = false;
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(looks, 3U);
    EXPECT_EQ(drive.record().successor, id("r1"));
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, PromotesAgainWhatWasRestartedReadOnly) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    bool restarted = false;
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::repointed && !restarted) {
            restarted = true;
            world.at("r1").state.read_only = true;
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, GivesUpOnAServerThatIsAlwaysMadeReadOnlyAgain) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage&) {};
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::promote) {
            return fail(Errc::server_error, "no");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("its promotion failed 3 times"));
    EXPECT_EQ(world.at("r1").state.channels.at(0).receiver, ThreadState::connecting)
        << "started again";
}

TEST(DeadPrimary, CatchesUpTheEligibleOneFromTheOneThatHasMore) {
    World world(scene(R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {source: p1, executed: "p1:1-90"}
  r2: {source: p1, executed: "p1:1-95", retrieved: "p1:96-100"}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
operators:
  rule: {r2: must_not}
)"));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r1"));
    EXPECT_EQ(world.at("r1").state.executed_gtid_set, scenario::expand_gtids("p1:1-100"));
    EXPECT_THAT(world.done, Contains("let r1:3306 replicate from r2:3306"));
    EXPECT_THAT(verdict(drive.record().candidates, "r2"), HasSubstr("must_not"));
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, DrainsACandidateBeforeItsRelayLogIsThrownAway) {
    World world(scene(R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {source: p1, executed: "p1:1-90", retrieved: "p1:91-95"}
  r2: {source: p1, executed: "p1:1-100"}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
operators:
  rule: {r2: must_not}
)"));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    const auto drained = std::find(
        world.done.begin(), world.done.end(), "wait until r1:3306 has applied what it received"
    );
    const auto moved =
        std::find(world.done.begin(), world.done.end(), "let r1:3306 replicate from r2:3306");
    EXPECT_LT(drained, moved);
    EXPECT_NE(moved, world.done.end());
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, RefusesToLoseWhatAReachableReplicaReceived) {
    const std::string text = R"(
servers:
  p1: {executed: "p1:1-100"}
  r1: {source: p1, executed: "p1:1-90"}
  r2: {source: p1, executed: "p1:1-100", log_bin: no}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
)";
    World world(scene(text));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("lacks 10 transactions that r2:3306 received"));
    EXPECT_THAT(drive.record().outcome, HasSubstr("its binary log is off"));
    EXPECT_THAT(world.writable(), IsEmpty());

    World other(scene(text));
    auto policy = enabled_policy();
    policy.accept_loss = true;
    Drive accepting(other, begun(other), policy);

    ASSERT_TRUE(accepting.run());

    EXPECT_EQ(accepting.record().successor, id("r1"));
    EXPECT_THAT(accepting.record().loss, HasSubstr("10 transactions that r2:3306 received"));
    EXPECT_THAT(accepting.record().lost, ElementsAre(id("r2")))
        << "it would differ from its source for ever";
}

TEST(DeadPrimary, TakesAnotherWhenTheCandidateAppliesNothing) {
    auto setting = scene(plain);
    for (const char* name : {"r1", "r2"}) {
        setting.meanwhile.at(name).state.channels[0].retrieved_gtid_set =
            scenario::expand_gtids("p1:101-120");
    }
    World world(setting);
    world.cannot_apply = {"r1"};
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_THAT(verdict(drive.record().candidates, "r1"), HasSubstr("applies nothing any more"));
}

TEST(DeadPrimary, GoesOnWaitingAsLongAsTheOnlyCandidateGetsOn) {
    auto setting = scene(plain);
    setting.meanwhile.at("r1").state.channels[0].retrieved_gtid_set =
        scenario::expand_gtids("p1:101-120");
    setting.meanwhile.at("r2").probe = topology::ProbeFailure::refused;
    World world(setting);
    Drive drive(world, begun(world), enabled_policy());
    unsigned waits = 0;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::wait_applied && ++waits < 4) {
            world.at("r1").state.executed_gtid_set =
                scenario::expand_gtids("p1:1-" + std::to_string(100 + waits));
            return fail(Errc::timeout, "not yet");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(waits, 4U);
    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r1"));
}

TEST(DeadPrimary, OneStoppedReceiverIsEnoughToGoOn) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::stop_receiver && step.target == id("r1")) {
            return fail(Errc::timeout, "it hangs");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_THAT(
        verdict(drive.record().candidates, "r1"), HasSubstr("receiver could not be stopped")
    );
}

TEST(DeadPrimary, ALostReplicaDoesNotSpoilTheRest) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::repoint) {
            return fail(Errc::server_error, "no such thread");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done);
    EXPECT_THAT(drive.record().lost, ElementsAre(id("r2")));
    EXPECT_THAT(drive.record().outcome, HasSubstr("lost: r2:3306 (it could not be repointed)"));
    EXPECT_THAT(drive.record().errors, Contains(HasSubstr("no such thread")));
}

TEST(DeadPrimary, RunsHooksBeforeAndAfter) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.has_pre_hooks = policy.has_post_hooks = policy.has_failed_hooks = true;
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_THAT(world.hooks, ElementsAre("pre_failover", "post_primary_failover", "post_failover"));
    EXPECT_EQ(drive.record().hooks.at("post_failover"), "done");
}

TEST(DeadPrimary, AFailingHookBeforeForbidsAndAFailingOneAfterIsNoted) {
    auto policy = enabled_policy();
    policy.has_pre_hooks = policy.has_post_hooks = policy.has_failed_hooks = true;
    World world(scene(plain));
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        return step.hook == "pre_failover" ? std::optional(fail(Errc::io, "exit 1")) : std::nullopt;
    };
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::failed);
    EXPECT_THAT(drive.record().outcome, HasSubstr("exit 1"));
    EXPECT_THAT(world.hooks, ElementsAre("post_unsuccessful_failover"));
    EXPECT_EQ(world.at("r1").state.channels.at(0).receiver, ThreadState::connecting)
        << "started again";

    World other(scene(plain));
    other.trouble = [&](const Step& step) -> std::optional<Error> {
        return step.hook == "post_primary_failover" ? std::optional(fail(Errc::io, "exit 1"))
                                                    : std::nullopt;
    };
    Drive second(other, begun(other, "p1", policy), policy);

    ASSERT_TRUE(second.run());

    EXPECT_EQ(second.record().state, State::done);
    EXPECT_THAT(second.record().hooks.at("post_primary_failover"), HasSubstr("failed"));
    EXPECT_THAT(second.record().errors, Contains(HasSubstr("exit 1")));
}

TEST(DeadPrimary, AnOperatorCanLeaveTheHooksOut) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.has_pre_hooks = policy.has_post_hooks = true;
    Drive drive(world, begun(world, "p1", policy, Order{"alice", id("r2"), true}), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_THAT(world.hooks, IsEmpty());
    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_EQ(drive.record().requested_by, "alice");
}

TEST(DeadPrimary, SemiSyncIsSwitchedOnWhenSomebodyCanAcknowledge) {
    const std::string text = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {semi_sync: {source: yes, status: yes, clients: 2}}
  r1: {source: p1, semi_sync: {replica: yes}}
  r2: {source: p1, semi_sync: {replica: yes}}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
)";
    World world(scene(text));
    Drive drive(world, begun(world), enabled_policy());
    ASSERT_TRUE(drive.run());
    EXPECT_TRUE(drive.stages.at(1).steps.at(0).enable_semi_sync);
    EXPECT_THAT(drive.record().loss, HasSubstr("none"));

    // With nobody to acknowledge its commits would hang.
    auto setting = scene(text);
    setting.meanwhile.at("r2").state.semi_sync.replica_enabled = false;
    setting.meanwhile.at("r2").state.semi_sync.replica_status = false;
    setting.meanwhile.at("p1").state.semi_sync.clients = 1;
    setting.before.at("p1").state.semi_sync.clients = 1;
    World other(setting);
    Drive lonely(other, begun(other), enabled_policy());
    ASSERT_TRUE(lonely.run());
    EXPECT_FALSE(lonely.stages.at(1).steps.at(0).enable_semi_sync);
    EXPECT_THAT(lonely.record().errors, Contains(HasSubstr("stays off")));
}

TEST(DeadPrimary, IsAbandonedWhenSomebodyElseTookOver) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::repointed) {
            scenario::detail::follow(world.at("r1"), "stranger");
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::abandoned);
    EXPECT_THAT(drive.record().outcome, HasSubstr("somebody else has taken over"));
}

TEST(DeadPrimary, AFinishedRecordStaysFinished) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    ASSERT_TRUE(drive.run());

    const auto again = next(drive.record(), *world.topology, enabled_policy());

    ASSERT_TRUE(std::holds_alternative<Finish>(again));
    EXPECT_EQ(std::get<Finish>(again).state, State::done);
    EXPECT_THAT(world.done, Not(IsEmpty()));
}

TEST(DeadPrimary, MariadbIsRecoveredTheSameWay) {
    World world(scene(R"(
defaults: {version: "10.11.6-MariaDB"}
servers:
  p1: {executed: "0-1-100", server_id: 1}
  r1: {source: p1, executed: "0-1-95", io_pos: "0-1-98", server_id: 2}
  r2: {source: p1, executed: "0-1-97", io_pos: "0-1-97", server_id: 3}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
)"));
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r1")) << "received counts, not applied";
    EXPECT_EQ(world.at("r1").state.executed_gtid_set, "0-1-98");
    EXPECT_THAT(verdict(drive.record().candidates, "r2"), HasSubstr("lacks 1 transaction"));
    expect_whole(world, drive.record());
}

TEST(DeadPrimary, APrimaryThatLivesButRefusesUsIsNotReplaced) {
    for (const auto failure :
         {topology::ProbeFailure::too_many_connections,
          topology::ProbeFailure::access_denied,
          topology::ProbeFailure::error}) {
        World world(scene(plain));
        Drive drive(world, begun(world), enabled_policy());
        drive.on_stage = [&](const Stage&) {
            if (drive.stages.size() == 1) {
                world.at("p1").probe = failure;
            }
        };

        ASSERT_TRUE(drive.run());

        EXPECT_EQ(drive.record().state, State::abandoned);
        EXPECT_THAT(drive.record().outcome, HasSubstr("p1:3306 lives"));
        EXPECT_TRUE(world.at("r1").state.read_only);
        EXPECT_TRUE(world.at("r2").state.read_only);
    }
}

TEST(DeadPrimary, AServerThatForgetsItsSourceLateIsThePrimaryAllTheSame) {
    World world(scene(plain));
    world.forgets_late = {"r1"};
    Drive drive(world, begun(world), enabled_policy());
    std::string at_promotion;
    drive.on_stage = [&](const Stage&) {
        world.flow();
        if (at_promotion.empty()) {
            at_promotion = drive.record().promoted_gtid_set;
        }
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r1"));
    EXPECT_EQ(drive.record().promoted_gtid_set, at_promotion) << "not what it wrote since";
    EXPECT_EQ(std::count(world.done.begin(), world.done.end(), "promote r1:3306"), 2);
    EXPECT_THAT(drive.record().errors, Contains(HasSubstr("still names p1:3306")));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
    EXPECT_EQ(world.at("r2").state.channels.at(0).source, id("r1"));
}

TEST(DeadPrimary, TheNextHolderLetsThePromotedOneForgetItsSource) {
    World world(scene(plain));
    world.forgets_late = {"r1"};
    Drive drive(world, begun(world), enabled_policy());
    drive.on_stage = [&](const Stage& stage) {
        if (stage.enters == Phase::repointed) {
            world.forgets_late.clear();  // the STOP that its predecessor waited for has ended
        }
    };

    ASSERT_TRUE(drive.run());

    expect_whole(world, drive.record());
    EXPECT_TRUE(world.at("r1").state.channels.empty());
}

TEST(DeadPrimary, AStopThatHangsCostsItsTimeOnlyOnce) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    unsigned stops = 0;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::stop_receiver && step.target == id("r1")) {
            ++stops;
            return fail(Errc::timeout, "it hangs");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().successor, id("r2"));
    EXPECT_EQ(stops, 1U);
}

TEST(DeadPrimary, AStopThatHangsIsRepeatedWhenNobodyElseCanBePromoted) {
    auto setting = scene(plain);
    setting.overlay.candidates[id("r2")] = {topology::PromotionRule::must_not, 0, 0};
    World world(setting);
    Drive drive(world, begun(world), enabled_policy());
    unsigned stops = 0;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::stop_receiver && step.target == id("r1") && ++stops < 3) {
            return fail(Errc::timeout, "it hangs");
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().successor, id("r1"));
    EXPECT_EQ(stops, 3U);
}

TEST(DeadPrimary, ASilentServerIsNotWaitedFor) {
    auto setting = scene(plain);
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::timeout;
    World world(setting);
    Drive drive(world, begun(world), enabled_policy());

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done);
    for (const auto& stage : drive.stages) {
        EXPECT_THAT(stage.reprobe, Not(Contains(id("p1")))) << stage.intent;
    }
}

TEST(DeadPrimary, HooksBeforeTheFailoverCostNoStageOfTheirOwn) {
    World world(scene(plain));
    auto policy = enabled_policy();
    policy.has_pre_hooks = true;
    Drive drive(world, begun(world, "p1", policy), policy);

    ASSERT_TRUE(drive.run());

    EXPECT_THAT(kinds(drive.stages[0]), Contains(StepKind::hook));
    EXPECT_EQ(drive.stages[1].enters, Phase::promoted);
}

TEST(DeadPrimary, HalfAPromotionIsEndedOrTakenBackBeforeAnotherOne) {
    World world(scene(plain));
    Drive drive(world, begun(world), enabled_policy());
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        if (step.kind == StepKind::promote && step.target == id("r1")) {
            world.half(step, 1);
            return fail(Errc::timeout, "no answer, but it is writable");
        }
        if (step.kind == StepKind::promote) {
            EXPECT_TRUE(world.at("r1").state.read_only) << "a second primary";
        }
        return std::nullopt;
    };

    ASSERT_TRUE(drive.run());

    EXPECT_EQ(drive.record().state, State::done) << drive.record().outcome;
    EXPECT_EQ(drive.record().successor, id("r2"));
    expect_whole(world, drive.record());
}

}  // namespace
}  // namespace baton::recovery
