// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/planner.hpp"

#include <array>

namespace baton::recovery {
namespace {

constexpr std::array step_kinds{
    StepKind::stop_receiver,
    StepKind::start_replication,
    StepKind::wait_applied,
    StepKind::promote,
    StepKind::repoint,
    StepKind::set_read_only,
    StepKind::set_writable,
    StepKind::witness,
    StepKind::hook,
    StepKind::read_credentials,
    StepKind::clone,
    StepKind::set_semi_sync,
};

constexpr std::array states{State::running, State::done, State::failed, State::abandoned};

constexpr std::array phases{
    Phase::started,
    Phase::quiesced,
    Phase::chosen,
    Phase::drained,
    Phase::promoted,
    Phase::repointed,
    Phase::finished,
};

template <class Values>
auto parse(const Values& values, std::string_view text)
    -> std::optional<typename Values::value_type> {
    for (const auto value : values) {
        if (to_string(value) == text) {
            return value;
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(StepKind kind) {
    switch (kind) {
        case StepKind::stop_receiver:
            return "stop_receiver";
        case StepKind::start_replication:
            return "start_replication";
        case StepKind::wait_applied:
            return "wait_applied";
        case StepKind::promote:
            return "promote";
        case StepKind::repoint:
            return "repoint";
        case StepKind::set_read_only:
            return "set_read_only";
        case StepKind::set_writable:
            return "set_writable";
        case StepKind::witness:
            return "witness";
        case StepKind::hook:
            return "hook";
        case StepKind::read_credentials:
            return "read_credentials";
        case StepKind::clone:
            return "clone";
        case StepKind::set_semi_sync:
            return "set_semi_sync";
    }
    return "unknown";
}

std::optional<StepKind> parse_step_kind(std::string_view text) {
    return parse(step_kinds, text);
}

std::string_view to_string(State state) {
    switch (state) {
        case State::running:
            return "running";
        case State::done:
            return "done";
        case State::failed:
            return "failed";
        case State::abandoned:
            return "abandoned";
    }
    return "unknown";
}

std::optional<State> parse_state(std::string_view text) {
    return parse(states, text);
}

std::string_view to_string(Phase phase) {
    switch (phase) {
        case Phase::started:
            return "started";
        case Phase::quiesced:
            return "quiesced";
        case Phase::chosen:
            return "chosen";
        case Phase::drained:
            return "drained";
        case Phase::promoted:
            return "promoted";
        case Phase::repointed:
            return "repointed";
        case Phase::finished:
            return "finished";
    }
    return "unknown";
}

std::optional<Phase> parse_phase(std::string_view text) {
    return parse(phases, text);
}

std::string_view to_string(StepState state) {
    switch (state) {
        case StepState::intended:
            return "intended";
        case StepState::done:
            return "done";
        case StepState::failed:
            return "failed";
        case StepState::skipped:
            return "skipped";
        case StepState::interrupted:
            return "interrupted";
    }
    return "unknown";
}

std::string_view to_string(Refusal::Kind kind) {
    switch (kind) {
        case Refusal::Kind::not_actionable:
            return "not_actionable";
        case Refusal::Kind::downtimed:
            return "downtimed";
        case Refusal::Kind::maintenance:
            return "maintenance";
        case Refusal::Kind::globally_disabled:
            return "globally_disabled";
        case Refusal::Kind::not_enabled_for_cluster:
            return "not_enabled_for_cluster";
        case Refusal::Kind::ignored_host:
            return "ignored_host";
        case Refusal::Kind::already_running:
            return "already_running";
        case Refusal::Kind::anti_flapping:
            return "anti_flapping";
        case Refusal::Kind::no_candidate:
            return "no_candidate";
        case Refusal::Kind::unsafe:
            return "unsafe";
        case Refusal::Kind::budget_spent:
            return "budget_spent";
        case Refusal::Kind::second_opinion:
            return "second_opinion";
        case Refusal::Kind::seen_by_others:
            return "seen_by_others";
        case Refusal::Kind::no_credentials:
            return "no_credentials";
        case Refusal::Kind::diverged:
            return "diverged";
        case Refusal::Kind::waiting:
            return "waiting";
        case Refusal::Kind::shadow:
            return "shadow";
        case Refusal::Kind::switched_off:
            return "switched_off";
        case Refusal::Kind::settling:
            return "settling";
    }
    return "unknown";
}

std::string_view kind_key(analysis::RecoveryKind kind) {
    switch (kind) {
        case analysis::RecoveryKind::dead_primary:
            return "primary";
        case analysis::RecoveryKind::dead_intermediate:
            return "intermediate";
        case analysis::RecoveryKind::contain_deposed:
            return "contain";
        case analysis::RecoveryKind::switchover:
            return "switchover";
        case analysis::RecoveryKind::rejoin:
            return "rejoin";
        case analysis::RecoveryKind::repair_semi_sync:
            return "semi_sync";
        case analysis::RecoveryKind::make_writable:
            return "writable";
        case analysis::RecoveryKind::restart_receiver:
            return "restart";
        case analysis::RecoveryKind::none:
            break;
    }
    return "";
}

namespace {

std::string semi_sync_text(const Step& step) {
    if (step.wait_for_replicas) {
        return "let " + step.target.text() + " wait for " +
               std::to_string(*step.wait_for_replicas) + " acknowledgements";
    }
    const auto& wanted = step.semi_sync_replica ? step.semi_sync_replica : step.semi_sync_source;
    return std::string("switch semi-sync ") + (wanted.value_or(false) ? "on" : "off") + " on " +
           step.target.text() + (step.semi_sync_replica ? " (as a replica)" : " (as the source)");
}

}  // namespace

std::string Step::text() const {
    const std::string where = target.text();
    switch (kind) {
        case StepKind::stop_receiver:
            return "stop the receiver of " + where;
        case StepKind::start_replication:
            return "start replication on " + where;
        case StepKind::wait_applied:
            return "wait until " + where + " has applied what it received" +
                   (skip_delay ? ", without its delay" : "");
        case StepKind::promote:
            return "promote " + where +
                   (enable_semi_sync ? " (semi-sync on before it becomes writable)" : "");
        case StepKind::repoint:
            return "let " + where + " replicate from " + source.text() +
                   (start ? "" : " when it is started");
        case StepKind::set_read_only:
            return "make " + where + " read-only" +
                   (kill_writers       ? " and end its writers' connections"
                    : end_transactions ? " and end transactions that are still open"
                                       : "");
        case StepKind::set_writable:
            return "make " + where + " writable";
        case StepKind::witness:
            return "let " + where + " try to reach its source";
        case StepKind::hook:
            return "run the hooks of " + hook;
        case StepKind::read_credentials:
            return "read with which user " + where + " replicates";
        case StepKind::clone:
            return "replace the data of " + where + " by a copy of " + source.text();
        case StepKind::set_semi_sync:
            return semi_sync_text(*this);
    }
    return std::string(to_string(kind)) + " " + where;
}

}  // namespace baton::recovery
