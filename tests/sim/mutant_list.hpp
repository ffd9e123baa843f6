// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mutants by name, for the test and for `baton_sim --mutant`.

#include "mutants.hpp"

#include <array>
#include <string_view>

namespace baton::sim {

struct NamedMutant {
    std::string_view name;
    election::Mutant mutant;
};

inline constexpr std::array mutants{
    NamedMutant{"validity_from_answer", election::Mutant::validity_from_answer},
    NamedMutant{"observe_from_sending", election::Mutant::observe_from_sending},
    NamedMutant{"keep_observation", election::Mutant::keep_observation},
    NamedMutant{"no_rate_bound", election::Mutant::no_rate_bound},
    NamedMutant{"reuse_epoch", election::Mutant::reuse_epoch},
    NamedMutant{"adopt_own_row", election::Mutant::adopt_own_row},
    NamedMutant{"late_grab_from_now", election::Mutant::late_grab_from_now},
    NamedMutant{"resume_on_new_connection", election::Mutant::resume_on_new_connection},
    NamedMutant{"release_before_stopping", election::Mutant::release_before_stopping},
    NamedMutant{"release_when_lapsed", election::Mutant::release_when_lapsed},
    NamedMutant{"take_any_release", election::Mutant::take_any_release},
    NamedMutant{"ignore_freeze", election::Mutant::ignore_freeze},
    NamedMutant{"credit_over_freeze", election::Mutant::credit_over_freeze},
    NamedMutant{"late_answer_after_release", election::Mutant::late_answer_after_release},
    NamedMutant{"grab_by_epoch_only", election::Mutant::grab_by_epoch_only},
    NamedMutant{"fence_by_epoch_only", election::Mutant::fence_by_epoch_only},
    NamedMutant{"fence_reads_only", election::Mutant::fence_reads_only},
};

}  // namespace baton::sim
