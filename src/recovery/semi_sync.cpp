// SPDX-License-Identifier: Apache-2.0
#include "plans.hpp"
#include "view.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <tuple>

namespace baton::recovery {
namespace {

constexpr unsigned tries = 2;
constexpr unsigned look_tries = 4;
constexpr Duration longest_step = std::chrono::seconds(5);

// Key of Record::attempts for stages that only look (see planner.cpp).
constexpr StepKind look = StepKind::witness;

// A primary whose commits hang because too few replicas acknowledge: further ones are switched on,
// in order of preference, and only as many as are missing. When there are none left, and the policy
// allows it, the primary waits for fewer. With `exact`, those beyond the number are switched off.
// Every look decides anew from what the primary counts; nothing here must keep the cluster from a
// failover for long.
class SemiSyncRepair {
public:
    SemiSyncRepair(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          primary_(topology.find(record.failed)) {}

    Move next();

private:
    struct Acknowledger {
        const Instance* instance = nullptr;
        bool on = false;
        std::string unusable;  // why it cannot be one; "" = it can
    };

    void collect();
    [[nodiscard]] std::string unusable(const Instance& replica) const;
    Move switch_on(std::uint64_t missing);
    Move switch_off(std::uint64_t surplus);
    Move wait_for_fewer();
    Move look_again();
    [[nodiscard]] Stage change(const Instance& target, bool on) const;
    [[nodiscard]] Step step(const Instance& target) const;
    [[nodiscard]] Decision explained() const;
    [[nodiscard]] Finish ended(State state, std::string outcome) const;
    [[nodiscard]] std::string bound() const;
    [[nodiscard]] std::string why_not_the_others() const;

    [[nodiscard]] const topology::SemiSync& state() const { return primary_->state.semi_sync; }

    [[nodiscard]] bool given_up(const Instance& replica) const {
        return attempts(record_, StepKind::set_semi_sync, replica.id) >= tries;
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* primary_;
    std::vector<Acknowledger> all_;  // best first
};

std::string SemiSyncRepair::unusable(const Instance& replica) const {
    if (!replica.reachable() || !replica.ever_seen) {
        return "it does not answer";
    }
    if (auto reason = set_aside(topology_, replica.id)) {
        return *reason;
    }
    const Channel* channel = channel_to(replica, record_.failed);
    if (channel == nullptr || !channel->replicating()) {
        return "it does not replicate";
    }
    if (!replica.state.semi_sync.available) {
        return "it has no semi-sync plugin";
    }
    if (replica.state.channels.size() > 1) {
        return "it has several replication channels";
    }
    return given_up(replica) ? "it could not be changed" : "";
}

void SemiSyncRepair::collect() {
    for (const Instance* replica : topology_.replicas_of(record_.failed)) {
        const auto& semi_sync = replica->state.semi_sync;
        all_.push_back(
            {replica,
             replica->reachable() && semi_sync.replica_enabled && semi_sync.replica_status,
             unusable(*replica)}
        );
    }
    const auto key = [&](const Acknowledger& one) {
        const auto* channel = one.instance->channel();
        const auto lag = one.instance->lag_seconds().value_or(1'000'000);
        return std::tuple(
            channel != nullptr && channel->delay_seconds > 0,
            static_cast<int>(topology_.promotion_rule(one.instance->id)),
            differ(primary_->state.identity.data_center, one.instance->state.identity.data_center),
            lag > 1 ? lag : 0,
            one.instance->id
        );
    };
    std::sort(all_.begin(), all_.end(), [&](const Acknowledger& a, const Acknowledger& b) {
        return key(a) < key(b);
    });
}

Step SemiSyncRepair::step(const Instance& target) const {
    Step out = make_step(
        StepKind::set_semi_sync, target, std::min<Duration>(policy_.step_limit, longest_step)
    );
    out.essential = false;
    if (const Channel* channel = channel_to(target, record_.failed)) {
        out.channel = channel->name;
    }
    return out;
}

Decision SemiSyncRepair::explained() const {
    Decision out;
    out.chosen = true;
    out.successor = record_.failed;
    out.successor_uuid = record_.failed_uuid;
    out.loss = record_.loss.empty() ? "none: no primary was replaced" : record_.loss;
    int rank = 0;
    for (const auto& one : all_) {
        auto& verdict = out.candidates.emplace_back();
        verdict.id = one.instance->id;
        verdict.reason = one.on                  ? "acknowledges"
                         : !one.unusable.empty() ? one.unusable
                                                 : "does not acknowledge, and could";
        verdict.rank = one.on || one.unusable.empty() ? ++rank : 0;
    }
    return out;
}

std::string SemiSyncRepair::bound() const {
    const auto count = state().wait_for_replica_count;
    return "an acknowledged transaction is on " + std::to_string(count) +
           (count == 1 ? " replica" : " replicas") + " at least";
}

Finish SemiSyncRepair::ended(State how, std::string outcome) const {
    Finish finish{how, std::move(outcome)};
    finish.decision = explained();
    if (how != State::done) {
        finish.decision.successor = {};
        finish.decision.successor_uuid.clear();
    }
    return finish;
}

std::string SemiSyncRepair::why_not_the_others() const {
    std::string out;
    for (const auto& one : all_) {
        if (!one.on) {
            out += (out.empty() ? "" : "; ") + one.instance->id.text() + ": " +
                   (one.unusable.empty() ? "it was switched on and does not acknowledge"
                                         : one.unusable);
        }
    }
    return out.empty() ? "there are no further replicas" : out;
}

Move SemiSyncRepair::switch_on(std::uint64_t missing) {
    const auto on = static_cast<std::uint64_t>(
        std::count_if(all_.begin(), all_.end(), [](const Acknowledger& one) { return one.on; })
    );
    if (on >= state().wait_for_replica_count &&
        attempts(record_, look, record_.failed) < look_tries) {
        return look_again();  // the primary may not have counted them yet
    }
    Stage stage;
    stage.enters = Phase::chosen;
    stage.decision = explained();
    stage.reprobe = {record_.failed};
    for (const auto& one : all_) {
        const bool tried = record_.attempts.contains(switched_on_key(one.instance->id));
        if (stage.steps.size() < missing && !one.on && one.unusable.empty() && !tried) {
            stage.steps.push_back(step(*one.instance));
            stage.steps.back().semi_sync_replica = true;
            stage.reprobe.push_back(one.instance->id);
        }
    }
    if (stage.steps.empty()) {
        return attempts(record_, look, record_.failed) < look_tries ? look_again()
                                                                    : wait_for_fewer();
    }
    stage.intent = "let further replicas acknowledge to " + record_.failed.text();
    return stage;
}

Move SemiSyncRepair::look_again() {
    Stage stage;
    stage.enters = record_.phase;
    stage.intent = "look whether " + record_.failed.text() + " has its acknowledgers";
    stage.reprobe = {record_.failed};
    return stage;
}

Move SemiSyncRepair::wait_for_fewer() {
    const auto clients = state().clients;
    const auto wait = state().wait_for_replica_count;
    const auto least = policy_.semi_sync_least_wait;
    const std::string who = record_.failed.text();
    const std::string locked = "Commits on " + who + " hang: it waits for " + std::to_string(wait) +
                               " acknowledgements and has " + std::to_string(clients) + " (" +
                               why_not_the_others() + ")";
    const bool mariadb =
        primary_->state.identity.flavor == topology::Flavor::mariadb;  // always waits for one
    if (least == 0 || clients < least || clients == 0 || mariadb || given_up(*primary_)) {
        return ended(
            State::failed,
            locked + (mariadb ? ". Bring one of them back, or switch semi-sync off"
                      : least > 0 && clients < least
                          ? ". recovery.semi_sync.least_wait is " + std::to_string(least) +
                                "; bring back one of them"
                          : ". Bring back one of them, or allow to wait for fewer by "
                            "recovery.semi_sync.least_wait")
        );
    }
    Stage stage;
    stage.enters = Phase::chosen;
    stage.intent = "let " + who + " wait for " + std::to_string(clients) + " instead of " +
                   std::to_string(wait) + " acknowledgements";
    stage.steps.push_back(step(*primary_));
    stage.steps.back().wait_for_replicas = clients;
    stage.decision = explained();
    stage.decision.loss = "From now on an acknowledged transaction is on " +
                          std::to_string(clients) + " instead of " + std::to_string(wait) +
                          " replicas; if these are lost together with " + who +
                          ", it is lost. Raise the number again when more replicas are there";
    stage.reprobe = {record_.failed};
    return stage;
}

Move SemiSyncRepair::switch_off(std::uint64_t surplus) {
    Stage stage;
    stage.enters = Phase::chosen;
    stage.decision = explained();
    stage.reprobe = {record_.failed};
    for (auto one = all_.rbegin(); one != all_.rend() && stage.steps.size() < surplus; ++one) {
        if (one->on && !given_up(*one->instance) && one->instance->reachable()) {
            stage.steps.push_back(step(*one->instance));
            stage.steps.back().semi_sync_replica = false;
            stage.reprobe.push_back(one->instance->id);
        }
    }
    if (stage.steps.empty()) {
        return attempts(record_, look, record_.failed) < look_tries
                   ? look_again()
                   : Move(ended(
                         State::failed,
                         record_.failed.text() + " counts " + std::to_string(state().clients) +
                             " acknowledging replicas and shall have " +
                             std::to_string(state().wait_for_replica_count) +
                             "; none that is known can be switched off"
                     ));
    }
    stage.intent = "let fewer replicas acknowledge to " + record_.failed.text();
    return stage;
}

Move SemiSyncRepair::next() {
    if (primary_ == nullptr || !primary_->reachable() ||
        !same_server(*primary_, record_.failed_uuid)) {
        return Finish{State::abandoned, record_.failed.text() + " does not answer any more"};
    }
    if (!record_.forced && set_aside(topology_, primary_->id)) {
        return Finish{
            State::abandoned,
            "Operators work on " + record_.failed.text() + "; it is left as it is"};
    }
    if (!state().source_enabled || !state().source_status) {
        return Finish{
            State::abandoned,
            record_.failed.text() + " does not wait for acknowledgements any more"};
    }
    collect();
    const auto clients = state().clients;
    const auto wait = state().wait_for_replica_count;
    if (clients < wait) {
        return switch_on(wait - clients);
    }
    if (policy_.exact_semi_sync && clients > wait && wait > 0) {
        return switch_off(clients - wait);
    }
    return ended(
        State::done,
        std::to_string(clients) + " replicas acknowledge to " + record_.failed.text() +
            ", which waits for " + std::to_string(wait) + ": " + bound()
    );
}

}  // namespace

Move next_repair_semi_sync(const Record& record, const Topology& topology, const Policy& policy) {
    return SemiSyncRepair(record, topology, policy).next();
}

}  // namespace baton::recovery
