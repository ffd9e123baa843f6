// SPDX-License-Identifier: Apache-2.0
#include "dead_primary.hpp"

#include "fencing.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {

std::vector<InstanceId> DeadPrimary::all_ids() const {
    std::vector<InstanceId> out{record_.failed};
    for (const Instance* follower : followers_) {
        out.push_back(follower->id);
    }
    return out;
}

/// Those whose fresh observation is worth waiting for. A server that was silent at the last look
/// would hold up the recovery until its time-out; its probes go on anyway, and every look takes the
/// newest.
std::vector<InstanceId> DeadPrimary::worth_a_look() const {
    std::vector<InstanceId> out;
    for (const auto& id : all_ids()) {
        const Instance* instance = topology_.find(id);
        if (instance != nullptr && instance->health.failure != topology::ProbeFailure::timeout) {
            out.push_back(id);
        }
    }
    return out;
}

/// The channel by which it replicates from the failed primary, or from a successor that is gone;
/// null when it does not any more.
const Channel* DeadPrimary::old_channel(const Instance& follower) const {
    const Channel* channel = channel_to(follower, record_.failed);
    for (auto it = record_.displaced.begin(); channel == nullptr && it != record_.displaced.end();
         ++it) {
        channel = channel_to(follower, it->first);
    }
    return channel;
}

std::string DeadPrimary::channel_name(const Instance& follower) const {
    const Channel* channel = old_channel(follower);
    if (channel == nullptr) {
        channel = follower.channel();
    }
    return channel != nullptr ? channel->name : std::string{};
}

bool DeadPrimary::from_old_source(const Instance& instance) const {
    return instance.is_replica() && contains(all_ids(), instance.source());
}

bool DeadPrimary::promoted(const Instance& instance) const {
    if (!writable(instance) || instance.id == record_.failed ||
        record_.displaced.contains(instance.id)) {
        return false;
    }
    // A server can take a minute to forget its old source (a STOP waits for the rest of half a
    // transaction); it is the primary meanwhile, which then only the journal knows.
    return !instance.is_replica() ||
           (record_.phase >= Phase::promoted && instance.id == record_.successor &&
            from_old_source(instance) &&
            instance.channel()->receiver != topology::ThreadState::running);
}

const Instance* DeadPrimary::promoted_one() const {
    const Instance* chosen =
        record_.successor.empty() ? nullptr : topology_.find(record_.successor);
    if (chosen != nullptr && promoted(*chosen)) {
        return chosen;
    }
    const auto found = std::find_if(followers_.begin(), followers_.end(), [&](const Instance* f) {
        return promoted(*f);
    });
    return found != followers_.end() ? *found : nullptr;
}

bool DeadPrimary::failed_is_back() const {
    return failed_ != nullptr && writable(*failed_) && same_server(*failed_, record_.failed_uuid);
}

Move DeadPrimary::next() {
    // What has happened counts more than what was meant: a promotion that is seen is completed,
    // whatever the journal says.
    if (const Instance* successor = promoted_one()) {
        return complete(*successor);
    }
    if (record_.giving_up_as != State::running) {
        return give_up(record_.giving_up_as, record_.giving_up);
    }
    if (auto stage = fence_stage(record_, policy_, failed_)) {
        return *stage;
    }
    if (auto reason = not_fenced(record_, policy_, failed_)) {
        return give_up(State::failed, *reason);
    }
    if (failed_is_back() && !by_force(record_)) {
        return give_up(
            State::abandoned,
            record_.failed.text() + " answers again and is writable; nothing was promoted"
        );
    }
    if (failed_ != nullptr && lives_unseen(*failed_) && !by_force(record_)) {
        return give_up(
            State::abandoned,
            record_.failed.text() + " lives, though it does not let Baton in (" +
                clipped(failed_->health.error, 200) + "); it may be writable"
        );
    }
    if (hook_failed(record_, "pre_failover")) {
        return give_up(
            State::failed,
            "A hook of pre_failover failed, which forbids the recovery (" +
                record_.hooks.at("pre_failover") + "). Mend the hook, then order a recovery"
        );
    }
    if (auto move = unclear_promotion()) {
        return *move;
    }
    if (auto move = promoted_before()) {
        return *move;
    }
    if (auto stage = quiesce(false)) {
        return *stage;
    }
    const Choice choice = choose({record_, topology_, policy_, false});
    if (choice.successor != nullptr) {
        return prepare_and_promote(choice);
    }
    if (auto stage = quiesce(true)) {
        return *stage;
    }
    return refuse(choice);
}

