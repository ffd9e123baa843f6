// SPDX-License-Identifier: Apache-2.0
#pragma once

// Does the steps of recoveries, each on the locked session of its target. How, and why it is safe,
// is in docs/internals/probing.md.

#include "session.hpp"

#include "baton/recovery/step.hpp"

#include <map>
#include <memory>
#include <string>

namespace baton::server {

/// What the performer keeps of one server between steps.
struct Target {
    Target(Common& common, const InstanceId& id) : session(common, id) {}

    Session session;
    Background stop;        // STOP of the receiver that has not been answered yet
    Background cancelled;   // restart for a witness test; its session was killed: no START follows
    bool prepared = false;  // the lock was taken, or the server has none to give
};

/// With which user replicas connect to their source. In memory only.
struct ChannelSecret {
    std::string user, password;
    bool tls = false;
    bool asked = false;  // tls is known
};

using StepResult = Result<recovery::StepReport>;

class ServerPerformer final : public ports::Performer {
public:
    ServerPerformer(Common& common, std::string lock_name);

    Task<Result<recovery::StepReport>> perform(recovery::Step step, Deadline deadline) override;
    Task<void> close() override;

private:
    Task<StepResult> on_target(recovery::Step step, Deadline deadline);
    Task<Result<std::shared_ptr<Target>>> ready(
        InstanceId id, std::string expected_uuid, bool with_lock, Deadline deadline
    );

    Common& common_;
    std::string lock_name_;
    std::map<InstanceId, std::shared_ptr<Target>> targets_;
    std::shared_ptr<ChannelSecret> secret_ = std::make_shared<ChannelSecret>();
};

// One function for each kind of step. All may be repeated.

Task<StepResult> stop_receiver(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);
Task<StepResult> start_replication(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);
Task<StepResult> wait_applied(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);
Task<StepResult> repoint(std::shared_ptr<Target> target, recovery::Step step, Deadline deadline);
Task<StepResult> witness(std::shared_ptr<Target> target, recovery::Step step, Deadline deadline);
/// `guard`: of step.guard, null when there is none.
Task<StepResult> promote(
    std::shared_ptr<Target> target,
    std::shared_ptr<Target> guard,
    recovery::Step step,
    Deadline deadline
);
Task<StepResult> read_credentials(
    std::shared_ptr<Target> target,
    std::shared_ptr<ChannelSecret> known,
    recovery::Step step,
    Deadline deadline
);
/// repoint of a server that has no channel, or only half a one.
Task<StepResult> become_replica(
    std::shared_ptr<Target> target,
    std::shared_ptr<ChannelSecret> known,
    recovery::Step step,
    Deadline deadline
);
Task<StepResult> clone(std::shared_ptr<Target> target, recovery::Step step, Deadline deadline);
Task<StepResult> set_read_only(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);
Task<StepResult> set_writable(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);

/// Stops the receiver of the channel. True: it has ended. False: the server still waits for it, and
/// it is certain that it receives nothing more (see docs/internals/probing.md, "A STOP that
/// waits"); the statement stays in target->stop. With `until_ended` only true is an answer. Errors:
/// timeout (not certain by the deadline), not_leader, server_error, unreachable.
Task<Result<bool>> quiesce(
    std::shared_ptr<Target> target, std::string channel, bool until_ended, Deadline deadline
);

/// What to send before a STOP of this receiver, so that it does not wait for a silent source; "" =
/// nothing (see dialect::end_receiver_early). A question only.
Task<Result<std::string>> before_stop(
    std::shared_ptr<Target> target, topology::Channel channel, Deadline deadline
);

/// Changes who acknowledges transactions, or for how many the source waits.
Task<StepResult> set_semi_sync(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);

/// Stops and starts the receiver by one packet, after `first` ("" = nothing): the server does all
/// of it even if this node dies right after, so that no receiver stays stopped. Waits for its end.
Task<Result<void>> restart_receiver(
    std::shared_ptr<Target> target, std::string channel, std::string first, Deadline deadline
);

/// Ends the delay of the channel and keeps what was received; the receiver is stopped afterwards.
Task<Result<void>> end_delay(
    std::shared_ptr<Target> target, std::string channel, Deadline deadline
);

/// Watches a receiver that was just started until it has its source.
Task<StepResult> see_it_connect(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);

/// Gives transactions that have written and are older than a second so long to end. Changes
/// nothing.
Task<Result<void>> await_transactions(
    std::shared_ptr<Target> target, Duration grace, Deadline deadline
);

/// Ends the sessions of transactions that have written and are still open; their number.
Task<Result<std::size_t>> end_transactions(std::shared_ptr<Target> target, Deadline deadline);

/// Waits until everything in step.required_gtid_set is applied.
Task<Result<void>> await_required(
    std::shared_ptr<Target> target, recovery::Step step, Deadline deadline
);

/// Refuses unless the server is read-only and has nothing beyond step.required_gtid_set.
Task<Result<void>> guard_holds(
    std::shared_ptr<Target> guard, recovery::Step step, Deadline deadline
);

/// Waits until everything received on the channel is applied; starts the applier when it is stopped
/// and not broken. Errors: refused (broken, with its error), timeout (how much is missing).
Task<Result<Look>> drain(std::shared_ptr<Target> target, std::string channel, Deadline deadline);

}  // namespace baton::server
