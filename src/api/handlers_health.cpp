// SPDX-License-Identifier: Apache-2.0

// What load balancers and monitors ask: is it alive, is it ready, may it act. Never from a cache:
// the lease is asked at the moment of the request.

#include "json_writer.hpp"
#include "reply.hpp"
#include "route.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace baton::api {

namespace {

constexpr std::string_view no_time = "0001-01-01T00:00:00Z";

http::Response leader_answer(const Call& call, unsigned otherwise) {
    const bool leads = call.commands->status().lease.may_act;
    auto response = plain(text_json(leads ? "OK" : "Not leader"));
    response.status = leads ? 200 : otherwise;
    return response;
}

http::Response leader_check(const Call& call) {
    return leader_answer(call, 404);
}

http::Response leader_check_with_code(const Call& call) {
    const auto& text = call.parameter(0);
    unsigned code = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    const bool usable =
        error == std::errc{} && end == text.data() + text.size() && code >= 100 && code <= 999;
    return leader_answer(call, usable ? code : 404);
}

http::Response look(const Call& call) {
    call.commands->look_now();
    return ok("looking");
}

http::Response stand_back(const Call& call) {
    call.commands->stand_back();
    return ok("standing back");
}

http::Response lb_check(const Call& /*call*/) {
    return plain(text_json("OK"));
}

struct NodeHealth {
    std::string name, token, version, first_active, last_active, backend, extra;
};

void write_node(JsonWriter& json, const NodeHealth& node) {
    json.begin_object();
    json.member("Hostname", node.name);
    json.member("Token", node.token);
    json.member("AppVersion", node.version);
    json.member("FirstSeenActive", node.first_active);
    json.member("LastSeenActive", node.last_active);
    json.member("ExtraInfo", node.extra);
    json.member("Command", "");
    json.member("DBBackend", node.backend);
    json.member("LastReported", no_time);
    json.end_object();
}

/// What orchestrator has no member for.
std::string extra_info(const ports::NodeRow& row, const control::NodeStatus& status) {
    const bool self = row.token == status.token;
    const bool active = self ? status.lease.may_act : row.token == status.active_token;
    std::string text = active ? fmt::format("active, epoch {}", status.lease.epoch) : "standby";
    const auto left = self ? status.lease.left : status.lease.holder_left;
    if (active && left > Duration{}) {
        text += fmt::format(", lease left {} ms", to_ms(left));
    }
    text += fmt::format(", configuration {}", row.config_fingerprint);
    for (const auto& warning : row.warnings) {
        text += "; warning: " + warning;
    }
    return text;
}

std::string health_json(const Call& call, const control::NodeStatus& status) {
    JsonWriter json;
    json.begin_object();
    json.member("Healthy", status.lease.backend_ok);
    json.member("Hostname", status.name);
    json.member("Token", status.lease.token);
    json.member("IsActiveNode", status.lease.may_act);
    json.key("ActiveNode");
    NodeHealth active;
    active.name = status.active_name;
    active.token = status.active_token;
    active.first_active = wall_text(status.active_since_ms);
    write_node(json, active);
    json.key("Error");
    if (status.lease.backend_ok) {
        json.null();
    } else {
        json.begin_object().end_object();
    }
    json.key("AvailableNodes").begin_array();
    auto rows = call.view->nodes;
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        return std::tie(a.name, a.token) < std::tie(b.name, b.token);
    });
    for (const auto& row : rows) {
        if (!row.alive) {
            continue;
        }
        NodeHealth node;
        node.name = row.name;
        node.token = row.token;
        node.version = row.version;
        node.first_active = wall_text(row.started_ms);
        node.last_active = wall_text(call.wall_ms - to_ms(row.since_beat));
        node.backend = row.backend_address;
        node.extra = extra_info(row, status);
        write_node(json, node);
    }
    json.end_array();
    json.member("RaftLeader", "");
    json.member("IsRaftLeader", false);
    json.member("RaftLeaderURI", "");
    json.member("RaftAdvertise", "");
    json.key("RaftHealthyMembers").null();
    json.end_object();
    return json.take();
}

http::Response health(const Call& call) {
    const auto status = call.commands->status();
    const auto details = health_json(call, status);
    if (!status.lease.backend_ok) {
        return failure(
            Errc::unavailable,
            fmt::format("Application node is unhealthy: {}", status.lease.backend_error),
            details
        );
    }
    return ok("Application node is healthy", details);
}

http::Response live(const Call& /*call*/) {
    return plain(R"({"status":"live"})");
}

http::Response ready(const Call& call) {
    const auto status = call.commands->status();
    const bool is_ready = status.lease.backend_ok && call.view->fresh_at != TimePoint{};
    JsonWriter json;
    json.begin_object();
    json.member("status", is_ready ? "ready" : "not ready");
    json.member("backend_ok", status.lease.backend_ok);
    json.member("backend_error", status.lease.backend_error);
    json.member("has_state", call.view->fresh_at != TimePoint{});
    json.member("state_age_ms", to_ms(status.state_age));
    json.end_object();
    auto response = plain(json);
    response.status = is_ready ? 200 : 503;
    return response;
}

http::Response leader(const Call& call) {
    const auto status = call.commands->status();
    JsonWriter json;
    json.begin_object();
    json.member("status", status.lease.may_act ? "leader" : "standby");
    json.member("epoch", status.lease.epoch);
    json.member("active_node", status.active_name);
    json.end_object();
    auto response = plain(json);
    response.status = status.lease.may_act ? 200 : 503;
    return response;
}

constexpr std::array rows{
    Route{
        "/api/leader-check",
        Access::open,
        Runs::anywhere,
        leader_check,
        "200 \"OK\" while this node may act, else 404 \"Not leader\"; decided at the moment of the "
        "request"},
    Route{
        "/api/leader-check/{code}",
        Access::open,
        Runs::anywhere,
        leader_check_with_code,
        "The same with a status of your choice instead of 404"},
    Route{
        "/api/routed-leader-check", Access::open, Runs::anywhere, leader_check, "As leader-check"},
    Route{
        "/api/lb-check", Access::open, Runs::anywhere, lb_check, "200 \"OK\": the process answers"},
    Route{
        "/api/v1/look",
        Access::open,
        Runs::anywhere,
        look,
        "A node that gave the lease back tells the others, which look at it at once"},
    Route{
        "/api/v1/stand-back",
        Access::open,
        Runs::anywhere,
        stand_back,
        "A node that hands over to a certain one tells the others, which leave it the lease for a "
        "second"},
    Route{"/api/_ping", Access::open, Runs::anywhere, lb_check, "As lb-check"},
    Route{
        "/api/health",
        Access::read,
        Runs::anywhere,
        health,
        "This node, the active node and all living nodes; 500 when the backend cannot be reached"},
    Route{
        "/api/status",
        Access::read,
        Runs::anywhere,
        health,
        "As health; `status_endpoint` moves it"},
    Route{"/health/live", Access::open, Runs::anywhere, live, "200: the process answers"},
    Route{
        "/health/ready",
        Access::open,
        Runs::anywhere,
        ready,
        "200 when this node has state to serve and reaches the backend, else 503"},
    Route{
        "/health/leader",
        Access::open,
        Runs::anywhere,
        leader,
        "200 while this node may act, else 503"},
};

}  // namespace

std::span<const Route> health_routes() {
    return rows;
}

}  // namespace baton::api
