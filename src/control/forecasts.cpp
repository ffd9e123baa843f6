// SPDX-License-Identifier: Apache-2.0
// "If its primary died this second", for each cluster, at most once a second.
#include "engine_impl.hpp"

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

recovery::Forecast Engine::Impl::forecast_of(
    const topology::Cluster& cluster,
    const topology::Topology& seen,
    const policy::Effective& policy
) const {
    const auto history = history_of(cluster, analysis::RecoveryKind::dead_primary, cluster.primary);
    auto forecast = recovery::forecast(cluster, seen, policy.recovery, history);
    if (policy.shadow) {
        const auto by = policy.set_by.find("mode");
        forecast.blockers.push_back(
            settings.shadow || by == policy.set_by.end()
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
                seen,
                settings.probe_timeout *
                    static_cast<int>(policy.analysis.timeouts_before_unreachable)
            )
        );
    }
    return forecast;
}

void Engine::Impl::update_forecasts() {
    last_forecast = now();
    std::map<std::string, recovery::Forecast> fresh;
    for (const auto& cluster : topology->clusters()) {
        fresh[cluster.id] = forecast_of(cluster, *topology, policy_of(cluster.id));
    }
    forecasts = std::move(fresh);
}

}  // namespace baton::control
