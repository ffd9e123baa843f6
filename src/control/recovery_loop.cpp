// SPDX-License-Identifier: Apache-2.0
// Carries recoveries through: journal the intent, perform, observe, ask what is next. What to do is
// decided in module recovery; here nothing is decided but to stop when the lease is gone.
#include "engine_impl.hpp"
#include "past.hpp"

#include "baton/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration journal_limit = 2s;
constexpr Duration observe_limit = 1500ms;
constexpr Duration retake_pause = 100ms;  // longer than it takes to notice that the lease is gone
constexpr Duration promotion_reserve = 300ms;  // far more than the statements take
constexpr unsigned rounds_limit =
    200;  // far beyond any plan; a plan that does not end is a bug that must not spin

std::string lock_name(const std::string& cluster_id) {
    return "baton." + cluster_id;
}

/// How it is called in the journal and by tests: the list for hooks.
std::string name_of(const recovery::Step& step) {
    return step.kind == recovery::StepKind::hook ? step.hook
                                                 : std::string(recovery::to_string(step.kind));
}

/// Others move replicas, or mend something: whatever phase they reach, nobody was promoted.
bool changes_the_primary(const recovery::Record& record) {
    return record.kind == analysis::RecoveryKind::dead_primary ||
           record.kind == analysis::RecoveryKind::switchover;
}

recovery::StepRecord journal_entry(
    recovery::Record& record,
    const recovery::Stage& stage,
    const recovery::Step& step,
    std::uint64_t epoch,
    WallMs wall_ms
) {
    recovery::StepRecord entry;
    entry.number = record.next_step++;
    entry.epoch = epoch;
    entry.phase = stage.enters;
    entry.kind = step.kind;
    entry.target = step.target;
    entry.text = step.text();
    entry.hook = step.hook;
    entry.state = recovery::StepState::intended;
    entry.started_ms = wall_ms;
    return entry;
}

}  // namespace

void Engine::Impl::start_recovery(recovery::Record record) {
    const auto status = lease.status();
    record.number = state.next_recovery();
    record.epoch = status.epoch;
    record.holder = status.token;
    record.node = identity.name;
    record.started_ms = wall();
    record.id = fmt::format("{}-{}-{}", record.started_ms, status.epoch, record.number);
    const auto& policy = policy_of(record.cluster_id);
    record.policy_version = policy.version;
    record.policy = policy::values_text(policy);
    log::warning(
        "recovery {} of {} in {} begins: {} {}",
        record.number,
        record.failed.text(),
        record.cluster_name,
        analysis::to_string(record.code),
        record.forced ? "(ordered by " + record.requested_by + ")" : ""
    );
    ++counters.recoveries_started;
    running.insert(place_of(record));
    recovery_ended[record.id] = std::make_shared<baton::Event>(core);
    if (const auto open = open_detections.find(record.failed); open != open_detections.end()) {
        if (const auto detection = state.detections().find(open->second.second);
            detection != state.detections().end()) {
            Detection answered = *detection->second;
            answered.recovery_id = record.id;
            answered.refusal.clear();
            enqueue(state.put(std::move(answered)));
        }
    }
    decide_begin(record);
    enqueue(state.put(record));
    group->spawn("recovery " + record.id, run_recovery(record.id, false));
}

void Engine::Impl::take_over_recoveries() {
    for (const auto& [number, recovery] : state.recoveries()) {
        const auto& record = recovery->record;
        if (!record.running() || running.contains(place_of(record))) {
            continue;
        }
        if (auto changes = may_change(record.cluster_id); !changes) {
            log::warning(
                "recovery {} of {} is unfinished and is left as it is: {}",
                number,
                record.failed.text(),
                changes.error().what
            );
            continue;
        }
        log::warning(
            "recovery {} of {} is unfinished and is taken over", number, record.failed.text()
        );
        running.insert(place_of(record));
        recovery_ended[record.id] = std::make_shared<baton::Event>(core);
        group->spawn("recovery " + record.id, run_recovery(record.id, true));
    }
}

