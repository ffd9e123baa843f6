// SPDX-License-Identifier: Apache-2.0
// Runs the hook lists. The rule (docs/operations.md): a command that ended well is noted at once,
// and never run again in that recovery; one that was begun and is not noted to have ended well is
// run again by whoever takes the recovery over, with BATON_RESUMED=true.
#include "engine_impl.hpp"
#include "hook_environment.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration journal_limit = 2s;

/// What steps before this one have done of a list.
struct Earlier {
    std::vector<std::string> done;  // commands that ended well
    bool begun = false;             // one of the steps never came to an end
};

Earlier earlier_runs(const RecoveryView& recovery, const recovery::StepRecord& step) {
    Earlier earlier;
    for (const auto& other : recovery.steps) {
        if (other.hook != step.hook || other.number >= step.number) {
            continue;
        }
        earlier.begun = earlier.begun || other.state == recovery::StepState::interrupted;
        earlier.done.insert(earlier.done.end(), other.commands.begin(), other.commands.end());
    }
    return earlier;
}

}  // namespace

/// All commands of a list, one after the other; the first that fails ends it.
Task<Result<recovery::StepReport>> Engine::Impl::run_hooks(
    recovery::Record record, recovery::Step step, recovery::StepRecord* journal
) {
    const auto policy = policy_of(record);
    const auto list = policy->hooks.find(step.hook);
    const auto commands = list == policy->hooks.end() ? std::vector<std::string>{} : list->second;
    auto earlier = earlier_runs(*state.recovery(record.id), *journal);
    recovery::StepReport report;
    for (const auto& command : commands) {
        report.text += report.text.empty() ? "" : "; ";
        const auto done = std::find(earlier.done.begin(), earlier.done.end(), command);
        if (done != earlier.done.end()) {
            earlier.done.erase(done);  // a list may name a command twice
            report.text += fmt::format("'{}' had ended well before", command);
            continue;
        }
        // Only the first that is not done can have been begun.
        const bool resumed = std::exchange(earlier.begun, false);
        auto ran = co_await run_hook(&record, command, resumed, journal, &report.text);
        if (!ran) {
            co_return ran.error();
        }
    }
    co_return report;
}

Task<Result<void>> Engine::Impl::run_hook(
    const recovery::Record* record,
    std::string command,
    bool resumed,
    recovery::StepRecord* journal,
    std::string* told
) {
    if (!lease.may_act()) {
        co_return fail(Errc::not_leader, "this node does not hold the lease any more");
    }
    auto environment = environment_of(*record, identity.name, journal->epoch, journal->number);
    environment["BATON_HOOK"] = journal->hook;
    environment["BATON_RESUMED"] = resumed ? "true" : "false";
    const auto policy = policy_of(*record);
    // A copy of the data takes its time.
    const auto limit =
        journal->hook == "reclone" ? policy->recovery.clone_limit : policy->hook_limit;
    auto result =
        co_await hooks.run(with_placeholders(command, environment), environment, now() + limit);
    if (!result) {
        co_return result.error().in(fmt::format("hook '{}'", command));
    }
    if (result->timed_out) {
        co_return fail(
            Errc::timeout,
            fmt::format(
                "hook '{}' was killed after {} ms (recovery.{})",
                command,
                to_ms(result->took),
                journal->hook == "reclone" ? "clone_limit" : "hooks.limit"
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
    *told += fmt::format(
        "'{}' in {} ms: {}", command, to_ms(result->took), clipped(trim(result->output), 200)
    );
    interruption.reach("hook-ended");
    journal->commands.push_back(command);
    std::vector<ports::Document> documents{state.put(record->id, *journal)};
    auto written = co_await commit(documents, journal_limit);
    if (!written && written.error().code == Errc::not_leader) {
        co_return written.error();
    }
    if (!written) {
        log::warning(
            "recovery {}: that hook '{}' ended well is not written yet: {}",
            record->number,
            command,
            written.error().what
        );
        enqueue(std::move(documents.front()));
    }
    co_return Result<void>{};
}

Task<void> Engine::Impl::run_detection_hooks(std::shared_ptr<const Detection> detection) {
    const auto environment = environment_of(*detection);
    const auto policy = policy_of(detection->cluster_id);
    const auto list = policy.hooks.find("on_failure_detection");
    const auto commands = list == policy.hooks.end() ? std::vector<std::string>{} : list->second;
    for (const auto& command : commands) {
        auto result = co_await hooks.run(
            with_placeholders(command, environment), environment, now() + policy.hook_limit
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
