// SPDX-License-Identifier: Apache-2.0
#include "component/control/engine_fixture.hpp"

// Orders of an operator, from the command to the end of the recovery.

namespace baton::control {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class OrdersTest : public EngineTest {
protected:
    void begin() {
        start(settings());
        ASSERT_TRUE(until([&] { return complete(*a, 4); }));
        for (int i = 0; i < 10; ++i) {
            ASSERT_TRUE(world.write("p"));
        }
        // Observed as it is now, without lag.
        ASSERT_TRUE(until([&] { return cluster().primary == id("p"); }));
    }

    static InstanceId id(const std::string& name) { return InstanceId(name, 3306); }

    [[nodiscard]] topology::Cluster cluster() const {
        const auto& clusters = a->engine.view()->topology->clusters();
        return clusters.empty() ? topology::Cluster{} : clusters.front();
    }

    Result<recovery::Record> ordered(Task<Result<recovery::Record>> task) {
        auto answer = std::make_shared<std::optional<Result<recovery::Record>>>();
        asio::co_spawn(io, run(std::move(task), answer), asio::detached);
        EXPECT_TRUE(until([&] { return answer->has_value(); }));
        if (!answer->has_value()) {
            return fail(Errc::timeout, "no answer");
        }
        return std::move(**answer);
    }

    static Task<void> run(
        Task<Result<recovery::Record>> task,
        std::shared_ptr<std::optional<Result<recovery::Record>>> answer
    ) {
        auto result = co_await std::move(task);
        answer->emplace(std::move(result));
    }

    static recovery::Order to(const std::string& name, const std::string& command) {
        recovery::Order order;
        order.by = "dba";
        order.command = command;
        if (!name.empty()) {
            order.candidate = id(name);
        }
        return order;
    }

    [[nodiscard]] bool deposed(const std::string& name) const {
        return a->engine.view()->topology->overlay().deposed.contains(id(name));
    }
};

TEST_F(OrdersTest, APlannedSwitchoverTakesTheOldPrimaryAlong) {
    begin();

    const auto record =
        ordered(a->engine.switchover(cluster().id, to("r2", "graceful-master-takeover-auto")));

    ASSERT_TRUE(record) << record.error().what;
    EXPECT_EQ(record->successor, id("r2"));
    EXPECT_GT(record->writer_outage_us, 0);
    EXPECT_THAT(world.writable(), ElementsAre("r2"));
    for (const auto* name : {"p", "r1", "r3"}) {
        EXPECT_EQ(world.at(name).source, id("r2")) << name;
    }
    EXPECT_TRUE(until([&] { return cluster().primary == id("r2"); }));
    EXPECT_FALSE(deposed("p")) << "it is a replica as any other";
    EXPECT_EQ(world.at("r2").executed[world.at("p").uuid], 10U);

    // The client did not get the answer and asks again.
    const auto again =
        ordered(a->engine.switchover(cluster().id, to("r2", "graceful-master-takeover-auto")));
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(again->id, record->id);
}

TEST_F(OrdersTest, WhatFailsIsTakenBackAndSaysWhy) {
    begin();
    world.before_step = [](const recovery::Step& step) {
        return step.kind != recovery::StepKind::promote;
    };

    const auto record =
        ordered(a->engine.switchover(cluster().id, to("r1", "graceful-master-takeover-auto")));

    ASSERT_FALSE(record);
    EXPECT_THAT(record.error().what, HasSubstr("is writable, as before"));
    EXPECT_THAT(world.writable(), ElementsAre("p"));
    EXPECT_FALSE(deposed("p"));
    EXPECT_TRUE(world.write("p"));
}

TEST_F(OrdersTest, AfterAFailoverByForceTheOldPrimaryComesBackByItself) {
    begin();

    const auto record =
        ordered(a->engine.force_failover(cluster().id, to("r3", "force-master-takeover")));

    ASSERT_TRUE(record) << record.error().what;
    EXPECT_EQ(record->fencing, "read-only");
    EXPECT_THAT(world.writable(), ElementsAre("r3"));
    EXPECT_TRUE(until([&] { return world.at("p").source == id("r3") && !deposed("p"); }))
        << "it is clean";
    EXPECT_THAT(world.writable(), ElementsAre("r3"));
}

TEST_F(OrdersTest, OnlyAReplacedPrimaryCanRejoin) {
    begin();

    const auto record = ordered(a->engine.rejoin(id("r1"), to("", "rejoin"), 1s));

    ASSERT_FALSE(record);
    EXPECT_THAT(record.error().what, HasSubstr("no primary that was replaced"));
    EXPECT_THAT(world.performed, ElementsAre());
}

TEST_F(OrdersTest, TheNextActiveNodeEndsWhatWasFrozen) {
    begin();
    world.before_step = [&](const recovery::Step& step) {
        if (step.kind == recovery::StepKind::promote && a->lease.may_act()) {
            a->lease.lose();
            a->engine.role_changed();
            b->lease.take();
            b->engine.role_changed();
            return false;
        }
        return true;
    };
    auto order = to("r2", "graceful-master-takeover-auto");
    const auto cluster_id = cluster().id;
    auto answer = std::make_shared<std::optional<Result<recovery::Record>>>();
    asio::co_spawn(
        io, run(a->engine.switchover(cluster_id, std::move(order)), answer), asio::detached
    );

    ASSERT_TRUE(until([&] { return recovered(*b); })) << testing::PrintToString(world.performed);

    EXPECT_THAT(world.writable(), ElementsAre("r2"));
    EXPECT_EQ(world.at("p").source, id("r2"));
}

}  // namespace

}  // namespace baton::control
