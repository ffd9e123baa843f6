// SPDX-License-Identifier: Apache-2.0
#include "mutants.hpp"

namespace baton::election {

thread_local Mutant active_mutant = Mutant::none;

}  // namespace baton::election
