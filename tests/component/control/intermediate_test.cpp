// SPDX-License-Identifier: Apache-2.0
// What the state of a cluster is after a recovery that promoted nobody.
#include "component/control/engine_fixture.hpp"

#include <gmock/gmock.h>

namespace baton::control {
namespace {

/// r1 has replicas of its own.
class DeadIntermediateTest : public EngineTest {
protected:
    DeadIntermediateTest() {
        world.add("l1", "r1");
        world.add("l2", "r1");
    }

    void recover_r1() {
        start(settings());
        ASSERT_TRUE(until([&] { return complete(*a, 6) && complete(*b, 6); }));
        ASSERT_TRUE(until([&] { return !written_cluster().empty(); }));
        before_ = written_cluster();
        world.kill("r1");
        ASSERT_TRUE(until([&] { return recovered(*a); }));
        ASSERT_EQ(recovery(*a).kind, analysis::RecoveryKind::dead_intermediate);
    }

    static const recovery::Record& recovery(const Node& node) {
        return node.engine.view()->recoveries.front()->record;
    }

    std::string before_;
};

TEST_F(DeadIntermediateTest, DeposesNobodyAndChangesNoPrimary) {
    recover_r1();

    for (const auto* name : {"l1", "l2"}) {
        EXPECT_NE(world.at(name).source, InstanceId("r1", 3306)) << name;
    }
    EXPECT_THAT(world.writable(), testing::ElementsAre("p"));
    EXPECT_EQ(deposed(), 0);
    EXPECT_EQ(written_cluster(), before_);
    EXPECT_EQ(recovery(*a).detection_to_promotion_us, 0) << "there was no promotion to measure";
}

TEST_F(DeadIntermediateTest, ItIsAReplicaLikeBeforeWhenItComesBack) {
    recover_r1();

    world.at("r1").up = true;

    ASSERT_TRUE(until([&] { return complete(*a, 6); }));
    const auto looked = fake::now();
    EXPECT_TRUE(until([&] { return fake::now() - looked > 500ms; }));
    EXPECT_EQ(a->engine.view()->recoveries.size(), 1U) << "nothing is to be made read-only";
    EXPECT_EQ(world.at("r1").source, InstanceId("p", 3306));
}

}  // namespace
}  // namespace baton::control
