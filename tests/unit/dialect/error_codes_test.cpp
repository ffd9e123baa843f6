// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/error_codes.hpp"

#include <gtest/gtest.h>

namespace baton::dialect {
namespace {

using topology::ProbeFailure;

ProbeFailure of(Errc code, unsigned number, const char* what) {
    return classify(Error(code, what, number, ""));
}

TEST(Classify, OnlySilenceAndRefusalAreAbsence) {
    EXPECT_EQ(
        of(Errc::unreachable, 2002, "Can't connect to server on '127.0.0.1' (111)"),
        ProbeFailure::refused
    );
    EXPECT_EQ(of(Errc::unreachable, 2013, "Lost connection to server"), ProbeFailure::reset);
    EXPECT_EQ(of(Errc::timeout, 0, "deadline passed"), ProbeFailure::timeout);
    EXPECT_EQ(of(Errc::unreachable, 2005, "Unknown server host 'db9'"), ProbeFailure::unresolved);
    EXPECT_EQ(of(Errc::unreachable, 2002, "... (113) No route to host"), ProbeFailure::unresolved);
}

TEST(Classify, RefusedIsOnlyWhatTheKernelRefused) {
    EXPECT_EQ(of(Errc::unreachable, 2013, "handshake: (104)"), ProbeFailure::reset);
    EXPECT_EQ(of(Errc::unreachable, 0, "something new"), ProbeFailure::reset);
    EXPECT_EQ(
        of(Errc::unreachable, 0, "the name db9 cannot be resolved: not found"),
        ProbeFailure::unresolved
    );
}

TEST(Classify, AServerThatAnswersLives) {
    EXPECT_FALSE(is_absence(of(Errc::unreachable, 2026, "TLS/SSL error: certificate expired")));
    EXPECT_FALSE(is_absence(of(Errc::unreachable, 0, "the server does not offer TLS")));
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
