// SPDX-License-Identifier: Apache-2.0
#pragma once

// Deliberate faults, one for each rule of the protocol. They exist only where the simulation
// compiles these sources with BATON_LEASE_MUTANTS, to prove that it would notice each of them; in
// the product every question below is a constant false.

#include <cstdint>

namespace baton::election {

enum class Mutant : std::uint8_t {
    none,
    validity_from_answer,       // E1
    observe_from_sending,       // E2
    keep_observation,           // E2: over errors and a change of connection
    no_rate_bound,              // neither eps nor margin
    reuse_epoch,                // E3: forget what was tried
    adopt_own_row,              // take up any row that carries the own token
    late_grab_from_now,         // adopt a late grab, but count from now
    resume_on_new_connection,   // renew a lapsed lease anywhere
    release_before_stopping,    // give the lease back while still acting
    release_when_lapsed,        // on a new connection
    take_any_release,           // at once, without having seen it held
    ignore_freeze,              // no lapse by a jump of the wall clock
    credit_over_freeze,         // extend by what was sent before the freeze
    late_answer_after_release,  // a renewal under way at the release extends
    // In the statements, so that the simulated backend makes them:
    grab_by_epoch_only,   // GRAB without the counter
    fence_by_epoch_only,  // E4: without the holder
    fence_reads_only,     // E4: INSERT .. SELECT that does not write the lease row
};

#ifdef BATON_LEASE_MUTANTS
extern thread_local Mutant active_mutant;

inline bool mutated(Mutant mutant) {
    return active_mutant == mutant;
}
#else
constexpr bool mutated(Mutant /*mutant*/) {
    return false;
}
#endif

}  // namespace baton::election
