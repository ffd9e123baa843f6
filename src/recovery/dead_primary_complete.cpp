// SPDX-License-Identifier: Apache-2.0
#include "dead_primary.hpp"
#include "fencing.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned contain_tries = 3;
constexpr unsigned forget_tries = 2;  // the promotion itself is the first

}  // namespace

/// Why a replica must not follow the successor.
std::optional<std::string> DeadPrimary::misfit(const Instance& follower, const Instance& successor)
    const {
    if (auto reason = cannot_follow(follower, successor, failed_)) {
        return reason;
    }
    const auto position = record_.positions.find(follower.id);
    const auto held =
        holdings_of(follower, position != record_.positions.end() ? &position->second : nullptr);
    if (!held.known()) {
        return "its position is not known: " + held.unknown;
    }
    const auto base = gtid::GtidSet::parse(
        record_.promoted_gtid_set.empty() ? successor.state.executed_gtid_set
                                          : record_.promoted_gtid_set
    );
    // With transactions that the new primary lacks it would replicate without any complaint, and
    // differ for ever.
    if (base && !within(held.shared, *base)) {
        return "it has " + transactions(gtid::missing_from(held.shared, *base)) + " that " +
               successor.id.text() + " lacks; clone it anew";
    }
    return needs_purged(held, successor);
}

void DeadPrimary::place_follower(Stage& stage, const Instance& follower, const Instance& successor)
    const {
    if (!follower.reachable()) {
        stage.decision.lost[follower.id] = "it did not answer";
        return;
    }
    const Channel* moved = channel_to(follower, successor.id);
    // Moved by somebody who died before starting it again: that is half a move.
    const bool half =
        moved != nullptr && never_started(*moved) && !contains(record_.stopped_before, follower.id);
    if (moved != nullptr && !half) {
        // The source has purged what it needs, for instance: known only when it asked.
        if (moved->receiver == topology::ThreadState::stopped && moved->receiver_errno != 0) {
            stage.decision.lost[follower.id] = "its receiver has given up (" +
                                               std::to_string(moved->receiver_errno) + ": " +
                                               clipped(moved->receiver_error, 200) + ")";
            return;
        }
        add_once(stage.decision.repointed, follower.id);
        return;
    }
    const InstanceId source = follower.source();
    const bool ours = source.empty() || source == record_.failed || moved != nullptr ||
                      record_.displaced.contains(source) || record_.positions.contains(follower.id);
    if (!ours) {
        return;  // somebody moved it below another server meanwhile
    }
    if (promoted(follower)) {
        contain(stage, follower);
        return;
    }
    if (auto reason = misfit(follower, successor)) {
        stage.decision.lost[follower.id] = *reason;
        return;
    }
    if (attempts(record_, StepKind::repoint, follower.id) >= follower_move_tries) {
        stage.decision.lost[follower.id] = "it could not be repointed";
        return;
    }
    Step step = make_step(StepKind::repoint, follower, policy_.step_limit);
    step.channel = moved != nullptr ? moved->name : channel_name(follower);
    step.source = successor.id;
    step.essential = false;
    keep_stopped(step, record_);
    stage.steps.push_back(std::move(step));
}

/// Who died while the promoted server was forgetting its source has left the rest to us: once more.
void DeadPrimary::forget_old_source(Stage& stage, const Instance& successor) const {
    if (!successor.reachable() || !from_old_source(successor)) {
        return;
    }
    if (attempts(record_, StepKind::promote, successor.id) >= forget_tries) {
        stage.decision.notes.push_back(
            successor.id.text() + " still names " + successor.source().text() +
            " as its source; it forgets it when its STOP has ended, or by RESET REPLICA ALL"
        );
        return;
    }
    Step step = make_step(StepKind::promote, successor, policy_.step_limit);
    step.channel = channel_name(successor);
    step.source = successor.source();
    step.required_gtid_set = record_.promoted_gtid_set;
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

/// Read-only now, not only when the analysis comes to it.
void DeadPrimary::contain(Stage& stage, const Instance& instance) const {
    if (attempts(record_, StepKind::set_read_only, instance.id) >= contain_tries) {
        stage.decision.lost[instance.id] = "it is writable and cannot be made read-only";
        return;
    }
    Step step = make_step(StepKind::set_read_only, instance, policy_.step_limit);
    step.kill_writers = policy_.kill_writers_of_deposed;
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

Move DeadPrimary::complete(const Instance& successor) {
    Stage stage;
    stage.enters = Phase::repointed;
    if (record_.successor != successor.id || record_.successor_uuid.empty()) {
        stage.decision.chosen = true;
        stage.decision.candidates = record_.candidates;
        stage.decision.successor = successor.id;
        stage.decision.successor_uuid = successor.state.identity.uuid;
        stage.decision.loss = record_.loss.empty() || record_.successor != successor.id
                                  ? "not known: " + successor.id.text() + " was found promoted"
                                  : record_.loss;
    }
    for (const Instance* follower : followers_) {
        if (follower != &successor) {
            place_follower(stage, *follower, successor);
        }
    }
    forget_old_source(stage, successor);
    if (failed_is_back()) {
        contain(stage, *failed_);
    }
    for (const auto& [id, uuid] : record_.displaced) {
        const Instance* gone = topology_.find(id);
        if (gone != nullptr && writable(*gone) && same_server(*gone, uuid)) {
            contain(stage, *gone);
        }
    }
    // Who could not be reached may still be written to: whoever can shall cut it off.
    if (record_.kind == analysis::RecoveryKind::dead_primary && !fenced(record_, failed_) &&
        hook_due(policy_.has_fence_hooks, "fence")) {
        stage.steps.push_back(hook_step("fence", record_.failed, policy_, false));
    }
    if (hook_due(policy_.has_post_hooks, "post_primary_failover")) {
        stage.steps.push_back(hook_step("post_primary_failover", successor.id, policy_, false));
    }
    if (!stage.steps.empty()) {
        stage.intent = "let the other replicas follow " + successor.id.text();
        stage.reprobe = worth_a_look();
        return stage;
    }
    if (hook_due(policy_.has_post_hooks, "post_failover")) {
        stage.steps.push_back(hook_step("post_failover", successor.id, policy_, false));
        stage.intent = "tell that the failover is over";
        return stage;
    }
    Finish finish;
    finish.state = successor.reachable() ? State::done : State::failed;
    finish.outcome = outcome(successor, stage.decision);
    finish.decision = std::move(stage.decision);
    return finish;
}

std::string DeadPrimary::outcome(const Instance& successor, const Decision& decision) const {
    std::string out = successor.id.text() + " is the primary in place of " + record_.failed.text();
    out += "; following: " + names(decision.repointed);
    for (const auto& [id, reason] : decision.lost) {
        out += "; lost: " + id.text() + " (" + reason + ")";
    }
    if (!successor.reachable()) {
        out += "; it does not answer any more: " + clipped(successor.health.error, 160);
    }
    return out;
}

}  // namespace baton::recovery
