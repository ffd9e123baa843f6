// SPDX-License-Identifier: Apache-2.0
// "If its primary died this second". Nobody keeps the answer: it is made from a view when it is
// asked for, so that it is never older than the state it stands beside, and costs the loops nothing
// however many clusters there are.
#include "engine_impl.hpp"
#include "past.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

/// A broken connection is noticed at once, and the server asked again after this pause.
constexpr std::int64_t second_look_ms = 20;

recovery::Forecast::Part detection_part(
    const topology::Cluster& cluster, const topology::Topology& topology, Duration silence
) {
    Duration slowest{};
    for (const auto& id : cluster.members) {
        if (const auto* server = topology.find(id)) {
            slowest = std::max(slowest, server->health.latency);
        }
    }
    recovery::Forecast::Part part;
    part.what = "detection";
    part.ms = second_look_ms + 2 * std::max<std::int64_t>(1, to_ms(slowest));
    part.basis = fmt::format(
        "its connection breaks when the process dies; a server that only falls silent is noticed "
        "after up to {} ms more",
        to_ms(silence)
    );
    return part;
}

}  // namespace

recovery::Forecast forecast_with(
    const topology::Cluster& cluster,
    const topology::Topology& topology,
    const policy::Effective& policy,
    const recovery::History& history,
    bool service_in_shadow,
    Duration probe_timeout
) {
    auto forecast = recovery::forecast(cluster, topology, policy.recovery, history);
    if (policy.shadow) {
        const auto by = policy.set_by.find("mode");
        forecast.blockers.push_back(
            service_in_shadow || by == policy.set_by.end()
                ? "detection.mode is shadow: Baton only reports; set it to active to let it act"
                : fmt::format(
                      "The policy's {} puts the cluster into shadow mode: Baton only reports; set "
                      "mode to active to let it act",
                      by->second
                  )
        );
    }
    if (!forecast.successor.empty()) {
        forecast.duration.insert(
            forecast.duration.begin(),
            detection_part(
                cluster,
                topology,
                probe_timeout * static_cast<int>(policy.analysis.timeouts_before_unreachable)
            )
        );
    }
    return forecast;
}

recovery::Forecast forecast_of(
    const View& view, const topology::Cluster& cluster, TimePoint now, WallMs now_ms
) {
    const policy::Effective* policy = nullptr;
    if (view.policies != nullptr) {
        const auto own = view.policies->find(cluster.id);
        policy = own == view.policies->end() ? nullptr : own->second.get();
    }
    policy::Effective configured;  // a view made before the cluster was resolved
    if (policy == nullptr) {
        configured.recovery = view.policy;
        configured.shadow = view.shadow;
        policy = &configured;
    }
    Past past(
        cluster, analysis::RecoveryKind::dead_primary, *policy, view.policy.budget_window, now_ms
    );
    for (const auto& recovery : view.recoveries) {
        past.add(recovery->record);
    }
    auto history = past.history();
    history.globally_disabled = view.recoveries_disabled;
    const auto& maintenances = view.topology->overlay().maintenances;
    const auto maintenance = maintenances.find(cluster.primary);
    history.maintenance = maintenance != maintenances.end() && maintenance->second.end_ms > now_ms;
    if (view.health != nullptr) {
        if (const auto health = view.health->find(cluster.id); health != view.health->end()) {
            history.healthy_since_last = longest_healthy(health->second, now);
        }
    }
    auto forecast =
        forecast_with(cluster, *view.topology, *policy, history, view.shadow, view.probe_timeout);
    if (!view.brake.empty()) {
        forecast.blockers.push_back(
            "Recoveries wait: " + view.brake + ". It ends by itself; `baton nodes` tells more"
        );
    }
    return forecast;
}

recovery::Forecast Engine::Impl::forecast_of(
    const topology::Cluster& cluster,
    const topology::Topology& seen,
    const policy::Effective& policy
) const {
    const auto history = history_of(cluster, analysis::RecoveryKind::dead_primary, cluster.primary);
    return forecast_with(cluster, seen, policy, history, settings.shadow, settings.probe_timeout);
}

}  // namespace baton::control
