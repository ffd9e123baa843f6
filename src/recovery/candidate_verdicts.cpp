// SPDX-License-Identifier: Apache-2.0
#include "chooser.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {

std::string Chooser::behind(const Candidate& winner, const Candidate& loser) const {
    const auto& ours = winner.identity();
    const auto& theirs = loser.identity();
    const std::string who = winner.instance->id.text();
    if (loser.data != Data::has_all && loser.missing > winner.missing) {
        return "lacks " + transactions(loser.missing) + " that " + loser.ahead.text() + " has";
    }
    if (attempts(record_, StepKind::wait_applied, loser.instance->id) > 0 &&
        attempts(record_, StepKind::wait_applied, winner.instance->id) == 0) {
        return "did not apply in time what it received";
    }
    if (winner.instance->id == record_.successor) {
        return who + " was chosen before";
    }
    if (winner.instance == partner_) {
        return who + " is the co-primary of " + record_.failed.text();
    }
    if (loser.rule != winner.rule) {
        return "promotion rule " + std::string(to_string(loser.rule)) + " (" + who + ": " +
               std::string(to_string(winner.rule)) + ")";
    }
    if (loser.stranded > winner.stranded) {
        return std::to_string(loser.stranded) + " of the others could not follow it (" + who +
               ": " + std::to_string(winner.stranded) + ")";
    }
    if (in_place() && differ(failed_->state.identity.data_center, theirs.data_center) &&
        !differ(failed_->state.identity.data_center, ours.data_center)) {
        return "in another data centre (" + theirs.data_center + ") than " + record_.failed.text() +
               " (" + failed_->state.identity.data_center + ")";
    }
    if (in_place() && differ(failed_->state.identity.region, theirs.region) &&
        !differ(failed_->state.identity.region, ours.region)) {
        return "in another region (" + theirs.region + ") than " + record_.failed.text() + " (" +
               failed_->state.identity.region + ")";
    }
    if (format_order(ours.binlog_format) != format_order(theirs.binlog_format)) {
        return "binlog_format " + theirs.binlog_format + " (" + who + ": " + ours.binlog_format +
               ")";
    }
    if (foresight_) {
        const auto own = loser.instance->lag_seconds().value_or(0);
        if (own > 1 && own > winner.instance->lag_seconds().value_or(0)) {
            return "lags by " + std::to_string(own) + " s";
        }
    } else if (loser.holdings.backlog() > winner.holdings.backlog()) {
        return "has " + transactions(loser.holdings.backlog()) + " still to apply (" + who + ": " +
               std::to_string(winner.holdings.backlog()) + ")";
    }
    return "as good as " + who + "; the order of names decides";
}

std::string Chooser::why_lacking(const Candidate& candidate) const {
    std::string out = "lacks " + transactions(candidate.missing) + " that " +
                      candidate.ahead.text() + " received";
    for (const auto& holder : holders_) {
        if (holder.instance->id == candidate.ahead) {
            if (auto reason = cannot_help(holder, candidate); !reason.empty()) {
                return out + " and cannot hand on: " + reason;
            }
        }
    }
    return out + ", and nobody has all that are needed";
}

std::string Chooser::verdict_reason(const Candidate& candidate, const Candidate* before) const {
    if (candidate.barred()) {
        return candidate.bar;
    }
    if (lacks_too_much(candidate)) {
        return why_lacking(candidate);
    }
    if (before != nullptr && candidate.reserved() && !before->reserved()) {
        return candidate.reservation;
    }
    if (before != nullptr) {
        return behind(*before, candidate);
    }
    std::string out = candidate.data == Data::lacking
                          ? "has the most of what could be had"
                          : "has all that any reachable replica received";
    if (candidate.helper != nullptr) {
        out = "lacks " + transactions(candidate.missing) + " and gets them from " +
              candidate.helper->id.text();
    }
    if (wanted(candidate)) {
        out += "; the operator asked for it";
    } else if (candidate.rule != PromotionRule::neutral) {
        out += "; promotion rule " + std::string(to_string(candidate.rule));
    }
    return candidate.reserved() ? out + "; nobody better is left, though " + candidate.reservation
                                : out;
}

