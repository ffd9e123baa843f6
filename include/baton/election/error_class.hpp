// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an error of a statement on the lease connection means: whether the statement was done, and
// what to do next. After a write the outcome is unknown unless stated otherwise.

#include <string>
#include <string_view>

namespace baton::election {

enum class ErrorClass {
    connection,      // broken, refused or timed out
    conflict,        // deadlock or failed certification: not done, and no loss of the lease
    lock_wait,       // another session holds the row too long
    interrupted,     // the statement was killed or ran out of its time
    commit_unclear,  // the commit may or may not have happened
    cannot_write,    // this server takes no writes: read-only, not in the primary component
    no_room,         // too many connections, disk full, out of memory
    refused,         // credentials or privileges: an operator must look
    schema,          // database, table or column missing
    bug,             // anything else: a fault of this program
};

std::string_view to_string(ErrorClass error);

/// What both roles do about an error of the class.
struct Reaction {
    bool not_done = false;       // the statement certainly had no effect
    bool close = false;          // drop the connection; the next one goes to the next address
    bool void_beat = false;      // the server may not take writes: beat again before counting
    bool wait_a_moment = false;  // before the next connection
};

/// By the number of server or client library; 0 = our own time limit passed.
ErrorClass classify(unsigned mysql_errno);
Reaction reaction(ErrorClass error);

/// An error as the driver of the machine reports it.
struct StatementError {
    StatementError() = default;

    StatementError(unsigned number, std::string sentence)
        : mysql_errno(number), text(std::move(sentence)) {}

    unsigned mysql_errno = 0;  // 0: our own time limit
    std::string text;          // for the log
};

}  // namespace baton::election
