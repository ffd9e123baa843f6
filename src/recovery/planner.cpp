// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/planner.hpp"

#include "plans.hpp"
#include "view.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

// A record must stay readable (and storable) when a step fails again and again.
constexpr std::size_t error_limit = 100;
constexpr std::size_t text_limit = 1000;

void note(Record& record, const std::string& text) {
    const std::string line = clipped(text, text_limit);
    auto& errors = record.errors;
    if (errors.size() < error_limit &&
        std::find(errors.begin(), errors.end(), line) == errors.end()) {
        errors.push_back(line);
    }
}

void merge(Record& record, const Decision& decision) {
    for (const auto& [id, uuid] : decision.displaced) {
        const bool fresh = record.displaced.emplace(id, uuid).second;
        if (fresh && record.kind != analysis::RecoveryKind::switchover) {
            // Begins anew: what was known of the others was before they followed that one.
            record.phase = Phase::started;
            record.positions.clear();
            record.drains.clear();
            record.promoted_gtid_set.clear();
            record.successor = {};
            record.successor_uuid.clear();
        }
    }
    if (decision.chosen) {
        if (decision.successor != record.successor) {
            record.promoted_gtid_set.clear();
        }
        record.candidates = decision.candidates;
        record.successor = decision.successor;
        record.successor_uuid = decision.successor_uuid;
        record.loss = decision.loss;
    }
    if (!decision.fencing.empty()) {
        record.fencing = decision.fencing;
    }
    if (!decision.promoted_gtid_set.empty()) {
        record.promoted_gtid_set = decision.promoted_gtid_set;
    }
    for (const auto& [id, executed] : decision.drains) {
        record.drains[id] = executed;
    }
    for (const auto& [id, reason] : decision.lost) {
        add_once(record.lost, id);
        note(record, "lost " + id.text() + ": " + reason);
    }
    for (const auto& id : decision.repointed) {
        add_once(record.repointed, id);
        std::erase(record.lost, id);
        std::erase(record.stopped_by_us, id);
    }
    for (const auto& text : decision.notes) {
        note(record, text);
    }
    if (decision.give_up_as != State::running) {
        record.giving_up_as = decision.give_up_as;
        record.giving_up = clipped(decision.give_up_reason, text_limit);
    }
}

/// Whose receiver the step stops, as long as an operator had not stopped it before.
bool stops_receiver(const Record& record, const Step& step) {
    return (step.kind == StepKind::stop_receiver || step.kind == StepKind::repoint) &&
           !contains(record.stopped_before, step.target);
}

void succeeded(Record& record, const Step& step, const StepReport& report) {
    if (report.position &&
        (step.kind == StepKind::stop_receiver || step.kind == StepKind::wait_applied)) {
        record.positions[step.target] = *report.position;
    }
    switch (step.kind) {
        case StepKind::promote:
            // Only the first says where the new primary began; a repeated one finds its writes.
            if (record.phase < Phase::promoted) {
                record.successor_binlog = report.binlog;
                if (report.position && !report.position->executed_gtid_set.empty()) {
                    record.promoted_gtid_set = report.position->executed_gtid_set;
                }
            }
            // Tries, not failures: a server that never stays writable must not be promoted for
            // ever.
            ++record.attempts[attempt_key(step.kind, step.target)];
            std::erase(record.stopped_by_us, step.target);
            break;
        case StepKind::repoint:
            if (step.start) {
                std::erase(record.stopped_by_us, step.target);
            }
            if (record.kind != analysis::RecoveryKind::dead_primary ||
                step.source == record.successor) {
                add_once(record.repointed, step.target);
                std::erase(record.lost, step.target);
            }
            break;
        case StepKind::hook:
            record.hooks[step.hook] = "done";
            break;
        case StepKind::start_replication:
            std::erase(record.stopped_by_us, step.target);
            ++record.attempts[secured_key(step.target)];
            break;
        case StepKind::set_semi_sync:
            if (step.semi_sync_replica.value_or(false)) {
                ++record.attempts[switched_on_key(step.target)];
            }
            record.changes.push_back(clipped(step.text(), text_limit));
            break;
        case StepKind::set_writable:
            if (step.target == record.failed) {
                record.final_gtid_set.clear();
            }
            record.changes.push_back(clipped(step.text(), text_limit));
            break;
        case StepKind::set_read_only:
            if (step.target == record.failed && report.position) {
                record.final_gtid_set = report.position->executed_gtid_set;
                record.fencing = "read-only";
            }
            break;
        case StepKind::clone:
            // Counted like failures: it is not done twice.
            ++record.attempts[attempt_key(step.kind, step.target)];
            break;
        case StepKind::wait_applied:
            if (step.skip_delay) {
                record.changes.push_back("the delay of " + step.target.text() + " was ended");
            }
            break;
        case StepKind::stop_receiver:
        case StepKind::witness:
        case StepKind::read_credentials:
            break;
    }
}

