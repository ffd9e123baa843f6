// SPDX-License-Identifier: Apache-2.0
#pragma once

// Behind choose() of candidates.hpp: candidates.cpp collects and orders, candidate_bars.cpp says
// who may not or only when nobody else can, candidate_verdicts.cpp puts the result into words.

#include "acknowledged.hpp"
#include "candidates.hpp"

#include <string>
#include <vector>

namespace baton::recovery {

using gtid::GtidSet;
using topology::PromotionRule;

/// How a candidate stands to the transactions that are to be had.
enum class Data {
    has_all,
    soon,       // lacks a few, is preferred, and can be caught up
    catchable,  // lacks some, and can be caught up
    lacking,    // lacks some for good
};

struct Candidate {
    const Instance* instance = nullptr;
    Holdings holdings;
    std::string bar;          // R2, "" = may
    std::string reservation;  // R3
    Data data = Data::lacking;
    const Instance* helper = nullptr;
    std::uint64_t missing = 0;
    InstanceId ahead;       // somebody who has what is missing
    unsigned stranded = 0;  // answering followers that could not follow it
    PromotionRule rule = PromotionRule::neutral;

    [[nodiscard]] bool barred() const { return !bar.empty(); }

    [[nodiscard]] bool reserved() const { return !reservation.empty(); }

    [[nodiscard]] const topology::Identity& identity() const { return instance->state.identity; }
};

/// A reachable server that holds transactions of the failed primary, candidate or not.
struct Holder {
    const Instance* instance = nullptr;
    Holdings holdings;
};

int format_order(const std::string& format);
/// What it had when its receiver was stopped; null when that was not.
const ReplicaPosition* position_of(const Record& record, const InstanceId& id);

class Chooser {
public:
    explicit Chooser(const Question& question)
        : record_(question.record),
          topology_(question.topology),
          policy_(question.policy),
          foresight_(question.foresight),
          failed_(topology_.find(record_.failed)),
          followers_(followers(record_, topology_)),
          partner_(co_primary_in(record_, topology_)) {}

    Choice run();

private:
    void collect_holders();
    void judge(Candidate& candidate) const;
    [[nodiscard]] std::string bar(const Candidate& candidate) const;
    [[nodiscard]] std::string place_bar(const topology::Identity& identity) const;
    [[nodiscard]] std::string partner_bar(const Candidate& candidate) const;
    [[nodiscard]] std::string errant_text(const Candidate& candidate) const;
    [[nodiscard]] std::string reservation(const Candidate& candidate) const;
    [[nodiscard]] std::string newer_than_follower(const Instance& instance, bool answering) const;
    [[nodiscard]] unsigned stranded_by(const Candidate& candidate) const;
    [[nodiscard]] const Instance* helper_for(const Candidate& candidate) const;
    [[nodiscard]] std::string cannot_help(const Holder& holder, const Candidate& candidate) const;
    void prefer_operators_choice();
    [[nodiscard]] auto key(const Candidate& candidate) const;
    [[nodiscard]] std::string behind(const Candidate& winner, const Candidate& loser) const;
    [[nodiscard]] const Candidate* pick() const;
    void refuse(Choice& choice) const;
    [[nodiscard]] std::string why_lacking(const Candidate& candidate) const;
    [[nodiscard]] std::vector<CandidateVerdict> verdicts(const Candidate* chosen) const;
    [[nodiscard]] std::string verdict_reason(const Candidate& candidate, const Candidate* before)
        const;
    [[nodiscard]] std::vector<InstanceId> silent() const;
    [[nodiscard]] std::string loss_of(const Candidate& chosen) const;

    [[nodiscard]] bool wanted(const Candidate& candidate) const {
        return candidate.instance->id == record_.requested_candidate;
    }

    /// Lacks something for good, and the policy forbids to lose it.
    [[nodiscard]] bool lacks_too_much(const Candidate& candidate) const {
        return candidate.data == Data::lacking && !policy_.accept_loss &&
               candidate.missing > policy_.accept_lost_transactions;
    }

    [[nodiscard]] bool in_place() const { return failed_ != nullptr && failed_->ever_seen; }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    bool foresight_;
    const Instance* failed_;
    std::vector<const Instance*> followers_;
    const Instance* partner_;  // the other one of two co-primaries
    std::vector<Holder> holders_;
    std::vector<Candidate> candidates_;
    GtidSet all_;    // everything that reachable servers hold
    Doubts doubts_;  // about what was acknowledged
};

}  // namespace baton::recovery
