// SPDX-License-Identifier: Apache-2.0
#include "repairs.hpp"

#include "plans.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

using analysis::Code;
using analysis::RecoveryKind;

constexpr unsigned tries = 3;

Refusal off(const std::string& option, const std::string& otherwise) {
    return Refusal{
        Refusal::Kind::switched_off,
        option + " is off. " + otherwise + ", or switch it on, or order this repair"};
}

/// What a rule of the policy says of this kind of repair; nullopt: nothing.
std::optional<bool> switch_of(const Occasion& occasion) {
    const auto found = occasion.policy.switches.find(std::string(kind_key(occasion.kind)));
    return found == occasion.policy.switches.end() ? std::nullopt : std::optional(found->second.on);
}

std::optional<Refusal> semi_sync_unwanted(const Occasion& occasion, Code code) {
    const auto& policy = occasion.policy;
    if (code == Code::primary_with_too_many_semi_sync_replicas) {
        return policy.exact_semi_sync
                   ? std::nullopt
                   : std::optional(
                         off("recovery.semi_sync.exact", "Switch it off on some replicas yourself")
                     );
    }
    return switch_of(occasion).value_or(policy.repair_semi_sync || policy.exact_semi_sync)
               ? std::nullopt
               : std::optional(
                     off("recovery.semi_sync.repair",
                         "Bring back replicas that acknowledge, or let the primary wait for fewer")
                 );
}

std::optional<Refusal> writable_unwanted(const Occasion& occasion) {
    const auto& policy = occasion.policy;
    const std::string who = occasion.subject.text();
    if (!switch_of(occasion).value_or(policy.make_primary_writable)) {
        return off("recovery.make_primary_writable", "Make " + who + " writable yourself");
    }
    const auto* last = occasion.history.last_finished;
    if (last != nullptr && last->state == State::done && last->failed == occasion.subject &&
        !last->acknowledged && occasion.history.since_last_finished < policy.anti_flapping_window) {
        return Refusal{
            Refusal::Kind::anti_flapping,
            who +
                " was made writable a short time ago and is read-only again, so somebody wants it "
                "read-only. Find out who, then acknowledge recovery " +
                last->id};
    }
    if (occasion.history.since_detected < policy.make_writable_after) {
        return Refusal{
            Refusal::Kind::settling,
            who +
                " has been read-only only for a moment, which may be meant so; it is made writable "
                "if it stays so"};
    }
    return std::nullopt;
}

/// A hook that forbids it, or one that has to be asked first; nullopt: go on.
std::optional<Move> ask_hooks(const Record& record, const Policy& policy) {
    if (hook_failed(record, "pre_failover")) {
        return Finish{
            State::failed,
            "A hook of pre_failover failed, which forbids the repair (" +
                record.hooks.at("pre_failover") + "). Mend the hook, then order it"};
    }
    if (!policy.has_pre_hooks || record.skip_hooks || hook_ended(record, "pre_failover")) {
        return std::nullopt;
    }
    Stage stage;
    stage.enters = record.phase;
    stage.intent = "ask the hooks of pre_failover";
    stage.steps.push_back(hook_step("pre_failover", record.failed, policy, true));
    stage.reprobe = {record.failed};
    return stage;
}

}  // namespace

bool is_repair(RecoveryKind kind) {
    return kind == RecoveryKind::repair_semi_sync || kind == RecoveryKind::make_writable ||
           kind == RecoveryKind::restart_receiver;
}

std::optional<Refusal> repair_unwanted(const Occasion& occasion, Code code) {
    switch (occasion.kind) {
        case RecoveryKind::repair_semi_sync:
            return semi_sync_unwanted(occasion, code);
        case RecoveryKind::make_writable:
            return writable_unwanted(occasion);
        default:
            return std::nullopt;  // a recovery that left something behind tidies up
    }
}

std::optional<Refusal> repair_impossible(
    const Occasion& occasion, const topology::Cluster* cluster
) {
    const auto unsafe = [](std::string reason) {
        return Refusal{Refusal::Kind::unsafe, std::move(reason)};
    };
    const Instance* subject = occasion.topology.find(occasion.subject);
    if (subject == nullptr || !subject->reachable()) {
        return Refusal{Refusal::Kind::not_actionable, occasion.subject.text() + " does not answer"};
    }
    if (occasion.kind != RecoveryKind::make_writable) {
        return std::nullopt;
    }
    if (cluster == nullptr || cluster->primary != occasion.subject) {
        return unsafe(
            "It is not certain that " + occasion.subject.text() +
            " is the primary of its cluster, so it stays read-only. Make the right one writable"
        );
    }
    if (subject->is_replica() || subject->is_co_primary) {
        return unsafe(
            occasion.subject.text() +
            " replicates from another server, which may be written to. Make the right one writable"
        );
    }
    return has_a_primary(occasion, cluster);
}