Move DeadPrimary::refuse(const Choice& choice) {
    auto move = give_up(State::failed, choice.refusal.reason);
    std::visit(
        [&](auto& stage_or_finish) {
            stage_or_finish.decision.chosen = true;
            stage_or_finish.decision.candidates = choice.candidates;
            stage_or_finish.decision.loss = choice.loss;
        },
        move
    );
    return move;
}

/// A receiver that hung once is waited for again only when nobody else can be promoted.
bool DeadPrimary::must_be_stopped(const Instance& follower, bool hung_ones_too) const {
    if (!follower.reachable() || !follower.ever_seen ||
        attempts(record_, StepKind::stop_receiver, follower.id) >= stop_tries ||
        (!hung_ones_too && record_.attempts.contains(hang_key(follower.id)))) {
        return false;
    }
    const Channel* channel = old_channel(follower);
    if (channel == nullptr) {
        return false;  // without a source, or already below somebody else
    }
    if (!record_.positions.contains(follower.id)) {
        return true;
    }
    // A receiver that is only trying to connect gets nothing more; one that runs was started
    // again, or is connected to a primary that is back, read-only, for the successor to catch up.
    return channel->receiver == topology::ThreadState::running &&
           (readable_again(record_, topology_) == nullptr || channel->source != record_.failed);
}

/// The hooks of pre_failover run at the same time: all of this can be undone if they forbid it.
std::optional<Stage> DeadPrimary::quiesce(bool hung_ones_too) const {
    Stage stage;
    for (const Instance* follower : followers_) {
        if (must_be_stopped(*follower, hung_ones_too)) {
            Step step = make_step(StepKind::stop_receiver, *follower, policy_.quiesce_limit);
            step.channel = channel_name(*follower);
            step.source = record_.failed;
            step.essential = false;
            stage.steps.push_back(std::move(step));
        }
    }
    if (stage.steps.empty()) {
        return std::nullopt;
    }
    stage.enters = std::max(record_.phase, Phase::quiesced);
    stage.intent = "stop the receivers of all replicas of " + record_.failed.text() +
                   ", so that their positions are final";
    if (hook_due(policy_.has_pre_hooks, "pre_failover")) {
        stage.steps.push_back(hook_step("pre_failover", record_.failed, policy_, true));
    }
    stage.reprobe = worth_a_look();
    return stage;
}

Decision DeadPrimary::decision_of(const Choice& choice) const {
    Decision decision;
    decision.chosen = true;
    decision.candidates = choice.candidates;
    decision.successor = choice.successor->id;
    decision.successor_uuid = choice.successor->state.identity.uuid;
    decision.loss = choice.loss;
    decision.displaced = displaced_;
    return decision;
}

Step DeadPrimary::wait_step(const Instance& target, const gtid::GtidSet& required) const {
    Step step = make_step(StepKind::wait_applied, target, policy_.drain_limit);
    step.required_gtid_set = required.text();
    const Channel* channel = target.channel();
    step.skip_delay = channel != nullptr && channel->delay_seconds > 0;
    return step;
}

