// SPDX-License-Identifier: Apache-2.0
#include "baton/api/routes.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace baton::api {
namespace {

TEST(Routes, HaveTheirPageInTheDocumentation) {
    const std::string file = fmt::format("{}/http-api.md", BATON_DOCS_DIR);
    if (std::getenv("BATON_UPDATE_DOCS") != nullptr) {
        std::ofstream(file) << routes_page();
    }

    std::ostringstream stored;
    stored << std::ifstream(file).rdbuf();

    EXPECT_EQ(stored.str(), routes_page()) << "run this test with BATON_UPDATE_DOCS=1";
}

TEST(Routes, AreAllDifferentAndExplained) {
    std::set<std::string> paths;
    for (const auto& route : route_list()) {
        EXPECT_TRUE(paths.insert(std::string(route.path)).second) << route.path;
        EXPECT_FALSE(route.sentence.empty()) << route.path;
    }
}

TEST(Routes, OfferWhatTheServiceIsAskedFor) {
    std::set<std::string> offered;
    for (const auto& route : route_list()) {
        if (route.offered) {
            offered.insert(std::string(route.path));
        }
    }
    for (const auto* path :
         {"/api/leader-check",
          "/api/lb-check",
          "/api/health",
          "/api/status",
          "/api/discover/{host}/{port}",
          "/api/clusters",
          "/api/clusters-info",
          "/api/cluster/{cluster}",
          "/api/cluster/alias/{alias}",
          "/api/instance/{host}/{port}",
          "/api/all-instances",
          "/api/master/{cluster}",
          "/api/instance-replicas/{host}/{port}",
          "/api/topology/{cluster}",
          "/api/topology-tabulated/{cluster}",
          "/api/replication-analysis",
          "/api/audit",
          "/api/audit-recovery",
          "/api/audit-failure-detection",
          "/api/recover/{host}/{port}",
          "/api/begin-downtime/{host}/{port}/{owner}/{reason}/{duration}",
          "/api/end-downtime/{host}/{port}",
          "/api/downtimed",
          "/api/ack-recovery/cluster/{cluster}",
          "/api/disable-global-recoveries",
          "/api/enable-global-recoveries",
          "/api/forget/{host}/{port}",
          "/api/reload-configuration"}) {
        EXPECT_TRUE(offered.contains(path)) << path;
    }
}

}  // namespace
}  // namespace baton::api
