// SPDX-License-Identifier: Apache-2.0
#include "holdings.hpp"
#include "plans.hpp"
#include "view.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <tuple>

namespace baton::recovery {
namespace {

constexpr unsigned move_tries = 3;

// The replicas of a dead intermediate source are moved, each for itself: to a sibling of the dead
// one in the same data centre, else to the grandparent, else to a sibling elsewhere. When the
// grandparent is gone as well, the primary of the cluster stands in for it. Nothing else changes,
// and each move can be repeated, so any interruption is harmless.
class DeadIntermediate {
public:
    DeadIntermediate(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          failed_(topology.find(record.failed)) {}

    Move next();

private:
    struct Target {
        const Instance* instance = nullptr;
        std::uint64_t behind = 0;  // lag, in seconds
        bool elsewhere = false;
        bool grandparent = false;
    };

    [[nodiscard]] InstanceId parent() const;
    [[nodiscard]] std::vector<Target> targets() const;
    [[nodiscard]] std::optional<std::string> unfit(const Instance& replica, const Target& target)
        const;
    void finish_move(Stage& stage, const Instance& replica) const;
    void place(Stage& stage, const Instance& replica, const std::vector<Target>& targets) const;
    [[nodiscard]] bool back() const;
    Move finish(Stage stage);
    [[nodiscard]] InstanceId common_target() const;

    [[nodiscard]] bool hook_due(bool configured, const std::string& list) const {
        return configured && !record_.skip_hooks && !hook_ended(record_, list);
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* failed_;
};

bool DeadIntermediate::back() const {
    return failed_ != nullptr && failed_->reachable() && same_server(*failed_, record_.failed_uuid);
}

InstanceId DeadIntermediate::parent() const {
    const InstanceId own = failed_->source();
    const Instance* instance = topology_.find(own);
    if (instance != nullptr && instance->reachable() &&
        !topology_.overlay().deposed.contains(own)) {
        return own;
    }
    const auto* cluster = topology_.cluster_by_id(record_.cluster_id);
    return cluster != nullptr && !cluster->primary.empty() && cluster->primary != record_.failed
               ? cluster->primary
               : own;
}

std::vector<DeadIntermediate::Target> DeadIntermediate::targets() const {
    std::vector<Target> out;
    if (failed_ == nullptr) {
        return out;
    }
    const InstanceId top = parent();
    const auto elsewhere = [&](const Instance& instance) {
        return differ(failed_->state.identity.data_center, instance.state.identity.data_center);
    };
    for (const Instance* sibling : topology_.replicas_of(top)) {
        const Channel* channel = channel_to(*sibling, top);
        if (sibling->id == record_.failed || !sibling->reachable() || channel == nullptr ||
            !channel->replicating() || channel->delay_seconds > 0 || cannot_serve(*sibling) ||
            set_aside(topology_, sibling->id)) {
            continue;
        }
        const auto lag = std::max<std::int64_t>(sibling->lag_seconds().value_or(0), 0);
        out.push_back({sibling, static_cast<std::uint64_t>(lag), elsewhere(*sibling), false});
    }
    const Instance* grandparent = topology_.find(top);
    if (grandparent != nullptr && grandparent->reachable() && !cannot_serve(*grandparent)) {
        out.push_back({grandparent, 0, false, true});
    }
    std::sort(out.begin(), out.end(), [&](const Target& left, const Target& right) {
        const auto key = [&](const Target& target) {
            const int place = target.grandparent ? 1 : (target.elsewhere ? 2 : 0);
            return std::tuple(
                place,
                static_cast<int>(topology_.promotion_rule(target.instance->id)),
                target.behind > 1 ? target.behind : 0,
                target.instance->id
            );
        };
        return key(left) < key(right);
    });
    return out;
}

std::optional<std::string> DeadIntermediate::unfit(const Instance& replica, const Target& target)
    const {
    if (auto reason = cannot_follow(replica, *target.instance, failed_)) {
        return reason;
    }
    const auto own = holdings_of(replica, nullptr);
    const auto theirs = holdings_of(*target.instance, nullptr);
    if (!own.known() || !theirs.known()) {
        return own.known() ? "the position of " + target.instance->id.text() + " is not known"
                           : "its position is not known: " + own.unknown;
    }
    // The grandparent had everything before the replica had it, even if it was observed earlier. A
    // sibling may lag behind, and a replica that is further than its source stops (MariaDB).
    const bool had_all = target.grandparent && target.instance->id == failed_->source();
    if (!had_all && !within(own.shared, theirs.executed)) {
        return target.instance->id.text() + " lacks " +
               transactions(gtid::missing_from(own.shared, theirs.executed)) + " that it has";
    }
    return needs_purged(own, *target.instance);
}

/// Moved by somebody who died before starting it again: that is half a move.
void DeadIntermediate::finish_move(Stage& stage, const Instance& replica) const {
    const Channel& channel = *replica.channel();
    if (!never_started(channel) || contains(record_.stopped_before, replica.id) ||
        attempts(record_, StepKind::start_replication, replica.id) >= move_tries) {
        return;
    }
    Step step = make_step(StepKind::start_replication, replica, policy_.step_limit);
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

void DeadIntermediate::place(
    Stage& stage, const Instance& replica, const std::vector<Target>& targets
) const {
    const Channel* channel = channel_to(replica, record_.failed);
    if (channel == nullptr) {
        if (replica.is_replica() && replica.reachable()) {
            add_once(stage.decision.repointed, replica.id);
            finish_move(stage, replica);
        }
        return;
    }
    if (!replica.reachable()) {
        stage.decision.lost[replica.id] = "it did not answer";
        return;
    }
    if (attempts(record_, StepKind::repoint, replica.id) >= move_tries) {
        stage.decision.lost[replica.id] = "it could not be repointed";
        return;
    }
    std::string reason =
        "there is neither a usable sibling of " + record_.failed.text() + " nor its source";
    // After a failure the next best is tried, so that one bad target does not decide.
    auto skip = attempts(record_, StepKind::repoint, replica.id);
    const Instance* chosen = nullptr;
    for (const auto& target : targets) {
        if (target.instance->id == replica.id) {
            continue;
        }
        if (auto why = unfit(replica, target)) {
            reason = *why;
            continue;
        }
        chosen = target.instance;
        if (skip == 0) {
            break;
        }
        --skip;
    }
    if (chosen == nullptr) {
        stage.decision.lost[replica.id] = reason;
        return;
    }
    Step step = make_step(StepKind::repoint, replica, policy_.step_limit);
    step.channel = channel->name;
    step.source = chosen->id;
    step.essential = false;
    stage.steps.push_back(std::move(step));
}

Move DeadIntermediate::next() {
    if (hook_failed(record_, "pre_failover")) {
        return Finish{
            State::failed,
            "A hook of pre_failover failed, which forbids the recovery (" +
                record_.hooks.at("pre_failover") + "). Mend the hook, then order a recovery"};
    }
    std::vector<InstanceId> ids = record_.replicas;
    for (const Instance* replica : topology_.replicas_of(record_.failed)) {
        add_once(ids, replica->id);
    }
    std::sort(ids.begin(), ids.end());
    Stage stage;
    stage.enters = Phase::repointed;
    const auto possible = targets();
    for (const auto& id : ids) {
        if (const Instance* replica = topology_.find(id)) {
            place(stage, *replica, possible);
        }
    }
    if (back()) {
        // Those that still are below it are fine there.
        std::erase_if(stage.steps, [](const Step& s) { return s.kind == StepKind::repoint; });
        stage.decision.lost.clear();
        if (stage.decision.repointed.empty()) {
            return Finish{
                State::abandoned, record_.failed.text() + " answers again; nothing was moved"};
        }
    }
    stage.reprobe = ids;
    stage.reprobe.push_back(record_.failed);
    if (!stage.steps.empty() && hook_due(policy_.has_pre_hooks, "pre_failover")) {
        stage.steps = {hook_step("pre_failover", record_.failed, policy_, true)};
        stage.enters = Phase::chosen;
        stage.intent = "ask the hooks of pre_failover";
        return stage;
    }
    if (!stage.steps.empty()) {
        stage.intent = "move the replicas of " + record_.failed.text();
        return stage;
    }
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
    if (!target.empty()) {
        stage.decision.chosen = true;
        stage.decision.candidates = record_.candidates;
        stage.decision.successor = target;
        stage.decision.loss = "none: no primary was replaced";
        if (const Instance* instance = topology_.find(target)) {
            stage.decision.successor_uuid = instance->state.identity.uuid;
        }
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
