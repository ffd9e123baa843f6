// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a cluster's earlier recoveries mean for the next one: the same for a decision (from the
// engine's state) and for a forecast (from a view).

#include "baton/control/view.hpp"
#include "baton/recovery/planner.hpp"

#include <string>

namespace baton::control {

/// What two recoveries must not have in common at a time: member of the engine's `running`.
std::string place_of(const recovery::Record& record);

/// Whether it is counted by the budgets: begun by Baton on its own account, and replacing or moving
/// something.
bool counts_for_budget(const recovery::Record& record);

/// For how long the cluster has been healthy at a stretch since its last recovery.
Duration longest_healthy(const ClusterHealth& health, TimePoint now);

/// Folds recoveries in, newest first.
class Past {
public:
    Past(
        const topology::Cluster& cluster,
        analysis::RecoveryKind kind,
        const policy::Effective& policy,
        Duration budget_window,
        WallMs now_ms
    );

    void add(const recovery::Record& record);

    [[nodiscard]] const recovery::History& history() const { return history_; }

private:
    const std::string& cluster_id_;
    analysis::RecoveryKind kind_;
    WallMs now_ms_, budget_begins_, own_budget_begins_;
    recovery::History history_;
};

/// The forecast with what only this service knows: how long detection takes, shadow mode.
recovery::Forecast forecast_with(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const policy::Effective& policy,
    const recovery::History& history,
    bool service_in_shadow,
    Duration probe_timeout
);

}  // namespace baton::control
