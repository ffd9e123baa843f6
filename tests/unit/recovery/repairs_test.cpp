// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

// What is mended without replacing anybody: a read-only primary, receivers that were left stopped,
// semi-synchronous replication.

namespace baton::recovery {
namespace {

using analysis::Code;
using analysis::RecoveryKind;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::variant<Record, Refusal> ask(
    const World& world,
    RecoveryKind kind,
    Code code,
    const std::string& subject,
    const Policy& policy,
    const History& history = {},
    const std::optional<Order>& order = std::nullopt
) {
    auto finding = finding_of(world, kind, subject);
    finding.code = code;
    return begin(finding, *world.topology, policy, history, order);
}

Record run(World& world, Record record, const Policy& policy) {
    Drive drive(world, std::move(record), policy);
    EXPECT_TRUE(drive.run()) << testing::PrintToString(drive.intents());
    return drive.record();
}

Record accepted(std::variant<Record, Refusal> answer) {
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        ADD_FAILURE() << "refused: " << refusal->reason;
        return {};
    }
    return std::get<Record>(std::move(answer));
}

// ---- a primary that is read-only

const std::string read_only = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: p1}
meanwhile:
  p1: {read_only: yes}
)";

Policy writable_policy() {
    auto policy = enabled_policy();
    policy.make_primary_writable = true;
    return policy;
}

History for_a_while() {
    History history;
    history.since_detected = std::chrono::minutes(1);
    return history;
}

std::variant<Record, Refusal> ask_writable(
    const World& world,
    const Policy& policy = writable_policy(),
    const History& history = for_a_while(),
    const std::optional<Order>& order = std::nullopt
) {
    return ask(
        world, RecoveryKind::make_writable, Code::no_writable_primary, "p1", policy, history, order
    );
}

TEST(ReadOnlyPrimary, IsMadeWritable) {
    World world(scene(read_only));

    const auto record = run(world, accepted(ask_writable(world)), writable_policy());

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("p1"));
    EXPECT_EQ(world.writable(), std::vector<std::string>{"p1"});
    EXPECT_THAT(record.changes, ElementsAre("make p1:3306 writable"));
}

TEST(ReadOnlyPrimary, StaysSoUnlessTheOptionOrAnOrderSaysOtherwise) {
    World world(scene(read_only));

    const auto refusal = refused(ask_writable(world, enabled_policy()));
    EXPECT_EQ(refusal.kind, Refusal::Kind::switched_off);
    EXPECT_THAT(refusal.reason, HasSubstr("recovery.make_primary_writable is off"));

    const Order order{"alice", {}, false};
    const auto record =
        run(world,
            accepted(ask_writable(world, enabled_policy(), for_a_while(), order)),
            enabled_policy());
    EXPECT_EQ(record.state, State::done);
}

TEST(ReadOnlyPrimary, StaysSoWhileOperatorsWorkOnIt) {
    auto setting = scene(read_only);
    setting.overlay.downtimes[id("p1")] = {"dba", "migration", 0, scenario::start_wall_ms * 2};
    World world(setting);
    EXPECT_EQ(refused(ask_writable(world)).kind, Refusal::Kind::downtimed);

    World other(scene(read_only));
    auto history = for_a_while();
    history.maintenance = true;
    EXPECT_EQ(
        refused(ask_writable(other, writable_policy(), history)).kind, Refusal::Kind::maintenance
    );
}

TEST(ReadOnlyPrimary, StaysSoForAMoment) {
    World world(scene(read_only));
    History history;
    history.since_detected = std::chrono::seconds(1);

    EXPECT_EQ(
        refused(ask_writable(world, writable_policy(), history)).kind, Refusal::Kind::settling
    );
}

TEST(ReadOnlyPrimary, StaysSoDuringAnotherRecovery) {
    World world(scene(read_only));
    Record running;
    running.kind = RecoveryKind::switchover;
    auto history = for_a_while();
    history.running = &running;

    EXPECT_EQ(
        refused(ask_writable(world, writable_policy(), history)).kind,
        Refusal::Kind::already_running
    );
}

TEST(ReadOnlyPrimary, IsNotMadeWritableAgainAndAgain) {
    World world(scene(read_only));
    Record before;
    before.id = "recovery-1";
    before.kind = RecoveryKind::make_writable;
    before.state = State::done;
    before.failed = id("p1");
    auto history = for_a_while();
    history.last_finished = &before;
    history.since_last_finished = std::chrono::minutes(5);
    history.healthy_since_last = std::chrono::minutes(4);

    const auto refusal = refused(ask_writable(world, writable_policy(), history));

    EXPECT_EQ(refusal.kind, Refusal::Kind::anti_flapping);
    EXPECT_THAT(refusal.reason, HasSubstr("acknowledge recovery recovery-1"));
}

