// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one error type. Codes are few and chosen by what the caller will do; the sentence is for the
// operator and says what failed, on which server, and where possible the remedy.

#include <boost/assert/source_location.hpp>

#include <string>
#include <string_view>

namespace baton {

enum class Errc {
    timeout,           // the deadline passed; the outcome of a write is unknown
    cancelled,         // the caller gave up
    unreachable,       // no connection: refused, reset, no route, name not found
    access_denied,     // credentials or privileges
    server_error,      // the server answered with an error (mysql_errno says which)
    protocol,          // an answer that cannot be understood
    invalid_argument,  // input that cannot be right
    not_found,         // the thing named does not exist
    conflict,          // exists already, or is being worked on by somebody else
    refused,           // possible, but not safe or not allowed; the sentence says why
    not_leader,        // this node does not hold the lease (or lost it on the way)
    unavailable,       // temporarily: backend down, no active node, shutting down
    io,                // files, sockets of our own, external programs
};

std::string_view to_string(Errc code);

struct Error {
    Error() = default;

    Error(Errc c, std::string w) : code(c), what(std::move(w)) {}

    Error(Errc c, std::string w, unsigned number, std::string state)
        : code(c), what(std::move(w)), mysql_errno(number), sqlstate(std::move(state)) {}

    Errc code = Errc::server_error;
    std::string what;          // sentence for the operator
    unsigned mysql_errno = 0;  // server's or client library's number, 0 if none
    std::string sqlstate;

    /// The same error with "<context>: " in front.
    [[nodiscard]] Error in(std::string_view context) const;

    friend bool operator==(const Error&, const Error&) = default;
};

/// boost::system::result calls this when value() is used on an error: a bug, so it aborts the
/// operation.
[[noreturn]] void throw_exception_from_error(
    const Error& error, const boost::source_location& where
);

}  // namespace baton
