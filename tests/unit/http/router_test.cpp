// SPDX-License-Identifier: Apache-2.0
#include "baton/http/router.hpp"

#include "baton/http/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::http {
namespace {

using testing::ElementsAre;
using Kind = Router::Match::Kind;

Router a_router() {
    Router router;
    router.add(Method::get, "/api/cluster/{hint}", 1);
    router.add(Method::get, "/api/cluster/alias/{alias}", 2);
    router.add(Method::get, "/api/cluster/{host}/{port}", 3);
    router.add(Method::get, "/api/recover/{host}/{port}", 4);
    router.add(Method::post, "/api/recover/{host}/{port}", 5);
    router.add(Method::get, "/api/end/alias/only/here", 6);
    router.add(Method::get, "/api/end/{host}/{port}", 7);
    return router;
}

Router::Match match(std::string_view path, Method method = Method::get) {
    return a_router().match(method, path_segments(path));
}

TEST(Router, PrefersTheLiteralToTheParameter) {
    EXPECT_EQ(match("/api/cluster/alias/shop").id, 2U);
    EXPECT_THAT(match("/api/cluster/alias/shop").parameters, ElementsAre("shop"));
    EXPECT_EQ(match("/api/cluster/db1/3306").id, 3U);
    EXPECT_THAT(match("/api/cluster/db1/3306").parameters, ElementsAre("db1", "3306"));
    EXPECT_EQ(match("/api/cluster/alias").id, 1U);
}

TEST(Router, GoesBackWhenTheLiteralLeadsNowhere) {
    const auto found = match("/api/end/alias/3306");

    EXPECT_EQ(found.id, 7U);
    EXPECT_THAT(found.parameters, ElementsAre("alias", "3306"));
}

TEST(Router, TellsMethodsApart) {
    EXPECT_EQ(match("/api/recover/a/1", Method::post).id, 5U);
    EXPECT_EQ(match("/api/recover/a/1", Method::head).id, 4U);
    const auto other = match("/api/recover/a/1", Method::put);
    EXPECT_EQ(other.kind, Kind::other_method);
    EXPECT_THAT(other.allowed, ElementsAre(Method::get, Method::post));
}

TEST(Router, KnowsNothingElse) {
    for (const auto* path :
         {"/", "/api", "/api/cluster", "/api/cluster//", "/api/nothing", "/api/cluster/a/b/c"}) {
        EXPECT_EQ(match(path).kind, Kind::none) << path;
    }
}

TEST(Router, GivesParametersDecodedWithTheirSlashes) {
    EXPECT_THAT(match("/api/cluster/a%2Fb").parameters, ElementsAre("a/b"));
}

}  // namespace
}  // namespace baton::http
