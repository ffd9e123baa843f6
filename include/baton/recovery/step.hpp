// SPDX-License-Identifier: Apache-2.0
#pragma once

// A step is one idempotent action on one server: done twice it does no harm, cut in the middle it
// can be repeated. Plain values; the performer (module server) knows how to do each, and not why.

#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::recovery {

enum class StepKind {
    /// Stop the receiver of the channel, read the final positions. A receiver inside a connection
    /// attempt may take
    /// seconds to end: then the step reports `stop_pending` as soon as it is certain that it will
    /// receive nothing more.
    stop_receiver,
    /// Start receiver and applier (as they are configured).
    start_replication,
    /// Wait until everything received is applied (the applier is started if it is not running and
    /// not broken).
    wait_applied,
    /// Stop replication, forget the source (RESET REPLICA ALL), make writable. Refuses when
    /// something received is not
    /// applied. Switches source-side semi-sync on first when asked to.
    promote,
    /// Follow another source by GTID, keeping user, password, TLS and heartbeat options of the
    /// channel; start.
    repoint,
    /// read_only (and super_read_only where there is) on; then end the connections of other writers
    /// if asked to.
    set_read_only,
    /// read_only and super_read_only off.
    set_writable,
    /// Stop and start the receiver and watch whether it gets its source: a witness for "is the
    /// source alive?".
    witness,
    /// Run a hook program (performed by the hook runner, not on a server).
    hook,
    /// Keep in memory with which user and password the channel of the target connects, where the
    /// server shows them, for a later repoint of a server without a channel. Never journaled.
    read_credentials,
    /// Replace all data of the target by a copy of `source` (MySQL's clone plugin). The server
    /// restarts; done when it answers again with the data.
    clone,
    /// Switch semi-synchronous replication of the replica on or off (its receiver is restarted by
    /// one packet, so that it runs even if this node dies in between), or of the source, or change
    /// how many acknowledgements the source waits for.
    set_semi_sync,
};

std::string_view to_string(StepKind kind);
/// nullopt when it is none of the names of to_string.
std::optional<StepKind> parse_step_kind(std::string_view text);

struct Step {
    Step() = default;

    Step(StepKind k, InstanceId t) : kind(k), target(std::move(t)) {}

    StepKind kind = StepKind::stop_receiver;
    InstanceId target;
    std::string channel;            // replication channel, "" = default
    InstanceId source;              // repoint: the new source. promote: the old one
    bool enable_semi_sync = false;  // promote
    bool kill_writers = false;      // set_read_only
    bool needs_lock = true;     // take the cluster's lock on the target first (false for witness)
    std::string expected_uuid;  // refuse when another server answers at the address; "" = not known
    std::string
        required_gtid_set;  // wait_applied, promote: must be executed; repoint: "" (auto position)
    std::string hook;       // hook: name of the list, e.g. "pre_failover"
    Duration limit = std::chrono::seconds(10);  // for this step
    bool essential = true;                      // the stage fails when this step fails

    // For a planned change of the primary, and for a former primary that becomes a replica.
    /// set_read_only: before, wait so long for open transactions that have written to end.
    Duration grace{};
    /// set_read_only: end the sessions of transactions that have written and are still open then.
    bool end_transactions = false;
    /// promote: wait until required_gtid_set is applied before the receiver is stopped.
    bool await_required = false;
    /// promote: refuse unless this server is read-only and has nothing beyond required_gtid_set,
    /// asked right before; empty = nobody is asked.
    InstanceId guard;
    std::string guard_uuid;
    /// repoint: false leaves replication stopped.
    bool start = true;
    /// repoint: the target was a primary: without a channel it is given one, and MariaDB goes on
    /// from what the server has written itself too.
    bool former_primary = false;
    /// repoint without a channel, clone: servers whose channel may tell user and password when the
    /// options name none.
    std::vector<InstanceId> credentials_from;

    /// repoint: false leaves the applier as it was (stopped by an operator).
    bool start_applier = true;
    /// wait_applied: end the delay of the channel first, without dropping what was received.
    bool skip_delay = false;
    // set_semi_sync: what is to be changed.
    std::optional<bool> semi_sync_replica, semi_sync_source;
    std::optional<std::uint64_t> wait_for_replicas;

    /// One line for journal, log and page: "stop the receiver of db2:3306".
    [[nodiscard]] std::string text() const;
};

/// What a replica had when its receiver was stopped; the base of the candidate choice.
struct ReplicaPosition {
    std::string executed_gtid_set;
    std::string received_gtid_set;  // everything it has or will have once applied: executed +
                                    // retrieved (MySQL), or MariaDB: per domain the higher of
                                    // gtid_io_pos and the executed position
    topology::LogPosition read, executed;  // source coordinates
    bool applier_broken = false;
    std::string applier_error;
    friend bool operator==(const ReplicaPosition&, const ReplicaPosition&) = default;
};

struct StepReport {
    std::string text;                         // what was found or done, for the journal
    std::optional<ReplicaPosition> position;  // stop_receiver, wait_applied, promote, set_read_only
    bool stop_pending = false;                // stop_receiver
    bool heard = false;                       // witness
    topology::LogPosition binlog;             // promote: own coordinates right after
};

}  // namespace baton::recovery
