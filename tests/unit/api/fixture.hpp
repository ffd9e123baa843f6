// SPDX-License-Identifier: Apache-2.0
#pragma once

// A view with one cluster "shop" as orchestrator was seen to serve it: primary 127.0.0.1:20720 with
// the replicas 20721 and 20722, and 20723 below 20721; with a past recovery, a detection, audit,
// downtime, maintenance, tags.

#include "call.hpp"

#include "baton/control/view.hpp"
#include "baton/topology/topology.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace baton::api {

using Json = nlohmann::ordered_json;

constexpr WallMs wall_start = 1'767'600'000'000;  // 2026-01-05 08:00:00

inline InstanceId server(Port port) {
    return {"127.0.0.1", port};
}

inline topology::ServerState a_server(Port port) {
    topology::ServerState state;
    state.identity.uuid = fmt::format("{:08}-0000-0000-0000-000000000000", port);
    state.identity.server_id = port;
    state.identity.hostname = "127.0.0.1";
    state.identity.report_port = port;
    state.identity.flavor = topology::Flavor::mysql;
    state.identity.version = "9.7.4-2";
    state.identity.version_comment = "(Debian)";
    state.identity.log_bin = state.identity.log_replica_updates = true;
    state.identity.binlog_format = "ROW";
    state.identity.gtid_mode = "ON";
    state.identity.suggested_cluster_alias = "shop";
    state.semi_sync.available = state.semi_sync.source_enabled = true;
    state.binlog = {"binlog.000001", 158};
    return state;
}

inline topology::ServerState a_replica(Port port, Port source) {
    auto state = a_server(port);
    state.read_only = true;
    state.semi_sync.replica_enabled = state.semi_sync.replica_status = true;
    topology::Channel channel;
    channel.source = server(source);
    channel.source_uuid = fmt::format("{:08}-0000-0000-0000-000000000000", source);
    channel.receiver = channel.applier = topology::ThreadState::running;
    channel.auto_position = true;
    channel.seconds_behind = 0;
    channel.read = channel.executed = {"binlog.000001", 158};
    channel.user = "repl";
    state.channels.push_back(channel);
    return state;
}

inline topology::Observation seen(Port port, topology::ServerState state, TimePoint when) {
    topology::Observation result;
    result.id = server(port);
    result.started = result.ended = when;
    result.wall_ms = wall_start;
    result.state = std::move(state);
    return result;
}

inline std::shared_ptr<control::RecoveryView> a_recovery() {
    auto view = std::make_shared<control::RecoveryView>();
    auto& record = view->record;
    record.id = "1767600000123456789:abc";
    record.number = 17;
    record.kind = analysis::RecoveryKind::dead_primary;
    record.state = recovery::State::done;
    record.phase = recovery::Phase::finished;
    record.cluster_name = "127.0.0.1:20720";
    record.cluster_alias = "shop";
    record.code = analysis::Code::dead_primary;
    record.failed = server(20719);
    record.successor = server(20720);
    record.replicas = {server(20720), server(20721)};
    record.repointed = {server(20721)};
    record.outcome = "127.0.0.1:20720 promoted";
    record.loss = "none: all replicas had everything";
    record.node = "n1";
    record.holder = "t1";
    record.epoch = 4;
    record.started_ms = wall_start - 60'000;
    record.ended_ms = wall_start - 57'000;
    record.total_us = 3'000'000;
    recovery::StepRecord step;
    step.number = 1;
    step.epoch = 4;
    step.phase = recovery::Phase::promoted;
    step.kind = recovery::StepKind::promote;
    step.target = server(20720);
    step.text = "promote 127.0.0.1:20720";
    step.outcome = "writable";
    step.state = recovery::StepState::done;
    step.duration_us = 1500;
    view->steps.push_back(step);
    return view;
}