TEST(ReadOnlyPrimary, NeverBesideAnotherPrimaryNorOneThatWasReplaced) {
    auto setting = scene(read_only + R"(
operators:
  cluster: {p1: [p1, r1, r2, other]}
)");
    auto other = scenario::make_server("other");
    setting.before.emplace("other", other);
    setting.meanwhile.emplace("other", other);
    World world(setting);
    EXPECT_EQ(refused(ask_writable(world)).kind, Refusal::Kind::unsafe);

    World deposed(scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {}
  r2: {source: p1}
meanwhile:
  p1: {read_only: yes}
operators:
  cluster: {r1: [p1, r1, r2]}
  deposed: {p1: {successor: r1, contained: yes}}
)"));
    EXPECT_EQ(
        refused(ask(deposed,
                    RecoveryKind::make_writable,
                    Code::no_writable_primary,
                    "p1",
                    writable_policy(),
                    for_a_while()))
            .kind,
        Refusal::Kind::unsafe
    );
}

TEST(ReadOnlyPrimary, IsLeftWhenAnotherBecameWritableMeanwhile) {
    auto setting = scene(read_only + R"(
operators:
  cluster: {p1: [p1, r1, r2]}
)");
    World world(setting);
    const auto record = accepted(ask_writable(world));
    world.at("r1").state.channels.clear();
    world.at("r1").state.read_only = world.at("r1").state.super_read_only = false;
    world.look();

    EXPECT_EQ(run(world, record, writable_policy()).state, State::abandoned);
    EXPECT_EQ(world.writable(), std::vector<std::string>{"r1"});
}

TEST(ReadOnlyPrimary, AHookMayForbidIt) {
    auto policy = writable_policy();
    policy.has_pre_hooks = policy.has_post_hooks = true;
    World world(scene(read_only));
    world.trouble = [](const Step& step) -> std::optional<Error> {
        return step.kind == StepKind::hook ? std::optional(fail(Errc::server_error, "no"))
                                           : std::nullopt;
    };

    const auto record = run(world, accepted(ask_writable(world, policy)), policy);

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(world.writable(), IsEmpty());
}

// ---- receivers that were left stopped

/// r2 was stopped by a recovery that failed while r2 did not answer.
scenario::Scenario left_stopped() {
    auto setting = scene(R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: p1}
meanwhile:
  r2: {receiver: stopped}
)");
    setting.overlay.left_stopped[id("r2")] = {"", "recovery-1", scenario::start_wall_ms};
    return setting;
}

TEST(LeftStopped, ItsReceiverIsStarted) {
    World world(left_stopped());
    const auto policy = Policy{};  // whatever is enabled
    auto answer =
        ask(world, RecoveryKind::restart_receiver, Code::receiver_left_stopped, "r2", policy);

    const auto record = run(world, accepted(std::move(answer)), policy);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(world.at("r2").state.channels.at(0).receiver, ThreadState::running);
}

TEST(LeftStopped, OneThatNoRecoveryStoppedIsLeftAlone) {
    auto setting = left_stopped();
    setting.overlay.left_stopped.clear();
    World world(setting);
    auto answer =
        ask(world, RecoveryKind::restart_receiver, Code::receiver_left_stopped, "r2", Policy{});

    EXPECT_EQ(run(world, accepted(std::move(answer)), Policy{}).state, State::abandoned);
    EXPECT_EQ(world.at("r2").state.channels.at(0).receiver, ThreadState::stopped);
}

TEST(LeftStopped, ARecoveryTellsWhichOnesItCouldNotStartAgain) {
    auto setting = scene(plain);
    World world(setting);
    bool stopped = false;
    world.trouble = [&](const Step& step) -> std::optional<Error> {
        stopped = stopped || step.kind == StepKind::stop_receiver;
        return step.kind == StepKind::promote ||
                       (step.kind == StepKind::start_replication && step.target == id("r2"))
                   ? std::optional(fail(Errc::server_error, "no"))
                   : std::nullopt;
    };

    const auto record = run(world, begun(world), enabled_policy());

    EXPECT_TRUE(stopped);
    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.stopped_by_us, ElementsAre(id("r2")));
}

