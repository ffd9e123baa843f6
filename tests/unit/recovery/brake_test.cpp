// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/brake.hpp"

#include "support.hpp"

namespace baton::recovery {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = Opinion::Kind;
using topology::ProbeFailure;

/// Clusters of a primary and replicas, and what an observer saw of them.
class Sight {
public:
    /// "p1" with two replicas "p1a", "p1b".
    void cluster(const std::string& primary) {
        good(primary, "");
        good(primary + "a", primary);
        good(primary + "b", primary);
    }

    void good(const std::string& name, const std::string& source) {
        topology::Observation seen;
        seen.state.emplace();
        seen.state->identity.uuid = "uuid-" + name;
        seen.state->identity.hostname = name;
        seen.state->identity.server_id = std::hash<std::string>{}(name);
        seen.state->read_only = !source.empty();
        if (!source.empty()) {
            topology::Channel channel;
            channel.source = id(source);
            channel.source_uuid = "uuid-" + source;
            channel.receiver = channel.applier = topology::ThreadState::running;
            seen.state->channels.push_back(channel);
        }
        put(name, std::move(seen));
    }

    void bad(const std::string& name, ProbeFailure failure = ProbeFailure::refused) {
        topology::Observation seen;
        seen.failure = failure;
        seen.error = "gone";
        put(name, std::move(seen));
    }

    Loss loss(const BrakePolicy& policy = {}) {
        topology = builder_.build(now, 1);
        return recent_loss(*topology, policy, now);
    }

    TimePoint now = TimePoint{} + 1h;
    topology::TopologyPtr topology;

private:
    void put(const std::string& name, topology::Observation seen) {
        seen.id = id(name);
        seen.started = now;
        now += 1ms;
        seen.ended = now;
        builder_.apply(std::move(seen));
    }

    topology::Builder builder_;
};

class BrakeLoss : public testing::Test {
protected:
    BrakeLoss() {
        sight.cluster("p1");
        sight.cluster("p2");
    }

