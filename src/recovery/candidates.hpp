// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who shall replace a primary, and why not the others. Pure.
//
// R1  A server is promoted only if it has, or gets before, everything that any reachable replica
//     received. (Policy::accept_loss lifts this.)
// R2  Who never may: not reachable, position unknown, forbidden by an operator, downtimed, unable
// to
//     be a source of the others, newer than an answering one that would have to follow it, unable
//     to apply. (An operator who names it lifts downtime and version.)
// R3  Who may only when nobody else can: delayed, newer than a replica that does not answer, more
//     than one source; and, if recovery.promote_errant allows it at all, with errant transactions.
// R5  Of two co-primaries the other one takes over; nobody else while it is, or may be, written to.
// R4  Among the rest the most received wins; then promotion rule, how many could not follow it,
//     place, least work, name.

#include "holdings.hpp"
#include "view.hpp"

#include <string>
#include <vector>

namespace baton::recovery {

struct Choice {
    std::vector<CandidateVerdict> candidates;  // best first
    const Instance* successor = nullptr;       // null: nobody, see refusal
    Holdings holdings;                         // of the successor
    const Instance* helper = nullptr;          // the successor is first caught up from it
    gtid::GtidSet target;                      // all that must be applied before the promotion
    Refusal refusal;                           // without successor
    std::string loss;                          // what may be lost, in words
};

/// The question: who replaces record.failed. `foresight`: nothing is stopped yet and all is well,
/// so replicas that are connected count as having received the same.
struct Question {
    const Record& record;
    const Topology& topology;
    const Policy& policy;
    bool foresight = false;
};

Choice choose(const Question& question);

/// Servers that replicated from the failed primary, or from a successor that is gone again: those
/// noted when the recovery began and those that are seen to.
std::vector<const Instance*> followers(const Record& record, const Topology& topology);

/// The server that follows it and that it follows; null when there is none.
const Instance* co_primary_of(const Instance* instance, const Topology& topology);
/// The one that record.failed had when the recovery began, wherever it was moved since.
const Instance* co_primary_in(const Record& record, const Topology& topology);

/// The failed server, if it answers again and is the same, with nobody able to write to it.
const Instance* readable_again(const Record& record, const Topology& topology);

/// Failures of one kind of step after which a server is given up for that purpose.
inline constexpr unsigned promotion_tries = 3;
inline constexpr unsigned stop_tries = 3;
inline constexpr unsigned drain_tries = 240;
inline constexpr unsigned reach_tries = 5;

/// Why waiting for the server to apply has no use; nullopt when it has.
std::optional<std::string> cannot_apply(const Record& record, const Instance& instance);

}  // namespace baton::recovery
