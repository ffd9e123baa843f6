// SPDX-License-Identifier: Apache-2.0
//
// A primary that was replaced becomes a replica again. With nothing in excess it simply follows its
// successor. Otherwise its data is replaced first, by MySQL's clone plugin or by an operator's
// program: transactions that the others lack cannot be taken out of it, and skipping them would
// leave data that differs for ever.
#include "candidates.hpp"
#include "plans.hpp"
#include "view.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

constexpr unsigned tries = 3;

bool contained(const Instance& instance) {
    return instance.state.read_only &&
           (instance.state.super_read_only || !instance.state.identity.has_super_read_only);
}

/// Who is the primary now: another failover may have happened since it was deposed.
const Instance* heir_of(const Record& record, const Topology& topology) {
    const auto* cluster = topology.cluster_by_id(record.cluster_id);
    if (cluster != nullptr && !cluster->primary.empty() && cluster->primary != record.failed) {
        return topology.find(cluster->primary);
    }
    return topology.find(record.successor);
}

/// Others of the cluster, whose channels may tell with which user to connect.
std::vector<InstanceId> neighbours(
    const Record& record, const Topology& topology, const Instance& heir
) {
    std::vector<InstanceId> out;
    for (const Instance* replica : topology.replicas_of(heir.id)) {
        if (replica->reachable() && replica->id != record.failed) {
            out.push_back(replica->id);
        }
    }
    return out;
}

class Rejoin {
public:
    Rejoin(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          returned_(topology.find(record.failed)),
          heir_(heir_of(record, topology)) {}

    [[nodiscard]] Move next() const;

private:
    [[nodiscard]] std::optional<Finish> hindered() const;
    [[nodiscard]] Move replace_data() const;
    [[nodiscard]] Move follow() const;
    [[nodiscard]] Move ended() const;

    [[nodiscard]] bool by_copy() const { return record_.method != "repoint"; }

    [[nodiscard]] std::string standing() const {
        return classify_deposed(*returned_, heir_, record_.reference_gtid_set);
    }

    [[nodiscard]] std::string last_error() const {
        return record_.errors.empty() ? std::string("see its steps") : record_.errors.back();
    }

    [[nodiscard]] Stage stage(Phase enters, std::string intent, Step step) const {
        Stage out;
        out.enters = std::max(record_.phase, enters);
        out.intent = std::move(intent);
        out.steps.push_back(std::move(step));
        out.reprobe = {record_.failed, heir_->id};
        return out;
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* returned_;
    const Instance* heir_;
};

std::optional<Finish> Rejoin::hindered() const {
    const std::string id = record_.failed.text();
    if (heir_ == nullptr || !heir_->reachable() || !writable(*heir_)) {
        return Finish{
            State::failed, "the cluster has no writable primary now that " + id + " could follow"};
    }
    if (returned_ == nullptr || !returned_->reachable()) {
        return Finish{
            State::failed,
            id + " does not answer" +
                (record_.errors.empty() ? std::string{} : " (" + last_error() + ")")};
    }
    if (!by_copy() && !same_server(*returned_, record_.failed_uuid)) {
        return Finish{
            State::abandoned,
            "another server answers at " + id + " than the one that was replaced"};
    }
    return std::nullopt;
}

Move Rejoin::ended() const {
    Finish finish{State::done, {}};
    finish.classification = "clean";
    finish.outcome = record_.failed.text() + " follows " + heir_->id.text() +
                     (by_copy() ? ", with a copy of the data of " + record_.donor.text() : "");
    return finish;
}

Move Rejoin::replace_data() const {
    const std::string id = record_.failed.text();
    if (record_.method == "hook") {
        if (hook_failed(record_, "reclone")) {
            return Finish{
                State::failed,
                "The hook of reclone failed for " + id + ": " + record_.hooks.at("reclone")};
        }
        if (!hook_ended(record_, "reclone")) {
            Step step = hook_step("reclone", record_.failed, policy_, true);
            step.limit = policy_.clone_limit;
            return stage(
                Phase::chosen, "let the hook of reclone replace the data of " + id, std::move(step)
            );
        }
        const auto now = standing();
        if (now != "clean") {
            return Finish{
                State::failed,
                "The hook of reclone ended, and " + id + " still does not fit: " + now};
        }
        return follow();
    }
    if (attempts(record_, StepKind::clone, record_.failed) > 0) {
        return Finish{State::failed, id + " could not be cloned: " + last_error()};
    }
    Step step = make_step(StepKind::clone, *returned_, policy_.clone_limit);
    step.source = record_.donor;
    return stage(
        Phase::drained,
        "replace the data of " + id + " by a copy of " + record_.donor.text(),
        std::move(step)
    );
}

Move Rejoin::follow() const {
    const std::string id = record_.failed.text();
    const auto now = standing();
    if (now != "clean" && !(record_.method == "clone" && now.starts_with("unknown"))) {
        Finish finish{State::failed, id + " cannot simply follow " + heir_->id.text() + ": " + now};
        finish.classification = now;
        return finish;
    }
    if (attempts(record_, StepKind::repoint, record_.failed) >= tries) {
        return Finish{State::failed, id + " could not be made a replica: " + last_error()};
    }
    Step step = make_step(StepKind::repoint, *returned_, policy_.step_limit);
    step.source = heir_->id;
    step.former_primary = true;
    step.credentials_from = neighbours(record_, topology_, *heir_);
    return stage(Phase::repointed, "let " + id + " follow " + heir_->id.text(), std::move(step));
}

Move Rejoin::next() const {
    if (auto finish = hindered()) {
        return *finish;
    }
    if (!contained(*returned_)) {
        if (attempts(record_, StepKind::set_read_only, record_.failed) >= tries) {
            return Finish{
                State::failed,
                record_.failed.text() + " cannot be made read-only: " + last_error()};
        }
        Step step = make_step(StepKind::set_read_only, *returned_, policy_.step_limit);
        step.kill_writers = policy_.kill_writers_of_deposed;
        return stage(
            record_.phase, "keep clients from writing to " + record_.failed.text(), std::move(step)
        );
    }
    const bool copied = !by_copy() || record_.phase >= Phase::drained;
    if (!copied) {
        // A successor of the node that ordered the copy finds it done.
        const bool done_meanwhile = record_.phase >= Phase::chosen && record_.method == "clone" &&
                                    record_.classification != "clean" && standing() == "clean";
        return done_meanwhile ? follow() : replace_data();
    }
    const Channel* channel = channel_to(*returned_, heir_->id);
    if (channel != nullptr && channel->receiver != topology::ThreadState::stopped &&
        channel->applier != topology::ThreadState::stopped) {
        return ended();
    }
    if (record_.phase >= Phase::repointed && channel != nullptr) {
        return Finish{
            State::failed,
            record_.failed.text() + " follows " + heir_->id.text() + ", but does not replicate: " +
                clipped(
                    channel->receiver_error.empty() ? channel->applier_error
                                                    : channel->receiver_error,
                    300
                )};
    }
    return follow();
}

}  // namespace

Move next_rejoin(const Record& record, const Topology& topology, const Policy& policy) {
    return Rejoin(record, topology, policy).next();
}

}  // namespace baton::recovery