    Sight sight;
};

TEST_F(BrakeLoss, OneDeadPrimaryIsNoCorrelatedFailure) {
    sight.bad("p1");

    const auto loss = sight.loss();

    EXPECT_THAT(loss.servers, ElementsAre(id("p1")));
    EXPECT_EQ(loss.known, 6U);
    EXPECT_FALSE(loss.correlated);
}

TEST_F(BrakeLoss, MostServersOfTwoClustersAreOne) {
    for (const auto* name : {"p1", "p1a", "p2"}) {
        sight.bad(name);
    }
    EXPECT_FALSE(sight.loss().correlated) << "half of them is not more than half";

    sight.bad("p2a");

    EXPECT_TRUE(sight.loss().correlated);
    EXPECT_EQ(sight.loss().text(), "4 of 6 servers, of 2 clusters");
    BrakePolicy policy;
    policy.share = 0.7;
    EXPECT_FALSE(sight.loss(policy).correlated);
}

TEST_F(BrakeLoss, OneClusterAloneIsNoneUnlessThereIsNoOther) {
    Sight other;
    other.cluster("p1");
    other.good("p2", "");
    for (const auto* name : {"p1", "p1a", "p1b"}) {
        other.bad(name);
    }
    EXPECT_FALSE(other.loss().correlated) << "3 of 4, but of one cluster";

    Sight single;
    single.cluster("p1");
    for (const auto* name : {"p1", "p1a"}) {
        single.bad(name);
    }
    EXPECT_FALSE(single.loss().correlated);
    single.bad("p1b");
    EXPECT_TRUE(single.loss().correlated) << "everything is gone";
}

TEST_F(BrakeLoss, SilenceCountsAtOnceAndRefusedLoginsNever) {
    for (const auto* name : {"p1", "p1a", "p2", "p2a"}) {
        sight.bad(name, ProbeFailure::timeout);
    }
    EXPECT_TRUE(sight.loss().correlated);
    const auto lost = sight.loss().servers;
    EXPECT_THAT(still_lost(*sight.topology, lost, 2), IsEmpty()) << "it may be a hiccup of our own";
    EXPECT_EQ(still_lost(*sight.topology, lost, 1), lost);
    for (const auto* name : {"p1", "p1a", "p2", "p2a"}) {
        sight.bad(name, ProbeFailure::access_denied);
    }
    EXPECT_THAT(sight.loss().servers, IsEmpty());
}

TEST_F(BrakeLoss, OnlyWhatVanishedWithinTheWindowCounts) {
    for (const auto* name : {"p1", "p1a", "p1b"}) {
        sight.bad(name);
    }
    sight.now += 11s;
    for (const auto* name : {"p1", "p1a", "p1b", "p2a"}) {
        sight.bad(name);
    }

    const auto loss = sight.loss();

    EXPECT_THAT(loss.servers, ElementsAre(id("p2a")));
    EXPECT_EQ(loss.known, 3U) << "what is gone for long is not expected any more";
    EXPECT_FALSE(loss.correlated);
    EXPECT_THAT(
        still_lost(*sight.topology, {id("p1"), id("p2"), id("p2a"), id("gone")}, 2),
        ElementsAre(id("p1"), id("p2a"))
    );
}

TEST_F(BrakeLoss, AsksAboutTheSubjectsFirstAndAboutAllClusters) {
    for (const auto* name : {"p1", "p1a", "p1b", "p2"}) {
        sight.bad(name);
    }
    const auto loss = sight.loss();

    const auto chosen = to_ask(*sight.topology, loss.servers, {id("p2")}, {}, 3);
    EXPECT_THAT(chosen, ElementsAre(id("p2"), id("p1"), id("p1a")));
    const Opinions asked{{id("p2"), {}}, {id("p1"), {}}};
    EXPECT_THAT(
        to_ask(*sight.topology, loss.servers, {id("p2")}, asked, 3),
        ElementsAre(id("p1a"), id("p1b"))
    );
    EXPECT_THAT(to_ask(*sight.topology, {}, {id("p2")}, asked, 3), IsEmpty());
}

Opinion opinion(const std::string& node, Kind kind, const std::string& text = "") {
    Opinion made;
    made.node = node;
    made.kind = kind;
    made.text = text;
    return made;
}

TEST(BrakeJudge, NobodyAskedNothingDecided) {
    EXPECT_EQ(judge({}, {}).cause, Cause::undecided);
}

TEST(BrakeJudge, NobodyThereToAskMeansGoOn) {
    const auto judgement = judge({{id("p1"), {}}}, {});

    EXPECT_EQ(judgement.cause, Cause::servers);
    EXPECT_EQ(judgement.why, "no other node could tell otherwise");
}

TEST(BrakeJudge, OneNodeThatReachesMostIsEnough) {
    const Opinions opinions{
        {id("p1"), {opinion("b", Kind::not_reached), opinion("c", Kind::reached)}},
        {id("p2"), {opinion("b", Kind::not_reached), opinion("c", Kind::reached)}},
        {id("p3"), {opinion("b", Kind::not_reached), opinion("c", Kind::not_reached)}}};

    const auto judgement = judge(opinions, {});

    EXPECT_EQ(judgement.cause, Cause::own_network);
    EXPECT_THAT(judgement.why, HasSubstr("node c reaches 2 of the 3"));
}

TEST(BrakeJudge, HalfIsNotMost) {
    const Opinions opinions{
        {id("p1"), {opinion("b", Kind::reached)}}, {id("p2"), {opinion("b", Kind::not_reached)}}};

    EXPECT_EQ(judge(opinions, {}).cause, Cause::servers);
    EXPECT_EQ(reached_by(opinions.at(id("p1")))->node, "b");
    EXPECT_EQ(reached_by(opinions.at(id("p2"))), nullptr);
}

TEST(BrakeJudge, ANodeThatWasNotHeardCountsOnlyWhenItLivesAndNobodyElseWasHeard) {
    const Opinions unheard{{id("p1"), {opinion("b", Kind::unheard)}}};
    const Opinions one_heard{
        {id("p1"), {opinion("b", Kind::unheard), opinion("c", Kind::not_reached)}}};

    EXPECT_EQ(judge(unheard, {}).cause, Cause::servers);
    EXPECT_EQ(judge(unheard, {"b"}).cause, Cause::own_network);
    EXPECT_THAT(judge(unheard, {"b"}).why, HasSubstr("shows that b lives"));
    EXPECT_EQ(judge(one_heard, {"b"}).cause, Cause::servers);
}

TEST(BrakeJudge, WhoAbstainsSaysNothing) {
    const Opinions opinions{{id("p1"), {opinion("b", Kind::abstained, "HTTP status 404")}}};

    EXPECT_EQ(judge(opinions, {"b"}).cause, Cause::servers);
    EXPECT_THAT(
        testimony(id("p1"), opinions.at(id("p1"))),
        ElementsAre("node b did not try p1:3306: HTTP status 404")
    );
}

TEST(BrakeTestimony, HasASentenceForEachAnswer) {
    EXPECT_THAT(
        testimony(
            id("p1"),
            {opinion("b", Kind::not_reached, "connection refused"),
             opinion("c", Kind::reached),
             opinion("d", Kind::unheard, "timeout")}
        ),
        ElementsAre(
            "node b does not reach p1:3306 either: connection refused",
            "node c reaches p1:3306",
            "node d could not be asked: timeout"
        )
    );
    EXPECT_THAT(testimony(id("p1"), {}), Contains(HasSubstr("no other node is there")));
}

TEST(Budget, SpentRecoveriesWaitForAnAcknowledgementOrAnOrder) {
    World world(scene(plain));
    History history;
    auto policy = enabled_policy();
    policy.budget = 3;
    history.begun_lately = 2;
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, {}, history)));

    history.begun_lately = 3;

    const auto refusal = refused(begin_at(world, "p1", policy, {}, history));
    EXPECT_EQ(refusal.kind, Refusal::Kind::budget_spent);
    EXPECT_THAT(refusal.reason, HasSubstr("3 recoveries began within the last 600 s"));
    EXPECT_THAT(refusal.reason, HasSubstr("Acknowledge some of them"));
    Order order;
    order.by = "somebody";
    EXPECT_TRUE(std::holds_alternative<Record>(begin_at(world, "p1", policy, order, history)));
}

}  // namespace
}  // namespace baton::recovery
