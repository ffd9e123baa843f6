// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is wrong, as plain values: a code, the server it is about, the counts and sentences it rests
// on.

#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::analysis {

/// Names in the HTTP API are orchestrator's (api_name); ours in log and pages are the current words
/// (to_string).
enum class Code {
    no_problem,
    dead_primary_without_replicas,              // DeadMasterWithoutReplicas
    dead_primary,                               // DeadMaster
    dead_primary_and_replicas,                  // DeadMasterAndReplicas
    dead_primary_and_some_replicas,             // DeadMasterAndSomeReplicas
    unreachable_primary_with_lagging_replicas,  // UnreachableMasterWithLaggingReplicas
    unreachable_primary,                        // UnreachableMaster
    single_primary_replica_not_replicating,     // MasterSingleReplicaNotReplicating
    single_primary_replica_dead,                // MasterSingleReplicaDead
    all_replicas_not_replicating,               // AllMasterReplicasNotReplicating
    all_replicas_not_replicating_or_dead,       // AllMasterReplicasNotReplicatingOrDead
    dead_intermediate,                          // DeadIntermediateMaster
    dead_intermediate_with_single_replica,      // DeadIntermediateMasterWithSingleReplica
    dead_intermediate_with_single_replica_failing_to_connect,  // DeadIntermediateMasterWithSingleReplicaFailingToConnect
    dead_intermediate_and_some_replicas,             // DeadIntermediateMasterAndSomeReplicas
    dead_intermediate_and_replicas,                  // DeadIntermediateMasterAndReplicas
    unreachable_intermediate_with_lagging_replicas,  // UnreachableIntermediateMasterWithLaggingReplicas
    unreachable_intermediate,                        // UnreachableIntermediateMaster
    intermediate_replicas_failing_to_connect_or_dead,  // AllIntermediateMasterReplicasFailingToConnectOrDead
    intermediate_replicas_not_replicating,  // AllIntermediateMasterReplicasNotReplicating
    first_tier_replica_failing_to_connect,  // FirstTierReplicaFailingToConnectToMaster
    dead_co_primary,
    dead_co_primary_and_some_replicas,
    unreachable_co_primary,
    all_co_primary_replicas_not_replicating,
    dead_group_member_with_replicas,
    locked_semi_sync_primary_hypothesis,
    locked_semi_sync_primary,
    primary_with_too_many_semi_sync_replicas,
    no_writable_primary,  // NoWriteableMasterStructureWarning as main code
    primary_refuses_us,   // ours: it lives but denies access / has no free connection (in the API:
                          // NoProblem + evidence)
    deposed_primary_writable,  // ours: an old primary is back and accepts writes
    deposed_primary_returned,  // ours: an old primary is back, read-only, and follows nobody yet
    receiver_left_stopped,     // ours: a recovery has stopped its receiver and could not start it
                               // again

    binlog_server_failing_to_connect,  // BinlogServerFailingToConnectToMaster
    dead_deposed_primary,  // DeadIntermediateMaster: it was replaced, and replicas are left below
                           // it
    // Sick, not dead: it answers this service. Names in the API are orchestrator's nearest, or
    // none.
    primary_cut_off,             // AllMasterReplicasNotReplicating: no replica can connect to it
    primary_hangs,               // NoProblem: lets us in, and does not tell its state
    primary_out_of_connections,  // NoProblem: turns clients away
    primary_disk_full,           // NoProblem: commits wait for space
    primary_commits_hang,        // NoProblem: commits do not end
    primary_lock_pile_up,        // NoProblem: sessions pile up behind a lock
};

inline constexpr Code last_code = Code::primary_lock_pile_up;

enum class Structure {
    no_logging_replicas,  // NoLoggingReplicasStructureWarning ...
    no_failover_support,
    statement_and_mixed,
    statement_and_row,
    mixed_and_row,
    multiple_major_versions,
    different_gtid_modes,
    errant_gtid,
    no_writable_primary,
    not_enough_semi_sync_replicas,
};

enum class Severity { none, notice, warning, critical };

/// What a recovery would be of, if there is one for the code.
enum class RecoveryKind {
    none,
    dead_primary,
    dead_intermediate,
    contain_deposed,
    switchover,        // planned change of a living primary; only ever ordered
    rejoin,            // a deposed primary becomes a replica again
    repair_semi_sync,  // a semi-synchronous primary with too few or too many acknowledgers
    make_writable,     // the primary is read-only
    restart_receiver,  // of a replica on which a recovery has left it stopped
};

/// Something the analysis would like to know before it decides; the discovery loop provides it.
struct Inquiry {
    enum class Kind {
        reprobe,
        witness
    };  // probe the server now; make the replica's receiver reconnect and report
    Kind kind = Kind::reprobe;
    InstanceId target;
    friend bool operator==(const Inquiry&, const Inquiry&) = default;
    friend auto operator<=>(const Inquiry&, const Inquiry&) = default;
};

struct Counts {
    unsigned replicas = 0, valid = 0, replicating = 0, failing_to_connect = 0, downtimed = 0,
             delayed = 0, lagging = 0;
    unsigned hearing =
        0;  // replicas that certainly still receive from the server since it stopped answering us
    unsigned silent = 0;  // connected as far as they know, but nothing arrived since
    unsigned logging = 0, statement = 0, mixed = 0, row = 0, major_versions = 0;
    friend bool operator==(const Counts&, const Counts&) = default;
};

struct Finding {
    Code code = Code::no_problem;
    InstanceId subject;
    std::string cluster_id, cluster_name;
    Severity severity = Severity::none;
    std::string summary;                // plain words
    std::vector<std::string> evidence;  // the facts, one sentence each
    std::vector<std::string> vetoes;    // why it is not worse: what keeps it from being actionable
    std::vector<std::pair<Structure, std::string>>
        structure;  // additional warnings with their sentence
    Counts counts;
    bool is_primary = false, is_co_primary = false;
    std::vector<InstanceId> replicas;
    RecoveryKind recovery = RecoveryKind::none;
    bool downtimed = false, replicas_downtimed = false;
    std::vector<Inquiry> inquiries;

    [[nodiscard]] bool actionable() const { return recovery != RecoveryKind::none; }

    friend bool operator==(const Finding&, const Finding&) = default;
};

std::string_view to_string(Code code);  // "dead primary" ...
std::string_view api_name(Code code);   // "DeadMaster" ...
std::string_view api_name(Structure structure);
std::string_view to_string(Severity severity);

}  // namespace baton::analysis
