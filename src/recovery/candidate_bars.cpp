// SPDX-License-Identifier: Apache-2.0
#include "chooser.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::recovery {

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

}  // namespace baton::recovery
