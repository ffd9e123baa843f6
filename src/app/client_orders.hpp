// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands that change a cluster's primary, or take a former one back.

#include "client_core.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace baton::app {

/// `add` makes a subcommand with the options of every command.
void add_order_commands(
    const std::function<CLI::App*(const char* name, const char* what)>& add,
    const std::function<Client()>& client,
    int& result
);

}  // namespace baton::app
