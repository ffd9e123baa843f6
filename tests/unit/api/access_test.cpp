// SPDX-License-Identifier: Apache-2.0
#include "access.hpp"

#include "baton/http/auth.hpp"

#include <gtest/gtest.h>

namespace baton::api {
namespace {

http::Request with(const std::string& name, const std::string& value) {
    http::Request request;
    request.headers.add("Host", "node:3000");
    request.headers.add(name, value);
    return request;
}

AuthOptions options(AuthOptions::Method method) {
    AuthOptions auth;
    auth.method = method;
    auth.user = "joe";
    auth.password = "secret";
    return auth;
}

http::Request login(const std::string& user, const std::string& password) {
    return with("Authorization", http::basic_authorization(user, password));
}

TEST(Access, KnowsTheMethodsInAnyCase) {
    EXPECT_EQ(*parse_auth_method(""), AuthOptions::Method::none);
    EXPECT_EQ(*parse_auth_method("BASIC"), AuthOptions::Method::basic);
    EXPECT_EQ(*parse_auth_method("Multi"), AuthOptions::Method::multi);
    EXPECT_EQ(*parse_auth_method("proxy"), AuthOptions::Method::proxy);
    EXPECT_FALSE(parse_auth_method("token"));
}

TEST(Access, NoneAdmitsEverybody) {
    const auto caller = caller_of(http::Request(), options(AuthOptions::Method::none));

    EXPECT_TRUE(caller.admitted);
    EXPECT_TRUE(caller.may_act);
}

TEST(Access, BasicWantsUserAndPassword) {
    const auto auth = options(AuthOptions::Method::basic);

    EXPECT_TRUE(caller_of(login("joe", "secret"), auth).may_act);
    EXPECT_EQ(caller_of(login("joe", "secret"), auth).user, "joe");
    EXPECT_FALSE(caller_of(login("joe", "wrong"), auth).admitted);
    EXPECT_FALSE(caller_of(login("readonly", "x"), auth).admitted);
    EXPECT_FALSE(caller_of(http::Request(), auth).admitted);
}

TEST(Access, MultiLetsReadonlyRead) {
    const auto auth = options(AuthOptions::Method::multi);

    const auto reader = caller_of(login("readonly", "whatever"), auth);

    EXPECT_TRUE(reader.admitted);
    EXPECT_FALSE(reader.may_act);
    EXPECT_TRUE(caller_of(login("joe", "secret"), auth).may_act);
    EXPECT_FALSE(caller_of(login("joe", "wrong"), auth).admitted);
}

TEST(Access, ProxyNamesThePowerUsersInAHeaderOfAnyCase) {
    auto auth = options(AuthOptions::Method::proxy);
    auth.power_users = {"ann"};

    EXPECT_TRUE(caller_of(with("x-forwarded-user", "ann"), auth).may_act);
    EXPECT_FALSE(caller_of(with("X-Forwarded-User", "bob"), auth).may_act);
    EXPECT_TRUE(caller_of(with("X-Forwarded-User", "bob"), auth).admitted);
    EXPECT_FALSE(caller_of(http::Request(), auth).may_act);
    auth.power_users = {"*"};
    EXPECT_TRUE(caller_of(http::Request(), auth).may_act);
}

TEST(Access, ReadOnlyLetsNobodyAct) {
    auto auth = options(AuthOptions::Method::basic);
    auth.read_only = true;

    EXPECT_TRUE(caller_of(login("joe", "secret"), auth).admitted);
    EXPECT_FALSE(caller_of(login("joe", "secret"), auth).may_act);
}

TEST(Access, TellsRequestsThatOtherSitesCaused) {
    EXPECT_FALSE(is_foreign(http::Request()));
    EXPECT_TRUE(is_foreign(with("Sec-Fetch-Site", "cross-site")));
    EXPECT_TRUE(is_foreign(with("Sec-Fetch-Site", "same-site")));
    EXPECT_FALSE(is_foreign(with("Sec-Fetch-Site", "same-origin")));
    EXPECT_FALSE(is_foreign(with("Sec-Fetch-Site", "none")));
    EXPECT_TRUE(is_foreign(with("Sec-Purpose", "prefetch;prerender")));
    EXPECT_TRUE(is_foreign(with("Origin", "https://evil.example")));
    EXPECT_TRUE(is_foreign(with("Origin", "null")));
    EXPECT_FALSE(is_foreign(with("Origin", "http://NODE:3000")));
}

}  // namespace
}  // namespace baton::api
