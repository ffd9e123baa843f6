// SPDX-License-Identifier: Apache-2.0
#pragma once

// From looks at SHOW PROCESSLIST to what sessions wait for, and how long at least. A server counts
// the time of a whole statement, so a long one that commits at the moment would look like a commit
// that hangs: here a session counts from the look that first showed it waiting.
//
// States are those of MySQL 5.7 to 9.7 and MariaDB 10.6 to 11.8; tried on 9.7 and 10.11.

#include "baton/dialect/result_rows.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <map>

namespace baton::dialect {

class SessionWatch {
public:
    /// Rows of process_list(). Sets the waiters of `strain`, and nothing else.
    void look(const ResultRows& rows, TimePoint now, topology::Strain& strain);

    /// Commits get through: who waits in one, waits for the next of many (a procedure that commits
    /// in a loop is one statement).
    void commits_passed(TimePoint now, topology::Strain& strain);

private:
    enum class For : std::uint8_t { nothing, disk, commit, acknowledgement, metadata, global };

    struct Waiting {
        For what = For::nothing;
        TimePoint since{};
    };

    static For waits_for(const ResultRows& rows, std::size_t row);

    std::map<std::uint64_t, Waiting> waiting_;  // by id of the session; those of the last look
};

/// The disk is full according to MySQL's own log: sessions in a commit wait for that.
void blame_disk(topology::Strain& strain);

}  // namespace baton::dialect
