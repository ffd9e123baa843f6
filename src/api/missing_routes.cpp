// SPDX-License-Identifier: Apache-2.0

// Routes of orchestrator that this version knows and does not offer. They answer so at once, with
// the envelope that old clients understand: an unknown path costs orchestrator-client eleven
// seconds of repetitions.

#include "reply.hpp"
#include "route.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::api {

namespace {

/// The sentence says why; it is part of the answer.
constexpr Route missing(std::string_view path, std::string_view why) {
    return Route{path, Access::read, Runs::anywhere, not_offered, why};
}

constexpr std::string_view moving = "Moving replicas is left to recoveries in this version";
constexpr std::string_view single_servers =
    "Changing single servers is left to recoveries in this version";
constexpr std::string_view pools = "Pools are not in this version";
constexpr std::string_view stores = "Key-value stores are written by hooks";
constexpr std::string_view history = "Topologies are not kept as history";
constexpr std::string_view names = "Names are not cached";
constexpr std::string_view see_metrics = "See /metrics";
constexpr std::string_view raft =
    "Not running with raft: the nodes agree through the shared backend";
constexpr std::string_view agents = "There are no agents";

constexpr std::array rows{
    missing("/api/relocate/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/relocate-below/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/relocate-replicas/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/relocate-slaves/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-below/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-equivalent/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/repoint/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-below-gtid/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-gtid/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-replicas-gtid/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-slaves-gtid/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match-below/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match-replicas/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match-slaves/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/regroup-replicas/{host}/{port}", moving),
    missing("/api/regroup-slaves/{host}/{port}", moving),
    missing("/api/regroup-replicas-gtid/{host}/{port}", moving),
    missing("/api/regroup-slaves-gtid/{host}/{port}", moving),
    missing("/api/regroup-replicas-pgtid/{host}/{port}", moving),
    missing("/api/regroup-slaves-pgtid/{host}/{port}", moving),
    missing("/api/regroup-replicas-bls/{host}/{port}", moving),
    missing("/api/regroup-slaves-bls/{host}/{port}", moving),
    missing("/api/move-up/{host}/{port}", moving),
    missing("/api/move-up-replicas/{host}/{port}", moving),
    missing("/api/move-up-slaves/{host}/{port}", moving),
    missing("/api/repoint-replicas/{host}/{port}", moving),
    missing("/api/repoint-slaves/{host}/{port}", moving),
    missing("/api/make-co-master/{host}/{port}", moving),
    missing("/api/take-siblings/{host}/{port}", moving),
    missing("/api/enslave-siblings/{host}/{port}", moving),
    missing("/api/take-master/{host}/{port}", moving),
    missing("/api/enslave-master/{host}/{port}", moving),
    missing("/api/make-master/{host}/{port}", moving),
    missing("/api/make-local-master/{host}/{port}", moving),
    missing("/api/match-up/{host}/{port}", moving),
    missing("/api/match-up-replicas/{host}/{port}", moving),
    missing("/api/match-up-slaves/{host}/{port}", moving),
    missing("/api/repoint-replicas/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/repoint-slaves/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-up-replicas/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/move-up-slaves/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match-up-replicas/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/match-up-slaves/{host}/{port}/{below_host}/{below_port}", moving),
    missing("/api/master-equivalent/{host}/{port}/{log_file}/{log_pos}", moving),
    missing("/api/start-replica/{host}/{port}", single_servers),
    missing("/api/start-slave/{host}/{port}", single_servers),
    missing("/api/stop-replica/{host}/{port}", single_servers),
    missing("/api/stop-slave/{host}/{port}", single_servers),
    missing("/api/stop-replica-nice/{host}/{port}", single_servers),
    missing("/api/stop-slave-nice/{host}/{port}", single_servers),
    missing("/api/restart-replica/{host}/{port}", single_servers),
    missing("/api/restart-slave/{host}/{port}", single_servers),
    missing("/api/reset-replica/{host}/{port}", single_servers),
    missing("/api/reset-slave/{host}/{port}", single_servers),
    missing("/api/restart-replica-statements/{host}/{port}", single_servers),
    missing("/api/restart-slave-statements/{host}/{port}", single_servers),
    missing("/api/detach-replica/{host}/{port}", single_servers),
    missing("/api/detach-slave/{host}/{port}", single_servers),
    missing("/api/detach-replica-master-host/{host}/{port}", single_servers),
    missing("/api/detach-slave-master-host/{host}/{port}", single_servers),
    missing("/api/reattach-replica/{host}/{port}", single_servers),
    missing("/api/reattach-slave/{host}/{port}", single_servers),
    missing("/api/reattach-replica-master-host/{host}/{port}", single_servers),
    missing("/api/reattach-slave-master-host/{host}/{port}", single_servers),
    missing("/api/skip-query/{host}/{port}", single_servers),
    missing("/api/enable-gtid/{host}/{port}", single_servers),
    missing("/api/disable-gtid/{host}/{port}", single_servers),
    missing("/api/locate-gtid-errant/{host}/{port}", single_servers),
    missing("/api/gtid-errant-reset-master/{host}/{port}", single_servers),
    missing("/api/gtid-errant-inject-empty/{host}/{port}", single_servers),
    missing("/api/change-master-credentials/{host}/{port}", single_servers),
    missing("/api/enable-semi-sync-master/{host}/{port}", single_servers),
    missing("/api/disable-semi-sync-master/{host}/{port}", single_servers),
    missing("/api/enable-semi-sync-source/{host}/{port}", single_servers),
    missing("/api/disable-semi-sync-source/{host}/{port}", single_servers),
    missing("/api/enable-semi-sync-replica/{host}/{port}", single_servers),
    missing("/api/disable-semi-sync-replica/{host}/{port}", single_servers),
    missing("/api/flush-binary-logs/{host}/{port}", single_servers),
    missing("/api/last-pseudo-gtid/{host}/{port}", single_servers),
    missing("/api/set-read-only/{host}/{port}", single_servers),
    missing("/api/set-writeable/{host}/{port}", single_servers),
    missing("/api/delay-replication/{host}/{port}/{seconds}", single_servers),
    missing("/api/purge-binary-logs/{host}/{port}/{log_file}", single_servers),
    missing("/api/kill-query/{host}/{port}/{process}", single_servers),
    missing("/api/heuristic-cluster-pool-instances/{cluster}", pools),
    missing("/api/heuristic-cluster-pool-instances/{cluster}/{pool}", pools),
    missing("/api/heuristic-cluster-pool-lag/{cluster}", pools),
    missing("/api/heuristic-cluster-pool-lag/{cluster}/{pool}", pools),
    missing("/api/cluster-pool-instances/{cluster}", pools),
    missing("/api/cluster-pool-instances/{cluster}/{pool}", pools),
    missing("/api/submit-pool-instances/{pool}", pools),
    missing("/api/submit-masters-to-kv-stores", stores),
    missing("/api/submit-masters-to-kv-stores/{cluster}", stores),
    missing("/api/snapshot-topologies", history),
    missing("/api/hostname-resolve-cache", names),
    missing("/api/reset-hostname-resolve-cache", names),
    missing("/api/register-hostname-unresolve/{host}/{port}/{name}", names),
    missing("/api/deregister-hostname-unresolve/{host}/{port}", names),
    missing("/api/discovery-metrics-raw/{seconds}", see_metrics),
    missing("/api/discovery-metrics-aggregated/{seconds}", see_metrics),
    missing("/api/discovery-queue-metrics-raw/{seconds}", see_metrics),
    missing("/api/discovery-queue-metrics-raw/{queue}/{seconds}", see_metrics),
    missing("/api/discovery-queue-metrics-aggregated/{seconds}", see_metrics),
    missing("/api/discovery-queue-metrics-aggregated/{queue}/{seconds}", see_metrics),
    missing("/api/backend-query-metrics-raw/{seconds}", see_metrics),
    missing("/api/backend-query-metrics-aggregated/{seconds}", see_metrics),
    missing("/api/write-buffer-metrics-raw/{seconds}", see_metrics),
    missing("/api/write-buffer-metrics-aggregated/{seconds}", see_metrics),
    missing("/api/raft-add-peer/{address}", raft),
    missing("/api/raft-remove-peer/{address}", raft),
    missing("/api/raft-yield/{node}", raft),
    missing("/api/raft-yield-hint/{hint}", raft),
    missing("/api/raft-peers", raft),
    missing("/api/raft-state", raft),
    missing("/api/raft-leader", raft),
    missing("/api/raft-health", raft),
    missing("/api/raft-status", raft),
    missing("/api/raft-snapshot", raft),
    missing("/api/raft-follower-health-report/{token}/{bind}/{advertise}", raft),
    missing("/api/agents", agents),
    missing("/api/agent/{host}", agents),
    missing("/api/agent-umount/{host}", agents),
    missing("/api/agent-mount/{host}", agents),
    missing("/api/agent-create-snapshot/{host}", agents),
    missing("/api/agent-removelv/{host}", agents),
    missing("/api/agent-mysql-stop/{host}", agents),
    missing("/api/agent-mysql-start/{host}", agents),
    missing("/api/agent-custom-command/{host}/{command}", agents),
    missing("/api/agent-seed/{target}/{source}", agents),
    missing("/api/agent-active-seeds/{host}", agents),
    missing("/api/agent-recent-seeds/{host}", agents),
    missing("/api/agent-seed-details/{seed}", agents),
    missing("/api/agent-seed-states/{seed}", agents),
    missing("/api/agent-abort-seed/{seed}", agents),
    missing("/api/seeds", agents),
};

}  // namespace

http::Response not_offered(const Call& call) {
    return failure(
        Errc::refused,
        fmt::format("This version of Baton does not offer it. {}", call.route_sentence)
    );
}

std::span<const Route> missing_routes() {
    return rows;
}

}  // namespace baton::api
