// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs operators' programs with an environment, a limit and captured output.

#include "baton/ports/hooks.hpp"

#include <memory>

namespace baton::hooks {

/// One command by `/bin/sh -c`, in its own process group, on the calling thread. Blocks until it
/// ended, or was killed at the deadline. Standard input is /dev/null. Errors: io (could not start;
/// the sentence says why).
Result<ports::HookResult> run_blocking(
    const std::string& command,
    const std::map<std::string, std::string>& environment,
    Deadline deadline
);

/// Runs hooks on a few threads of its own; at most 16 at a time, the others wait within their
/// deadline.
class Runner final : public ports::Hooks {
public:
    Runner();
    ~Runner() override;

    Task<Result<ports::HookResult>> run(
        std::string command, std::map<std::string, std::string> environment, Deadline deadline
    ) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::hooks
