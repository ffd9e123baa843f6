// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

namespace baton::analysis {
namespace {

/// The names that orchestrator's clients compare with.
const std::map<Code, std::string> orchestrators_names{
    {Code::no_problem, "NoProblem"},
    {Code::dead_primary_without_replicas, "DeadMasterWithoutReplicas"},
    {Code::dead_primary, "DeadMaster"},
    {Code::dead_primary_and_replicas, "DeadMasterAndReplicas"},
    {Code::dead_primary_and_some_replicas, "DeadMasterAndSomeReplicas"},
    {Code::unreachable_primary_with_lagging_replicas, "UnreachableMasterWithLaggingReplicas"},
    {Code::unreachable_primary, "UnreachableMaster"},
    {Code::single_primary_replica_not_replicating, "MasterSingleReplicaNotReplicating"},
    {Code::single_primary_replica_dead, "MasterSingleReplicaDead"},
    {Code::all_replicas_not_replicating, "AllMasterReplicasNotReplicating"},
    {Code::all_replicas_not_replicating_or_dead, "AllMasterReplicasNotReplicatingOrDead"},
    {Code::dead_intermediate, "DeadIntermediateMaster"},
    {Code::dead_intermediate_with_single_replica, "DeadIntermediateMasterWithSingleReplica"},
    {Code::dead_intermediate_with_single_replica_failing_to_connect,
     "DeadIntermediateMasterWithSingleReplicaFailingToConnect"},
    {Code::dead_intermediate_and_some_replicas, "DeadIntermediateMasterAndSomeReplicas"},
    {Code::dead_intermediate_and_replicas, "DeadIntermediateMasterAndReplicas"},
    {Code::unreachable_intermediate_with_lagging_replicas,
     "UnreachableIntermediateMasterWithLaggingReplicas"},
    {Code::unreachable_intermediate, "UnreachableIntermediateMaster"},
    {Code::intermediate_replicas_failing_to_connect_or_dead,
     "AllIntermediateMasterReplicasFailingToConnectOrDead"},
    {Code::intermediate_replicas_not_replicating, "AllIntermediateMasterReplicasNotReplicating"},
    {Code::first_tier_replica_failing_to_connect, "FirstTierReplicaFailingToConnectToMaster"},
    {Code::dead_co_primary, "DeadCoMaster"},
    {Code::dead_co_primary_and_some_replicas, "DeadCoMasterAndSomeReplicas"},
    {Code::unreachable_co_primary, "UnreachableCoMaster"},
    {Code::all_co_primary_replicas_not_replicating, "AllCoMasterReplicasNotReplicating"},
    {Code::dead_group_member_with_replicas, "DeadReplicationGroupMemberWithReplicas"},
    {Code::locked_semi_sync_primary_hypothesis, "LockedSemiSyncMasterHypothesis"},
    {Code::locked_semi_sync_primary, "LockedSemiSyncMaster"},
    {Code::primary_with_too_many_semi_sync_replicas, "MasterWithTooManySemiSyncReplicas"},
    {Code::no_writable_primary, "NoWriteableMasterStructureWarning"},
    {Code::primary_refuses_us, "NoProblem"},
    {Code::deposed_primary_writable, "NoProblem"},
};

TEST(Names, OfCodesAreOrchestratorsInTheApi) {
    ASSERT_EQ(orchestrators_names.size(), 32U);
    for (const auto& [code, name] : orchestrators_names) {
        EXPECT_EQ(api_name(code), name);
    }
}

TEST(Names, OfCodesDifferFromEachOther) {
    std::set<std::string_view> seen;
    for (const auto& [code, name] : orchestrators_names) {
        EXPECT_TRUE(seen.insert(to_string(code)).second) << to_string(code);
        EXPECT_EQ(to_string(code).find('_'), std::string_view::npos);
    }
    EXPECT_EQ(to_string(Code::dead_primary), "dead primary");
    EXPECT_EQ(to_string(Code::dead_co_primary), "dead co-primary");
    EXPECT_EQ(to_string(Code::locked_semi_sync_primary), "locked semi-sync primary");
}

TEST(Names, OfWarningsAreOrchestrators) {
    const std::map<Structure, std::string> names{
        {Structure::no_logging_replicas, "NoLoggingReplicasStructureWarning"},
        {Structure::no_failover_support, "NoFailoverSupportStructureWarning"},
        {Structure::statement_and_mixed, "StatementAndMixedLoggingReplicasStructureWarning"},
        {Structure::statement_and_row, "StatementAndRowLoggingReplicasStructureWarning"},
        {Structure::mixed_and_row, "MixedAndRowLoggingReplicasStructureWarning"},
        {Structure::multiple_major_versions,
         "MultipleMajorVersionsLoggingReplicasStructureWarning"},
        {Structure::different_gtid_modes, "DifferentGTIDModesStructureWarning"},
        {Structure::errant_gtid, "ErrantGTIDStructureWarning"},
        {Structure::no_writable_primary, "NoWriteableMasterStructureWarning"},
        {Structure::not_enough_semi_sync_replicas,
         "NotEnoughValidSemiSyncReplicasStructureWarning"},
    };
    for (const auto& [structure, name] : names) {
        EXPECT_EQ(api_name(structure), name);
    }
}

TEST(Names, OfSeverities) {
    EXPECT_EQ(to_string(Severity::none), "none");
    EXPECT_EQ(to_string(Severity::notice), "notice");
    EXPECT_EQ(to_string(Severity::warning), "warning");
    EXPECT_EQ(to_string(Severity::critical), "critical");
}

}  // namespace
}  // namespace baton::analysis
