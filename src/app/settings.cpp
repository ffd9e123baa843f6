// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

namespace baton::app {

control::Settings settings_from(const config::Config& config) {
    control::Settings settings;
    for (const auto& seed : config.topology.seeds) {
        if (auto id = parse_instance_id(seed, static_cast<Port>(config.topology.default_port))) {
            settings.seeds.push_back(std::move(*id));
        }
    }
    settings.poll_interval = config.discovery.poll_interval;
    settings.probe_timeout = config.discovery.probe_timeout;
    settings.dead_interval_max = config.discovery.dead_interval_max;
    settings.forget_after = config.discovery.forget_after;
    settings.ignore_hosts = config.discovery.ignore_hosts;

    settings.analysis.timeouts_before_unreachable =
        static_cast<unsigned>(config.detection.timeouts);
    settings.analysis.lagging_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(config.detection.lagging).count();
    settings.analysis.cut_off_after = config.detection.cut_off_after;
    settings.analysis.replace_cut_off = config.detection.replace_cut_off;
    settings.analysis.hanging_after = config.detection.hanging_after;
    settings.analysis.replace_hanging = config.detection.replace_hanging;
    settings.analysis.lock_pile_up = static_cast<unsigned>(config.detection.lock_pile_up);
    settings.analysis.read_only_after = config.detection.read_only_after;
    settings.advice.ignore = config.advice.ignore;
    settings.advice.replication_user = config.topology.replication_user;
    settings.shadow = config.detection.mode == "shadow";

    const auto& from = config.recovery;
    auto& to = settings.recovery;
    to.primary_clusters = from.primary_clusters;
    to.intermediate_clusters = from.intermediate_clusters;
    to.ignore_hosts = from.ignore_hosts;
    to.promotion_ignore_hosts = from.promotion_ignore_hosts;
    to.drain_limit = from.drain_limit;
    to.step_limit = from.step_limit;
    to.anti_flapping_window = from.anti_flapping_window;
    to.healthy_again = from.healthy_again;
    to.prevent_cross_data_center = from.prevent_cross_data_center;
    to.prevent_cross_region = from.prevent_cross_region;
    to.require_all_acknowledgers = from.require_all_acknowledgers;
    to.kill_writers_of_deposed = from.kill_writers_of_deposed;
    to.switchover_lag_limit = from.switchover_lag_limit;
    to.switchover_grace = from.switchover_grace;
    to.switchover_outage_limit = from.switchover_outage_limit;
    to.switchover_end_sessions = from.switchover_end_sessions;
    to.fence_required = from.fence_required;
    to.rejoin_clean = from.rejoin_clean;
    to.promote_errant = from.promote_errant;
    to.co_primary_must_take_over = from.co_primary_must_take_over;
    to.repair_semi_sync = from.repair_semi_sync;
    to.exact_semi_sync = from.exact_semi_sync;
    settings.analysis.enforce_exact_semi_sync = from.exact_semi_sync;
    to.semi_sync_least_wait = static_cast<std::uint64_t>(from.semi_sync_least_wait);
    to.make_primary_writable = from.make_primary_writable;
    to.make_writable_after = from.make_writable_after;
    to.clone_limit = from.clone_limit;
    to.has_pre_graceful_hooks = !from.pre_graceful_takeover.empty();
    to.has_post_graceful_hooks = !from.post_graceful_takeover.empty();
    to.has_fence_hooks = !from.fence.empty();
    to.has_reclone_hooks = !from.reclone.empty();
    to.has_replication_credentials = !config.topology.replication_user.empty();
    to.brake.window = from.brake_window;
    to.brake.share = from.brake_share;
    to.budget = static_cast<unsigned>(from.budget);
    to.budget_window = from.budget_window;
    to.has_pre_hooks = !from.pre_failover.empty();
    to.has_post_hooks = !from.post_primary_failover.empty() ||
                        !from.post_intermediate_failover.empty() || !from.post_failover.empty();
    to.has_failed_hooks = !from.post_unsuccessful_failover.empty();

    settings.policy = policy::parse(config.policies).document;  // checked while loading
    settings.history_age = config.timeline_keep;
    settings.hook_limit = from.hook_limit;
    settings.self_check = config.node.self_check;
    settings.hooks["on_failure_detection"] = from.on_failure_detection;
    settings.hooks["pre_failover"] = from.pre_failover;
    settings.hooks["post_primary_failover"] = from.post_primary_failover;
    settings.hooks["post_intermediate_failover"] = from.post_intermediate_failover;
    settings.hooks["post_failover"] = from.post_failover;
    settings.hooks["post_unsuccessful_failover"] = from.post_unsuccessful_failover;
    settings.hooks["pre_graceful_takeover"] = from.pre_graceful_takeover;
    settings.hooks["post_graceful_takeover"] = from.post_graceful_takeover;
    settings.hooks["fence"] = from.fence;
    settings.hooks["reclone"] = from.reclone;
    return settings;
}

}  // namespace baton::app