void failed(Record& record, const Step& step, const Error& error) {
    if (error.code == Errc::not_leader || error.code == Errc::cancelled ||
        error.code == Errc::unavailable) {
        return;  // says nothing of the server; another node goes on
    }
    note(record, step.text() + ": " + error.what);
    if (step.kind == StepKind::hook) {
        record.hooks[step.hook] = "failed: " + clipped(error.what, text_limit);
    } else if (step.kind == StepKind::wait_applied && error.code == Errc::unreachable) {
        record.drains.erase(step.target);
        ++record.attempts["reach " + step.target.text()];
    } else {
        ++record.attempts[attempt_key(step.kind, step.target)];
        if (step.kind == StepKind::stop_receiver && error.code == Errc::timeout) {
            ++record.attempts[hang_key(step.target)];
        }
    }
}

/// All essential steps did what they should, and of those that count only together at least one.
bool stage_succeeded(const std::vector<StepOutcome>& outcomes) {
    bool any_stop = false;
    bool stopped = false;
    for (const auto& outcome : outcomes) {
        if (outcome.step.essential && !outcome.report) {
            return false;
        }
        if (outcome.step.kind == StepKind::stop_receiver) {
            any_stop = true;
            stopped = stopped || outcome.report.has_value();
        }
    }
    return stopped || !any_stop;
}

}  // namespace

Record before(Record record, const Stage& stage) {
    merge(record, stage.decision);
    for (const auto& step : stage.steps) {
        if (stops_receiver(record, step)) {
            add_once(record.stopped_by_us, step.target);
        }
        if (step.kind == StepKind::hook && !hook_ended(record, step.hook)) {
            record.hooks[step.hook] = "started";
        }
    }
    return record;
}

Record after(
    Record record,
    const Stage& stage,
    const std::vector<StepOutcome>& outcomes,
    const topology::Topology& topology
) {
    record = before(std::move(record), stage);
    for (const auto& outcome : outcomes) {
        if (outcome.report) {
            succeeded(record, outcome.step, *outcome.report);
        } else {
            failed(record, outcome.step, outcome.report.error());
        }
    }
    if (stage.steps.empty()) {
        for (const auto& id : stage.reprobe) {
            ++record.attempts[attempt_key(StepKind::witness, id)];
        }
    }
    if (outcomes.size() >= stage.steps.size() && stage_succeeded(outcomes)) {
        record.phase = stage.enters;
    }
    if (record.successor_uuid.empty() && !record.successor.empty()) {
        if (const Instance* successor = topology.find(record.successor)) {
            record.successor_uuid = successor->state.identity.uuid;
        }
    }
    return record;
}

Record conclude(Record record, const Finish& finish) {
    merge(record, finish.decision);
    record.state = finish.state;
    record.outcome = clipped(finish.outcome, 2 * text_limit);
    record.classification = finish.classification;
    if (finish.state == State::done) {
        record.phase = Phase::finished;
    }
    return record;
}

std::variant<Stage, Finish> next(
    const Record& record, const topology::Topology& topology, const Policy& policy
) {
    if (!record.running()) {
        return Finish{record.state, record.outcome, record.classification};
    }
    switch (record.kind) {
        case analysis::RecoveryKind::dead_primary:
            if (record.accept_loss && !policy.accept_loss) {
                Policy accepting = policy;
                accepting.accept_loss = true;  // said with the order
                return next_dead_primary(record, topology, accepting);
            }
            return next_dead_primary(record, topology, policy);
        case analysis::RecoveryKind::dead_intermediate:
            return next_dead_intermediate(record, topology, policy);
        case analysis::RecoveryKind::contain_deposed:
            return next_contain_deposed(record, topology, policy);
        case analysis::RecoveryKind::switchover:
            return next_switchover(record, topology, policy);
        case analysis::RecoveryKind::rejoin:
            return next_rejoin(record, topology, policy);
        case analysis::RecoveryKind::repair_semi_sync:
            return next_repair_semi_sync(record, topology, policy);
        case analysis::RecoveryKind::make_writable:
            return next_make_writable(record, topology, policy);
        case analysis::RecoveryKind::restart_receiver:
            return next_restart_receiver(record, topology, policy);
        case analysis::RecoveryKind::none:
            break;
    }
    return Finish{State::abandoned, "this version knows no recovery of that kind"};
}

}  // namespace baton::recovery
