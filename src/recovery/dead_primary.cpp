// SPDX-License-Identifier: Apache-2.0
#include "candidates.hpp"
#include "fencing.hpp"
#include "plans.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned look_tries = 5;
constexpr unsigned move_tries = 2;
constexpr unsigned contain_tries = 3;
constexpr unsigned undo_tries = 3;
constexpr unsigned forget_tries = 2;  // the promotion itself is the first
constexpr std::size_t displaced_limit = 2;

// Key of Record::attempts for stages that only look (see planner.cpp).
constexpr StepKind look = StepKind::witness;

class DeadPrimary {
public:
    DeadPrimary(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          failed_(topology.find(record.failed)),
          followers_(followers(record, topology)) {}

    Move next();
    /// The rest after a promotion: the others follow it.
    Move complete(const Instance& successor);

private:
    // Before the promotion.
    [[nodiscard]] std::optional<Stage> quiesce(bool hung_ones_too) const;
    [[nodiscard]] bool must_be_stopped(const Instance& follower, bool hung_ones_too) const;
    Move refuse(const Choice& choice);
    [[nodiscard]] bool failed_is_back() const;
    Move prepare_and_promote(const Choice& choice);
    void prepare(Stage& stage, const Choice& choice) const;
    [[nodiscard]] Step wait_step(const Instance& target, const gtid::GtidSet& required) const;
    Move promote(const Instance& successor, const std::string& required, Decision decision);
    [[nodiscard]] Decision decision_of(const Choice& choice) const;
    [[nodiscard]] bool semi_sync_possible(const Instance& successor) const;
    // A promotion that may have been sent, to a server that is not seen promoted.
    std::optional<Move> unclear_promotion();
    Move finish_half_promotion(const Instance& successor);
    Move replace_successor(const Instance& gone);
    std::optional<Move> promoted_before();
    // After it.
    [[nodiscard]] const Instance* promoted_one() const;
    [[nodiscard]] bool promoted(const Instance& instance) const;
    void place_follower(Stage& stage, const Instance& follower, const Instance& successor) const;
    [[nodiscard]] std::optional<std::string> misfit(
        const Instance& follower, const Instance& successor
    ) const;
    void forget_old_source(Stage& stage, const Instance& successor) const;
    void contain(Stage& stage, const Instance& instance) const;
    [[nodiscard]] std::string outcome(const Instance& successor, const Decision& decision) const;
    // Instead of it.
    Move give_up(State state, std::string reason);
    [[nodiscard]] std::vector<Step> undo() const;
    [[nodiscard]] bool serves_on() const;

    [[nodiscard]] std::vector<InstanceId> all_ids() const;
    [[nodiscard]] std::vector<InstanceId> worth_a_look() const;
    [[nodiscard]] bool from_old_source(const Instance& instance) const;

    [[nodiscard]] bool hook_due(bool configured, const std::string& list) const {
        return configured && !record_.skip_hooks && !hook_ended(record_, list);
    }

    [[nodiscard]] const Channel* old_channel(const Instance& follower) const;
    [[nodiscard]] std::string channel_name(const Instance& follower) const;

    Record record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* failed_;
    std::vector<const Instance*> followers_;
    std::map<InstanceId, std::string> displaced_;  // by this look
};

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
    if (attempts(record_, StepKind::repoint, follower.id) >= move_tries) {
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

/// Lets replication run again as before, so that giving up leaves nothing worse behind.
std::vector<Step> DeadPrimary::undo() const {
    std::vector<Step> steps;
    for (const Instance* follower : followers_) {
        if (!follower->reachable()) {
            continue;
        }
        const Channel* channel = old_channel(*follower);
        // Not only where our stop is known to have been done: a node that died in between has
        // stopped receivers of which nobody knows.
        if (channel != nullptr && channel->receiver == topology::ThreadState::stopped &&
            !contains(record_.stopped_before, follower->id) &&
            attempts(record_, StepKind::start_replication, follower->id) < undo_tries) {
            steps.push_back(make_step(StepKind::start_replication, *follower, policy_.step_limit));
            steps.back().channel = channel->name;
        } else if (!follower->is_replica() && !writable(*follower) &&
                   attempts(record_, StepKind::promote, follower->id) > 0 &&
                   attempts(record_, StepKind::repoint, follower->id) < move_tries) {
            // A promotion that stopped half-way has made it forget its source.
            steps.push_back(make_step(StepKind::repoint, *follower, policy_.step_limit));
            steps.back().source = record_.failed;
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
    finish.outcome = std::move(reason);
    return finish;
}

}  // namespace

Move complete_promotion(
    const Record& record, const Topology& topology, const Policy& policy, const Instance& successor
) {
    return DeadPrimary(record, topology, policy).complete(successor);
}

Move next_dead_primary(const Record& record, const Topology& topology, const Policy& policy) {
    return DeadPrimary(record, topology, policy).next();
}

}  // namespace baton::recovery
