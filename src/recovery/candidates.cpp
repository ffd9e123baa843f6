// SPDX-License-Identifier: Apache-2.0
#include "chooser.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <tuple>

namespace baton::recovery {
namespace {

/// Its receiver is connected or tries to be: it has what the primary has sent.
bool receiving(const Instance& instance) {
    const Channel* channel = instance.channel();
    return channel != nullptr && (channel->receiver == topology::ThreadState::running ||
                                  channel->receiver == topology::ThreadState::connecting);
}

}  // namespace

int format_order(const std::string& format) {
    const std::string lower = to_lower(format);
    if (lower == "statement") {
        return 0;
    }
    return lower == "mixed" ? 1 : 2;
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
