// SPDX-License-Identifier: Apache-2.0
#include "baton/http/auth.hpp"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

Headers with(std::string value) {
    Headers headers;
    headers.add("authorization", std::move(value));
    return headers;
}

TEST(BasicCredentials, AreReadBackAsWritten) {
    for (const auto* password : {"", "a", "ab", "abc", "with:colon", "\xc3\xa9\xff blank "}) {
        const auto read = basic_credentials(with(basic_authorization("joe", password)));
        ASSERT_TRUE(read) << password;
        EXPECT_EQ(read->user, "joe");
        EXPECT_EQ(read->password, password);
    }
}

TEST(BasicCredentials, AreNoneWhenNotUnderstood) {
    EXPECT_FALSE(basic_credentials(Headers{}));
    for (const auto* value :
         {"",
          "Basic",
          "Basic ",
          "Basic !!!!",
          "Basic =====",
          "Basic ====",
          "Bearer abcd",
          "Basic YWI",
          "Basic YWJj" /* no colon */}) {
        EXPECT_FALSE(basic_credentials(with(value))) << value;
    }
    EXPECT_FALSE(basic_credentials(with("Basic " + std::string(8000, 'A'))));
}

TEST(EqualSecrets, ComparesWholeTexts) {
    EXPECT_TRUE(equal_secrets("secret", "secret"));
    EXPECT_TRUE(equal_secrets("", ""));
    EXPECT_FALSE(equal_secrets("secret", "secres"));
    EXPECT_FALSE(equal_secrets("secret", "secret1"));
    EXPECT_FALSE(equal_secrets("", "x"));
}

}  // namespace
}  // namespace baton::http