/// Everything that must be applied before the promotion, in as few rounds as safety allows. Nothing
/// is taken from a relay log before it is applied: a CHANGE of the source deletes relay logs.
void DeadPrimary::prepare(Stage& stage, const Choice& choice) const {
    const Instance& successor = *choice.successor;
    const auto wait = [&](const Instance& target, const gtid::GtidSet& required) {
        stage.steps.push_back(wait_step(target, required));
        stage.decision.drains[target.id] = target.state.executed_gtid_set;
    };
    if (!within(choice.holdings.received, choice.holdings.executed)) {
        wait(successor, choice.holdings.received);
        stage.enters = Phase::drained;
    }
    if (choice.helper == nullptr) {
        return;
    }
    const Instance& helper = *choice.helper;
    const auto position = record_.positions.find(helper.id);
    const auto held =
        holdings_of(helper, position != record_.positions.end() ? &position->second : nullptr);
    stage.enters = Phase::chosen;
    if (!within(held.received, held.executed)) {
        Step step = wait_step(helper, held.received);
        step.essential = false;  // somebody else may do
        stage.steps.push_back(std::move(step));
        stage.decision.drains[helper.id] = helper.state.executed_gtid_set;
    }
    if (!stage.steps.empty()) {
        return;
    }
    const bool following = successor.source() == helper.id &&
                           successor.channel()->receiver != topology::ThreadState::stopped;
    if (!following) {
        Step step = make_step(StepKind::repoint, successor, policy_.step_limit);
        step.channel = channel_name(successor);
        step.source = helper.id;
        stage.steps.push_back(std::move(step));
        return;
    }
    wait(successor, choice.target);
    stage.enters = Phase::drained;
}

bool DeadPrimary::semi_sync_possible(const Instance& successor) const {
    if (!record_.semi_sync || !successor.state.semi_sync.available) {
        return false;
    }
    const auto ready =
        std::count_if(followers_.begin(), followers_.end(), [&](const Instance* follower) {
            return follower != &successor && follower->reachable() &&
                   follower->state.semi_sync.replica_enabled;
        });
    // Else its first commit would wait for an acknowledgement that nobody can give.
    return static_cast<std::uint64_t>(ready) >=
           std::max<std::uint64_t>(successor.state.semi_sync.wait_for_replica_count, 1);
}

Move DeadPrimary::prepare_and_promote(const Choice& choice) {
    Stage stage;
    stage.decision = decision_of(choice);
    stage.enters = Phase::chosen;
    prepare(stage, choice);
    if (hook_due(policy_.has_pre_hooks, "pre_failover")) {
        stage.steps.push_back(hook_step("pre_failover", record_.failed, policy_, true));
    }
    if (stage.steps.empty()) {
        return promote(*choice.successor, choice.target.text(), std::move(stage.decision));
    }
    stage.enters = std::max(stage.enters, record_.phase);
    stage.intent = "prepare the promotion of " + choice.successor->id.text();
    if (choice.helper != nullptr) {
        stage.intent += ": catch up from " + choice.helper->id.text();
    }
    stage.reprobe = {record_.failed, choice.successor->id};
    if (choice.helper != nullptr) {
        stage.reprobe.push_back(choice.helper->id);
    }
    return stage;
}

Move DeadPrimary::promote(
    const Instance& successor, const std::string& required, Decision decision
) {
    Step step = make_step(StepKind::promote, successor, policy_.step_limit);
    step.channel = channel_name(successor);
    step.source = record_.failed;
    step.required_gtid_set = required;
    step.enable_semi_sync = semi_sync_possible(successor);
    decision.promoted_gtid_set = required;
    decision.fencing = fencing_text(record_, failed_);
    if (record_.semi_sync && !step.enable_semi_sync) {
        decision.notes.push_back(
            "semi-synchronous replication stays off on " + successor.id.text() +
            ": not enough reachable replicas have it on"
        );
    }
    for (const Instance* follower : followers_) {
        if (follower != &successor && !follower->reachable()) {
            decision.lost[follower->id] = "it did not answer";
        }
    }
    Stage stage;
    stage.enters = Phase::promoted;
    stage.intent = "promote " + successor.id.text() + " in place of " + record_.failed.text();
    stage.steps.push_back(std::move(step));
    stage.reprobe = worth_a_look();
    stage.decision = std::move(decision);
    return stage;
}

Move complete_promotion(
    const Record& record, const Topology& topology, const Policy& policy, const Instance& successor
) {
    return DeadPrimary(record, topology, policy).complete(successor);
}

Move next_dead_primary(const Record& record, const Topology& topology, const Policy& policy) {
    return DeadPrimary(record, topology, policy).next();
}

}  // namespace baton::recovery
