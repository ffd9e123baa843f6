// SPDX-License-Identifier: Apache-2.0
// The truth table: each code, and what is nearly it.
#include "support.hpp"

namespace baton::analysis {
namespace {

struct Case {
    const char* name;
    const char* text;
};

constexpr Case cases[] = {
    {"AllIsWell", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: r1}}
expect: {})"},
    {"DeadPrimaryWithoutReplicas", R"(
servers: {p1: {}}
meanwhile: {p1: {probe: refused}}
expect: {p1: {code: DeadMasterWithoutReplicas, severity: notice}})"},
    {"TooManySemiSyncReplicasWhenPolicySaysSo", R"(
servers: {p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 2}}, r1: {source: p1}}
policy: {enforce_exact_semi_sync: yes}
expect: {p1: {code: MasterWithTooManySemiSyncReplicas, severity: warning, recovery: repair_semi_sync}})"},
    {"MoreTimeoutsAreNeededWhenPolicySaysSo", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: timeout, probes: 4}, r1: {receiver: connecting}}
policy: {timeouts: 5}
expect: {r1: {code: FirstTierReplicaFailingToConnectToMaster}})"},
    {"AReplicaWithoutReplicasIsNoPrimary", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {probe: refused}}
expect: {})"},
    {"DeadPrimaryByReset", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: reset, probes: 1}, r1: {receiver: connecting}}
expect: {p1: {code: DeadMaster, recovery: dead_primary, evidence: connections break}})"},
    {"UnresolvedOnceIsNotYetAbsent", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: unresolved, probes: 1}, r1: {receiver: stopped}}
expect: {})"},
    {"UnresolvedTwiceIs", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: unresolved, probes: 2}, r1: {receiver: connecting}}
expect: {p1: {code: DeadMaster, recovery: dead_primary}})"},
    {"AccessDeniedIsNeverDead", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {p1: {probe: access_denied, probes: 99}, r1: {receiver: connecting, receiver_errno: 2003}, r2: {receiver: stopped}}
expect: {p1: {code: primary refuses us}, r1: {code: FirstTierReplicaFailingToConnectToMaster}})"},
    {"AnErrorAsAnswerIsNeverDead", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: error, probes: 99}, r1: {receiver: stopped}}
expect: {p1: {code: primary refuses us}})"},
    {"AnIntermediateThatRefusesUsIsNotDead", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}}
meanwhile: {r1: {probe: access_denied, probes: 99}, l1: {receiver: connecting, receiver_errno: 2003}}
expect: {})"},
    {"DeadPrimaryAndSomeReplicas", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {probe: refused}, r2: {receiver: connecting}}
expect: {p1: {code: DeadMasterAndSomeReplicas, recovery: dead_primary, counts: {valid: 1}}})"},
    {"AReplicaThatRefusesUsIsNotValid", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {probe: access_denied}, r2: {receiver: connecting}}
expect: {p1: {code: DeadMasterAndSomeReplicas, recovery: dead_primary, counts: {valid: 1}}})"},
    {"AReplicaThatFailedOnceIsNotGoneYet", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {probe: timeout, probes: 1}, r2: {receiver: connecting}}
expect: {p1: {code: UnreachableMaster, severity: notice, veto: "not observed since it failed: r1:3306"}})"},
    {"DeadPrimaryAndReplicas", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {probe: refused}}
expect: {p1: {code: DeadMasterAndReplicas, severity: critical}})"},
    {"AnOtherReplicaOfTheClusterDoesNotCount", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: connecting}, l1: {receives: data}}
expect: {p1: {code: DeadMaster, recovery: dead_primary}})"},
    {"AReceiverThatGaveUpIsDeaf", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: stopped, receiver_errno: 2003}}
expect: {p1: {code: DeadMaster, recovery: dead_primary}})"},
    {"AReceiverThatStoppedWithAnErrorOfItsSourceIsMute", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: stopped, receiver_errno: 1236}}
expect: {p1: {code: DeadMaster, veto: no replica tries to connect}})"},
    {"OneStoppedReceiverDoesNotMatterWhenAnotherIsDeaf", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: stopped, applier: stopped}, r2: {receiver: connecting}}
expect: {p1: {code: DeadMaster, recovery: dead_primary}})"},
    {"AnAnswerWithAnErrorIsNoDeafness", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: timeout}, r1: {receiver: connecting, receiver_errno: 1045}}
expect: {p1: {code: UnreachableMaster, witness: [r1]}})"},
    {"AFirstAttemptIsNoDeafness", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: connecting, receiver_text: Connecting to source}}
