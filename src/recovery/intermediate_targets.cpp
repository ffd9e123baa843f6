// SPDX-License-Identifier: Apache-2.0
#include "intermediate_targets.hpp"

#include "begin.hpp"

#include <algorithm>
#include <tuple>

namespace baton::recovery {
namespace {

using Place = Target::Place;
using topology::PromotionRule;

constexpr unsigned local_tries = 3;

std::uint64_t lag_of(const Instance& instance) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(instance.lag_seconds().value_or(0), 0)
    );
}

std::string words_of(Place place) {
    switch (place) {
        case Place::near:
            return "in the data centre of the dead one";
        case Place::local:
            return "local source for the others of its data centre";
        case Place::above:
            return "the source above";
        case Place::far:
            return "in another data centre";
        case Place::beside:
            return "a replica of the dead one that has found a place";
    }
    return {};
}

class Finder {
public:
    Finder(
        const Record& record,
        const Topology& topology,
        const Policy& policy,
        const std::vector<InstanceId>& ids
    )
        : record_(record),
          topology_(topology),
          policy_(policy),
          ids_(ids),
          failed_(topology.find(record.failed)) {}

    Targets run();

private:
    [[nodiscard]] InstanceId above() const;
    [[nodiscard]] std::optional<std::string> unusable(const Instance& source) const;
    [[nodiscard]] std::optional<std::string> unusable_replica(
        const Instance& replica, const InstanceId& source
    ) const;
    void add_members();
    void add_siblings(const InstanceId& top);
    void add_above(const InstanceId& top);
    void add_moved_ones();
    void sort();
    void find_local();
    [[nodiscard]] bool may_be_local(const Instance& replica) const;
    [[nodiscard]] bool moved(const Instance& replica) const;

    void offer(const Instance& instance, Place place, bool has_all) {
        out_.list.push_back({&instance, place, lag_of(instance), has_all});
    }

    void leave_out(const Instance& instance, std::string reason) {
        CandidateVerdict& verdict = out_.considered.emplace_back();
        verdict.id = instance.id;
        verdict.reason = std::move(reason);
    }

    const Record& record_;
    const Topology& topology_;
    const Policy& policy_;
    const std::vector<InstanceId>& ids_;
    const Instance* failed_;
    Targets out_;
};

/// Its own source, as long as that lives and is nobody's past; else the primary of the cluster.
InstanceId Finder::above() const {
    const auto& deposed = topology_.overlay().deposed;
    if (const auto entry = deposed.find(record_.failed); entry != deposed.end()) {
        if (const Instance* heir = heir_of(topology_, entry->second)) {
            return heir->id;
        }
    }
    const InstanceId own = failed_->source();
    const Instance* instance = topology_.find(own);
    if (instance != nullptr && instance->reachable() && !deposed.contains(own)) {
        return own;
    }
    const auto* cluster = topology_.cluster_by_id(record_.cluster_id);
    return cluster != nullptr && !cluster->primary.empty() && cluster->primary != record_.failed
               ? cluster->primary
               : own;
}

std::optional<std::string> Finder::unusable(const Instance& source) const {
    if (!source.reachable() || !source.ever_seen) {
        return "it does not answer";
    }
    if (auto reason = set_aside(topology_, source.id)) {
        return reason;
    }
    if (!source.errant_gtid.empty() && !policy_.promote_errant) {
        return "it has errant transactions, which would reach those below it";
    }
    return cannot_serve(source);
}

std::optional<std::string> Finder::unusable_replica(
    const Instance& replica, const InstanceId& source
) const {
    if (auto reason = unusable(replica)) {
        return reason;
    }
    if (topology_.promotion_rule(replica.id) == PromotionRule::must_not) {
        return "its promotion rule is must_not";
    }
    if (host_matches(policy_.promotion_ignore_hosts, replica.id)) {
        return "recovery.promotion_ignore_hosts names it";
    }
    const Channel* channel = source.empty() ? replica.channel() : channel_to(replica, source);
    if (channel == nullptr || !channel->replicating()) {
        return "it does not replicate";
    }
    if (channel->delay_seconds > 0) {
        return "it is delayed by " + std::to_string(channel->delay_seconds) + " s";
    }
    return std::nullopt;
}

