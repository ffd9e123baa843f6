// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/error_codes.hpp"

#include "baton/base/text.hpp"

namespace baton::dialect {

bool is_privilege_error(unsigned mysql_errno) {
    return mysql_errno == privilege_missing || mysql_errno == table_access_denied ||
           mysql_errno == column_access_denied || mysql_errno == database_access_denied;
}

bool is_vocabulary_error(unsigned mysql_errno) {
    return mysql_errno == syntax_error || mysql_errno == unknown_variable ||
           mysql_errno == no_such_table || mysql_errno == no_such_column;
}

namespace {

using topology::ProbeFailure;

/// Client errors: CR_CONNECTION_ERROR 2002, CR_CONN_HOST_ERROR 2003, CR_UNKNOWN_HOST 2005,
/// CR_SERVER_GONE 2006, CR_SERVER_LOST 2013. The system's reason is in the text only.
ProbeFailure classify_unreachable(const Error& error) {
    constexpr unsigned unknown_host = 2005;
    constexpr unsigned tls_failed = 2026;
    if (error.mysql_errno == tls_failed || error.what.find("TLS") != std::string::npos) {
        return ProbeFailure::error;  // it has greeted us before that: it lives
    }
    if (error.mysql_errno == unknown_host || contains_ignoring_case(error.what, "unknown") ||
        contains_ignoring_case(error.what, "no route") ||
        contains_ignoring_case(error.what, "unreachable") ||
        contains_ignoring_case(error.what, "name or service") ||
        contains_ignoring_case(error.what, "resolved") ||
        contains_ignoring_case(error.what, "name resolution")) {
        return ProbeFailure::unresolved;
    }
    if (contains_ignoring_case(error.what, "refused") ||
        error.what.find("(111)") != std::string::npos) {
        return ProbeFailure::refused;
    }
    if (contains_ignoring_case(error.what, "timed out") ||
        error.what.find("(110)") != std::string::npos) {
        return ProbeFailure::timeout;
    }
    // Refused is the word of a kernel that its process is gone; what is not known to be one is
    // none.
    return ProbeFailure::reset;
}

}  // namespace

ProbeFailure classify(const Error& error) {
    switch (error.mysql_errno) {
        case too_many_connections:
        case too_many_user_connections:
        case user_limit_reached:
            return ProbeFailure::too_many_connections;
        case host_blocked:
        case host_not_privileged:
            return ProbeFailure::access_denied;
        case server_shutdown:
            return ProbeFailure::reset;
        default:
            break;
    }
    switch (error.code) {
        case Errc::timeout:
            return ProbeFailure::timeout;
        case Errc::unreachable:
            return classify_unreachable(error);
        case Errc::access_denied:
            return ProbeFailure::access_denied;
        case Errc::cancelled:
        case Errc::server_error:
        case Errc::protocol:
        case Errc::invalid_argument:
        case Errc::not_found:
        case Errc::conflict:
        case Errc::refused:
        case Errc::not_leader:
        case Errc::unavailable:
        case Errc::io:
            return ProbeFailure::error;
    }
    return ProbeFailure::error;
}

}  // namespace baton::dialect
