// SPDX-License-Identifier: Apache-2.0
#include "baton/http/url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::http {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Url, DecodesPercentSequencesAndLeavesEverythingElse) {
    EXPECT_EQ(percent_decoded("a%2Fb%20c+d"), "a/b c+d");
    EXPECT_EQ(percent_decoded("a+b", true), "a b");
    EXPECT_EQ(percent_decoded("100%"), "100%");
    EXPECT_EQ(percent_decoded("%zz%4"), "%zz%4");
    EXPECT_EQ(percent_decoded("%c3%a9"), "\xc3\xa9");
}

TEST(Url, EncodingIsUndoneByDecoding) {
    std::string all;
    for (int c = 0; c < 256; ++c) {
        all += static_cast<char>(c);
    }

    EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
    EXPECT_EQ(percent_encoded("db1:3306/x"), "db1%3A3306%2Fx");
}

TEST(Url, KeepsAnEncodedSlashInsideItsSegment) {
    EXPECT_THAT(path_segments("/api/x%2Fy/z"), ElementsAre("api", "x/y", "z"));
}

TEST(Url, DropsOneTrailingSlash) {
    EXPECT_THAT(path_segments("/api/downtimed/"), ElementsAre("api", "downtimed"));
    EXPECT_THAT(path_segments("/api/downtimed//"), ElementsAre("api", "downtimed", ""));
    EXPECT_THAT(path_segments("/"), ElementsAre());
    EXPECT_THAT(path_segments(""), ElementsAre());
}

TEST(Url, SeparatesQueryParametersAtTheFirstEqualsSign) {
    EXPECT_THAT(
        parsed_query("tag=role=backup&&x&y=&q=a+b%26"),
        ElementsAre(Pair("tag", "role=backup"), Pair("x", ""), Pair("y", ""), Pair("q", "a b&"))
    );
}

TEST(Url, ReadsHostPortAndPath) {
    const auto plain = parse_url("http://node-1:3000/api/x?y=1");
    const auto secure = parse_url("https://[::1]");

    ASSERT_TRUE(plain && secure);
    EXPECT_EQ(plain->host, "node-1");
    EXPECT_EQ(plain->port, 3000);
    EXPECT_EQ(plain->path, "/api/x?y=1");
    EXPECT_EQ(plain->authority(), "node-1:3000");
    EXPECT_TRUE(secure->tls);
    EXPECT_EQ(secure->host, "::1");
    EXPECT_EQ(secure->port, 443);
    EXPECT_EQ(secure->path, "/");
    EXPECT_EQ(secure->authority(), "[::1]");
}

TEST(Url, RefusesWhatIsNoUrl) {
    for (const auto* text :
         {"",
          "node:3000",
          "ftp://x",
          "http://",
          "http://a:0/",
          "http://a:99999",
          "http://u@h/",
          "http://[::1",
          "http://[::1]x",
          "http://a b/",
          "http://a/\r\nX: y"}) {
        const auto url = parse_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, Errc::invalid_argument) << text;
    }
}

}  // namespace
}  // namespace baton::http
