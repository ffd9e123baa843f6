// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a server has of the cluster's transactions, and what it may be for the others: the facts
// under the choice of a successor. Pure.

#include "baton/gtid/gtid_set.hpp"
#include "baton/recovery/step.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace baton::recovery {

using topology::Instance;

struct Holdings {
    gtid::GtidSet executed;  // all of it, errant ones too
    gtid::GtidSet received;  // executed, or will be without any help from a source
    gtid::GtidSet errant;
    gtid::GtidSet shared;  // received without errant: what counts in a comparison
    std::string unknown;   // why nothing can be said; "" = it can

    [[nodiscard]] bool known() const { return unknown.empty(); }

    /// Transactions that were received and are not yet executed.
    [[nodiscard]] std::uint64_t backlog() const { return gtid::missing_from(received, executed); }
};

/// Joins what stop_receiver reported (null: nothing) with what was observed: both are true, each at
/// its time, and sets only grow.
Holdings holdings_of(const Instance& instance, const ReplicaPosition* quiesced);

/// True when `part` is all in `whole`.
bool within(const gtid::GtidSet& part, const gtid::GtidSet& whole);

/// The first two numbers of "8.0.36-28" or "10.11.6-MariaDB-log"; replication between different
/// pairs is supported towards the newer one only. {0, 0}: unknown.
struct Release {
    unsigned major = 0, minor = 0;

    [[nodiscard]] bool known() const { return major != 0; }

    [[nodiscard]] std::string text() const {
        return std::to_string(major) + "." + std::to_string(minor);
    }

    friend auto operator<=>(const Release&, const Release&) = default;
    friend bool operator==(const Release&, const Release&) = default;
};

Release release_of(const Instance& instance);
bool is_mariadb(const Instance& instance);

/// Why `replica` cannot follow `source`, as far as kind and version of the servers go. `former` is
/// the source it had: what worked with that one is taken to work with another of the same version.
std::optional<std::string> cannot_follow(
    const Instance& replica, const Instance& source, const Instance* former
);

/// Why the server cannot hand on transactions to others; nullopt when it can.
std::optional<std::string> cannot_serve(const Instance& instance);

/// Why transactions of `source` that `replica` would need are gone from its binary logs.
std::optional<std::string> needs_purged(const Holdings& replica, const Instance& source);

/// "1 transaction", "12 transactions".
std::string transactions(std::uint64_t count);

}  // namespace baton::recovery
