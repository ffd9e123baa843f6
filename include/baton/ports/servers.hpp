// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the loops need of the managed servers. Implemented by module server over real connections,
// by fakes in tests. Everything runs on, and is called from, the core executor.

#include "baton/async/task.hpp"
#include "baton/base/result.hpp"
#include "baton/recovery/step.hpp"
#include "baton/topology/instance.hpp"

#include <memory>
#include <string>

namespace baton::ports {

/// The watch on one server: one persistent connection, used for nothing but observation.
class Watch {
public:
    virtual ~Watch() = default;

    /// Observes once; connects first when there is no connection. Never fails: failure is in the
    /// observation. Ends at the deadline at the latest. One probe at a time.
    virtual Task<topology::Observation> probe(Deadline deadline) = 0;

    enum class Idle { deadline, lost, data, woken };
    /// Waits between probes: until the deadline, `wake()`, or a sign from the connection (lost: FIN
    /// or reset, the server may be dead; data: it said something unasked, probe it). Returns at
    /// once as `deadline` when that has passed.
    virtual Task<Idle> idle(Deadline deadline) = 0;
    /// Ends a running or the next idle() with `woken`. Same executor.
    virtual void wake() = 0;
    /// Drops the connection without ceremony.
    virtual void drop() = 0;
};

/// Performs the steps of one recovery (or of one operator's command) on its targets: one locked
/// session for each target, held until close(). A lost session ends the work on that target until
/// it is taken anew.
class Performer {
public:
    virtual ~Performer() = default;
    /// Does one step; different targets may be worked on at the same time. The caller has checked
    /// may_act() and has journaled the intent; the performer asks `may_act` once more right before
    /// the statement that changes something. Errors: not_leader (may_act said no), refused (unsafe,
    /// sentence says why), timeout, unreachable, server_error...
    virtual Task<Result<recovery::StepReport>> perform(recovery::Step step, Deadline deadline) = 0;
    /// Releases locks and sessions.
    virtual Task<void> close() = 0;
};

class Servers {
public:
    virtual ~Servers() = default;
    virtual std::unique_ptr<Watch> watch(InstanceId id) = 0;
    /// `lock_name` e.g. "baton.<cluster id>": held on each target; an older holder's session is
    /// killed for it.
    virtual std::unique_ptr<Performer> performer(std::string lock_name) = 0;
};

}  // namespace baton::ports