/// What a member of a group committed, all others have, or get by themselves.
void Finder::add_members() {
    const std::string& group = failed_->state.group.name;
    if (group.empty()) {
        return;
    }
    for (const auto& member : topology_.instances()) {
        const auto& own = member->state.group;
        if (member->id == record_.failed || own.name != group) {
            continue;
        }
        if (own.member_state != "ONLINE") {
            leave_out(*member, "it is a member of the group in state " + own.member_state);
        } else if (auto reason = unusable(*member)) {
            leave_out(*member, *reason);
        } else {
            offer(*member, Place::near, true);
        }
    }
}

void Finder::add_siblings(const InstanceId& top) {
    if (top.empty()) {
        return;
    }
    for (const Instance* sibling : topology_.replicas_of(top)) {
        if (sibling->id == record_.failed || contains(ids_, sibling->id)) {
            continue;
        }
        if (auto reason = unusable_replica(*sibling, top)) {
            leave_out(*sibling, *reason);
        } else {
            offer(*sibling, is_near(failed_, *sibling) ? Place::near : Place::far, false);
        }
    }
}

void Finder::add_above(const InstanceId& top) {
    const Instance* source = topology_.find(top);
    if (source == nullptr) {
        return;
    }
    std::optional<std::string> reason;
    if (!source->reachable()) {
        reason = "it does not answer";
    } else {
        reason = cannot_serve(*source);
    }
    if (reason) {
        leave_out(*source, *reason);
    } else {
        // What stands in for a source that is gone need not have had everything.
        offer(*source, Place::above, source->id == failed_->source());
    }
}

/// Attached to somebody else than the dead one, and served.
bool Finder::moved(const Instance& replica) const {
    return replica.is_replica() && channel_to(replica, record_.failed) == nullptr &&
           !unusable_replica(replica, InstanceId{});
}

void Finder::add_moved_ones() {
    for (const auto& id : ids_) {
        const Instance* replica = topology_.find(id);
        if (replica != nullptr && replica != out_.local && moved(*replica)) {
            offer(*replica, Place::beside, false);
        }
    }
}

void Finder::sort() {
    const auto key = [&](const Target& target) {
        const auto& group = target.instance->state.group;
        return std::tuple(
            static_cast<int>(target.place),
            !group.name.empty() && group.member_role != "PRIMARY",
            !is_near(failed_, *target.instance),
            static_cast<int>(topology_.promotion_rule(target.instance->id)),
            target.behind > 1 ? target.behind : 0,
            target.instance->id
        );
    };
    std::sort(out_.list.begin(), out_.list.end(), [&](const Target& left, const Target& right) {
        return key(left) < key(right);
    });
}

bool Finder::may_be_local(const Instance& replica) const {
    if (!is_near(failed_, replica) || unusable(replica) ||
        attempts(record_, StepKind::repoint, replica.id) >= local_tries ||
        topology_.promotion_rule(replica.id) == PromotionRule::must_not ||
        host_matches(policy_.promotion_ignore_hosts, replica.id)) {
        return false;
    }
    if (channel_to(replica, record_.failed) == nullptr) {
        // Half moved: it is started before anybody follows it.
        const Channel* now = replica.channel();
        const bool half = replica.id == record_.successor && now != nullptr &&
                          never_started(*now) &&
                          attempts(record_, StepKind::start_replication, replica.id) < local_tries;
        return half || moved(replica);
    }
    const Channel* channel = channel_to(replica, record_.failed);
    return channel->delay_seconds == 0 && channel->applier == topology::ThreadState::running &&
           !contains(record_.stopped_before, replica.id) &&
           std::any_of(out_.list.begin(), out_.list.end(), [&](const Target& target) {
               return !unfit(record_, topology_, replica, target);
           });
}

