// SPDX-License-Identifier: Apache-2.0
#include "baton/store/backend_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::store {
namespace {

using testing::HasSubstr;

std::string refusal(const char* text) {
    const auto url = parse_backend_url(text);
    return url ? "accepted: " + url->text() : url.error().what;
}

TEST(BackendUrl, ReadsSeveralAddressesInOrder) {
    const auto url = parse_backend_url("mysql://baton@db1:3307,db2,[::1]:3309/baton_db");

    ASSERT_TRUE(url) << url.error().what;
    EXPECT_EQ(url->kind, BackendUrl::Kind::mysql);
    EXPECT_EQ(url->user, "baton");
    EXPECT_EQ(url->database, "baton_db");
    EXPECT_EQ(url->engine, "InnoDB");
    const std::vector<InstanceId> expected{{"db1", 3307}, {"db2", 3306}, {"::1", 3309}};
    EXPECT_EQ(url->addresses, expected);
}

TEST(BackendUrl, TakesTheEngineAsOption) {
    const auto url = parse_backend_url("mysql://b@h/d?engine=NDBCLUSTER");

    ASSERT_TRUE(url);
    EXPECT_EQ(url->engine, "NDBCLUSTER");
}

TEST(BackendUrl, DecodesTheUser) {
    const auto url = parse_backend_url("mysql://b%40corp@h/d");

    ASSERT_TRUE(url);
    EXPECT_EQ(url->user, "b@corp");
}

TEST(BackendUrl, ReadsSqlitePathsWithAndWithoutSlashes) {
    const auto plain = parse_backend_url("sqlite:/var/lib/baton/baton.db");
    const auto slashes = parse_backend_url("sqlite:///var/lib/baton/baton.db");
    const auto relative = parse_backend_url("sqlite:baton.db");

    ASSERT_TRUE(plain);
    ASSERT_TRUE(slashes);
    ASSERT_TRUE(relative);
    EXPECT_EQ(plain->path, "/var/lib/baton/baton.db");
    EXPECT_EQ(slashes->path, "/var/lib/baton/baton.db");
    EXPECT_EQ(relative->path, "baton.db");
}

TEST(BackendUrl, RefusesAPasswordAndSaysWhereItBelongs) {
    EXPECT_THAT(refusal("mysql://baton:secret@h/d"), HasSubstr("backend.password"));
    EXPECT_THAT(refusal("mysql://baton:secret@h/d"), testing::Not(HasSubstr("secret")));
}

TEST(BackendUrl, SaysWhatIsWrong) {
    EXPECT_THAT(refusal("postgres://u@h/d"), HasSubstr("mysql://user@host"));
    EXPECT_THAT(refusal(""), HasSubstr("sqlite:/path"));
    EXPECT_THAT(refusal("mysql://h/d"), HasSubstr("no user"));
    EXPECT_THAT(refusal("mysql://u@h"), HasSubstr("database name"));
    EXPECT_THAT(refusal("mysql://u@h/a`b"), HasSubstr("database name"));
    EXPECT_THAT(refusal("mysql://u@h:0/d"), HasSubstr("port"));
    EXPECT_THAT(refusal("mysql://u@h,h/d"), HasSubstr("twice"));
    EXPECT_THAT(refusal("mysql://u@h/d?motor=InnoDB"), HasSubstr("unknown option 'motor'"));
    EXPECT_THAT(refusal("mysql://u@h/d?engine=x;y"), HasSubstr("storage engine"));
    EXPECT_THAT(refusal("mysql://u%4@h/d"), HasSubstr("hexadecimal"));
    EXPECT_THAT(refusal("sqlite:"), HasSubstr("file name"));
    EXPECT_THAT(refusal("sqlite::memory:"), HasSubstr("plain file name"));
}

}  // namespace
}  // namespace baton::store
