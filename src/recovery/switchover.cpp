// SPDX-License-Identifier: Apache-2.0
//
// The planned change of a living primary. Until the promotion everything can be taken back, and is:
//
//   prepare   hooks may forbid it; the candidate catches up. Nothing has changed.
//   freeze    the primary is read-only, its open transactions are ended, its last position is
//   known. promote   the candidate has everything up to that position, the primary is asked once
//   more
//             whether it is still read-only and has nothing beyond, the candidate is writable.
//   complete  the siblings follow, and the old primary.
//
// Between freeze and promotion nobody can write: there are two journal entries and no look at any
// server in between that the steps do not take themselves.
#include "candidates.hpp"
#include "fencing.hpp"
#include "plans.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned look_tries = 5;     // for a candidate that may have been promoted
constexpr unsigned return_tries = 40;  // looks for a primary that lives and does not answer us
constexpr unsigned undo_tries = 5;
constexpr unsigned move_tries = 2;
constexpr unsigned promote_again = 3;

constexpr StepKind look = StepKind::witness;  // key of attempts for stages that only look

class Switchover {
public:
    Switchover(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          old_(topology.find(record.failed)),
          successor_(topology.find(record.successor)) {}

    [[nodiscard]] Move next() const;

private:
    [[nodiscard]] bool sent() const { return !record_.promoted_gtid_set.empty(); }

    [[nodiscard]] bool promoted() const;
    [[nodiscard]] std::optional<std::string> obstacle() const;
    [[nodiscard]] std::optional<std::string> old_obstacle() const;
    [[nodiscard]] std::optional<std::string> successor_obstacle() const;
    [[nodiscard]] std::string last_error() const;
    [[nodiscard]] Move prepare() const;
    [[nodiscard]] Move freeze() const;
    [[nodiscard]] Move promote() const;
    [[nodiscard]] Move promote_once_more() const;
    [[nodiscard]] std::optional<Move> unclear() const;
    [[nodiscard]] Move complete() const;
    [[nodiscard]] std::optional<Step> return_old(Decision& decision) const;
    [[nodiscard]] Move roll_back(State state, const std::string& reason) const;
    [[nodiscard]] std::optional<Stage> undo(const std::string& reason) const;
    [[nodiscard]] bool may_be_frozen() const;
    [[nodiscard]] bool somebody_hears_old() const;
    [[nodiscard]] std::vector<InstanceId> others() const;

    [[nodiscard]] bool hook_due(bool configured, const std::string& list) const {
        return configured && !record_.skip_hooks && !hook_ended(record_, list);
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* old_;
    const Instance* successor_;
};

bool Switchover::promoted() const {
    if (record_.phase >= Phase::promoted) {
        return true;
    }
    return successor_ != nullptr && sent() && writable(*successor_) && !successor_->is_replica();
}

Move Switchover::next() const {
    if (promoted()) {
        return complete();
    }
    if (auto move = unclear()) {
        return *move;
    }
    if (record_.giving_up_as != State::running) {
        return roll_back(record_.giving_up_as, record_.giving_up);
    }
    if (auto reason = obstacle()) {
        return roll_back(State::failed, *reason);
    }
    if (record_.phase < Phase::chosen) {
        return prepare();
    }
    if (hook_due(policy_.has_pre_hooks, "pre_failover")) {
        Stage stage;
        stage.enters = record_.phase;
        stage.intent = "tell that the primary is about to change";
        stage.steps.push_back(hook_step("pre_failover", record_.failed, policy_, true));
        return stage;
    }
    return record_.final_gtid_set.empty() ? freeze() : promote();
}

std::string Switchover::last_error() const {
    return record_.errors.empty() ? std::string("see its steps") : record_.errors.back();
}

std::optional<std::string> Switchover::old_obstacle() const {
    if (old_ == nullptr || !old_->reachable()) {
        return record_.failed.text() + " does not answer any more" +
               (old_ != nullptr && !old_->health.error.empty()
                    ? ": " + clipped(old_->health.error, 200)
                    : std::string{});
    }
    if (!same_server(*old_, record_.failed_uuid)) {
        return "another server answers at " + record_.failed.text();
    }
    if (old_->is_replica()) {
        return record_.failed.text() + " replicates from " + old_->source().text() +
               " now: somebody else changes this cluster";
    }
    if (attempts(record_, StepKind::set_read_only, record_.failed) > 0) {
        return record_.failed.text() + " could not be made read-only (" + last_error() + ")";
    }
    return std::nullopt;
}

std::optional<std::string> Switchover::successor_obstacle() const {
    const std::string id = record_.successor.text();
    if (successor_ == nullptr || !successor_->reachable()) {
        return id + " does not answer any more";
    }
    if (!same_server(*successor_, record_.successor_uuid)) {
        return "another server answers at " + id;
    }
    if (attempts(record_, StepKind::promote, record_.successor) > 0) {
        return id + " could not be promoted (" + last_error() + ")";
    }
    if (sent()) {
        return std::nullopt;  // its receiver may be stopped already; the promotion is sent again
    }
    if (attempts(record_, StepKind::wait_applied, record_.successor) > 0) {
        return id + " does not catch up (" + last_error() + ")";
    }
    if (follows(topology_, *successor_, record_.failed) == nullptr) {
        return id + " does not replicate from " + record_.failed.text() + " any more";
    }
    const Channel* channel = successor_->channel();
    if (channel == nullptr || channel->receiver == topology::ThreadState::stopped ||
        channel->applier == topology::ThreadState::stopped) {
        return "replication on " + id + " has stopped";
    }
    return std::nullopt;
}

std::optional<std::string> Switchover::obstacle() const {
    for (const std::string list : {"pre_graceful_takeover", "pre_failover"}) {
        if (hook_failed(record_, list)) {
            return "A hook of " + list + " failed, which forbids it (" + record_.hooks.at(list) +
                   ")";
        }
    }
    if (auto reason = old_obstacle()) {
        return reason;
    }
    if (auto reason = successor_obstacle()) {
        return reason;
    }
    if (attempts(record_, StepKind::read_credentials, record_.successor) > 0 &&
        !policy_.has_replication_credentials && record_.start_old) {
        return "nobody knows with which user " + record_.failed.text() +
               " should replicate afterwards (" + last_error() +
               "). Set topology.replication_user and its password, or order it by "
               "graceful-master-takeover, which leaves the old primary stopped";
    }
    return std::nullopt;
}

std::vector<InstanceId> Switchover::others() const {
    std::vector<InstanceId> out{record_.successor};
    for (const Instance* follower : followers(record_, topology_)) {
        if (follower->reachable()) {
            add_once(out, follower->id);
        }
    }
    return out;
}

Move Switchover::prepare() const {
    Stage stage;
    stage.intent =
        "prepare the switchover from " + record_.failed.text() + " to " + record_.successor.text();
    if (record_.phase < Phase::quiesced) {
        // Also when the user is configured: a promotion forgets whether the channel is encrypted.
        Step read = make_step(StepKind::read_credentials, *successor_, policy_.step_limit);
        read.credentials_from = others();
        read.essential = record_.start_old && !policy_.has_replication_credentials;
        stage.enters = Phase::quiesced;
        stage.steps.push_back(std::move(read));
        if (hook_due(policy_.has_pre_graceful_hooks, "pre_graceful_takeover")) {
            stage.steps.push_back(hook_step("pre_graceful_takeover", record_.failed, policy_, true)
            );
        }
        return stage;
    }
    // The backlog costs time now, and not when nobody can write. (One step on a server at a time.)
    Step wait = make_step(StepKind::wait_applied, *successor_, policy_.drain_limit);
    wait.essential = false;
    stage.enters = Phase::chosen;
    stage.steps.push_back(std::move(wait));
    stage.reprobe = {record_.failed, record_.successor};
    return stage;
}

Move Switchover::freeze() const {
    Stage stage;
    stage.enters = Phase::drained;
    stage.intent = "end the writing on " + record_.failed.text();
    Step step = make_step(
        StepKind::set_read_only, *old_, policy_.switchover_grace + policy_.switchover_outage_limit
    );
    step.grace = policy_.switchover_grace;
    step.end_transactions = true;
    step.kill_writers = policy_.switchover_end_sessions;
    stage.steps.push_back(std::move(step));
    return stage;
}

Move Switchover::promote() const {
    Step step = make_step(StepKind::promote, *successor_, policy_.switchover_outage_limit);
    step.source = successor_->source();
    step.required_gtid_set = record_.final_gtid_set;
    step.await_required = true;
    step.guard = record_.failed;
    step.guard_uuid = record_.failed_uuid;
    step.enable_semi_sync = semi_sync_after(record_, topology_, *successor_);
    Stage stage;
    stage.enters = Phase::promoted;
    stage.intent = "promote " + record_.successor.text() + " in place of " + record_.failed.text();
    stage.steps.push_back(std::move(step));
    stage.reprobe = {record_.failed, record_.successor};
    stage.decision.promoted_gtid_set = record_.final_gtid_set;
    return stage;
}

/// A promotion was sent, and it is not known what became of it. Both servers writable would be the
/// worst of all outcomes, so the old primary stays read-only until this is clear.
std::optional<Move> Switchover::unclear() const {
    if (!sent() || successor_ == nullptr || record_.displaced.contains(record_.successor)) {
        return std::nullopt;
    }
    if (successor_->reachable()) {
        // Writable, and its old source is still there: half a promotion is ended.
        const bool half = writable(*successor_) && old_ != nullptr && !writable(*old_);
        return half && attempts(record_, StepKind::promote, record_.successor) < promote_again
                   ? std::optional(promote_once_more())
                   : std::nullopt;
    }
    Stage stage;
    stage.enters = record_.phase;
    stage.reprobe = {record_.successor, record_.failed};
    if (successor_->health.failure != topology::ProbeFailure::refused &&
        attempts(record_, look, record_.successor) < look_tries) {
        stage.intent =
            "look again for " + record_.successor.text() + ", whose promotion may have been sent";
        return stage;
    }
    // Its process is gone, or it does not answer and never confirmed: it counts as deposed.
    stage.intent = "go back to " + record_.failed.text() + ": " + record_.successor.text() +
                   " is gone in the middle of its promotion";
    stage.decision.give_up_as = State::failed;
    stage.decision.give_up_reason =
        record_.successor.text() + " stopped answering in the middle of its promotion";
    stage.decision.displaced[record_.successor] = record_.successor_uuid;
    return stage;
}

Move Switchover::promote_once_more() const {
    Step step = make_step(StepKind::promote, *successor_, policy_.step_limit);
    step.source = successor_->source();
    step.required_gtid_set = record_.promoted_gtid_set;
    Stage stage;
    stage.enters = Phase::promoted;
    stage.intent = "end the promotion of " + record_.successor.text();
    stage.steps.push_back(std::move(step));
    stage.reprobe = {record_.failed, record_.successor};
    return stage;
}

/// The old primary becomes a replica; nullopt: it is one, or it cannot be (which is noted).
std::optional<Step> Switchover::return_old(Decision& decision) const {
    if (old_ == nullptr || !old_->reachable() || !same_server(*old_, record_.failed_uuid)) {
        decision.notes.push_back(
            record_.failed.text() + " does not answer; it becomes a replica when it does"
        );
        return std::nullopt;
    }
    const Channel* channel = channel_to(*old_, record_.successor);
    if (channel != nullptr && (!record_.start_old || !never_started(*channel))) {
        add_once(decision.repointed, record_.failed);
        return std::nullopt;
    }
    if (writable(*old_) || (channel == nullptr && old_->is_replica())) {
        return std::nullopt;  // made read-only first; or somebody else uses it
    }
    const auto standing = classify_deposed(*old_, successor_, record_.promoted_gtid_set);
    if (standing.starts_with("extra")) {
        decision.lost[record_.failed] = standing;
        return std::nullopt;
    }
    if (attempts(record_, StepKind::repoint, record_.failed) >= move_tries) {
        decision.lost[record_.failed] = "it could not be made a replica";
        return std::nullopt;
    }
    Step step = make_step(StepKind::repoint, *old_, policy_.step_limit);
    step.channel = channel != nullptr ? channel->name : std::string{};
    step.source = record_.successor;
    step.former_primary = true;
    step.start = record_.start_old;
    step.credentials_from = others();
    step.essential = false;
    return step;
}

Move Switchover::complete() const {
    if (successor_ == nullptr) {
        return Finish{
            State::failed, record_.successor.text() + " was promoted and is not known any more"};
    }
    if (successor_->reachable() && !writable(*successor_) && old_ != nullptr && !writable(*old_)) {
        if (successor_->is_replica() && successor_->source() != record_.failed) {
            return Finish{
                State::abandoned,
                record_.successor.text() + " was promoted and replicates from " +
                    successor_->source().text() + " now: somebody else has taken over"};
        }
        if (attempts(record_, StepKind::promote, record_.successor) < promote_again) {
            return promote_once_more();
        }
    }
    // Also when it is gone again: what follows it is found by the next failover.
    Move move = complete_promotion(record_, topology_, policy_, *successor_);
    Decision& decision = std::visit([](auto& m) -> Decision& { return m.decision; }, move);
    auto step = return_old(decision);
    if (auto* stage = std::get_if<Stage>(&move)) {
        if (step) {
            stage->steps.push_back(std::move(*step));
            add_once(stage->reprobe, record_.failed);
        }
        return move;
    }
    auto& finish = std::get<Finish>(move);
    Stage stage;
    stage.enters = Phase::repointed;
    if (step) {
        stage.intent = "let " + record_.failed.text() + " follow " + record_.successor.text();
        stage.steps.push_back(std::move(*step));
        stage.reprobe = {record_.failed, record_.successor};
        return stage;
    }
    if (hook_due(policy_.has_post_graceful_hooks, "post_graceful_takeover")) {
        stage.intent = "tell that the switchover is over";
        stage.steps.push_back(hook_step("post_graceful_takeover", record_.successor, policy_, false)
        );
        return stage;
    }
    if (const auto lost = decision.lost.find(record_.failed); lost != decision.lost.end()) {
        finish.outcome +=
            "; " + record_.failed.text() + " is read-only and no replica: " + lost->second;
    }
    return move;
}

bool Switchover::may_be_frozen() const {
    return record_.writable_before && record_.phase >= Phase::chosen;
}

bool Switchover::somebody_hears_old() const {
    const auto all = followers(record_, topology_);
    return std::any_of(all.begin(), all.end(), [&](const Instance* follower) {
        const Channel* channel = channel_to(*follower, record_.failed);
        return follower->reachable() && channel != nullptr &&
               channel->receiver == topology::ThreadState::running;
    });
}

/// What has to be done so that all is as it was; nullopt: nothing (more).
std::optional<Stage> Switchover::undo(const std::string& reason) const {
    Stage stage;
    stage.enters = record_.phase;
    stage.intent = "take the switchover back: " + reason;
    stage.reprobe = {record_.failed, record_.successor};
    const bool gone = record_.displaced.contains(record_.successor);
    const bool there = successor_ != nullptr && successor_->reachable() && !gone;
    if (there && successor_->is_replica() &&
        attempts(record_, StepKind::start_replication, record_.successor) < undo_tries) {
        const Channel* channel = successor_->channel();
        const bool stopped = channel->receiver == topology::ThreadState::stopped &&
                             !contains(record_.stopped_before, record_.successor);
        // Also takes the lock there, which ends the sessions of a predecessor that may be about to
        // promote it. Only then the old primary may be writable again.
        const bool unconfirmed =
            sent() && !record_.attempts.contains(secured_key(record_.successor));
        if (stopped || unconfirmed) {
            stage.steps.push_back(
                make_step(StepKind::start_replication, *successor_, policy_.step_limit)
            );
            return stage;
        }
    }
    if (there && sent() && writable(*successor_) &&
        attempts(record_, StepKind::set_read_only, record_.successor) < undo_tries) {
        stage.steps.push_back(make_step(StepKind::set_read_only, *successor_, policy_.step_limit));
        return stage;
    }
    if (old_ != nullptr && old_->reachable() && same_server(*old_, record_.failed_uuid) &&
        !old_->is_replica() && !writable(*old_) && may_be_frozen() &&
        !(there && writable(*successor_)) &&
        attempts(record_, StepKind::set_writable, record_.failed) < undo_tries) {
        stage.steps.push_back(make_step(StepKind::set_writable, *old_, policy_.step_limit));
        return stage;
    }
    const bool lives_unseen_by_us = old_ != nullptr && !old_->reachable() && may_be_frozen() &&
                                    (lives_unseen(*old_) || somebody_hears_old());
    if (lives_unseen_by_us && attempts(record_, look, record_.failed) < return_tries) {
        stage.intent = "look for " + record_.failed.text() + ", to make it writable again";
        return stage;
    }
    return std::nullopt;
}

Move Switchover::roll_back(State state, const std::string& reason) const {
    if (auto stage = undo(reason)) {
        stage->decision.give_up_as = state;
        stage->decision.give_up_reason = reason;
        return *stage;
    }
    const bool tell =
        record_.hooks.contains("pre_failover") || record_.hooks.contains("pre_graceful_takeover");
    if (tell && hook_due(policy_.has_failed_hooks, "post_unsuccessful_failover")) {
        Stage stage;
        stage.enters = record_.phase;
        stage.intent = "tell that the switchover has failed";
        stage.steps.push_back(
            hook_step("post_unsuccessful_failover", record_.failed, policy_, false)
        );
        stage.decision.give_up_as = state;
        stage.decision.give_up_reason = reason;
        return stage;
    }
    Finish finish;
    finish.state = state;
    finish.outcome = reason + ". Nothing was promoted; ";
    if (old_ == nullptr || !old_->reachable()) {
        finish.outcome += record_.failed.text() + " does not answer" +
                          (may_be_frozen() ? ", and may be read-only when it does again" : "");
    } else if (writable(*old_)) {
        finish.outcome += record_.failed.text() + " is writable, as before";
    } else if (!record_.writable_before) {
        finish.outcome += record_.failed.text() + " is read-only, as before";
    } else {
        finish.outcome += record_.failed.text() +
                          " is READ-ONLY and could not be made writable again: set it writable";
    }
    return finish;
}

}  // namespace

Move next_switchover(const Record& record, const Topology& topology, const Policy& policy) {
    return Switchover(record, topology, policy).next();
}

}  // namespace baton::recovery
