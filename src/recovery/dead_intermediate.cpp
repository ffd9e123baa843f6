// SPDX-License-Identifier: Apache-2.0
#include "candidates.hpp"
#include "intermediate_targets.hpp"
#include "plans.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned move_tries = 3;
constexpr unsigned wait_tries = 2;

// The replicas of a source that is gone are moved: of a dead intermediate source, of a dead group
// member, of a dead passive co-primary, of a deposed primary that died with replicas that it still
// had. Where to is in intermediate_targets.hpp; each replica takes the first place that fits it, so
// some may be moved while others are left, each with its reason. Nobody is promoted. Each move can
// be repeated, so any interruption is harmless.
class DeadIntermediate {
public:
    DeadIntermediate(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          failed_(topology.find(record.failed)),
          ids_(to_move()),
          targets_(find_targets(record, topology, policy, ids_)) {}

    Move next();

private:
    [[nodiscard]] std::vector<InstanceId> to_move() const;
    void finish_move(Stage& stage, const Instance& replica);
    void place(Stage& stage, const Instance& replica);
    [[nodiscard]] bool waits_for_local(const Instance& replica) const;
    void catch_up_local(Stage& stage) const;
    [[nodiscard]] bool back() const;
    [[nodiscard]] bool back_to_work() const;
    void explain(Stage& stage) const;
    Move finish(Stage stage);
    [[nodiscard]] InstanceId common_target() const;

    [[nodiscard]] bool hook_due(bool configured, const std::string& list) const {
        return configured && !record_.skip_hooks && !hook_ended(record_, list);
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* failed_;
    std::vector<InstanceId> ids_;
    Targets targets_;
    std::map<InstanceId, std::string> left_;         // cannot be moved, with the reason
    std::vector<const Instance*> behind_the_local_;  // have what it has not applied yet
};

/// Of two co-primaries the other one goes on and is not moved: it waits for its partner.
std::vector<InstanceId> DeadIntermediate::to_move() const {
    std::vector<InstanceId> ids = record_.replicas;
    for (const Instance* replica : topology_.replicas_of(record_.failed)) {
        add_once(ids, replica->id);
    }
    if (const Instance* partner = co_primary_in(record_, topology_)) {
        std::erase(ids, partner->id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
}

/// Its replicas that can connect to it are fine there. It may answer us all the time, and only them
/// not.
bool DeadIntermediate::back() const {
    return record_.code != analysis::Code::intermediate_replicas_failing_to_connect_or_dead &&
           failed_ != nullptr && failed_->reachable() && same_server(*failed_, record_.failed_uuid);
}

bool DeadIntermediate::back_to_work() const {
    return failed_ != nullptr && failed_->reachable();
}

/// Moved by somebody who died before starting it again: that is half a move.
void DeadIntermediate::finish_move(Stage& stage, const Instance& replica) {
    if (!never_started(*replica.channel()) || contains(record_.stopped_before, replica.id)) {
        add_once(stage.decision.repointed, replica.id);
        return;
    }
    if (attempts(record_, StepKind::start_replication, replica.id) >= move_tries) {
        left_[replica.id] =
            "it was moved below " + replica.source().text() + " and cannot be started";
        return;
    }
    Step step = make_step(StepKind::start_replication, replica, policy_.step_limit);
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

/// The local source moves first; the others of its data centre follow it, and only what it cannot
/// serve goes elsewhere.
bool DeadIntermediate::waits_for_local(const Instance& replica) const {
    const Instance* local = targets_.local;
    if (local == nullptr || local == &replica || !is_near(failed_, replica) ||
        cannot_follow(replica, *local, failed_)) {
        return false;
    }
    const auto own = holdings_of(replica, nullptr);
    if (!own.known() || needs_purged(own, *local)) {
        return false;
    }
    const bool offered =
        std::any_of(targets_.list.begin(), targets_.list.end(), [&](const Target& target) {
            return target.instance == local;
        });
    if (!offered) {
        return true;  // it is moved first
    }
    const auto theirs = holdings_of(*local, nullptr);
    return theirs.known() && !within(own.shared, theirs.executed) &&
           attempts(record_, StepKind::wait_applied, local->id) < wait_tries;
}

void DeadIntermediate::catch_up_local(Stage& stage) const {
    if (behind_the_local_.empty() || !stage.steps.empty()) {
        return;
    }
    gtid::GtidSet wanted;
    for (const Instance* replica : behind_the_local_) {
        wanted = wanted.united(holdings_of(*replica, nullptr).shared);
    }
    Step step = make_step(StepKind::wait_applied, *targets_.local, policy_.step_limit);
    step.required_gtid_set = wanted.text();
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

void DeadIntermediate::place(Stage& stage, const Instance& replica) {
    const Channel* channel = channel_to(replica, record_.failed);
    if (channel == nullptr) {
        if (replica.is_replica() && replica.reachable()) {
            finish_move(stage, replica);
        }
        return;
    }
    if (!replica.reachable()) {
        left_[replica.id] = "it did not answer";
        return;
    }
    if (channel->receiver == topology::ThreadState::running && failed_ != nullptr &&
        failed_->reachable()) {
        return;  // it can connect again
    }
    if (attempts(record_, StepKind::repoint, replica.id) >= move_tries) {
        left_[replica.id] = "it could not be repointed";
        return;
    }
    std::string reason;  // why not the best one
    // After a failure the next best is tried, so that one bad target does not decide.
    auto skip = attempts(record_, StepKind::repoint, replica.id);
    const Instance* chosen = nullptr;
    const bool waits = waits_for_local(replica);
    for (const auto& target : targets_.list) {
        if (target.instance->id == replica.id) {
            continue;
        }
        if (waits && target.place > Target::Place::near) {
            behind_the_local_.push_back(&replica);
            return;
        }
        if (auto why = unfit(record_, topology_, replica, target)) {
            reason = reason.empty() ? *why : reason;
            continue;
        }
        chosen = target.instance;
        if (skip == 0) {
            break;
        }
        --skip;
    }
    if (chosen == nullptr) {
        left_[replica.id] = reason.empty() ? "there is neither a usable sibling of " +
                                                 record_.failed.text() + " nor its source"
                                           : reason;
        return;
    }
    Step step = make_step(StepKind::repoint, replica, policy_.step_limit);
    step.channel = channel->name;
    step.source = chosen->id;
    step.essential = false;
    keep_stopped(step, record_);
    stage.steps.push_back(std::move(step));
}

/// Once, together with the first steps: where the replicas may go, and who is the local source.
void DeadIntermediate::explain(Stage& stage) const {
    const InstanceId local = targets_.local != nullptr ? targets_.local->id : InstanceId{};
    if (!record_.candidates.empty() && (local.empty() || record_.successor == local)) {
        return;
    }
    stage.decision.chosen = true;
    stage.decision.candidates = targets_.considered;
    if (targets_.local != nullptr) {
        stage.decision.successor = local;
        stage.decision.successor_uuid = targets_.local->state.identity.uuid;
    }
    stage.decision.loss = "none: no primary was replaced";
}

Move DeadIntermediate::next() {
    if (hook_failed(record_, "pre_failover")) {
        return Finish{
            State::failed,
            "A hook of pre_failover failed, which forbids the recovery (" +
                record_.hooks.at("pre_failover") + "). Mend the hook, then order a recovery"};
    }
    Stage stage;
    stage.enters = Phase::repointed;
    for (const auto& id : ids_) {
        if (const Instance* replica = topology_.find(id)) {
            place(stage, *replica);
        }
    }
    catch_up_local(stage);
    if (back()) {
        // Those that still are below it are fine there.
        std::erase_if(stage.steps, [](const Step& s) {
            return s.kind == StepKind::repoint || s.kind == StepKind::wait_applied;
        });
        left_.clear();
        if (stage.decision.repointed.empty() && stage.steps.empty()) {
            return Finish{
                State::abandoned, record_.failed.text() + " answers again; nothing was moved"};
        }
    }
    stage.reprobe = ids_;
    stage.reprobe.push_back(record_.failed);
    if (!stage.steps.empty() && hook_due(policy_.has_pre_hooks, "pre_failover")) {
        stage.steps = {hook_step("pre_failover", record_.failed, policy_, true)};
        stage.enters = Phase::chosen;
        stage.intent = "ask the hooks of pre_failover";
        return stage;
    }
    if (!stage.steps.empty()) {
        explain(stage);
        stage.intent = "move the replicas of " + record_.failed.text();
        if (targets_.local != nullptr) {
            stage.intent += ", with " + targets_.local->id.text() + " as their local source";
        }
        return stage;
    }
    stage.decision.lost = left_;
    return finish(std::move(stage));
}

/// Where most of the moved ones are now.
InstanceId DeadIntermediate::common_target() const {
    std::map<InstanceId, unsigned> votes;
    for (const auto& id : record_.repointed) {
        const Instance* replica = topology_.find(id);
        if (replica != nullptr && replica->is_replica() && replica->source() != record_.failed) {
            ++votes[replica->source()];
        }
    }
    const auto most =
        std::max_element(votes.begin(), votes.end(), [](const auto& left, const auto& right) {
            return left.second < right.second;
        });
    return most != votes.end() ? most->first : InstanceId{};
}

Move DeadIntermediate::finish(Stage stage) {
    const auto moved = stage.decision.repointed.size();
    const InstanceId target = common_target();
    if (stage.decision.lost.empty() && moved == 0 && back_to_work()) {
        return Finish{
            State::abandoned,
            "The replicas of " + record_.failed.text() + " can connect again; nothing was moved"};
    }
    stage.decision.chosen = true;
    stage.decision.candidates =
        record_.candidates.empty() ? targets_.considered : record_.candidates;
    stage.decision.successor = target;
    stage.decision.loss = "none: no primary was replaced";
    if (const Instance* instance = topology_.find(target)) {
        stage.decision.successor_uuid = instance->state.identity.uuid;
    }
    const auto tell = [&](bool configured, const std::string& list) {
        if (!stage.steps.empty() || !hook_due(configured, list)) {
            return;
        }
        stage.steps.push_back(hook_step(list, record_.failed, policy_, false));
        stage.intent = "run the hooks of " + list;
    };
    if (moved > 0) {
        tell(policy_.has_post_hooks, "post_intermediate_failover");
        tell(policy_.has_post_hooks, "post_failover");
    } else {
        tell(policy_.has_failed_hooks, "post_unsuccessful_failover");
    }
    if (!stage.steps.empty()) {
        stage.enters = record_.phase;
        return stage;
    }
    std::string outcome = std::to_string(moved) + " of " +
                          std::to_string(moved + stage.decision.lost.size()) + " replicas of " +
                          record_.failed.text() + " moved";
    if (!target.empty()) {
        outcome += ", most of them to " + target.text();
    }
    for (const auto& [id, reason] : stage.decision.lost) {
        outcome += "; left: " + id.text() + " (" + reason + ")";
    }
    Finish finish{moved > 0 ? State::done : State::failed, std::move(outcome)};
    finish.decision = std::move(stage.decision);
    return finish;
}

}  // namespace

Move next_dead_intermediate(const Record& record, const Topology& topology, const Policy& policy) {
    return DeadIntermediate(record, topology, policy).next();
}

}  // namespace baton::recovery
