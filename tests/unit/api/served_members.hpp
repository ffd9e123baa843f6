// SPDX-License-Identifier: Apache-2.0
#pragma once

// Member names in the order in which orchestrator serves them.

#include <string_view>

namespace baton::api {

constexpr std::string_view instance_members =
    "Key InstanceAlias Uptime ServerID ServerUUID Version VersionComment FlavorName "
    "ReadOnly Binlog_format BinlogRowImage LogBinEnabled LogSlaveUpdatesEnabled "
    "LogReplicationUpdatesEnabled SelfBinlogCoordinates MasterKey MasterUUID "
    "AncestryUUID IsDetachedMaster Slave_SQL_Running ReplicationSQLThreadRuning "
    "Slave_IO_Running ReplicationIOThreadRuning ReplicationSQLThreadState "
    "ReplicationIOThreadState HasReplicationFilters GTIDMode SupportsOracleGTID "
    "UsingOracleGTID UsingMariaDBGTID UsingPseudoGTID ReadBinlogCoordinates "
    "ExecBinlogCoordinates IsDetached RelaylogCoordinates LastSQLError LastIOError "
    "SecondsBehindMaster SQLDelay ExecutedGtidSet GtidPurged GtidErrant "
    "SlaveLagSeconds ReplicationLagSeconds SlaveHosts Replicas ClusterName "
    "SuggestedClusterAlias DataCenter Region PhysicalEnvironment ReplicationDepth "
    "IsCoMaster HasReplicationCredentials ReplicationCredentialsAvailable "
    "SemiSyncAvailable SemiSyncPriority SemiSyncMasterPluginNewVersion "
    "SemiSyncReplicaPluginNewVersion SemiSyncMasterEnabled SemiSyncReplicaEnabled "
    "SemiSyncMasterTimeout SemiSyncMasterWaitForReplicaCount SemiSyncMasterStatus "
    "SemiSyncMasterClients SemiSyncReplicaStatus LastSeenTimestamp IsLastCheckValid "
    "IsUpToDate IsRecentlyChecked SecondsSinceLastSeen CountMySQLSnapshots "
    "IsCandidate PromotionRule IsDowntimed DowntimeReason DowntimeOwner "
    "DowntimeEndTimestamp ElapsedDowntime UnresolvedHostname AllowTLS "
    "ReplicationSSLCAFile ReplicationSSLCAPath ReplicationSSLCert "
    "ReplicationSSLCipher ReplicationSSLCRLFile ReplicationSSLCRLPath "
    "ReplicationSSLKey ReplicationSSLVerifyServerCert ReplicationTLSVersion "
    "ReplicationTLSCiphersuites ReplicationSourcePublicKeyPath "
    "ReplicationGetSourcePublicKey Problems LastDiscoveryLatency "
    "ReplicationGroupName ReplicationGroupIsSinglePrimary "
    "ReplicationGroupMemberState ReplicationGroupMemberRole ReplicationGroupMembers "
    "ReplicationGroupPrimaryInstanceKey QSP";

constexpr std::string_view analysis_members =
    "AnalyzedInstanceKey AnalyzedInstanceMasterKey ClusterDetails "
    "AnalyzedInstanceDataCenter AnalyzedInstanceRegion "
    "AnalyzedInstancePhysicalEnvironment AnalyzedInstanceBinlogCoordinates IsMaster "
    "IsReplicationGroupMember IsCoMaster LastCheckValid LastCheckPartialSuccess "
    "CountReplicas CountValidReplicas CountValidReplicatingReplicas "
    "CountReplicasFailingToConnectToMaster CountDowntimedReplicas ReplicationDepth "
    "Replicas SlaveHosts IsFailingToConnectToMaster Analysis Description "
    "StructureAnalysis IsDowntimed IsReplicasDowntimed DowntimeEndTimestamp "
    "DowntimeRemainingSeconds IsBinlogServer PseudoGTIDImmediateTopology "
    "OracleGTIDImmediateTopology MariaDBGTIDImmediateTopology "
    "BinlogServerImmediateTopology SemiSyncMasterEnabled SemiSyncMasterStatus "
    "SemiSyncMasterWaitForReplicaCount SemiSyncMasterClients "
    "CountSemiSyncReplicasEnabled CountLoggingReplicas "
    "CountStatementBasedLoggingReplicas CountMixedBasedLoggingReplicas "
    "CountRowBasedLoggingReplicas CountDistinctMajorVersionsLoggingReplicas "
    "CountDelayedReplicas CountLaggingReplicas IsActionableRecovery "
    "ProcessingNodeHostname ProcessingNodeToken CountAdditionalAgreeingNodes "
    "StartActivePeriod SkippableDueToDowntime GTIDMode MinReplicaGTIDMode "
    "MaxReplicaGTIDMode MaxReplicaGTIDErrant CommandHint IsReadOnly";

constexpr std::string_view recovery_members =
    "Id UID AnalysisEntry SuccessorKey SuccessorAlias SuccessorBinlogCoordinates "
    "IsActive IsSuccessful LostReplicas ParticipatingInstanceKeys AllErrors "
    "RecoveryStartTimestamp RecoveryEndTimestamp ProcessingNodeHostname "
    "ProcessingNodeToken Acknowledged AcknowledgedAt AcknowledgedBy "
    "AcknowledgedComment LastDetectionId RelatedRecoveryId Type RecoveryType";

constexpr std::string_view health_members =
    "Healthy Hostname Token IsActiveNode ActiveNode Error AvailableNodes RaftLeader "
    "IsRaftLeader RaftLeaderURI RaftAdvertise RaftHealthyMembers";

constexpr std::string_view node_members =
    "Hostname Token AppVersion FirstSeenActive LastSeenActive ExtraInfo Command "
    "DBBackend LastReported";

constexpr std::string_view cluster_info_members =
    "ClusterName ClusterAlias ClusterDomain CountInstances HeuristicLag "
    "HasAutomatedMasterRecovery HasAutomatedIntermediateMasterRecovery";

constexpr std::string_view audit_members =
    "AuditId AuditTimestamp AuditType AuditInstanceKey Message";

constexpr std::string_view maintenance_members =
    "MaintenanceId Key BeginTimestamp SecondsElapsed IsActive Owner Reason";

constexpr std::string_view step_members = "Id RecoveryUID AuditAt Message";

}  // namespace baton::api