TEST(LeftStopped, TheNextRecoveryStartsItToo) {
    auto setting = left_stopped();
    setting.meanwhile.at("p1").probe = topology::ProbeFailure::refused;
    setting.meanwhile.at("r1").state.channels.at(0).receiver = ThreadState::connecting;
    World world(setting);

    const auto record = run(world, begun(world), enabled_policy());

    EXPECT_EQ(record.state, State::done);
    EXPECT_THAT(record.stopped_before, IsEmpty());
    EXPECT_THAT(record.stopped_by_us, IsEmpty());
    expect_whole(world, record);
}

TEST(StoppedByAnOperator, FollowsTheNewPrimaryWhenItIsStartedAgain) {
    auto setting = scene(plain);
    auto& channel = setting.meanwhile.at("r2").state.channels.at(0);
    channel.receiver = channel.applier = ThreadState::stopped;
    World world(setting);

    const auto record = run(world, begun(world), enabled_policy());

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(record.successor, id("r1"));
    EXPECT_THAT(record.repointed, ElementsAre(id("r2")));
    EXPECT_EQ(world.at("r2").state.channels.at(0).source, id("r1"));
    EXPECT_EQ(world.at("r2").state.channels.at(0).receiver, ThreadState::stopped);
    EXPECT_EQ(world.at("r2").state.channels.at(0).applier, ThreadState::stopped);
    EXPECT_THAT(record.stopped_by_us, IsEmpty());
}

// ---- semi-synchronous replication

/// p1 waits for two acknowledgements and gets one, of r1; r2 and r3 could give more.
const std::string locked = R"(
defaults: {executed: "p1:1-100", semi_sync: {replica: no}}
servers:
  p1: {semi_sync: {source: yes, status: yes, wait: 2, clients: 1}}
  r1: {source: p1, semi_sync: {replica: yes}}
  r2: {source: p1}
  r3: {source: p1}
)";

Policy repairing() {
    auto policy = enabled_policy();
    policy.repair_semi_sync = true;
    return policy;
}

std::variant<Record, Refusal> ask_locked(const World& world, const Policy& policy = repairing()) {
    return ask(world, RecoveryKind::repair_semi_sync, Code::locked_semi_sync_primary, "p1", policy);
}

bool acknowledges(World& world, const std::string& name) {
    return world.at(name).state.semi_sync.replica_enabled;
}

TEST(SemiSync, AsManyMoreReplicasAcknowledgeAsAreMissing) {
    World world(scene(locked));

    const auto record = run(world, accepted(ask_locked(world)), repairing());

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_TRUE(acknowledges(world, "r2"));
    EXPECT_FALSE(acknowledges(world, "r3")) << "one was missing";
    EXPECT_THAT(record.changes, ElementsAre("switch semi-sync on on r2:3306 (as a replica)"));
    EXPECT_THAT(record.outcome, HasSubstr("on 2 replicas at least"));
}

TEST(SemiSync, TheOrderIsThatOfThePromotionRulesAndUnusableOnesSayWhy) {
    auto setting = scene(locked);
    setting.overlay.candidates[id("r3")] = {topology::PromotionRule::prefer, 0, 0};
    setting.overlay.downtimes[id("r2")] = {"dba", "disk", 0, scenario::start_wall_ms * 2};
    World world(setting);

    const auto record = run(world, accepted(ask_locked(world)), repairing());

    EXPECT_TRUE(acknowledges(world, "r3"));
    EXPECT_FALSE(acknowledges(world, "r2"));
    EXPECT_THAT(verdict(record.candidates, "r2"), HasSubstr("0 it is downtimed"));
}

TEST(SemiSync, TheNextOneWhenTheFirstIsNotCounted) {
    World world(scene(locked));
    world.uncounted.insert("r2");

    const auto record = run(world, accepted(ask_locked(world)), repairing());

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_TRUE(acknowledges(world, "r3"));
}

TEST(SemiSync, WithoutFurtherReplicasItFailsWithTheReasons) {
    auto setting = scene(locked);
    for (const char* name : {"r2", "r3"}) {
        setting.meanwhile.at(name).probe = topology::ProbeFailure::refused;
    }
    World world(setting);

    const auto record = run(world, accepted(ask_locked(world)), repairing());

    EXPECT_EQ(record.state, State::failed);
    EXPECT_THAT(record.outcome, HasSubstr("waits for 2 acknowledgements and has 1"));
    EXPECT_THAT(record.outcome, HasSubstr("r2:3306: it does not answer"));
    EXPECT_THAT(record.outcome, HasSubstr("recovery.semi_sync.least_wait"));
    EXPECT_EQ(world.at("p1").state.semi_sync.wait_for_replica_count, 2U);
}