expect: {p1: {code: UnreachableMaster, witness: [r1]}})"},
    {"MariadbIsJudgedTheSame", R"(
defaults: {version: 10.11.6-MariaDB}
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: refused}, r1: {receiver: connecting, receiver_text: Waiting to reconnect after a failed master event read}}
expect: {p1: {code: DeadMaster, recovery: dead_primary}})"},
    {"LaggingIntermediate", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}}
meanwhile: {r1: {probe: timeout}, l1: {lag: 60}}
expect: {r1: {code: UnreachableIntermediateMasterWithLaggingReplicas, witness: [l1], severity: notice}})"},
    {"OnlyDelayedReplicasAreNotLagging", R"(
servers: {p1: {}, r1: {source: p1, delay: 3600, lag: 3600}}
meanwhile: {p1: {probe: timeout}}
expect: {p1: {code: UnreachableMaster, counts: {delayed: 1, lagging: 1}}})"},
    {"UnknownLagIsNoLag", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {probe: timeout}, r1: {lag: unknown}}
expect: {p1: {code: UnreachableMaster}})"},

    {"SingleReplicaNotReplicating", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {r1: {applier: stopped, applier_errno: 1062}}
expect: {p1: {code: MasterSingleReplicaNotReplicating, evidence: its applier is stopped with error 1062}})"},
    {"SingleReplicaDead", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {r1: {probe: timeout}}
expect: {p1: {code: MasterSingleReplicaDead}})"},
    {"SingleReplicaFailedOnce", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {r1: {probe: timeout, probes: 1}}
expect: {})"},
    {"AllReplicasNotReplicating", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {receiver: stopped}, r2: {applier: stopped}}
expect: {p1: {code: AllMasterReplicasNotReplicating, severity: warning}})"},
    {"OneReplicates", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {receiver: stopped}}
expect: {})"},
    {"AllReplicasNotReplicatingOrDead", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {probe: refused}, r2: {receiver: stopped}}
expect: {p1: {code: AllMasterReplicasNotReplicatingOrDead}})"},
    {"AllReplicasDead", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {probe: refused}, r2: {probe: refused}}
expect: {p1: {code: AllMasterReplicasNotReplicatingOrDead}})"},
    {"NotYetProbedReplicasSayNothing", R"(
servers: {p1: {}, r1: {source: p1, applier: stopped}, r2: {source: p1, probed: no}}
expect: {})"},

    {"DeadIntermediateAndSomeReplicas", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {probe: refused}, l2: {receiver: connecting}}
expect: {r1: {code: DeadIntermediateMasterAndSomeReplicas, recovery: dead_intermediate}})"},
    {"DeadIntermediateAndReplicas", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {probe: refused}, l2: {probe: refused}}
expect: {r1: {code: DeadIntermediateMasterAndReplicas, severity: critical}})"},
    {"DeadIntermediateSingleReplicaFailingToConnect", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {receiver: connecting, receiver_errno: 2003}}
expect: {r1: {code: DeadIntermediateMasterWithSingleReplicaFailingToConnect, recovery: dead_intermediate}})"},
    {"DeadIntermediateSingleReplicaStopped", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {receiver: stopped}}
expect: {r1: {code: DeadIntermediateMasterWithSingleReplica, severity: notice}})"},
    {"DeadIntermediateAllStopped", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {receiver: stopped}, l2: {receiver: stopped}}
expect: {r1: {code: DeadIntermediateMaster, veto: no replica tries to connect}})"},
    {"UnreachableIntermediate", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {r1: {probe: refused}, l1: {receives: data}, l2: {receiver: connecting}}
expect: {r1: {code: UnreachableIntermediateMaster, severity: warning, veto: "still heard by l1:3306"}})"},
    {"IntermediateReplicasFailingToConnect", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {l1: {receiver: connecting, receiver_errno: 2003}, l2: {probe: refused}}
expect: {r1: {code: AllIntermediateMasterReplicasFailingToConnectOrDead, severity: warning}})"},
    {"IntermediateReplicasNotReplicating", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {l1: {receiver: connecting, receiver_errno: 2003}, l2: {receiver: stopped}}
expect: {r1: {code: AllIntermediateMasterReplicasNotReplicating}})"},
    {"IntermediateSingleReplicaFailingIsNotReplicating", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1}}
meanwhile: {l1: {receiver: connecting, receiver_errno: 2003}}
expect: {r1: {code: AllIntermediateMasterReplicasNotReplicating}})"},
    {"FirstTierReplicaFailingToConnect", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {receiver: connecting, receiver_errno: 2003}}
