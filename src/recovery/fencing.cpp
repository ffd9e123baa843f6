// SPDX-License-Identifier: Apache-2.0
#include "fencing.hpp"

#include "candidates.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned tries = 2;

bool fenced_by_hook(const Record& record) {
    const auto found = record.hooks.find("fence");
    return found != record.hooks.end() && found->second == "done";
}

bool process_gone(const Instance& failed) {
    return !failed.reachable() && failed.health.failure == topology::ProbeFailure::refused;
}

/// It answers, to us or with an error: nobody may be promoted beside it as if it were dead.
bool lives(const Record& record, const Instance* failed) {
    return failed != nullptr && ((writable(*failed) && same_server(*failed, record.failed_uuid)) ||
                                 lives_unseen(*failed));
}

}  // namespace

bool by_force(const Record& record) {
    return record.forced && record.command.starts_with("force-");
}

bool replaces_living(const Record& record) {
    using analysis::Code;
    return record.kind == analysis::RecoveryKind::dead_primary &&
           (record.code == Code::primary_cut_off || record.code == Code::primary_disk_full ||
            record.code == Code::primary_commits_hang);
}

bool fenced(const Record& record, const Instance* failed) {
    if (fenced_by_hook(record)) {
        return true;
    }
    return failed != nullptr &&
           ((failed->reachable() && !writable(*failed)) || process_gone(*failed) ||
            (failed->reachable() && !same_server(*failed, record.failed_uuid)));
}

std::optional<Stage> fence_stage(
    const Record& record, const Policy& policy, const Instance* failed
) {
    const bool lives_on = by_force(record) || replaces_living(record);
    if (fenced(record, failed) || !(lives_on || policy.fence_required)) {
        return std::nullopt;
    }
    Stage stage;
    stage.enters = record.phase;
    stage.reprobe = {record.failed};
    if (lives_on && failed != nullptr && writable(*failed) &&
        attempts(record, StepKind::set_read_only, record.failed) < tries) {
        stage.intent = "keep clients from writing to " + record.failed.text();
        Step step = make_step(StepKind::set_read_only, *failed, policy.step_limit);
        step.kill_writers = true;
        step.essential = false;
        stage.steps.push_back(std::move(step));
        return stage;
    }
    // Not skipped by an order without hooks: this one keeps the data safe.
    if (policy.has_fence_hooks && !hook_ended(record, "fence") &&
        (policy.fence_required || lives(record, failed))) {
        stage.intent = "fence " + record.failed.text();
        stage.steps.push_back(hook_step("fence", record.failed, policy, false));
        return stage;
    }
    return std::nullopt;
}

std::optional<std::string> not_fenced(
    const Record& record, const Policy& policy, const Instance* failed
) {
    if (fenced(record, failed) || record.accept_loss) {
        return std::nullopt;
    }
    const bool hook = record.hooks.contains("fence");
    const std::string hook_text =
        hook ? "the hook of fence failed (" + record.hooks.at("fence") + ")"
             : std::string("there is no hook of fence");
    if ((by_force(record) || replaces_living(record)) && lives(record, failed)) {
        return record.failed.text() + " lives and could not be made read-only, and " + hook_text +
               ": its writes would go on beside those of another primary. Stop it, or order the "
               "failover with accept-loss";
    }
    if (policy.fence_required) {
        return record.failed.text() + " may live (" +
               clipped(failed != nullptr ? failed->health.error : std::string("not known"), 200) +
               "), " + hook_text +
               ", and recovery.fence_required is on. Fence it by hand, then order the failover "
               "with "
               "accept-loss";
    }
    return std::nullopt;
}

std::string fencing_text(const Record& record, const Instance* failed) {
    if (fenced_by_hook(record)) {
        return "fenced by the hook of fence";
    }
    if (failed == nullptr) {
        return "not known";
    }
    if (failed->reachable()) {
        return writable(*failed) ? "NOT fenced: it answers and is writable" : "read-only";
    }
    if (process_gone(*failed)) {
        return "its process is gone";
    }
    return "not reached: " + clipped(failed->health.error, 200);
}

bool semi_sync_after(const Record& record, const Topology& topology, const Instance& successor) {
    if (!record.semi_sync || !successor.state.semi_sync.available) {
        return false;
    }
    std::uint64_t ready = 0;
    for (const Instance* follower : followers(record, topology)) {
        ready += follower != &successor && follower->reachable() &&
                         follower->state.semi_sync.replica_enabled
                     ? 1U
                     : 0U;
    }
    // A planned switchover: the old primary follows, too.
    const Instance* old = topology.find(record.failed);
    if (record.kind == analysis::RecoveryKind::switchover && record.start_old && old != nullptr &&
        old->reachable() && old->state.semi_sync.replica_enabled) {
        ++ready;
    }
    return ready >= std::max<std::uint64_t>(successor.state.semi_sync.wait_for_replica_count, 1);
}

}  // namespace baton::recovery
