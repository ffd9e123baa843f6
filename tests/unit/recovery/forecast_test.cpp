// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::recovery {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string healthy = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {data_center: a}
  r1: {source: p1, data_center: b}
  r2: {source: p1, data_center: a, executed: "p1:1-98", retrieved: "p1:99-99"}
)";

Forecast forecast_of(const World& world, const Policy& policy, const History& history = {}) {
    return forecast(*world.topology->cluster_of(id("p1")), *world.topology, policy, history);
}

TEST(Forecast, NamesTheSuccessorAndWhyNotTheOthers) {
    World world(scene(healthy));

    const auto answer = forecast_of(world, enabled_policy());

    EXPECT_EQ(answer.successor, id("r2")) << "what is on its way to both does not count";
    EXPECT_THAT(verdict(answer.candidates, "r1"), HasSubstr("another data centre"));
    EXPECT_THAT(answer.blockers, IsEmpty());
    EXPECT_THAT(answer.loss, HasSubstr("asynchronous"));
}

TEST(Forecast, SaysWhatWouldBlockIt) {
    World world(scene(healthy));
    History history;
    history.globally_disabled = true;

    EXPECT_THAT(
        forecast_of(world, enabled_policy(), history).blockers,
        ElementsAre(HasSubstr("disabled for all clusters"))
    );
    EXPECT_THAT(
        forecast_of(world, Policy{}).blockers, Contains(HasSubstr("recovery.primary.clusters"))
    );
}

TEST(Forecast, NamesWhoWouldBeLost) {
    auto setting = scene(healthy);
    setting.meanwhile.at("r1").probe = topology::ProbeFailure::timeout;
    World world(setting);

    EXPECT_THAT(forecast_of(world, enabled_policy()).would_be_lost, ElementsAre(id("r1")));
}

TEST(Forecast, AClusterWithoutAPrimaryHasNoSuccessor) {
    topology::Cluster cluster;
    const auto answer = forecast(cluster, topology::Topology{}, enabled_policy(), {});

    EXPECT_TRUE(answer.successor.empty());
    EXPECT_THAT(answer.blockers, ElementsAre(HasSubstr("no known primary")));
}

}  // namespace
}  // namespace baton::recovery
