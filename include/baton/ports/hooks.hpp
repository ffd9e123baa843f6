// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "baton/async/task.hpp"
#include "baton/base/result.hpp"
#include "baton/base/time.hpp"

#include <map>
#include <string>
#include <vector>

namespace baton::ports {

struct HookResult {
    int exit_code = 0;
    bool timed_out = false;
    std::string output;  // first 16 KiB of both streams
    Duration took{};
};

/// Runs operators' programs. Never blocks the core executor.
class Hooks {
public:
    virtual ~Hooks() = default;
    /// Runs one command line by the configured shell with the given environment on top of the
    /// daemon's; kills its process group at the deadline. Errors: io (could not start). A non-zero
    /// exit is not an error here. A cancelled caller goes on after the process group was killed.
    virtual Task<Result<HookResult>> run(
        std::string command, std::map<std::string, std::string> environment, Deadline deadline
    ) = 0;
    /// Why the command could not be run on this machine, as far as that can be told without running
    /// it: its program is missing or not executable. "" when nothing speaks against it.
    virtual Task<std::string> missing(std::string command) = 0;
};

}  // namespace baton::ports