/// Whoever began them cannot tell any more how they ended.
void Engine::Impl::note_interrupted_steps(
    const std::string& recovery_id, std::vector<ports::Document>& documents
) {
    const auto steps = state.recovery(recovery_id)->steps;
    for (auto step : steps) {
        if (step.state == recovery::StepState::intended) {
            step.state = recovery::StepState::interrupted;
            step.outcome = "interrupted; what came of it was seen on the servers";
            documents.push_back(state.put(recovery_id, step));
        }
    }
}

/// What a stage has left to be written (outcomes, the deposed primary) goes into the transaction
/// that follows: nobody reads of the next intents, or of the end, without it.
void Engine::Impl::add_left_to_write(std::vector<ports::Document>& documents) const {
    for (const auto& [name, data] : outbox) {
        if (name.first == "deposed" || name.first == "cluster" || name.first == "member" ||
            name.first == "step") {
            if (std::none_of(documents.begin(), documents.end(), [&](const auto& d) {
                    return d.kind == name.first && d.key == name.second;
                })) {
                documents.emplace_back(name.first, name.second, data);
            }
        }
    }
}

Task<void> Engine::Impl::run_recovery(std::string id, bool resumed) {
    recovery::Record record = state.recovery(id)->record;
    const auto ended = recovery_ended[id];
    const auto begun = now();
    auto performer = servers.performer(lock_name(record.cluster_id));
    bool alive = true;
    if (resumed) {
        // Nothing is done on what a predecessor saw: first every server concerned is looked at.
        std::vector<InstanceId> concerned = record.replicas;
        concerned.push_back(record.failed);
        if (!record.successor.empty() &&
            std::find(concerned.begin(), concerned.end(), record.successor) == concerned.end()) {
            concerned.push_back(record.successor);
        }
        for (const auto& target : concerned) {
            if (builder.add(target) || !slots.contains(target)) {
                start_watching(target, 0ms);
            }
        }
        const auto end = now() + observe_limit;
        for (const auto& target : concerned) {
            co_await observe_afresh(target, end);
        }
        publish();
        const auto status = lease.status();
        record.epoch = status.epoch;
        record.holder = status.token;
        record.node = identity.name;
        std::vector<ports::Document> documents;
        note_interrupted_steps(record.id, documents);
        documents.push_back(state.put(record));
        auto written = co_await commit(std::move(documents), journal_limit);
        alive = written.has_value();
    }
    for (unsigned round = 0; alive && record.running(); ++round) {
        if (round == rounds_limit) {
            record.state = recovery::State::failed;
            record.outcome = "stopped after too many steps; look at the steps and at the servers";
            break;
        }
        alive = co_await recovery_round(record, *performer);
    }
    co_await performer->close();
    interruption.reach("ending");
    if (alive) {
        record.ended_ms = wall();
        record.total_us =
            std::chrono::duration_cast<std::chrono::microseconds>(now() - begun).count();
        std::vector<ports::Document> documents;
        const auto deposed = state.overlay.deposed.find(record.failed);
        const bool replaced = changes_the_primary(record) &&
                              record.state == recovery::State::done && !record.successor.empty() &&
                              record.successor != record.failed;
        if (replaced &&
            (deposed == state.overlay.deposed.end() || deposed->second.recovery_id != record.id)) {
            on_promoted(
                record, documents
            );  // a predecessor promoted and ended before it could say so
        }
        on_finished(record, documents);
        documents.push_back(state.put(record));
        add_left_to_write(documents);
        auto written = co_await commit(documents, journal_limit);
        if (!written) {
            // The end is written later, or by the next holder who finds it unfinished and
            // everything done.
            log::error(
                "the end of recovery {} could not be written: {}",
                record.number,
                written.error().what
            );
            for (auto& document : documents) {
                enqueue(std::move(document));
            }
        }
        interruption.reach("ended");
        const bool good = record.state == recovery::State::done;
        ++(good ? counters.recoveries_done : counters.recoveries_failed);
        log::warning(
            "recovery {} of {} {} after {} ms: {}",
            record.number,
            record.failed.text(),
            recovery::to_string(record.state),
            record.total_us / 1000,
            record.outcome
        );
        audit(
            good ? "recover" : "recover-failed",
            record.failed,
            record.cluster_name,
            fmt::format("recovery {}: {}", record.number, record.outcome),
            record.requested_by
        );
        cluster_health[record.cluster_id] = ClusterHealth{};
        shared_health.reset();
    } else {
        log::error(
            "recovery {} of {} stops here, as this node may not act now; whoever is active next "
            "takes it up",
            record.number,
            record.failed.text()
        );
    }
    kept_policies.erase(record.id);
    emit(
        "recovery",
        fmt::format(
            R"({{"number":{},"state":"{}"}})", record.number, recovery::to_string(record.state)
        )
    );
    ended->set();
    publish_soon(true);
    while (!alive) {
        // When the leadership has ended, this task ends with it. Else the lease was only late, or
        // the backend did not answer: nobody else is going to take the recovery up.
        co_await sleep_for(retake_pause);
        alive = lease.may_act();
    }
    running.erase(place_of(record));
    if (record.running()) {
        take_over_recoveries();
    }
}

