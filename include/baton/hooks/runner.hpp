// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs operators' programs with an environment, a limit and captured output.

#include "baton/ports/hooks.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <string>

namespace baton::hooks {

/// One command by `/bin/sh -c`, in its own process group, on the calling thread. Blocks until it
/// ended, or was killed at the deadline or because `stopped` became true (timed_out then). Its
/// group dies with the daemon. Standard input is /dev/null. Errors: io (could not start; the
/// sentence says why).
Result<ports::HookResult> run_blocking(
    const std::string& command,
    const std::map<std::string, std::string>& environment,
    Deadline deadline,
    const std::atomic<bool>* stopped = nullptr
);

/// Why the command could not be run: its first word names a program that is not there or not
/// executable. "" when it is there, and when the first word is something else (a variable, a
/// keyword or builtin of the shell, a bracket).
std::string why_missing(const std::string& command);

/// Runs hooks on a few threads of its own; at most 16 at a time, the others wait within their
/// deadline.
class Runner final : public ports::Hooks {
public:
    Runner();
    ~Runner() override;

    Task<Result<ports::HookResult>> run(
        std::string command, std::map<std::string, std::string> environment, Deadline deadline
    ) override;
    Task<std::string> missing(std::string command) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::hooks
