// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/error_codes.hpp"

#include <gtest/gtest.h>

namespace baton::dialect {
namespace {

using topology::ProbeFailure;

ProbeFailure of(Errc code, unsigned number, const char* what, bool was_open = false) {
    return classify(Error(code, what, number, ""), was_open);
}

TEST(Classify, OnlySilenceAndRefusalAreAbsence) {
    EXPECT_EQ(
        of(Errc::unreachable, 2002, "Can't connect to server on '127.0.0.1' (111)"),
        ProbeFailure::refused
    );
    EXPECT_EQ(of(Errc::unreachable, 2013, "Lost connection to server", true), ProbeFailure::reset);
    EXPECT_EQ(of(Errc::timeout, 0, "deadline passed"), ProbeFailure::timeout);
    EXPECT_EQ(of(Errc::unreachable, 2005, "Unknown server host 'db9'"), ProbeFailure::unresolved);
    EXPECT_EQ(of(Errc::unreachable, 2002, "... (113) No route to host"), ProbeFailure::unresolved);
}

TEST(Classify, AServerThatAnswersLives) {
    EXPECT_FALSE(is_absence(of(Errc::server_error, 1040, "Too many connections")));
    EXPECT_EQ(
        of(Errc::unreachable, 1040, "Too many connections"), ProbeFailure::too_many_connections
    );
    EXPECT_EQ(of(Errc::access_denied, 1045, "Access denied"), ProbeFailure::access_denied);
    EXPECT_EQ(of(Errc::server_error, 1129, "Host is blocked"), ProbeFailure::access_denied);
    EXPECT_EQ(of(Errc::protocol, 2027, "Malformed packet"), ProbeFailure::error);
    EXPECT_EQ(of(Errc::unavailable, 0, "connector queue full"), ProbeFailure::error);
}

}  // namespace
}  // namespace baton::dialect
