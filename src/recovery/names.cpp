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
    }
    return "unknown";
}

std::string Step::text() const {
    const std::string where = target.text();
    switch (kind) {
        case StepKind::stop_receiver:
            return "stop the receiver of " + where;
        case StepKind::start_replication:
            return "start replication on " + where;
        case StepKind::wait_applied:
            return "wait until " + where + " has applied what it received";
        case StepKind::promote:
            return "promote " + where +
                   (enable_semi_sync ? " (semi-sync on before it becomes writable)" : "");
        case StepKind::repoint:
            return "let " + where + " replicate from " + source.text();
        case StepKind::set_read_only:
            return "make " + where + " read-only" +
                   (kill_writers ? " and end its writers' connections" : "");
        case StepKind::set_writable:
            return "make " + where + " writable";
        case StepKind::witness:
            return "let " + where + " try to reach its source";
        case StepKind::hook:
            return "run the hooks of " + hook;
    }
    return std::string(to_string(kind)) + " " + where;
}

}  // namespace baton::recovery