inline topology::Overlay an_overlay() {
    topology::Overlay overlay;
    topology::Downtime downtime;
    downtime.owner = "ops";
    downtime.reason = "disk";
    downtime.begin_ms = wall_start - 10'000;
    downtime.end_ms = wall_start + 3'600'000;
    overlay.downtimes[server(20723)] = downtime;
    topology::Maintenance maintenance;
    maintenance.id = 12;
    maintenance.owner = "jo";
    maintenance.reason = "test";
    maintenance.begin_ms = wall_start - 14'000;
    maintenance.end_ms = wall_start + 600'000;
    overlay.maintenances[server(20722)] = maintenance;
    overlay.tags[server(20721)] = {{"dc", "2"}, {"role", "backup"}};
    topology::CandidateRule rule;
    rule.rule = topology::PromotionRule::prefer;
    rule.set_ms = wall_start;
    rule.expires_ms = wall_start + 3'600'000;
    overlay.candidates[server(20721)] = rule;
    return overlay;
}

inline std::shared_ptr<control::View> view_of(topology::Builder& builder, TimePoint now) {
    auto view = std::make_shared<control::View>();
    view->topology = builder.build(now, wall_start);
    view->active = true;
    view->source = "own observations";
    view->fresh_at = now;
    view->policy.primary_clusters = {"*"};
    return view;
}

/// With everything.
inline std::shared_ptr<control::View> a_view(TimePoint now = std::chrono::steady_clock::now()) {
    topology::Builder builder;
    builder.set_overlay(an_overlay());
    builder.apply(seen(20720, a_server(20720), now));
    builder.apply(seen(20721, a_replica(20721, 20720), now));
    builder.apply(seen(20722, a_replica(20722, 20720), now));
    builder.apply(seen(20723, a_replica(20723, 20721), now));
    auto view = view_of(builder, now);
    const auto& cluster = view->topology->clusters().at(0);

    auto recovery = a_recovery();
    recovery->record.cluster_id = cluster.id;
    view->recoveries.push_back(recovery);
    auto detection = std::make_shared<control::Detection>();
    detection->number = 31;
    detection->code = analysis::Code::dead_primary;
    detection->failed = server(20719);
    detection->cluster_id = cluster.id;
    detection->cluster_name = cluster.name;
    detection->cluster_alias = "shop";
    detection->begin_ms = wall_start - 60'000;
    detection->end_ms = wall_start - 57'000;
    detection->recovery_id = recovery->record.id;
    view->detections.push_back(detection);
    for (std::uint64_t i = 45; i > 0; --i) {
        auto entry = std::make_shared<control::AuditEntry>();
        entry->number = i;
        entry->at_ms = wall_start + static_cast<WallMs>(i) * 1000;
        entry->type = "begin-downtime";
        entry->instance = server(20723);
        entry->message = "owner: ops, reason: <b>disk</b>";
        view->audit.push_back(entry);
    }
    analysis::Finding finding;
    finding.code = analysis::Code::no_problem;
    finding.subject = server(20720);
    finding.cluster_id = cluster.id;
    finding.cluster_name = cluster.name;
    finding.severity = analysis::Severity::warning;
    finding.summary = "the primary has statement and row based replicas";
    finding.structure.emplace_back(analysis::Structure::statement_and_row, "statement and row");
    finding.is_primary = true;
    view->findings.push_back(finding);
    control::Blocked blocked;
    blocked.failed = server(20719);
    blocked.cluster_id = cluster.id;
    blocked.cluster_name = cluster.name;
    blocked.code = analysis::Code::dead_primary;
    blocked.reason = "anti-flapping";
    blocked.blocking_recovery = 17;
    blocked.last_ms = wall_start;
    view->blocked.push_back(blocked);
    ports::NodeRow node;
    node.token = "t1";
    node.name = "n1";
    node.api_url = "http://127.0.0.1:3000";
    node.alive = true;
    view->nodes.push_back(node);
    return view;
}

/// A call with a view, for handlers and forms.
inline Call a_call(std::shared_ptr<const control::View> view) {
    static const ServerOptions options;
    Call call;
    call.now = view->fresh_at;
    call.wall_ms = wall_start;
    call.view = std::move(view);
    call.options = &options;
    return call;
}

/// The keys of an object in order, each followed by a blank but the last.
inline std::string keys_of(const Json& json) {
    std::string keys;
    for (const auto& [key, value] : json.items()) {
        keys += (keys.empty() ? "" : " ") + key;
    }
    return keys;
}

}  // namespace baton::api