/// One stage. False when this node may not go on.
Task<bool> Engine::Impl::recovery_round(recovery::Record& record, ports::Performer& performer) {
    const auto round_begun = now();
    const auto policy = policy_of(record);
    auto decision = recovery::next(record, *topology, policy->recovery);
    if (const auto* finish = std::get_if<recovery::Finish>(&decision)) {
        record = recovery::conclude(std::move(record), *finish);
        co_return true;
    }
    const auto stage = std::get<recovery::Stage>(decision);
    // The choice is journaled before it is acted on, so that a successor cannot choose otherwise.
    record = recovery::before(std::move(record), stage);
    const auto epoch = lease.status().epoch;
    log::info("recovery {}: {}", record.number, stage.intent);
    std::vector<std::string> step_names;
    for (const auto& step : stage.steps) {
        step_names.push_back(name_of(step));
    }
    interruption.next_stage(std::move(step_names));
    interruption.reach("intending");

    std::vector<recovery::StepRecord> journal;
    std::vector<ports::Document> documents;
    for (const auto& step : stage.steps) {
        journal.push_back(journal_entry(record, stage, step, epoch, wall()));
        documents.push_back(state.put(record.id, journal.back()));
    }
    documents.push_back(state.put(record));
    add_left_to_write(documents);
    emit(
        "step",
        fmt::format(
            R"({{"number":{},"phase":"{}"}})", record.number, recovery::to_string(stage.enters)
        )
    );
    auto written = co_await commit(std::move(documents), journal_limit);
    if (!written) {
        log::error(
            "recovery {}: the next steps could not be journaled, so they are not done: {}",
            record.number,
            written.error().what
        );
        for (auto& entry : journal) {
            entry.state = recovery::StepState::skipped;
            entry.ended_ms = wall();
            entry.outcome = "not begun, as it could not be journaled";
            enqueue(state.put(record.id, entry));
        }
        co_return written.error().code != Errc::not_leader&& lease.may_act();
    }
    publish_view();
    interruption.reach("journaled");

    std::vector<std::optional<Result<recovery::StepReport>>> outcomes(stage.steps.size());
    {
        co_await throw_if_cancelled();  // join() must be reached
        TaskGroup parallel(core);
        for (std::size_t i = 0; i < stage.steps.size(); ++i) {
            parallel.spawn(
                stage.steps[i].text(),
                perform_step(&record, &performer, stage.steps[i], &journal[i], &outcomes[i])
            );
        }
        if (interruption.within()) {
            parallel.spawn("interruption", interruption.wait_and_reach());
        }
        co_await parallel.join();
    }
    interruption.reach("performed");
    const auto promoted_at = now();
    if (!lease.may_act()) {
        co_return false;
    }
    if (!stage.reprobe.empty()) {
        const auto end = now() + observe_limit;
        for (const auto& target : stage.reprobe) {
            if (const auto slot = slots.find(target); slot != slots.end()) {
                slot->second->watch->wake();
            }
        }
        for (const auto& target : stage.reprobe) {
            co_await observe_afresh(target, end);
        }
        publish();
    }
    std::vector<recovery::StepOutcome> results;
    results.reserve(stage.steps.size());
    for (std::size_t i = 0; i < stage.steps.size(); ++i) {
        results.push_back({stage.steps[i], std::move(*outcomes[i])});
    }
    const auto phase_before = record.phase;
    record = recovery::after(std::move(record), stage, results, *topology);
    // Outcomes are written with the next intents, in one transaction; but a change of the primary
    // at once.
    for (const auto& entry : journal) {
        enqueue(state.put(record.id, entry));
    }
    if (changes_the_primary(record) && phase_before < recovery::Phase::promoted &&
        record.phase >= recovery::Phase::promoted) {
        record.detection_to_promotion_us =
            std::max<std::int64_t>(0, wall() - record.started_ms) * 1000;
        if (const auto frozen = frozen_at.find(record.id); frozen != frozen_at.end()) {
            record.writer_outage_us =
                std::chrono::duration_cast<std::chrono::microseconds>(promoted_at - frozen->second)
                    .count();
            frozen_at.erase(frozen);
        }
        std::vector<ports::Document> promotion;
        on_promoted(record, promotion);
        promotion.push_back(state.put(record));
        for (auto& document : promotion) {
            enqueue(std::move(document));
        }
    } else {
        enqueue(state.put(record));
    }
    const auto took = to_ms(now() - round_begun);
    log::info("recovery {}: {} took {} ms", record.number, stage.intent, took);
    co_return true;
}

