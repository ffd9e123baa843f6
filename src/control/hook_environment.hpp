// SPDX-License-Identifier: Apache-2.0
#pragma once

// What hooks are told: orchestrator's ORC_* variables and {placeholders}, and Baton's own for
// idempotency.

#include "baton/control/view.hpp"

#include <map>
#include <string>

namespace baton::control {

using HookEnvironment = std::map<std::string, std::string>;

HookEnvironment environment_of(
    const recovery::Record& record, const std::string& node, std::uint64_t epoch, unsigned step
);
HookEnvironment environment_of(const Detection& detection);

/// Replaces orchestrator's {placeholders} by shell-quoted values: what a server is named cannot
/// become a command.
std::string with_placeholders(const std::string& command, const HookEnvironment& environment);

}  // namespace baton::control
