// SPDX-License-Identifier: Apache-2.0
#include "native.hpp"

#include <gtest/gtest.h>

namespace baton::mysql {

namespace {

TEST(MapError, TellsPrivilegesFromTheRest) {
    for (const unsigned number : {1044U, 1045U, 1130U, 1142U, 1227U, 1698U, 2059U, 3118U, 1862U}) {
        EXPECT_EQ(map_error(number, "28000", "no").code, Errc::access_denied) << number;
    }
    for (const unsigned number : {1040U, 1064U, 1146U, 1205U, 3024U}) {
        EXPECT_EQ(map_error(number, "HY000", "no").code, Errc::server_error) << number;
    }
}

TEST(MapError, TakesWhatEndsTheSessionAsUnreachable) {
    for (const unsigned number : {2002U, 2003U, 2005U, 2006U, 2013U, 2026U, 1053U, 1927U, 4031U}) {
        EXPECT_EQ(map_error(number, "HY000", "gone").code, Errc::unreachable) << number;
        EXPECT_TRUE(ends_session(number)) << number;
    }
    EXPECT_EQ(map_error(2027, "HY000", "malformed").code, Errc::protocol);
    EXPECT_FALSE(ends_session(1064));
}

TEST(MapError, KeepsNumberStateAndText) {
    const Error error = map_error(1064, "42000", "You have an error");
    EXPECT_EQ(error.mysql_errno, 1064U);
    EXPECT_EQ(error.sqlstate, "42000");
    EXPECT_EQ(error.what, "You have an error");
}

TEST(MapError, NeverReportsSuccess) {
    const Error error = map_error(0, "", "");
    EXPECT_EQ(error.code, Errc::protocol);
    EXPECT_FALSE(error.what.empty());
}

}  // namespace

}  // namespace baton::mysql
