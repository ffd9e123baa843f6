// SPDX-License-Identifier: Apache-2.0
#pragma once

// The backend database of a simulated run: one history of the lease row, and servers that show it.
//   single     one server
//   failover   asynchronous primary and standby; a fail-over drops what the standby had not got
//   certified  every server takes writes; the copies lag, and a write from an old copy is rejected
//              (Galera, Group Replication in multi-primary mode)
// It executes the statements of the protocol as the SQL in docs/internals/lease.md would, and
// checks I1 and I3 at each commit.

#include "sim/event_queue.hpp"

#include "baton/election/lease_types.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace baton::sim {

using election::LeaseRow;

enum class BackendKind { single, failover, certified };

struct Server {
    bool up = true;
    std::uint64_t incarnation = 0;  // connections of an older one are dead
    bool read_only = false;
    Time stalled_until = 0;   // executes nothing before
    Time locked_until = 0;    // somebody else holds the lock of the lease row
    Time lagging_until = 0;   // gets nothing from the others before
    std::size_t applied = 0;  // how much of the history this server shows
};

/// A statement as it travels.
struct Statement {
    election::Action action;
    std::string token;
    bool fenced_write = false;  // of action.epoch
};

struct Answer {
    unsigned error = 0;
    std::uint64_t rows = 0;
    std::optional<LeaseRow> row;
    std::string server;
};

class ModelBackend {
public:
    ModelBackend(BackendKind kind, std::size_t servers);

    [[nodiscard]] BackendKind kind() const { return kind_; }

    [[nodiscard]] std::vector<Server>& servers() { return servers_; }

    [[nodiscard]] std::size_t primary() const { return primary_; }

    /// The newest committed row; none after the row was lost.
    [[nodiscard]] const std::optional<LeaseRow>& row() const { return history_.back().row; }

    /// Executes on a server that is up. A rule broken is told by violation().
    Answer execute(const Statement& statement, std::size_t server);

    /// A write that checks the lease by reading only: the check, and later the commit.
    [[nodiscard]] bool read_fence(const Statement& statement, std::size_t server) const;
    void commit_unfenced(const Statement& statement);

    /// The server shows all that is committed.
    void catch_up(std::size_t server) { servers_[server].applied = history_.size() - 1; }

    /// The standby becomes primary with what it has; the old primary is down. Number of versions
    /// lost.
    std::size_t fail_over();
    /// Somebody deletes the row.
    void lose_row();

    [[nodiscard]] const std::string& violation() const { return violation_; }

private:
    struct Version {
        std::optional<LeaseRow> row;
        std::uint64_t last_fenced_epoch = 0;
    };

    [[nodiscard]] const Version& shown_by(std::size_t server) const;
    [[nodiscard]] bool writable(std::size_t server) const;
    Answer write(const Statement& statement, std::size_t server);
    void commit(Version version, std::size_t server);
    void check_grab(const LeaseRow& before, const Statement& statement);
    void check_fence(const Statement& statement);

    BackendKind kind_;
    std::vector<Server> servers_;
    std::size_t primary_ = 0;
    std::vector<Version> history_;
    std::set<std::string> nodes_;
    std::set<std::pair<std::uint64_t, std::string>> grabbed_;
    std::string violation_;
};

}  // namespace baton::sim