Move next_make_writable(const Record& record, const Topology& topology, const Policy& policy) {
    const Instance* subject = topology.find(record.failed);
    const std::string who = record.failed.text();
    if (subject == nullptr || !subject->reachable() || !same_server(*subject, record.failed_uuid)) {
        return Finish{State::abandoned, who + " does not answer any more; nothing was changed"};
    }
    if (writable(*subject)) {
        const bool ours =
            attempts(record, StepKind::set_writable, subject->id) > 0 || !record.changes.empty();
        Finish finish{State::done, who + (ours ? " was made writable" : " is writable again")};
        finish.decision.chosen = true;
        finish.decision.successor = subject->id;
        finish.decision.successor_uuid = subject->state.identity.uuid;
        finish.decision.loss = "none: no primary was replaced";
        if (ours && policy.has_post_hooks && !record.skip_hooks &&
            !hook_ended(record, "post_failover")) {
            Stage stage;
            stage.enters = record.phase;
            stage.intent = "tell that " + who + " is writable";
            stage.steps.push_back(hook_step("post_failover", subject->id, policy, false));
            stage.decision = finish.decision;
            return stage;
        }
        return finish;
    }
    // Looked at again at each step: between the finding and the step another may have been made the
    // primary.
    const auto* cluster = topology.cluster_by_id(record.cluster_id);
    const History nothing;
    const Occasion occasion{
        record.kind,
        record.failed,
        record.cluster_name,
        record.cluster_alias,
        topology,
        policy,
        nothing,
    };
    if (const auto refusal = repair_impossible(occasion, cluster)) {
        return Finish{State::abandoned, refusal->reason};
    }
    if (!record.forced && set_aside(topology, subject->id)) {
        return Finish{State::abandoned, "Operators work on " + who + "; it is left as it is"};
    }
    if (attempts(record, StepKind::set_writable, subject->id) >= tries) {
        return Finish{State::failed, who + " cannot be made writable; see the steps for its error"};
    }
    if (auto move = ask_hooks(record, policy)) {
        return *move;
    }
    Stage stage;
    stage.enters = Phase::promoted;
    stage.intent = "make " + who + ", the primary of the cluster, writable";
    stage.steps.push_back(make_step(StepKind::set_writable, *subject, policy.step_limit));
    stage.reprobe = {subject->id};
    return stage;
}

Move next_restart_receiver(const Record& record, const Topology& topology, const Policy& policy) {
    const Instance* subject = topology.find(record.failed);
    const std::string who = record.failed.text();
    if (subject == nullptr || !subject->reachable() || !same_server(*subject, record.failed_uuid)) {
        return Finish{State::abandoned, who + " does not answer; it is started when it does"};
    }
    const auto& marked = topology.overlay().left_stopped;
    const auto mark = marked.find(record.failed);
    const auto& channels = subject->state.channels;
    const auto channel = std::find_if(channels.begin(), channels.end(), [&](const Channel& c) {
        return mark != marked.end() && c.name == mark->second.channel;
    });
    if (channel == channels.end()) {
        return Finish{State::abandoned, who + " has no receiver that a recovery left stopped"};
    }
    if (channel->receiver != topology::ThreadState::stopped) {
        return Finish{State::done, "the receiver of " + who + " runs again"};
    }
    if (attempts(record, StepKind::start_replication, subject->id) >= tries) {
        return Finish{
            State::failed, "the receiver of " + who + " cannot be started; see the steps for why"};
    }
    Stage stage;
    stage.enters = Phase::repointed;
    stage.intent = "start the receiver of " + who + ", which a recovery has left stopped";
    stage.steps.push_back(make_step(StepKind::start_replication, *subject, policy.step_limit));
    stage.steps.back().channel = channel->name;
    stage.reprobe = {subject->id};
    return stage;
}

}  // namespace baton::recovery