Task<void> Engine::Impl::perform_step(
    const recovery::Record* record,
    ports::Performer* performer,
    recovery::Step step,
    recovery::StepRecord* journal,
    std::optional<Result<recovery::StepReport>>* outcome
) {
    const auto begun = now();
    if (step.kind == recovery::StepKind::set_read_only && step.target == record->failed) {
        frozen_at[record->id] = begun;
    }
    const auto left = lease.status().left;
    if (step.kind == recovery::StepKind::promote && left < promotion_reserve) {
        // A step that cannot be taken back does not begin when the lease may end within it. The
        // journal of the next round renews it.
        co_await sleep_for(50ms);
        outcome->emplace(fail(
            Errc::unavailable,
            fmt::format("only {} ms of the lease are left, too few to promote", to_ms(left))
        ));
    } else if (step.kind == recovery::StepKind::hook) {
        outcome->emplace(co_await run_hooks(*record, step, journal));
    } else {
        outcome->emplace(co_await performer->perform(step, begun + step.limit));
    }
    const auto& result = **outcome;
    journal->duration_us =
        std::chrono::duration_cast<std::chrono::microseconds>(now() - begun).count();
    journal->ended_ms = wall();
    journal->state = result ? recovery::StepState::done : recovery::StepState::failed;
    journal->outcome =
        result ? result->text
               : fmt::format("{}: {}", to_string(result.error().code), result.error().what);
    interruption.step_ended(name_of(step));
    if (result) {
        log::info(
            "recovery {}: {}: {} ({} ms)",
            record->number,
            step.text(),
            journal->outcome,
            journal->duration_us / 1000
        );
    } else {
        log::warning(
            "recovery {}: {} failed: {} ({} ms)",
            record->number,
            step.text(),
            journal->outcome,
            journal->duration_us / 1000
        );
    }
}

}  // namespace baton::control