void Finder::find_local() {
    const auto& place = failed_->state.identity.data_center;
    const bool distance = !place.empty() && !out_.list.empty() &&
                          std::all_of(out_.list.begin(), out_.list.end(), [&](const Target& t) {
                              return differ(place, t.instance->state.identity.data_center);
                          });
    if (!distance) {
        return;
    }
    std::vector<const Instance*> possible;
    std::size_t near = 0;
    for (const auto& id : ids_) {
        const Instance* replica = topology_.find(id);
        if (replica == nullptr || !replica->ever_seen || !replica->reachable()) {
            continue;
        }
        near += replica->state.identity.data_center == place ? 1U : 0U;
        if (may_be_local(*replica)) {
            possible.push_back(replica);
        }
    }
    if (near < 2) {
        return;  // there is nobody whom it would serve
    }
    const auto better = [&](const Instance* left, const Instance* right) {
        const auto key = [&](const Instance* one) {
            return std::tuple(
                one->id != record_.successor,  // chosen before
                static_cast<int>(topology_.promotion_rule(one->id)),
                lag_of(*one) > 1 ? lag_of(*one) : 0,
                one->id
            );
        };
        const auto ours = holdings_of(*left, nullptr);
        const auto theirs = holdings_of(*right, nullptr);
        if (left->id != record_.successor && right->id != record_.successor && ours.known() &&
            theirs.known()) {
            const bool covers = within(theirs.shared, ours.shared);
            if (covers != within(ours.shared, theirs.shared)) {
                return covers;  // the one that has more
            }
        }
        return key(left) < key(right);
    };
    for (const Instance* one : possible) {
        if (out_.local == nullptr || better(one, out_.local)) {
            out_.local = one;
        }
    }
    if (out_.local != nullptr && moved(*out_.local)) {
        offer(*out_.local, Place::local, false);
    } else if (out_.local != nullptr) {
        leave_out(*out_.local, "it moves first, and is the local source for the others");
        out_.considered.back().rank = 1;
    }
}

Targets Finder::run() {
    if (failed_ == nullptr) {
        return std::move(out_);
    }
    const InstanceId top = above();
    add_members();
    add_siblings(top);
    add_above(top);
    sort();
    find_local();
    add_moved_ones();
    sort();
    std::vector<CandidateVerdict> ranked;
    int rank = out_.local != nullptr && !moved(*out_.local) ? 1 : 0;
    for (const auto& target : out_.list) {
        CandidateVerdict& verdict = ranked.emplace_back();
        verdict.id = target.instance->id;
        verdict.rank = ++rank;
        verdict.reason = words_of(target.place);
    }
    out_.considered.insert(out_.considered.begin(), ranked.begin(), ranked.end());
    return std::move(out_);
}

}  // namespace

bool is_near(const Instance* failed, const Instance& instance) {
    return failed != nullptr &&
           !differ(failed->state.identity.data_center, instance.state.identity.data_center);
}

std::optional<std::string> unfit(
    const Record& record, const Topology& topology, const Instance& replica, const Target& target
) {
    const Instance& source = *target.instance;
    if (source.id == replica.id || follows(topology, source, replica.id) != nullptr) {
        return source.id.text() + " replicates from it";
    }
    if (auto reason = cannot_follow(replica, source, topology.find(record.failed))) {
        return reason;
    }
    const auto own = holdings_of(replica, nullptr);
    const auto theirs = holdings_of(source, nullptr);
    // One that had everything need not have been seen since its first transaction.
    if (!own.known() || (!theirs.known() && !target.has_all)) {
        return own.known() ? "the position of " + source.id.text() + " is not known"
                           : "its position is not known: " + own.unknown;
    }
    // The grandparent had everything before the replica had it, even if it was observed earlier. A
    // sibling may lag behind, and a replica that is further than its source stops (MariaDB).
    if (!target.has_all && !within(own.shared, theirs.executed)) {
        return source.id.text() + " lacks " +
               transactions(gtid::missing_from(own.shared, theirs.executed)) + " that it has";
    }
    return needs_purged(own, source);
}

Targets find_targets(
    const Record& record,
    const Topology& topology,
    const Policy& policy,
    const std::vector<InstanceId>& ids
) {
    return Finder(record, topology, policy, ids).run();
}

}  // namespace baton::recovery
