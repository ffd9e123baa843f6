// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is mended without replacing anybody: semi-synchronous replication, a read-only primary, a
// receiver that a recovery left stopped. Pure.

#include "begin.hpp"

#include <optional>

namespace baton::recovery {

/// Kinds of recovery that have an option of their own instead of a list of clusters.
bool is_repair(analysis::RecoveryKind kind);

/// Why this repair is not wanted; nullopt when it is. `code`: of the finding.
std::optional<Refusal> repair_unwanted(const Occasion& occasion, analysis::Code code);

/// Why this repair cannot or must not be; nothing overrides it.
std::optional<Refusal> repair_impossible(
    const Occasion& occasion, const topology::Cluster* cluster
);

}  // namespace baton::recovery