TEST(SemiSync, ItWaitsForFewerOnlyAsFarAsThePolicyAllows) {
    auto setting = scene(locked);
    for (const char* name : {"r2", "r3"}) {
        setting.meanwhile.at(name).probe = topology::ProbeFailure::refused;
    }
    auto policy = repairing();
    policy.semi_sync_least_wait = 1;
    World world(setting);

    auto record = run(world, accepted(ask_locked(world, policy)), policy);

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_EQ(world.at("p1").state.semi_sync.wait_for_replica_count, 1U);
    EXPECT_THAT(record.loss, HasSubstr("on 1 instead of 2 replicas"));

    // Nobody acknowledges at all: waiting for nobody is no semi-sync.
    setting.meanwhile.at("r1").probe = topology::ProbeFailure::refused;
    setting.meanwhile.at("p1").state.semi_sync.clients = 0;
    World alone(setting);
    record = run(alone, accepted(ask_locked(alone, policy)), policy);
    EXPECT_EQ(record.state, State::failed);
    EXPECT_EQ(alone.at("p1").state.semi_sync.wait_for_replica_count, 2U);
}

TEST(SemiSync, IsOffByDefault) {
    World world(scene(locked));

    const auto refusal = refused(ask_locked(world, enabled_policy()));

    EXPECT_EQ(refusal.kind, Refusal::Kind::switched_off);
    EXPECT_THAT(refusal.reason, HasSubstr("recovery.semi_sync.repair is off"));
}

TEST(SemiSync, ARuleOfThePolicyMaySwitchItOnForACluster) {
    auto policy = enabled_policy();
    policy.switches["semi_sync"] = {true, "rule 1"};
    World world(scene(locked));

    EXPECT_TRUE(std::holds_alternative<Record>(ask_locked(world, policy)));
    policy.switches.clear();
    policy.switches["primary"] = {true, "rule 1"};
    EXPECT_TRUE(std::holds_alternative<Refusal>(ask_locked(world, policy)))
        << "failover is another matter";
}

TEST(SemiSync, ExactlyAsManyAsThePrimaryWaitsFor) {
    auto setting = scene(locked);
    for (auto* moment : {&setting.before, &setting.meanwhile}) {
        moment->at("p1").state.semi_sync.clients = 3;
        for (const char* name : {"r2", "r3"}) {
            auto& semi_sync = moment->at(name).state.semi_sync;
            semi_sync.replica_enabled = semi_sync.replica_status = true;
        }
    }
    setting.overlay.candidates[id("r3")] = {topology::PromotionRule::prefer, 0, 0};
    auto policy = repairing();
    policy.exact_semi_sync = true;
    World world(setting);
    const auto code = Code::primary_with_too_many_semi_sync_replicas;

    const auto record =
        run(world, accepted(ask(world, RecoveryKind::repair_semi_sync, code, "p1", policy)), policy
        );

    EXPECT_EQ(record.state, State::done) << record.outcome;
    EXPECT_TRUE(acknowledges(world, "r1"));
    EXPECT_FALSE(acknowledges(world, "r2")) << "the least preferred";
    EXPECT_TRUE(acknowledges(world, "r3"));
    policy.exact_semi_sync = false;
    EXPECT_THAT(
        refused(ask(world, RecoveryKind::repair_semi_sync, code, "p1", policy)).reason,
        HasSubstr("recovery.semi_sync.exact is off")
    );
}

TEST(SemiSync, AFailoverIsNotKeptWaiting) {
    World world(scene(locked));
    const auto record = accepted(ask_locked(world));
    world.kill("p1");
    world.look();

    const auto move = next(record, *world.topology, repairing());

    ASSERT_TRUE(std::holds_alternative<Finish>(move));
    EXPECT_EQ(std::get<Finish>(move).state, State::abandoned);
}

TEST(SemiSync, NothingIsToBeDoneWhenThePrimaryFellBackToAsynchronous) {
    World world(scene(locked));
    const auto record = accepted(ask_locked(world));
    world.at("p1").state.semi_sync.source_status = false;
    world.look();

    EXPECT_EQ(run(world, record, repairing()).state, State::abandoned);
    EXPECT_THAT(world.done, Not(Contains(HasSubstr("semi-sync"))));
}

}  // namespace
}  // namespace baton::recovery