expect: {r1: {code: FirstTierReplicaFailingToConnectToMaster, severity: notice, evidence: cannot connect to p1:3306 (error 2003)}})"},
    {"FirstTierReplicaStoppedIsNot", R"(
servers: {p1: {}, r1: {source: p1}, r2: {source: p1}}
meanwhile: {r1: {receiver: stopped}}
expect: {})"},
    {"SecondTierReplicaFailingIsNot", R"(
servers: {p1: {}, r1: {source: p1}, l1: {source: r1}, l2: {source: r1}}
meanwhile: {l1: {receiver: connecting, receiver_errno: 2003}}
expect: {})"},

    {"DeadCoPrimaryAndSomeReplicas", R"(
servers: {a: {source: b, read_only: no}, b: {source: a}, r1: {source: a}}
meanwhile: {a: {probe: refused}, b: {receiver: connecting, receiver_errno: 2003}, r1: {probe: refused}}
expect: {a: {code: DeadCoMasterAndSomeReplicas, recovery: dead_primary}, b: {code: AllCoMasterReplicasNotReplicating}})"},
    {"UnreachableCoPrimary", R"(
servers: {a: {source: b, read_only: no}, b: {source: a}, r1: {source: a}}
meanwhile: {a: {probe: refused}, b: {receiver: connecting, receiver_errno: 2003}, r1: {receives: data}}
expect: {a: {code: UnreachableCoMaster, veto: "still heard by r1:3306"}, b: {code: AllCoMasterReplicasNotReplicating}})"},
    {"AWritablePartnerServesOn", R"(
servers: {a: {source: b, read_only: no}, b: {source: a, read_only: no}}
meanwhile: {a: {probe: refused}, b: {receiver: connecting, receiver_errno: 2003}}
expect: {a: {code: DeadCoMaster, recovery: dead_primary}, b: {code: AllCoMasterReplicasNotReplicating}})"},

    {"AGroupMemberWithAHearingReplicaIsNotDead", R"(
servers:
  g1: {group: {name: g, role: PRIMARY, members: [g1], primary: g1}}
  r1: {source: g1}
meanwhile: {g1: {probe: refused}, r1: {receives: data}}
expect: {})"},
    {"AGroupMemberWithoutReplicasIsLeftToTheGroup", R"(
servers:
  g1: {group: {name: g, role: PRIMARY, members: [g1, g2], primary: g1}}
  g2: {group: {name: g, role: SECONDARY, members: [g1, g2], primary: g1}}
meanwhile: {g2: {probe: refused}}
expect: {})"},

    {"SemiSyncHypothesis", R"(
servers: {p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 1}}, r1: {source: p1}}
meanwhile: {p1: {semi_sync: {clients: 0}, binlog: binlog.000001/5000}}
expect: {p1: {code: LockedSemiSyncMasterHypothesis, severity: notice}})"},
    {"SemiSyncEnough", R"(
servers: {p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 1}}, r1: {source: p1}}
expect: {})"},
    {"SemiSyncOffIsNotLocked", R"(
servers: {p1: {semi_sync: {source: yes, status: no, wait: 1, clients: 0}}, r1: {source: p1}}
expect: {}
expect_structure: {p1: [NotEnoughValidSemiSyncReplicasStructureWarning]})"},
    {"SemiSyncTooManyIsFineByDefault", R"(
servers: {p1: {semi_sync: {source: yes, status: yes, wait: 1, clients: 2}}, r1: {source: p1}}
expect: {})"},
    {"ReadOnlyPrimaryWithoutReplicationIsTheLesserTrouble", R"(
servers: {p1: {}, r1: {source: p1}}
meanwhile: {p1: {read_only: yes}, r1: {receiver: stopped}}
expect: {p1: {code: MasterSingleReplicaNotReplicating, structure: [NoWriteableMasterStructureWarning]}})"},
};

class Codes : public testing::TestWithParam<Case> {};

TEST_P(Codes, AreGivenExactly) {
    const auto scenario =
        scenario::read_scenario(GetParam().text, {"expect", "expect_structure", "policy"});

    for (const auto& difference : Comparison(scenario).differences()) {
        ADD_FAILURE() << difference;
    }
}

std::string name_of_case(const testing::TestParamInfo<Case>& given) {
    return given.param.name;
}

INSTANTIATE_TEST_SUITE_P(All, Codes, testing::ValuesIn(cases), name_of_case);

}  // namespace
}  // namespace baton::analysis
