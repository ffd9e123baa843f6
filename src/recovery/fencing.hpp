// SPDX-License-Identifier: Apache-2.0
#pragma once

// What happens to an old primary that lives, or may live, before another one is promoted. Pure.

#include "plans.hpp"
#include "view.hpp"

#include <optional>
#include <string>

namespace baton::recovery {

/// Ordered although the primary may be alive and well.
bool by_force(const Record& record);

/// Replaced although it answers, because it is of no use (analysis/sick.hpp, D1): only after it was
/// made read-only.
bool replaces_living(const Record& record);

/// The primary's writers are kept out for certain: it is seen to be read-only, its process is gone,
/// or a hook of `fence` said so.
bool fenced(const Record& record, const Instance* failed);

/// What has to be done first; nullopt: nothing (more), or it is not asked for.
std::optional<Stage> fence_stage(
    const Record& record, const Policy& policy, const Instance* failed
);

/// Why nothing may be promoted now because of the old primary; nullopt: it may.
std::optional<std::string> not_fenced(
    const Record& record, const Policy& policy, const Instance* failed
);

/// For Record::fencing, at the moment of the promotion.
std::string fencing_text(const Record& record, const Instance* failed);

/// Whether a new primary can wait for acknowledgements as the old one did: else its first commit
/// would wait for somebody who cannot give one.
bool semi_sync_after(const Record& record, const Topology& topology, const Instance& successor);

}  // namespace baton::recovery
