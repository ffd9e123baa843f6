// SPDX-License-Identifier: Apache-2.0
#include "dead_primary.hpp"
#include "fencing.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned look_tries = 5;
constexpr unsigned undo_tries = 3;
constexpr std::size_t displaced_limit = 2;

// Key of Record::attempts for stages that only look (see planner.cpp).
constexpr StepKind look = StepKind::witness;

}  // namespace

/// A promotion was sent (or may have been, by a node that died) and its server is not seen as a
/// primary. To promote another one while that one may be writable would make two primaries.
std::optional<Move> DeadPrimary::unclear_promotion() {
    if (record_.promoted_gtid_set.empty() || record_.successor.empty()) {
        return std::nullopt;
    }
    const Instance* successor = topology_.find(record_.successor);
    if (successor == nullptr) {
        return std::nullopt;
    }
    if (successor->reachable()) {
        if (record_.phase < Phase::promoted) {
            // Not promoted: the usual way leads there. Half promoted: nobody else may be.
            return writable(*successor) ? std::optional(finish_half_promotion(*successor))
                                        : std::nullopt;
        }
        if (successor->is_replica() && !from_old_source(*successor)) {
            return give_up(
                State::abandoned,
                successor->id.text() + " was promoted and replicates from " +
                    successor->source().text() + " now: somebody else has taken over"
            );
        }
        if (attempts(record_, StepKind::promote, successor->id) >= promotion_tries) {
            return give_up(
                State::failed,
                successor->id.text() +
                    " was promoted and does not stay writable. Find out what makes it read-only"
            );
        }
        // Restarted with read_only in its configuration, for example.
        return promote(*successor, record_.promoted_gtid_set, Decision{});
    }
    if (successor->health.failure == topology::ProbeFailure::refused) {
        return replace_successor(*successor);  // its process is gone for certain
    }
    if (attempts(record_, look, successor->id) < look_tries) {
        Stage stage;
        stage.enters = record_.phase;
        stage.intent =
            "look again for " + successor->id.text() + ", whose promotion may have been sent";
        stage.reprobe = {successor->id};
        return stage;
    }
    if (record_.phase >= Phase::promoted) {
        return complete(*successor);
    }
    return replace_successor(*successor);
}

/// Writable, but the promotion did not come to its end. If it cannot, then it has to be read-only
/// again before another one is promoted.
Move DeadPrimary::finish_half_promotion(const Instance& successor) {
    if (attempts(record_, StepKind::promote, successor.id) < promotion_tries) {
        return promote(successor, record_.promoted_gtid_set, Decision{});
    }
    if (record_.partner_writable && failed_ != nullptr && failed_->source() == successor.id) {
        return give_up(
            State::failed,
            successor.id.text() +
                " goes on taking writes, as before, but cannot be made to forget " +
                record_.failed.text() + ". See the steps for why, then order a recovery"
        );
    }
    Stage stage;
    stage.enters = record_.phase;
    stage.intent = "take back the promotion of " + successor.id.text() + ", which cannot be ended";
    stage.reprobe = {successor.id};
    contain(stage, successor);
    if (stage.steps.empty()) {
        return give_up(
            State::failed,
            successor.id.text() +
                " is writable, its promotion cannot be ended, and it cannot be made read-only. "
                "Stop it, or let the others follow it"
        );
    }
    return stage;
}

Move DeadPrimary::replace_successor(const Instance& gone) {
    if (record_.displaced.size() >= displaced_limit) {
        return give_up(
            State::failed,
            std::to_string(displaced_limit + 1) +
                " successors in a row have died. Find out why, then order a recovery"
        );
    }
    displaced_[gone.id] = gone.state.identity.uuid;
    // The same as `before` will put into the record, so that this look goes on with it.
    record_.displaced[gone.id] = gone.state.identity.uuid;
    record_.positions.clear();
    record_.promoted_gtid_set.clear();
    record_.successor = {};
    record_.successor_uuid.clear();
    record_.phase = Phase::started;
    followers_ = followers(record_, topology_);
    auto move = next();
    if (auto* stage = std::get_if<Stage>(&move)) {
        stage->decision.displaced = displaced_;
        stage->decision.notes.push_back(
            gone.id.text() + " died during or after its promotion; another one is chosen"
        );
    }
    return move;
}

/// One that was promoted by this recovery and died is back before another one is promoted: it would
/// be the second.
std::optional<Move> DeadPrimary::promoted_before() {
    Stage stage;
    stage.enters = record_.phase;
    for (const auto& [id, uuid] : record_.displaced) {
        const Instance* gone = topology_.find(id);
        if (gone == nullptr || !writable(*gone) || !same_server(*gone, uuid)) {
            continue;
        }
        contain(stage, *gone);
        if (stage.steps.empty()) {
            return give_up(
                State::failed,
                id.text() +
                    " was promoted, died, is back and writable, and cannot be made read-only. Stop "
                    "it, or let the others follow it"
            );
        }
        stage.reprobe.push_back(id);
    }
    if (stage.steps.empty()) {
        return std::nullopt;
    }
    stage.intent = "keep clients from writing to who was promoted before";
    stage.decision.displaced = displaced_;
    return stage;
}

