// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a view to the code, whether a recovery follows from it, and what should be asked. Pure.
//
// V1: an absent server is dead only when no replica hears it, none has still to be observed or
//     asked, and no replica replicates.
// V2: a recovery follows only when, besides, a replica has certainly failed to reach it: stopped
//     receivers tell nothing.

#include "view.hpp"

#include <string>
#include <vector>

namespace baton::analysis {

Code code_of(const View& view);

/// None, with the reasons in `vetoes`, when there is something that forbids it.
RecoveryKind recovery_of(const View& view, Code code, std::vector<std::string>& vetoes);

/// Not decided yet: the answers to the inquiries will change it soon.
bool is_pending(const View& view);

/// Sorted, without duplicates.
std::vector<Inquiry> inquiries_of(const View& view, Code code);

/// Codes that are about the replicas, so that downtime of all of them excuses them.
bool is_about_replicas(Code code);

/// Of an entry in force: the server is there, and can be written to or was not examined yet.
bool wants_containment(const View& view);

}  // namespace baton::analysis
