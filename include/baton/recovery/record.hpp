// SPDX-License-Identifier: Apache-2.0
#pragma once

// The journaled record of one recovery: everything needed to explain it, and for another holder to
// take it up.

#include "baton/analysis/finding.hpp"
#include "baton/base/result.hpp"
#include "baton/recovery/step.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::recovery {

enum class State { running, done, failed, abandoned };

/// How far it got. Order matters: a phase is entered only when the one before is finished.
enum class Phase { started, quiesced, chosen, drained, promoted, repointed, finished };

std::string_view to_string(State state);
std::string_view to_string(Phase phase);
std::optional<State> parse_state(std::string_view text);
std::optional<Phase> parse_phase(std::string_view text);

struct CandidateVerdict {
    InstanceId id;
    int rank = 0;        // 1 = chosen, 2.. = would have been next, 0 = not eligible
    std::string reason;  // why chosen / why behind the one before / why not eligible
    std::uint64_t missing_transactions = 0;  // against the most advanced reachable replica
    friend bool operator==(const CandidateVerdict&, const CandidateVerdict&) = default;
};

/// interrupted: its node was stopped in it, or before it wrote how it ended; what came of it is
/// seen on the servers.
enum class StepState { intended, done, failed, skipped, interrupted };

std::string_view to_string(StepState state);

struct StepRecord {
    unsigned number = 0;
    std::uint64_t epoch = 0;  // of the holder that ran it
    Phase phase = Phase::started;
    StepKind kind = StepKind::stop_receiver;
    InstanceId target;
    std::string text;  // intent, then with the outcome
    std::string outcome;
    StepState state = StepState::intended;
    WallMs started_ms = 0, ended_ms = 0;
    std::int64_t duration_us = 0;
    std::string hook;                   // kind hook: name of the list
    std::vector<std::string> commands;  // kind hook: those of the list that ended well, in order
    friend bool operator==(const StepRecord&, const StepRecord&) = default;
};

struct Record {
    std::string id;            // unique; also orchestrator's UID
    std::uint64_t number = 0;  // orchestrator's Id; rises
    analysis::RecoveryKind kind = analysis::RecoveryKind::none;
    State state = State::running;
    Phase phase = Phase::started;
    std::string cluster_id, cluster_name, cluster_alias;
    analysis::Code code = analysis::Code::no_problem;
    InstanceId failed;
    std::string failed_uuid;
    std::vector<std::string> evidence;
    std::vector<InstanceId> replicas;  // direct replicas of the failed server when it began
    bool forced = false;               // asked for by an operator
    std::string requested_by;          // operator, "" = automatic
    InstanceId requested_candidate;    // operator's wish
    bool skip_hooks = false;
    std::string command;       // the order, by orchestrator's name; "" = automatic
    bool accept_loss = false;  // said with the order
    /// Policy with which it began: version of the document, and the settings that its rules made
    /// (JSON). A later change of the policy does not concern it.
    std::uint64_t policy_version = 0;
    std::string policy;

    std::uint64_t epoch = 0;   // of the holder that owns it now
    std::string holder, node;  // its token and name

    std::map<InstanceId, ReplicaPosition> positions;  // of the replicas that were quiesced
    std::vector<CandidateVerdict> candidates;
    InstanceId successor;
    std::string successor_uuid;
    topology::LogPosition successor_binlog;
    std::vector<InstanceId> repointed,
        lost;                // lost: could not be moved, with the reason in `errors`
    std::string loss;        // "none: ..." or what may have been lost, in words
    bool semi_sync = false;  // the failed primary had it on
    std::vector<std::string> errors;
    std::string outcome;  // closing sentence
    unsigned next_step = 1;
    std::map<std::string, std::string> hooks;  // list -> "started", "done", "failed: ..."

    // What the planner must remember from one look to the next.
    /// Semi-sync: replicas that acknowledged when it began, how many of them the primary waited for
    /// and how many more it counted than are known.
    std::vector<InstanceId> acknowledgers;
    std::uint64_t acknowledgements = 0, unknown_acknowledgers = 0;
    std::vector<InstanceId> stopped_before;           // receivers that were stopped when it began
    std::vector<InstanceId> appliers_stopped_before;  // the same, without an error
    /// Receivers that this recovery stopped, or was about to, and has not started again.
    std::vector<InstanceId> stopped_by_us;
    std::vector<std::string> changes;  // what a repair has changed, one sentence each
    bool partner_writable = false;     // co-primary: the other one accepted writes when it began
    std::map<std::string, unsigned> attempts;  // failures by "<step kind> <target>"
    std::map<InstanceId, std::string> drains;  // executed sets when the last waits began
    /// Promoted by this recovery, and gone again: to be treated as deposed. With their uuid.
    std::map<InstanceId, std::string> displaced;
    /// What the successor had when it was promoted; set before the promotion is sent.
    std::string promoted_gtid_set;
    std::string reference_gtid_set;  // contain_deposed: promoted_gtid_set of the deposing recovery
    State giving_up_as = State::running;
    std::string giving_up;
    std::string classification;  // contain_deposed, rejoin

    // switchover, and a failover by force of a primary that lives
    /// What the old primary had when it was read-only and nobody could write any more; "" = it is
    /// not known to be read-only.
    std::string final_gtid_set;
    bool writable_before =
        true;               // the old primary was, so it is to be again if nothing comes of it
    bool start_old = true;  // the old primary's replication is started
    /// What was done about the old primary before the promotion, in words: "read-only", "not
    /// reached: ...".
    std::string fencing;
    std::int64_t writer_outage_us = 0;  // from the order to be read-only to the promotion
    // rejoin
    std::string method;  // "repoint", "clone", "hook"
    InstanceId donor;    // clone, hook

    WallMs started_ms = 0, ended_ms = 0;
    std::int64_t detection_to_promotion_us = 0, total_us = 0;
    bool acknowledged = false;
    WallMs acknowledged_ms = 0;
    std::string acknowledged_by, acknowledged_comment;

    [[nodiscard]] bool running() const { return state == State::running; }

    friend bool operator==(const Record&, const Record&) = default;
};

/// Stored form. ASCII JSON; tolerant of missing and unknown members.
std::string to_json_text(const Record& record);
Result<Record> record_from_json(std::string_view text);
std::string to_json_text(const StepRecord& step);
Result<StepRecord> step_from_json(std::string_view text);

}  // namespace baton::recovery
