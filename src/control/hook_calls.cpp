// SPDX-License-Identifier: Apache-2.0
// Runs the hook lists.
#include "engine_impl.hpp"
#include "hook_environment.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

namespace baton::control {

/// All commands of a list, one after the other; the first that fails ends it.
Task<Result<recovery::StepReport>> Engine::Impl::run_hooks(
    recovery::Record record, recovery::Step step, std::uint64_t epoch
) {
    const auto commands = settings.hooks[step.hook];
    const auto environment = environment_of(record, identity.name, epoch, record.next_step);
    recovery::StepReport report;
    for (const auto& command : commands) {
        if (!lease.may_act()) {
            co_return fail(Errc::not_leader, "this node does not hold the lease any more");
        }
        auto result = co_await hooks.run(
            with_placeholders(command, environment), environment, now() + settings.hook_limit
        );
        if (!result) {
            co_return result.error().in(fmt::format("hook '{}'", command));
        }
        if (result->timed_out) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "hook '{}' was killed after {} ms (recovery.hooks.limit)",
                    command,
                    to_ms(result->took)
                )
            );
        }
        if (result->exit_code != 0) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "hook '{}' ended with {}: {}",
                    command,
                    result->exit_code,
                    clipped(trim(result->output), 500)
                )
            );
        }
        report.text += fmt::format(
            "{}'{}' in {} ms: {}",
            report.text.empty() ? "" : "; ",
            command,
            to_ms(result->took),
            clipped(trim(result->output), 200)
        );
    }
    co_return report;
}

Task<void> Engine::Impl::run_detection_hooks(std::shared_ptr<const Detection> detection) {
    const auto environment = environment_of(*detection);
    const auto commands = settings.hooks["on_failure_detection"];
    for (const auto& command : commands) {
        auto result = co_await hooks.run(
            with_placeholders(command, environment), environment, now() + settings.hook_limit
        );
        if (!result) {
            log::error("detection hook '{}' could not be run: {}", command, result.error().what);
        } else if (result->exit_code != 0 || result->timed_out) {
            log::error(
                "detection hook '{}' {} {}: {}",
                command,
                result->timed_out ? "was killed at its limit with" : "ended with",
                result->exit_code,
                clipped(trim(result->output), 500)
            );
        }
    }
}

}  // namespace baton::control