std::vector<CandidateVerdict> Chooser::verdicts(const Candidate* chosen) const {
    std::vector<CandidateVerdict> out;
    const Candidate* before = nullptr;
    int rank = 0;
    const auto add = [&](const Candidate& candidate) {
        const bool may = !candidate.barred() && !lacks_too_much(candidate);
        CandidateVerdict& verdict = out.emplace_back();
        verdict.id = candidate.instance->id;
        verdict.missing_transactions = candidate.missing;
        verdict.reason = verdict_reason(candidate, may ? before : nullptr);
        verdict.rank = may ? ++rank : 0;
        before = may ? &candidate : before;
    };
    if (chosen != nullptr) {
        add(*chosen);
    }
    for (const auto& candidate : candidates_) {
        if (&candidate != chosen) {
            add(candidate);
        }
    }
    return out;
}

std::vector<InstanceId> Chooser::silent() const {
    std::vector<InstanceId> out;
    for (const Instance* follower : followers_) {
        const bool stopped =
            foresight_ || !follower->is_replica() || position_of(record_, follower->id) != nullptr;
        if (!follower->reachable() || !stopped) {
            out.push_back(follower->id);
        }
    }
    return out;
}

std::string Chooser::loss_of(const Candidate& chosen) const {
    std::string out;
    const auto quiet = silent();
    if (chosen.data == Data::lacking) {
        out = transactions(chosen.missing) + " that " + chosen.ahead.text() +
              " received are lost to the cluster. ";
    }
    if (in_place() && !foresight_) {
        const auto seen = holdings_of(*failed_, nullptr);
        const auto gone = seen.known() ? gtid::missing_from(seen.executed, all_) : 0;
        // What waited for an acknowledgement when it was cut off was promised to nobody.
        const bool promised = !record_.semi_sync || doubts_.may_be_missing ||
                              record_.code != analysis::Code::primary_cut_off;
        if (gone > 0 && promised) {
            out += "At least " + transactions(gone) + " seen on " + record_.failed.text() +
                   " reached no reachable replica. ";
        }
    }
    const bool only_shrunk = out.empty() && !doubts_.shrunk.empty();
    for (const auto& one : doubts_.shrunk) {
        out += transactions(one.missing) + " that " + one.id.text() +
               " had received, and does not have any more, reached no reachable replica. ";
    }
    if (record_.semi_sync && !doubts_.may_be_missing) {
        return out.empty() ? "none: with semi-synchronous replication every acknowledged "
                             "transaction is on a reachable replica"
                           : out + (only_shrunk ? "What was acknowledged is not lost."
                                                : "Others that were acknowledged are not lost.");
    }
    out += record_.semi_sync
               ? (doubts_.shrunk.empty() && doubts_.dropped.empty()
                      ? "Acknowledged transactions may be lost: replicas that may have them do "
                        "not answer"
                      : "Acknowledged transactions may be lost")
               : "Replication is asynchronous: what " + record_.failed.text() +
                     " committed in its last moments and no reachable replica received is lost";
    if (!quiet.empty()) {
        out += "; " + names(quiet) + (quiet.size() == 1 ? " does" : " do") +
               " not answer and may have more";
    }
    return out;
}

void Chooser::refuse(Choice& choice) const {
    choice.refusal.kind = Refusal::Kind::no_candidate;
    const auto lacking = std::find_if(
        candidates_.begin(), candidates_.end(), [](const Candidate& c) { return !c.barred(); }
    );
    if (candidates_.empty()) {
        choice.refusal.reason = "No replica of " + record_.failed.text() + " is known";
        return;
    }
    if (lacking != candidates_.end()) {
        choice.refusal.kind = Refusal::Kind::unsafe;
        choice.refusal.reason = "Not safe: the best candidate, " + lacking->instance->id.text() +
                                ", " + why_lacking(*lacking) +
                                ". Mend that server, then order a recovery";
        return;
    }
    choice.refusal.reason = "No replica of " + record_.failed.text() + " can be promoted:";
    for (const auto& candidate : candidates_) {
        choice.refusal.reason += " " + candidate.instance->id.text() + ": " + candidate.bar + ";";
    }
    choice.refusal.reason += " mend one of them, then order a recovery";
}

}  // namespace baton::recovery
