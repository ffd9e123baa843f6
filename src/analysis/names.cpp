// SPDX-License-Identifier: Apache-2.0
#include "baton/analysis/finding.hpp"

// Names in the API are orchestrator's, letter by letter: clients compare them.

namespace baton::analysis {

std::string_view to_string(Code code) {
    switch (code) {
        case Code::dead_primary_without_replicas:
            return "dead primary without replicas";
        case Code::dead_primary:
            return "dead primary";
        case Code::dead_primary_and_replicas:
            return "dead primary and replicas";
        case Code::dead_primary_and_some_replicas:
            return "dead primary and some replicas";
        case Code::unreachable_primary_with_lagging_replicas:
            return "unreachable primary with lagging replicas";
        case Code::unreachable_primary:
            return "unreachable primary";
        case Code::single_primary_replica_not_replicating:
            return "single primary replica not replicating";
        case Code::single_primary_replica_dead:
            return "single primary replica dead";
        case Code::all_replicas_not_replicating:
            return "all replicas not replicating";
        case Code::all_replicas_not_replicating_or_dead:
            return "all replicas not replicating or dead";
        case Code::dead_intermediate:
            return "dead intermediate";
        case Code::dead_intermediate_with_single_replica:
            return "dead intermediate with single replica";
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
            return "dead intermediate with single replica failing to connect";
        case Code::dead_intermediate_and_some_replicas:
            return "dead intermediate and some replicas";
        case Code::dead_intermediate_and_replicas:
            return "dead intermediate and replicas";
        case Code::unreachable_intermediate_with_lagging_replicas:
            return "unreachable intermediate with lagging replicas";
        case Code::unreachable_intermediate:
            return "unreachable intermediate";
        case Code::intermediate_replicas_failing_to_connect_or_dead:
            return "intermediate replicas failing to connect or dead";
        case Code::intermediate_replicas_not_replicating:
            return "intermediate replicas not replicating";
        case Code::first_tier_replica_failing_to_connect:
            return "first tier replica failing to connect";
        case Code::dead_co_primary:
            return "dead co-primary";
        case Code::unreachable_co_primary:
            return "unreachable co-primary";
        case Code::dead_group_member_with_replicas:
            return "dead group member with replicas";
        case Code::locked_semi_sync_primary:
            return "locked semi-sync primary";
        case Code::no_writable_primary:
            return "no writable primary";
        case Code::primary_refuses_us:
            return "primary refuses us";
        case Code::deposed_primary_writable:
            return "deposed primary writable";
        case Code::deposed_primary_returned:
            return "deposed primary returned";
        case Code::receiver_left_stopped:
            return "receiver left stopped";
        case Code::binlog_server_failing_to_connect:
            return "binlog server failing to connect";
        case Code::dead_deposed_primary:
            return "dead deposed primary";
        case Code::primary_cut_off:
            return "primary cut off from its replicas";
        case Code::primary_hangs:
            return "primary hangs";
        case Code::primary_out_of_connections:
            return "primary out of connections";
        case Code::primary_disk_full:
            return "primary disk full";
        case Code::primary_commits_hang:
            return "primary commits hang";
        case Code::primary_lock_pile_up:
            return "primary lock pile-up";
        case Code::dead_co_primary_and_some_replicas:
            return "dead co-primary and some replicas";
        case Code::all_co_primary_replicas_not_replicating:
            return "all co-primary replicas not replicating";
        case Code::locked_semi_sync_primary_hypothesis:
            return "locked semi-sync primary hypothesis";
        case Code::primary_with_too_many_semi_sync_replicas:
            return "primary with too many semi-sync replicas";
        case Code::no_problem:
            break;
    }
    return "no problem";
}

std::string_view api_name(Code code) {
    switch (code) {
        case Code::dead_primary_without_replicas:
            return "DeadMasterWithoutReplicas";
        case Code::dead_primary:
            return "DeadMaster";
        case Code::dead_primary_and_replicas:
            return "DeadMasterAndReplicas";
        case Code::dead_primary_and_some_replicas:
            return "DeadMasterAndSomeReplicas";
        case Code::unreachable_primary_with_lagging_replicas:
            return "UnreachableMasterWithLaggingReplicas";
        case Code::unreachable_primary:
            return "UnreachableMaster";
        case Code::single_primary_replica_not_replicating:
            return "MasterSingleReplicaNotReplicating";
        case Code::single_primary_replica_dead:
            return "MasterSingleReplicaDead";
        case Code::all_replicas_not_replicating:
            return "AllMasterReplicasNotReplicating";
        case Code::all_replicas_not_replicating_or_dead:
            return "AllMasterReplicasNotReplicatingOrDead";
        case Code::dead_intermediate:
            return "DeadIntermediateMaster";
        case Code::dead_intermediate_with_single_replica:
            return "DeadIntermediateMasterWithSingleReplica";
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
            return "DeadIntermediateMasterWithSingleReplicaFailingToConnect";
        case Code::dead_intermediate_and_some_replicas:
            return "DeadIntermediateMasterAndSomeReplicas";
        case Code::dead_intermediate_and_replicas:
            return "DeadIntermediateMasterAndReplicas";
        case Code::unreachable_intermediate_with_lagging_replicas:
            return "UnreachableIntermediateMasterWithLaggingReplicas";
        case Code::unreachable_intermediate:
            return "UnreachableIntermediateMaster";
        case Code::intermediate_replicas_failing_to_connect_or_dead:
            return "AllIntermediateMasterReplicasFailingToConnectOrDead";
        case Code::intermediate_replicas_not_replicating:
            return "AllIntermediateMasterReplicasNotReplicating";
        case Code::first_tier_replica_failing_to_connect:
            return "FirstTierReplicaFailingToConnectToMaster";
        case Code::dead_co_primary:
            return "DeadCoMaster";
        case Code::unreachable_co_primary:
            return "UnreachableCoMaster";
        case Code::dead_group_member_with_replicas:
            return "DeadReplicationGroupMemberWithReplicas";
        case Code::locked_semi_sync_primary:
            return "LockedSemiSyncMaster";
        case Code::no_writable_primary:
            return "NoWriteableMasterStructureWarning";
        case Code::dead_co_primary_and_some_replicas:
            return "DeadCoMasterAndSomeReplicas";
        case Code::all_co_primary_replicas_not_replicating:
            return "AllCoMasterReplicasNotReplicating";
        case Code::locked_semi_sync_primary_hypothesis:
            return "LockedSemiSyncMasterHypothesis";
        case Code::primary_with_too_many_semi_sync_replicas:
            return "MasterWithTooManySemiSyncReplicas";
        case Code::binlog_server_failing_to_connect:
            return "BinlogServerFailingToConnectToMaster";
        // Ours, by the nearest name that orchestrator's clients know.
        case Code::dead_deposed_primary:
            return "DeadIntermediateMaster";
        case Code::primary_cut_off:
            return "AllMasterReplicasNotReplicating";
        case Code::no_problem:
        case Code::primary_refuses_us:
        case Code::deposed_primary_writable:  // not known to orchestrator's clients
        case Code::deposed_primary_returned:
        case Code::receiver_left_stopped:
        case Code::primary_hangs:
        case Code::primary_out_of_connections:
        case Code::primary_disk_full:
        case Code::primary_commits_hang:
        case Code::primary_lock_pile_up:
            break;
    }
    return "NoProblem";
}

std::string_view api_name(Structure structure) {
    switch (structure) {
        case Structure::no_logging_replicas:
            return "NoLoggingReplicasStructureWarning";
        case Structure::no_failover_support:
            return "NoFailoverSupportStructureWarning";
        case Structure::statement_and_mixed:
            return "StatementAndMixedLoggingReplicasStructureWarning";
        case Structure::statement_and_row:
            return "StatementAndRowLoggingReplicasStructureWarning";
        case Structure::mixed_and_row:
            return "MixedAndRowLoggingReplicasStructureWarning";
        case Structure::multiple_major_versions:
            return "MultipleMajorVersionsLoggingReplicasStructureWarning";
        case Structure::different_gtid_modes:
            return "DifferentGTIDModesStructureWarning";
        case Structure::errant_gtid:
            return "ErrantGTIDStructureWarning";
        case Structure::no_writable_primary:
            return "NoWriteableMasterStructureWarning";
        case Structure::not_enough_semi_sync_replicas:
            break;
    }
    return "NotEnoughValidSemiSyncReplicasStructureWarning";
}

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::none:
            return "none";
        case Severity::notice:
            return "notice";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            break;
    }
    return "critical";
}

}  // namespace baton::analysis
