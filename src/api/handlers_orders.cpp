// SPDX-License-Identifier: Apache-2.0

// Orders to change a cluster's primary, and to take a former one back; in orchestrator's forms and
// in our own.

#include "json_recovery.hpp"
#include "json_v1.hpp"
#include "lookup.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::api {

namespace {

/// What a path names: a cluster by hint, or by host and port of a member; then perhaps a server.
struct Named {
    std::string cluster_id, cluster_name;
    InstanceId server;
};

Result<Named> named(const Call& call, bool with_server) {
    const auto& parameters = call.parameters;
    const bool by_member = parameters.size() == (with_server ? 4U : 2U);
    const auto hint = by_member ? parameters.at(0) + ":" + parameters.at(1) : parameters.at(0);
    const auto cluster = find_cluster(call, hint, false);
    if (!cluster) {
        return cluster.error();
    }
    Named out;
    out.cluster_id = (*cluster)->id;
    out.cluster_name = (*cluster)->name;
    if (with_server) {
        auto server = known_instance(call, by_member ? 2 : 1);
        if (!server) {
            return server.error();
        }
        out.server = std::move(*server);
    }
    return out;
}

recovery::Order order_of(const Call& call, std::string_view command) {
    recovery::Order order;
    order.by = call.by();
    order.command = command;
    order.skip_hooks = call.request.query_value("skipProcesses") == "true";
    order.accept_loss = call.request.query_value("accept_loss") == "true";
    return order;
}

/// The newest recovery of the cluster, for the answer of an order that failed.
std::string last_recovery(const Call& call, const std::string& cluster_id, const Call& asked) {
    const auto view = call.commands->view();
    for (const auto& recovery : view->recoveries) {
        if (recovery->record.cluster_id == cluster_id && recovery->record.forced &&
            recovery->record.started_ms >= asked.wall_ms) {
            auto moment = call.moment();
            moment.view = view.get();
            JsonWriter json;
            write_recovery(json, recovery->record, moment);
            return json.take();
        }
    }
    return "null";
}

http::Response answer(
    const Call& call,
    const std::string& cluster_id,
    std::string_view command,
    const Result<recovery::Record>& record
) {
    if (!record) {
        return failure(record.error(), last_recovery(call, cluster_id, call));
    }
    auto moment = call.moment();
    const auto view = call.commands->view();
    moment.view = view.get();
    JsonWriter json;
    write_recovery(json, *record, moment);
    return ok(fmt::format("{}: successor is {}", command, record->successor.text()), json.text());
}

enum class What { graceful, graceful_auto, failover, takeover };

std::string_view command_of(What what) {
    switch (what) {
        case What::graceful:
            return "graceful-master-takeover";
        case What::graceful_auto:
            return "graceful-master-takeover-auto";
        case What::failover:
            return "force-master-failover";
        case What::takeover:
            return "force-master-takeover";
    }
    return "";
}

Task<http::Response> ordered(std::shared_ptr<const Call> call, What what, bool with_server) {
    const auto target = named(*call, with_server);
    if (!target) {
        co_return failure(target.error());
    }
    auto order = order_of(*call, command_of(what));
    order.candidate = target->server;
    order.start_old = what != What::graceful;
    const bool by_force = what == What::failover || what == What::takeover;
    auto cluster_id = target->cluster_id;
    if (by_force) {
        const auto record = co_await call->commands->force_failover(cluster_id, order);
        co_return answer(*call, cluster_id, order.command, record);
    }
    const auto record = co_await call->commands->switchover(cluster_id, order);
    co_return answer(*call, cluster_id, order.command, record);
}

/// As orchestrator: without a name there must be no choice.
Task<http::Response> graceful(std::shared_ptr<const Call> call) {
    const auto target = named(*call, false);
    if (target) {
        const auto* cluster = call->topology().cluster_by_id(target->cluster_id);
        const auto replicas = cluster == nullptr ? std::vector<const topology::Instance*>{}
                                                 : call->topology().replicas_of(cluster->primary);
        if (replicas.size() > 1) {
            co_return failure(
                Errc::invalid_argument,
                fmt::format(
                    "{} has {} direct replicas; name one, or order graceful-master-takeover-auto",
                    cluster->primary.text(),
                    replicas.size()
                )
            );
        }
    }
    co_return co_await ordered(std::move(call), What::graceful, false);
}

Task<http::Response> graceful_to(std::shared_ptr<const Call> call) {
    return ordered(std::move(call), What::graceful, true);
}

Task<http::Response> graceful_auto(std::shared_ptr<const Call> call) {
    return ordered(std::move(call), What::graceful_auto, false);
}

Task<http::Response> graceful_auto_to(std::shared_ptr<const Call> call) {
    return ordered(std::move(call), What::graceful_auto, true);
}

Task<http::Response> failover(std::shared_ptr<const Call> call) {
    return ordered(std::move(call), What::failover, false);
}

Task<http::Response> takeover(std::shared_ptr<const Call> call) {
    return ordered(std::move(call), What::takeover, true);
}

// ---- our own

/// ?to=host:port, a known server. Empty when it is not given.
Result<InstanceId> wanted_server(const Call& call, std::string_view key) {
    const auto text = call.request.query_value(key);
    if (text.empty()) {
        return InstanceId();
    }
    auto id = parse_instance_id(text);
    if (!id) {
        return id.error();
    }
    if (call.topology().find(*id) == nullptr) {
        return fail(Errc::not_found, fmt::format("{} is not known", clipped(id->text(), 200)));
    }
    return *id;
}

Task<http::Response> own_order(std::shared_ptr<const Call> call, bool by_force) {
    const auto cluster = find_cluster(*call, call->parameter(0), false);
    if (!cluster) {
        co_return failure(cluster.error(), "null");
    }
    auto to = wanted_server(*call, "to");
    if (!to) {
        co_return failure(to.error());
    }
    const auto what = !by_force     ? What::graceful_auto
                      : to->empty() ? What::failover
                                    : What::takeover;
    auto order = order_of(*call, command_of(what));
    order.candidate = std::move(*to);
    order.start_old = call->request.query_value("start") != "false";
    const auto cluster_id = (*cluster)->id;
    auto command = by_force ? call->commands->force_failover(cluster_id, order)
                            : call->commands->switchover(cluster_id, order);
    const auto record = co_await std::move(command);
    if (!record) {
        co_return failure(record.error(), last_recovery(*call, cluster_id, *call));
    }
    JsonWriter json;
    v1::write_recovery(json, *record);
    co_return ok(
        fmt::format("Recovery {}: {}", record->number, clipped(record->outcome, 1000)), json.text()
    );
}

Task<http::Response> own_switchover(std::shared_ptr<const Call> call) {
    return own_order(std::move(call), false);
}

Task<http::Response> own_failover(std::shared_ptr<const Call> call) {
    return own_order(std::move(call), true);
}

const recovery::Policy& policy_of(const control::View& view, const std::string& cluster_id) {
    if (view.policies != nullptr) {
        if (const auto found = view.policies->find(cluster_id); found != view.policies->end()) {
            return found->second->recovery;
        }
    }
    return view.policy;
}

/// What a switchover ordered now would do, and what forbids it.
http::Response switchover_forecast(const Call& call) {
    const auto cluster = find_cluster(call, call.parameter(0), false);
    if (!cluster) {
        return failure(cluster.error().code, cluster.error().what, "null", 404);
    }
    auto to = wanted_server(call, "to");
    if (!to) {
        return failure(to.error());
    }
    recovery::History history;
    for (const auto& recovery : call.view->recoveries) {
        const auto& record = recovery->record;
        if (record.running() && record.cluster_id == (*cluster)->id && record.method.empty()) {
            history.running = &record;
        }
    }
    auto order = order_of(call, command_of(What::graceful_auto));
    order.candidate = std::move(*to);
    const auto forecast = recovery::forecast_switchover(
        **cluster, call.topology(), policy_of(*call.view, (*cluster)->id), history, order
    );
    JsonWriter json;
    json.begin_object();
    json.member("primary", (*cluster)->primary.empty() ? "" : (*cluster)->primary.text());
    json.member("successor", forecast.successor.empty() ? "" : forecast.successor.text());
    json.member("loss", forecast.loss);
    json.member("blockers", forecast.blockers);
    json.key("candidates").begin_array();
    for (const auto& candidate : forecast.candidates) {
        json.begin_object();
        json.member("id", candidate.id.text());
        json.member("rank", candidate.rank);
        json.member("reason", candidate.reason);
        json.end_object();
    }
    json.end_array();
    json.key("lost").begin_array();
    for (const auto& lost : forecast.lost) {
        json.begin_object();
        json.member("id", lost.id.text());
        json.member("reason", lost.reason);
        json.end_object();
    }
    json.end_array();
    json.end_object();
    return plain(json);
}

Task<http::Response> rejoin(std::shared_ptr<const Call> call) {
    // A copy of the data goes on for long after the answer.
    constexpr Duration patience = std::chrono::seconds(20);
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    auto order = order_of(*call, "rejoin");
    order.method = call->request.query_value("method");
    if (!order.method.empty() && order.method != "repoint" && order.method != "clone" &&
        order.method != "hook") {
        co_return failure(
            Errc::invalid_argument, "?method= is repoint (the default), clone or hook"
        );
    }
    auto donor = wanted_server(*call, "donor");
    if (!donor) {
        co_return failure(donor.error());
    }
    order.candidate = std::move(*donor);
    const auto record = co_await call->commands->rejoin(*id, order, patience);
    if (!record) {
        co_return failure(record.error(), key_json(*id));
    }
    JsonWriter json;
    v1::write_recovery(json, *record);
    co_return ok(
        record->running()
            ? fmt::format("Recovery {} of {} goes on", record->number, id->text())
            : fmt::format("Recovery {}: {}", record->number, clipped(record->outcome, 1000)),
        json.text()
    );
}

constexpr auto active = Runs::on_leader;
constexpr auto act = Access::operate;
constexpr auto long_one = Limit::long_running;

constexpr std::string_view plain_switch =
    "Planned change of the primary to its only replica; the old one is left as a stopped replica "
    "of "
    "the new one. Rolled back when it does not succeed";
constexpr std::string_view plain_switch_to = "The same to this replica";
constexpr std::string_view auto_switch =
    "Planned change of the primary to the best replica; the old one replicates from the new one";
constexpr std::string_view auto_switch_to = "The same to this replica";
constexpr std::string_view force =
    "Replace the primary although it may live; it is made read-only first, if it answers. "
    "?accept_loss=true promotes even if something is lost by it, or it could not be fenced";
constexpr std::string_view force_to = "The same, promoting this replica";

constexpr std::array rows{
    Route{"/api/graceful-master-takeover/{cluster}", act, active, graceful, plain_switch, long_one},
    Route{
        "/api/graceful-master-takeover/{host}/{port}",
        act,
        active,
        graceful,
        "The same, by a member of the cluster",
        long_one},
    Route{
        "/api/graceful-master-takeover/{cluster}/{to_host}/{to_port}",
        act,
        active,
        graceful_to,
        plain_switch_to,
        long_one},
    Route{
        "/api/graceful-master-takeover/{host}/{port}/{to_host}/{to_port}",
        act,
        active,
        graceful_to,
        plain_switch_to,
        long_one},
    Route{
        "/api/graceful-master-takeover-auto/{cluster}",
        act,
        active,
        graceful_auto,
        auto_switch,
        long_one},
    Route{
        "/api/graceful-master-takeover-auto/{host}/{port}",
        act,
        active,
        graceful_auto,
        "The same, by a member of the cluster",
        long_one},
    Route{
        "/api/graceful-master-takeover-auto/{cluster}/{to_host}/{to_port}",
        act,
        active,
        graceful_auto_to,
        auto_switch_to,
        long_one},
    Route{
        "/api/graceful-master-takeover-auto/{host}/{port}/{to_host}/{to_port}",
        act,
        active,
        graceful_auto_to,
        auto_switch_to,
        long_one},
    Route{"/api/force-master-failover/{cluster}", act, active, failover, force, long_one},
    Route{
        "/api/force-master-failover/{host}/{port}",
        act,
        active,
        failover,
        "The same, by a member of the cluster",
        long_one},
    Route{
        "/api/force-master-takeover/{cluster}/{to_host}/{to_port}",
        act,
        active,
        takeover,
        force_to,
        long_one},
    Route{
        "/api/force-master-takeover/{host}/{port}/{to_host}/{to_port}",
        act,
        active,
        takeover,
        force_to,
        long_one},
};

constexpr std::array v1_rows{
    Route{
        "/api/v1/clusters/{cluster}/switchover",
        act,
        active,
        own_switchover,
        "Planned change of the primary, to ?to=host:port or the best replica; ?start=false leaves "
        "the old primary's replication stopped. Answers when it has ended, or was rolled back",
        long_one},
    Route{
        "/api/v1/clusters/{cluster}/failover",
        act,
        active,
        own_failover,
        "Replace the primary although it may live, by ?to=host:port or the best replica; "
        "?accept_loss=true even if something is lost by it",
        long_one},
    Route{
        "/api/v1/clusters/{cluster}/switchover-forecast",
        Access::read,
        active,
        switchover_forecast,
        "What a switchover ordered now would do (?to=host:port), and what forbids it"},
    Route{
        "/api/v1/servers/{host}/{port}/rejoin",
        act,
        active,
        rejoin,
        "Make a replaced primary a replica: ?method=repoint when it is clean, clone (MySQL's clone "
        "plugin, from ?donor=host:port or the best one) or hook (recovery.hooks.reclone). Answers "
        "after 20 s at the latest; a copy goes on",
        long_one},
};

}  // namespace

std::span<const Route> order_routes() {
    return rows;
}

std::span<const Route> v1_order_routes() {
    return v1_rows;
}

}  // namespace baton::api
