// SPDX-License-Identifier: Apache-2.0
#include "baton/base/ids.hpp"
#include "baton/base/text.hpp"
#include "baton/base/time.hpp"

#include <gtest/gtest.h>

namespace baton {

TEST(InstanceId, IsReadInAllItsForms) {
    EXPECT_EQ(*parse_instance_id("db1"), InstanceId("db1", 3306));
    EXPECT_EQ(*parse_instance_id("db1:3307"), InstanceId("db1", 3307));
    EXPECT_EQ(*parse_instance_id("[::1]:3307"), InstanceId("::1", 3307));
    EXPECT_EQ(*parse_instance_id("::1"), InstanceId("::1", 3306));
    EXPECT_EQ(InstanceId("::1", 3307).text(), "[::1]:3307");
}

TEST(InstanceId, RefusesWhatIsNoAddress) {
    for (const char* text :
         {"", ":3306", "db1:", "db1:0", "db1:65536", "db1:x", "[::1", "[::1]x", "a b", "a;rm"}) {
        EXPECT_FALSE(parse_instance_id(text)) << text;
    }
}

TEST(Text, KeepsValidUtf8AndReplacesTheRest) {
    EXPECT_EQ(valid_utf8("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
    EXPECT_EQ(
        valid_utf8("a\xFF"
                   "b"),
        "a\xEF\xBF\xBD"
        "b"
    );
    EXPECT_EQ(valid_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD")
        << "surrogates are not text";
    EXPECT_EQ(valid_utf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
}

TEST(Text, IsClippedBetweenCharacters) {
    EXPECT_EQ(clipped("abcdef", 6), "abcdef");
    EXPECT_EQ(clipped("abcdefg", 6), "abc...");
    EXPECT_EQ(
        clipped(
            "ab\xC3\xBC"
            "defg",
            6
        ),
        "ab..."
    );
}

TEST(Text, SplitsAndTrims) {
    EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
    EXPECT_EQ(trim("  a b \n"), "a b");
    EXPECT_TRUE(contains_ignoring_case("MariaDB", "mariadb"));
}

TEST(WallTime, IsWrittenInUtc) {
    EXPECT_EQ(wall_text(1767600000000), "2026-01-05 08:00:00");
    EXPECT_EQ(wall_iso(1767600000123), "2026-01-05T08:00:00.123Z");
    EXPECT_EQ(wall_text(0), "");
}

}  // namespace baton
