// SPDX-License-Identifier: Apache-2.0
#include "candidates.hpp"

#include "acknowledged.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <tuple>

namespace baton::recovery {
namespace {

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

int format_order(const std::string& format) {
    const std::string lower = to_lower(format);
    if (lower == "statement") {
        return 0;
    }
    return lower == "mixed" ? 1 : 2;
}

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

/// Its receiver is connected or tries to be: it has what the primary has sent.
bool receiving(const Instance& instance) {
    const Channel* channel = instance.channel();
    return channel != nullptr && (channel->receiver == topology::ThreadState::running ||
                                  channel->receiver == topology::ThreadState::connecting);
}

const ReplicaPosition* position_of(const Record& record, const InstanceId& id) {
    const auto found = record.positions.find(id);
    return found != record.positions.end() ? &found->second : nullptr;
}

void Chooser::collect_holders() {
    for (const Instance* follower : followers_) {
        if (follower->reachable()) {
            holders_.push_back(
                {follower, holdings_of(*follower, position_of(record_, follower->id))}
            );
        }
    }
    // What clients wrote to one that was made writable and could not be promoted is not errant.
    for (auto& holder : holders_) {
        if (attempts(record_, StepKind::promote, holder.instance->id) > 0) {
            holder.holdings.shared = holder.holdings.received;
            holder.holdings.errant = {};
        }
    }
    // Replicas of a follower that is gone, too, may have more than those that are left.
    for (const Instance* follower : followers_) {
        if (follower->reachable()) {
            continue;
        }
        for (const Instance* orphan : topology_.replicas_of(follower->id)) {
            if (orphan->reachable() && orphan->ever_seen) {
                holders_.push_back({orphan, holdings_of(*orphan, nullptr)});
            }
        }
    }
    const Instance* again = readable_again(record_, topology_);
    // One that was cut off while its commits waited for acknowledgements has nothing more than what
    // nobody was told is safe, and nobody could fetch it.
    const bool unacknowledged =
        record_.semi_sync && record_.code == analysis::Code::primary_cut_off;
    if (again != nullptr && !unacknowledged) {
        holders_.push_back({again, holdings_of(*again, nullptr)});
    }
    if (foresight_) {
        GtidSet live;
        for (const auto& holder : holders_) {
            if (receiving(*holder.instance)) {
                live = live.united(holder.holdings.shared);
            }
        }
        for (auto& holder : holders_) {
            if (receiving(*holder.instance) && holder.holdings.known()) {
                holder.holdings.shared = holder.holdings.shared.united(live);
                holder.holdings.received = holder.holdings.received.united(live);
            }
        }
    }
    for (const auto& holder : holders_) {
        all_ = all_.united(holder.holdings.shared);
    }
}

std::string Chooser::place_bar(const topology::Identity& identity) const {
    const auto outside = [](const std::vector<std::string>& allowed, const std::string& place) {
        return !allowed.empty() &&
               std::find(allowed.begin(), allowed.end(), place) == allowed.end();
    };
    if (outside(policy_.data_centers, identity.data_center)) {
        return (identity.data_center.empty() ? "its data centre is not known"
                                             : "it is in data centre " + identity.data_center) +
               ", and the policy's candidates.data_centers allows only " +
               join(policy_.data_centers, ", ");
    }
    if (outside(policy_.regions, identity.region)) {
        return (identity.region.empty() ? "its region is not known"
                                        : "it is in region " + identity.region) +
               ", and the policy's candidates.regions allows only " + join(policy_.regions, ", ");
    }
    if (!in_place()) {
        return {};
    }
    const auto& former = failed_->state.identity;
    if (policy_.prevent_cross_data_center && differ(former.data_center, identity.data_center)) {
        return "it is in another data centre (" + identity.data_center + ", not " +
               former.data_center + "), which recovery.prevent_cross_data_center forbids";
    }
    if (policy_.prevent_cross_region && differ(former.region, identity.region)) {
        return "it is in another region (" + identity.region + ", not " + former.region +
               "), which recovery.prevent_cross_region forbids";
    }
    return {};
}

/// Two co-primaries: the applications know the other one, and it may be written to already.
std::string Chooser::partner_bar(const Candidate& candidate) const {
    if (partner_ == nullptr || candidate.instance == partner_ ||
        record_.displaced.contains(partner_->id)) {
        return {};
    }
    const std::string who = partner_->id.text();
    if (writable(*partner_)) {
        return who + " is its co-primary and accepts writes already";
    }
    if (!partner_->reachable() && partner_->ever_seen && !partner_->state.read_only) {
        return who + ", its co-primary, accepted writes when it was seen last and does not answer";
    }
    if (partner_->reachable() && policy_.co_primary_must_take_over && !wanted(candidate)) {
        return "its co-primary " + who +
               " has to take over (recovery.co_primary_must_take_over); an order may name this one";
    }
    return {};
}

std::string Chooser::errant_text(const Candidate& candidate) const {
    return "it has errant transactions (" + clipped(candidate.holdings.errant.text(), 120) + ")";
}

std::string Chooser::bar(const Candidate& candidate) const {
    const Instance& instance = *candidate.instance;
    if (!instance.reachable() || !instance.ever_seen) {
        return "it does not answer";
    }
    if (!candidate.holdings.known()) {
        return "its position is not known: " + candidate.holdings.unknown;
    }
    if (!foresight_ && instance.is_replica() && position_of(record_, instance.id) == nullptr) {
        return "its receiver could not be stopped";
    }
    if (!record_.requested_candidate.empty() && !wanted(candidate)) {
        return "the operator asked for " + record_.requested_candidate.text();
    }
    if (candidate.rule == PromotionRule::must_not) {
        return "its promotion rule is must_not";
    }
    if (host_matches(policy_.promotion_ignore_hosts, instance.id)) {
        return "recovery.promotion_ignore_hosts, or the policy's candidates.never, names it";
    }
    if (!policy_.only_hosts.empty() && !host_matches(policy_.only_hosts, instance.id)) {
        return "the policy's candidates.only does not name it";
    }
    if (const auto lag = instance.lag_seconds();
        policy_.max_candidate_lag > Duration{} && !wanted(candidate) && lag &&
        std::chrono::seconds(*lag) > policy_.max_candidate_lag) {
        return "it is " + std::to_string(*lag) +
               " s behind, and the policy's candidates.max_lag is " +
               std::to_string(
                   std::chrono::duration_cast<std::chrono::seconds>(policy_.max_candidate_lag)
                       .count()
               ) +
               " s";
    }
    if (auto reason = cannot_serve(instance)) {
        return *reason;
    }
    if (failed_ != nullptr && failed_->ever_seen && is_mariadb(instance) != is_mariadb(*failed_)) {
        return "it is another kind of server than " + record_.failed.text();
    }
    if (auto reason = cannot_apply(record_, instance)) {
        return *reason;
    }
    if (!wanted(candidate)) {
        if (auto reason = set_aside(topology_, instance.id)) {
            return *reason;
        }
        if (auto reason = newer_than_follower(instance, true); !reason.empty()) {
            return reason;
        }
    }
    if (auto reason = partner_bar(candidate); !reason.empty()) {
        return reason;
    }
    if (!candidate.holdings.errant.empty() && !policy_.promote_errant) {
        return errant_text(candidate) +
               ", which would reach all others. Take them out, inject them as empty ones on the "
               "others, or set recovery.promote_errant";
    }
    if (attempts(record_, StepKind::promote, instance.id) >= promotion_tries) {
        return "its promotion failed " + std::to_string(promotion_tries) + " times";
    }
    return place_bar(candidate.identity());
}

std::string Chooser::newer_than_follower(const Instance& instance, bool answering) const {
    for (const Instance* follower : followers_) {
        if (follower != &instance && follower->ever_seen && follower->reachable() == answering) {
            if (auto reason = cannot_follow(*follower, instance, failed_)) {
                return follower->id.text() + " could not follow it: " + *reason;
            }
        }
    }
    return {};
}

unsigned Chooser::stranded_by(const Candidate& candidate) const {
    const auto cannot = [&](const Holder& holder) {
        const Instance& other = *holder.instance;
        return &other != candidate.instance && other.id != record_.failed &&
               (cannot_follow(other, *candidate.instance, failed_) ||
                needs_purged(holder.holdings, *candidate.instance));
    };
    return static_cast<unsigned>(std::count_if(holders_.begin(), holders_.end(), cannot));
}

std::string Chooser::reservation(const Candidate& candidate) const {
    const Instance& instance = *candidate.instance;
    if (const Channel* channel = instance.channel();
        channel != nullptr && channel->delay_seconds > 0) {
        return "it is delayed by " + std::to_string(channel->delay_seconds) +
               " s, and its delay would be skipped";
    }
    if (!candidate.holdings.errant.empty()) {
        return errant_text(candidate);
    }
    if (instance.state.channels.size() > 1) {
        return "it has " + std::to_string(instance.state.channels.size()) +
               " replication channels, which a promotion would end";
    }
    return newer_than_follower(instance, false);
}

std::string Chooser::cannot_help(const Holder& holder, const Candidate& candidate) const {
    const Instance& instance = *holder.instance;
    if (!holder.holdings.known()) {
        return "the position of " + instance.id.text() + " is not known";
    }
    if (auto reason = cannot_serve(instance)) {
        return *reason;
    }
    if (auto reason = cannot_apply(record_, instance)) {
        return *reason;
    }
    if (!within(holder.holdings.errant, candidate.holdings.executed)) {
        return "it has errant transactions";
    }
    if (const Channel* channel = instance.channel();
        channel != nullptr && std::chrono::seconds(channel->delay_seconds) > policy_.drain_limit) {
        return "it is delayed by " + std::to_string(channel->delay_seconds) + " s";
    }
    if (auto reason = needs_purged(candidate.holdings, instance)) {
        return *reason;
    }
    const auto misfit = cannot_follow(*candidate.instance, instance, failed_);
    return misfit ? *misfit : std::string{};
}

/// Somebody from whom the candidate gets all that it lacks, in one hop.
const Instance* Chooser::helper_for(const Candidate& candidate) const {
    if (attempts(record_, StepKind::repoint, candidate.instance->id) >= promotion_tries) {
        return nullptr;
    }
    const Instance* best = nullptr;
    for (const auto& holder : holders_) {
        if (holder.instance == candidate.instance || !cannot_help(holder, candidate).empty() ||
            !within(all_, candidate.holdings.shared.united(holder.holdings.shared))) {
            continue;
        }
        // The one it is already connected to, else the first by name: the same at each look.
        const bool connected = candidate.instance->source() == holder.instance->id;
        if (best == nullptr || connected ||
            (candidate.instance->source() != best->id && holder.instance->id < best->id)) {
            best = holder.instance;
        }
    }
    return best;
}

void Chooser::judge(Candidate& candidate) const {
    candidate.rule = topology_.promotion_rule(candidate.instance->id);
    if (candidate.rule == PromotionRule::neutral &&
        host_matches(policy_.prefer_hosts, candidate.instance->id)) {
        candidate.rule = PromotionRule::prefer;
    }
    candidate.bar = bar(candidate);
    if (!candidate.holdings.known()) {
        return;
    }
    candidate.missing = gtid::missing_from(all_, candidate.holdings.shared);
    if (within(all_, candidate.holdings.shared)) {
        candidate.missing = 0;
        candidate.data = Data::has_all;
    } else {
        for (const auto& holder : holders_) {
            if (holder.instance != candidate.instance &&
                !within(holder.holdings.shared, candidate.holdings.shared)) {
                candidate.ahead = holder.instance->id;
                break;
            }
        }
    }
    if (candidate.barred()) {
        return;
    }
    candidate.reservation = reservation(candidate);
    candidate.stranded = stranded_by(candidate);
    if (candidate.data == Data::lacking) {
        candidate.helper = helper_for(candidate);
        candidate.data = candidate.helper != nullptr ? Data::catchable : Data::lacking;
    }
}

/// An operator's preference may cost a moment (to catch up), but no transaction.
void Chooser::prefer_operators_choice() {
    auto best_rule = PromotionRule::must_not;
    for (const auto& candidate : candidates_) {
        if (!candidate.barred() && !candidate.reserved() && candidate.data == Data::has_all) {
            best_rule = std::min(best_rule, candidate.rule);
        }
    }
    for (auto& candidate : candidates_) {
        const bool worth_it =
            candidate.rule < best_rule || wanted(candidate) || candidate.instance == partner_;
        if (candidate.data == Data::catchable && !candidate.barred() && !candidate.reserved() &&
            worth_it && candidate.missing <= policy_.preferred_may_lack) {
            candidate.data = Data::soon;
        }
    }
}

/// Smaller is better; the first difference decides. Ends with the name, so that two looks at the
/// same servers give the same answer.
auto Chooser::key(const Candidate& candidate) const {
    const auto& identity = candidate.identity();
    const bool enough = candidate.data == Data::has_all || candidate.data == Data::soon;
    const auto lag = candidate.instance->lag_seconds().value_or(0);
    return std::tuple(
        candidate.barred(),
        candidate.reserved(),
        enough ? 0 : static_cast<int>(candidate.data),
        enough ? 0 : candidate.missing,
        attempts(record_, StepKind::wait_applied, candidate.instance->id) > 0,
        candidate.instance->id != record_.successor,
        candidate.instance != partner_,
        static_cast<int>(candidate.rule),
        candidate.stranded,
        in_place() && differ(failed_->state.identity.data_center, identity.data_center),
        in_place() && differ(failed_->state.identity.region, identity.region),
        format_order(identity.binlog_format),
        // Seen from afar the backlog changes with each transaction; seconds are steady.
        foresight_ ? static_cast<std::uint64_t>(lag > 1 ? lag : 0) : candidate.holdings.backlog(),
        candidate.missing,
        candidate.instance->id
    );
}

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

/// The first in order that fulfils R1; a reserved one that has all comes before one without
/// reservation that lacks something.
const Candidate* Chooser::pick() const {
    for (const auto& candidate : candidates_) {
        if (!candidate.barred() && candidate.data != Data::lacking) {
            return &candidate;
        }
    }
    for (const auto& candidate : candidates_) {
        if (!candidate.barred() && !lacks_too_much(candidate)) {
            return &candidate;
        }
    }
    return nullptr;
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

Choice Chooser::run() {
    collect_holders();
    doubts_ = doubts({record_, topology_, followers_, silent(), all_, foresight_});
    for (const Instance* follower : followers_) {
        Candidate& candidate = candidates_.emplace_back();
        candidate.instance = follower;
        const auto holder = std::find_if(holders_.begin(), holders_.end(), [&](const Holder& h) {
            return h.instance == follower;
        });
        candidate.holdings = holder != holders_.end()
                                 ? holder->holdings
                                 : holdings_of(*follower, position_of(record_, follower->id));
        judge(candidate);
    }
    prefer_operators_choice();
    std::sort(
        candidates_.begin(),
        candidates_.end(),
        [&](const Candidate& left, const Candidate& right) { return key(left) < key(right); }
    );

    Choice choice;
    const Candidate* chosen = pick();
    choice.candidates = verdicts(chosen);
    if (chosen == nullptr) {
        refuse(choice);
        return choice;
    }
    choice.loss = loss_of(*chosen);
    if (doubts_.may_be_missing && policy_.require_all_acknowledgers) {
        choice.refusal.kind = Refusal::Kind::unsafe;
        choice.refusal.reason =
            "Not safe: with semi-synchronous replication waiting for " +
            std::to_string(record_.acknowledgements) + ", transactions may be acknowledged that " +
            doubts_.text(record_) +
            ", or set recovery.require_all_acknowledgers to false, then order a recovery";
        return choice;
    }
    choice.successor = chosen->instance;
    choice.holdings = chosen->holdings;
    choice.helper = chosen->helper;
    choice.target = chosen->helper != nullptr ? chosen->holdings.received.united(all_)
                                              : chosen->holdings.received;
    return choice;
}

}  // namespace

Choice choose(const Question& question) {
    return Chooser(question).run();
}

std::vector<const Instance*> followers(const Record& record, const Topology& topology) {
    std::vector<InstanceId> ids = record.replicas;
    const auto add_replicas = [&](const InstanceId& source) {
        for (const Instance* replica : topology.replicas_of(source)) {
            add_once(ids, replica->id);
        }
    };
    add_replicas(record.failed);
    for (const auto& [id, uuid] : record.displaced) {
        add_replicas(id);
    }
    std::sort(ids.begin(), ids.end());
    std::vector<const Instance*> out;
    for (const auto& id : ids) {
        const Instance* instance = topology.find(id);
        if (instance != nullptr && id != record.failed && !record.displaced.contains(id)) {
            out.push_back(instance);
        }
    }
    return out;
}

const Instance* co_primary_of(const Instance* instance, const Topology& topology) {
    if (instance == nullptr || !instance->is_replica()) {
        return nullptr;
    }
    const Instance* source = topology.find(instance->source());
    return source != nullptr && channel_to(*source, instance->id) != nullptr ? source : nullptr;
}

const Instance* co_primary_in(const Record& record, const Topology& topology) {
    const Instance* failed = topology.find(record.failed);
    const InstanceId source = failed != nullptr ? failed->source() : InstanceId{};
    return contains(record.replicas, source) ? topology.find(source) : nullptr;
}

const Instance* readable_again(const Record& record, const Topology& topology) {
    const Instance* failed = topology.find(record.failed);
    return failed != nullptr && failed->reachable() && !writable(*failed) &&
                   same_server(*failed, record.failed_uuid)
               ? failed
               : nullptr;
}

std::optional<std::string> cannot_apply(const Record& record, const Instance& instance) {
    if (const Channel* channel = instance.channel()) {
        if (channel->applier_errno != 0) {
            return "its applier stopped with error " + std::to_string(channel->applier_errno) +
                   ": " + clipped(channel->applier_error, 160);
        }
    }
    if (const auto* position = position_of(record, instance.id);
        position != nullptr && position->applier_broken && !instance.reachable()) {
        return "its applier is broken: " + clipped(position->applier_error, 160);
    }
    if (const auto found = record.attempts.find("reach " + instance.id.text());
        found != record.attempts.end() && found->second >= reach_tries) {
        return "steps cannot reach it, though probes do";
    }
    const auto tries = attempts(record, StepKind::wait_applied, instance.id);
    if (tries == 0) {
        return std::nullopt;
    }
    const auto before = record.drains.find(instance.id);
    if (before != record.drains.end() && before->second == instance.state.executed_gtid_set) {
        return "it applies nothing any more of what it received";
    }
    return tries >= drain_tries ? std::optional<std::string>("it does not get done applying")
                                : std::nullopt;
}

}  // namespace baton::recovery