/// It was made read-only to be replaced, and certainly nobody was promoted: it is writable again.
bool DeadPrimary::serves_on() const {
    if (!(by_force(record_) || replaces_living(record_)) || record_.final_gtid_set.empty() ||
        !record_.displaced.empty() || failed_ == nullptr || !failed_->reachable() ||
        writable(*failed_) || !same_server(*failed_, record_.failed_uuid) ||
        attempts(record_, StepKind::set_writable, failed_->id) >= undo_tries) {
        return false;
    }
    if (record_.promoted_gtid_set.empty()) {
        return true;
    }
    const Instance* chosen = topology_.find(record_.successor);
    return chosen != nullptr && chosen->reachable() && !writable(*chosen);
}

/// It was made to follow another one, to be caught up for a promotion. Left there, one of two
/// co-primaries would make a ring of three when the other one comes back.
bool DeadPrimary::below_helper(const Instance& follower) const {
    if (!record_.displaced.empty() || !contains(record_.replicas, follower.id) ||
        !record_.positions.contains(follower.id) || !follower.is_replica() ||
        old_channel(follower) != nullptr) {
        return false;
    }
    const auto ids = all_ids();
    const Instance* source = topology_.find(follower.source());
    return source != nullptr && (contains(ids, source->id) || contains(ids, source->source()));
}

/// Those that could not be pointed back: for people to mend.
std::string DeadPrimary::left_below() const {
    std::string out;
    for (const Instance* follower : followers_) {
        if (!below_helper(*follower)) {
            continue;
        }
        const bool maria = is_mariadb(*follower);
        out += "; " + follower->id.text() + " still follows " + follower->source().text() +
               ", from which it was to get what it lacked, because " +
               (follower->reachable() ? "it could not be pointed back (see the steps)"
                                      : "it does not answer") +
               ". When it has applied what it received: " +
               (maria ? "STOP SLAVE; CHANGE MASTER TO MASTER_HOST='"
                      : "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='") +
               record_.failed.host + (maria ? "', MASTER_PORT=" : "', SOURCE_PORT=") +
               std::to_string(record_.failed.port) + (maria ? "; START SLAVE" : "; START REPLICA");
    }
    return out;
}

/// Lets replication run again as before, so that giving up leaves nothing worse behind.
std::vector<Step> DeadPrimary::undo() const {
    const auto stopped_by_this = [this](const Instance& follower) {
        const Channel* channel = old_channel(follower);
        if (channel == nullptr) {
            channel = follower.channel();
        }
        return channel != nullptr && channel->receiver == topology::ThreadState::stopped &&
               !contains(record_.stopped_before, follower.id) &&
               attempts(record_, StepKind::start_replication, follower.id) < undo_tries;
    };
    std::vector<Step> steps;
    for (const Instance* follower : followers_) {
        if (!follower->reachable()) {
            continue;
        }
        const Channel* channel = old_channel(*follower);
        const auto moves = attempts(record_, StepKind::repoint, follower->id);
        // Not only where our stop is known to have been done: a node that died in between has
        // stopped receivers of which nobody knows.
        if (channel != nullptr && stopped_by_this(*follower)) {
            steps.push_back(make_step(StepKind::start_replication, *follower, policy_.step_limit));
            steps.back().channel = channel->name;
        } else if (!follower->is_replica() && !writable(*follower) &&
                   attempts(record_, StepKind::promote, follower->id) > 0 &&
                   moves < follower_move_tries) {
            // A promotion that stopped half-way has made it forget its source.
            steps.push_back(make_step(StepKind::repoint, *follower, policy_.step_limit));
            steps.back().source = record_.failed;
        } else if (moves < promotion_tries + undo_tries && below_helper(*follower)) {
            // Started by the next stage: here it would be waited for until it is connected.
            steps.push_back(make_step(StepKind::repoint, *follower, policy_.step_limit));
            steps.back().source = record_.failed;
            steps.back().start = false;
            steps.back().start_applier = !contains(record_.appliers_stopped_before, follower->id);
        } else if (below_helper(*follower) && stopped_by_this(*follower)) {
            // An attempt to point it back stops it first: better there than nowhere.
            steps.push_back(make_step(StepKind::start_replication, *follower, policy_.step_limit));
        }
    }
    if (serves_on()) {
        steps.push_back(make_step(StepKind::set_writable, *failed_, policy_.step_limit));
    }
    for (auto& step : steps) {
        step.essential = false;
    }
    return steps;
}

Move DeadPrimary::give_up(State state, std::string reason) {
    Stage stage;
    stage.enters = record_.phase;
    stage.decision.give_up_as = state;
    stage.decision.give_up_reason = reason;
    stage.steps = undo();
    if (!stage.steps.empty()) {
        stage.intent = "let the replicas run as before: " + reason;
        stage.reprobe = worth_a_look();
        return stage;
    }
    // Who acted on pre_failover must learn that nothing came of it.
    const bool tell = state == State::failed || record_.hooks.contains("pre_failover");
    if (tell && hook_due(policy_.has_failed_hooks, "post_unsuccessful_failover")) {
        stage.steps.push_back(
            hook_step("post_unsuccessful_failover", record_.failed, policy_, false)
        );
        stage.intent = "tell that the failover has failed";
        return stage;
    }
    Finish finish;
    finish.state = state;
    finish.outcome = std::move(reason) + left_below();
    return finish;
}

}  // namespace baton::recovery
