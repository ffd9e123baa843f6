// SPDX-License-Identifier: Apache-2.0
#include "holdings.hpp"
#include "plans.hpp"
#include "view.hpp"

#include "baton/base/text.hpp"

namespace baton::recovery {
namespace {

constexpr unsigned tries = 3;
constexpr std::size_t longest_set = 2000;

bool contained(const Instance& instance) {
    return instance.state.read_only &&
           (instance.state.super_read_only || !instance.state.identity.has_super_read_only);
}

std::string extra(const gtid::GtidSet& set, std::uint64_t count) {
    return "extra transactions: " + clipped(set.text(), longest_set) + " (" +
           std::to_string(count) + ")";
}

}  // namespace

std::string classify_deposed(
    const Instance& deposed, const Instance* successor, std::string_view reference_gtid_set
) {
    const auto own = holdings_of(deposed, nullptr);
    if (!own.known()) {
        return "unknown: " + own.unknown;
    }
    if (own.executed.mariadb() != nullptr) {
        // A MariaDB position shows only the last transaction of each domain; once the successor has
        // gone on, only what it had when it was promoted tells whether the former primary had more.
        const auto reference = gtid::GtidSet::parse(reference_gtid_set);
        if (!reference || reference->mariadb() == nullptr) {
            return "unknown: the position of the promotion is not known";
        }
        const auto more = own.executed.mariadb()->ahead_of(*reference->mariadb());
        return more.empty()
                   ? "clean"
                   : extra(gtid::GtidSet{more}, gtid::missing_from(own.executed, *reference));
    }
    if (successor == nullptr || !successor->ever_seen) {
        return "unknown: the successor was not seen";
    }
    const auto theirs = holdings_of(*successor, nullptr);
    if (!theirs.known() || theirs.executed.mysql() == nullptr) {
        return "unknown: the position of the successor is not known";
    }
    const auto more = own.executed.mysql()->minus(*theirs.executed.mysql());
    if (more.empty()) {
        return "clean";
    }
    return extra(gtid::GtidSet{more}, more.count());
}

std::optional<std::string> no_containment(
    const Topology& topology,
    const InstanceId& deposed,
    const std::string& uuid,
    const InstanceId& successor
) {
    const Instance* instance = topology.find(deposed);
    if (instance == nullptr || !instance->reachable()) {
        return deposed.text() + " does not answer; it is made read-only when it does";
    }
    if (!same_server(*instance, uuid)) {
        return "another server answers at " + deposed.text() +
               " than the one that was replaced; it is left alone";
    }
    const Instance* heir = topology.find(successor);
    const Instance* hop =
        heir != nullptr && heir->reachable() ? follows(topology, *heir, deposed) : nullptr;
    if (hop != nullptr) {
        return successor.text() + " replicates from " + deposed.text() +
               (hop == heir ? "" : " by way of " + hop->id.text()) +
               ": somebody made that the primary again";
    }
    return std::nullopt;
}

Move next_contain_deposed(const Record& record, const Topology& topology, const Policy& policy) {
    if (auto reason =
            no_containment(topology, record.failed, record.failed_uuid, record.successor)) {
        return Finish{State::abandoned, *reason};
    }
    const Instance& deposed = *topology.find(record.failed);
    if (!contained(deposed)) {
        if (attempts(record, StepKind::set_read_only, deposed.id) >= tries) {
            return Finish{
                State::failed,
                deposed.id.text() + " was replaced by " + record.successor.text() +
                    ", accepts writes, and cannot be made read-only. Stop it, or cut it off"};
        }
        Step step = make_step(StepKind::set_read_only, deposed, policy.step_limit);
        step.kill_writers = policy.kill_writers_of_deposed;
        step.expected_uuid = record.failed_uuid;
        Stage stage;
        stage.enters = Phase::drained;
        stage.intent = "keep clients from writing to " + deposed.id.text() +
                       ", which was replaced by " + record.successor.text();
        stage.steps.push_back(std::move(step));
        stage.reprobe = {deposed.id, record.successor};
        return stage;
    }
    Finish finish{State::done, {}};
    finish.classification =
        classify_deposed(deposed, topology.find(record.successor), record.reference_gtid_set);
    finish.outcome = deposed.id.text() + " is read-only; against " + record.successor.text() +
                     ": " + finish.classification;
    return finish;
}

}  // namespace baton::recovery
