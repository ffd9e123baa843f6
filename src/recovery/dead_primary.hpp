// SPDX-License-Identifier: Apache-2.0
#pragma once

// What comes next in the recovery of a dead primary: dead_primary.cpp until the promotion,
// dead_primary_setbacks.cpp when one may have been sent or nothing comes of it,
// dead_primary_complete.cpp after it.

#include "candidates.hpp"
#include "plans.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace baton::recovery {

/// Failed moves of a replica after which it is left where it is.
inline constexpr unsigned follower_move_tries = 2;

class DeadPrimary {
public:
    DeadPrimary(const Record& record, const Topology& topology, const Policy& policy)
        : record_(record),
          topology_(topology),
          policy_(policy),
          failed_(topology.find(record.failed)),
          followers_(followers(record, topology)) {}

    Move next();
    /// The rest after a promotion: the others follow it.
    Move complete(const Instance& successor);

private:
    // Before the promotion.
    [[nodiscard]] std::optional<Stage> quiesce(bool hung_ones_too) const;
    [[nodiscard]] bool must_be_stopped(const Instance& follower, bool hung_ones_too) const;
    Move refuse(const Choice& choice);
    [[nodiscard]] bool failed_is_back() const;
    Move prepare_and_promote(const Choice& choice);
    void prepare(Stage& stage, const Choice& choice) const;
    [[nodiscard]] Step wait_step(const Instance& target, const gtid::GtidSet& required) const;
    Move promote(const Instance& successor, const std::string& required, Decision decision);
    [[nodiscard]] Decision decision_of(const Choice& choice) const;
    [[nodiscard]] bool semi_sync_possible(const Instance& successor) const;
    // A promotion that may have been sent, to a server that is not seen promoted.
    std::optional<Move> unclear_promotion();
    Move finish_half_promotion(const Instance& successor);
    Move replace_successor(const Instance& gone);
    std::optional<Move> promoted_before();
    // After it.
    [[nodiscard]] const Instance* promoted_one() const;
    [[nodiscard]] bool promoted(const Instance& instance) const;
    void place_follower(Stage& stage, const Instance& follower, const Instance& successor) const;
    [[nodiscard]] std::optional<std::string> misfit(
        const Instance& follower, const Instance& successor
    ) const;
    void forget_old_source(Stage& stage, const Instance& successor) const;
    void contain(Stage& stage, const Instance& instance) const;
    [[nodiscard]] std::string outcome(const Instance& successor, const Decision& decision) const;
    // Instead of it.
    Move give_up(State state, std::string reason);
    [[nodiscard]] std::vector<Step> undo() const;
    [[nodiscard]] bool below_helper(const Instance& follower) const;
    [[nodiscard]] std::string left_below() const;
    [[nodiscard]] bool serves_on() const;

    [[nodiscard]] std::vector<InstanceId> all_ids() const;
    [[nodiscard]] std::vector<InstanceId> worth_a_look() const;
    [[nodiscard]] bool from_old_source(const Instance& instance) const;

    [[nodiscard]] bool hook_due(bool configured, const std::string& list) const {
        return configured && !record_.skip_hooks && !hook_ended(record_, list);
    }

    [[nodiscard]] const Channel* old_channel(const Instance& follower) const;
    [[nodiscard]] std::string channel_name(const Instance& follower) const;

    Record record_;
    const Topology& topology_;
    const Policy& policy_;
    const Instance* failed_;
    std::vector<const Instance*> followers_;
    std::map<InstanceId, std::string> displaced_;  // by this look
};

}  // namespace baton::recovery
