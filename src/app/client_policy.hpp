// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands about the policy, and the timeline of a cluster.

#include "client_core.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace baton::app {

int timeline(Client& client, const std::string& cluster, unsigned limit);

/// Adds the subcommands of `baton policy`. `common` adds the options of every command.
void add_policy_commands(
    CLI::App& policy,
    const std::function<void(CLI::App&)>& common,
    const std::function<Client()>& client,
    int& result
);

}  // namespace baton::app
