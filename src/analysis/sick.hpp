// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sick, not dead: a primary that answers this service and is of no use, or not for long. Each state
// has a time after which it is said, and a policy: most are only reported, since another primary
// would suffer the same, or could not be made safely. Pure.
//
// D1: a server that answers is never dead, so it is replaced only after it was made read-only.

#include "view.hpp"

#include <string>
#include <vector>

namespace baton::analysis {

bool is_sickness(Code code);

/// What matters more than anything that orchestrator has a code for; no_problem otherwise.
Code grave_sickness(const View& view);
/// What matters more than how the replicas do.
Code serious_sickness(const View& view);
/// What is said when there is nothing else to say.
Code mild_sickness(const View& view);

/// Of a primary that answers without showing its state.
Code unseen_sickness(const View& view);

/// It has not lasted long enough to be more than a notice.
bool is_recent(const View& view, Code code);

std::string summary_of_sick(const View& view, Code code);
/// What sessions have been waiting for, for too long.
void tell_of_all_waiters(const View& view, std::vector<std::string>& out);
void tell_of_sick(const View& view, Code code, std::vector<std::string>& out);

}  // namespace baton::analysis
