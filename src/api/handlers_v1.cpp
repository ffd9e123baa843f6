// SPDX-License-Identifier: Apache-2.0

// Baton's own API, for the page and the command line.

#include "event_stream.hpp"
#include "json_advice.hpp"
#include "json_v1.hpp"
#include "lookup.hpp"
#include "paging.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::api {

namespace {

http::Response clusters(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& cluster : call.topology().clusters()) {
        v1::write_cluster(json, cluster, call.moment());
    }
    json.end_array();
    return plain(json);
}

/// Our own API tells by the status, too, that there is no such thing.
http::Response unknown(const Error& error) {
    return failure(error.code, error.what, "null", 404);
}

http::Response cluster(const Call& call) {
    const auto found = find_cluster(call, call.parameter(0));
    if (!found) {
        return unknown(found.error());
    }
    JsonWriter json;
    v1::write_cluster_details(json, **found, call.moment());
    return plain(json);
}

http::Response explain(const Call& call) {
    const auto found = find_cluster(call, call.parameter(0));
    if (!found) {
        return unknown(found.error());
    }
    JsonWriter json;
    v1::write_explanation(json, **found, call.moment());
    return plain(json);
}

http::Response advice(const Call& call) {
    const auto found = find_cluster(call, call.parameter(0));
    if (!found) {
        return unknown(found.error());
    }
    JsonWriter json;
    v1::write_advices(json, **found, call.moment());
    return plain(json);
}

http::Response recoveries(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& recovery : call.view->recoveries) {
        v1::write_recovery(json, recovery->record);
    }
    json.end_array();
    return plain(json);
}

http::Response recovery_by_id(const Call& call) {
    const auto& asked = call.parameter(0);
    const auto number = parsed_number(asked);
    for (const auto& recovery : call.view->recoveries) {
        if (recovery->record.id == asked || (number && recovery->record.number == *number)) {
            JsonWriter json;
            v1::write_recovery_details(json, *recovery);
            return plain(json);
        }
    }
    return unknown(Error(Errc::not_found, fmt::format("No recovery '{}'", clipped(asked, 200))));
}

http::Response nodes(const Call& call) {
    JsonWriter json;
    v1::write_nodes(json, call.commands->status(), call.moment());
    return plain(json);
}

Task<http::Response> events(std::shared_ptr<const Call> call) {
    auto stream = call->events->open(co_await asio::this_coro::executor);
    if (stream == nullptr) {
        co_return failure(Error(Errc::unavailable, "Too many clients listen to events already"));
    }
    http::Response response;
    response.content_type = "text/event-stream; charset=utf-8";
    response.headers.add("Cache-Control", "no-store");
    response.headers.add("X-Accel-Buffering", "no");  // proxies that would wait for a full buffer
    response.source = std::move(stream);
    co_return response;
}

Task<http::Response> probe(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return id.error().code == Errc::not_found ? unknown(id.error()) : failure(id.error());
    }
    const auto seen = co_await call->commands->probe(*id);
    if (!seen) {
        co_return seen.error().code == Errc::not_found ? unknown(seen.error())
                                                       : failure(seen.error());
    }
    JsonWriter json;
    v1::write_probe(json, *seen, call->commands->status().name);
    co_return plain(json);
}

constexpr auto here = Runs::anywhere;
constexpr auto read = Access::read;

constexpr std::array rows{
    Route{
        "/api/v1/clusters",
        read,
        here,
        clusters,
        "All clusters with their state and that of each server"},
    Route{
        "/api/v1/clusters/{cluster}",
        read,
        here,
        cluster,
        "One cluster: members, findings with evidence, recoveries"},
    Route{
        "/api/v1/clusters/{cluster}/explain",
        read,
        here,
        explain,
        "Would it fail over now, to whom, why, why not"},
    Route{
        "/api/v1/clusters/{cluster}/advice",
        read,
        here,
        advice,
        "Settings that slow detection down or endanger a failover, with what mends them"},
    Route{"/api/v1/recoveries", read, here, recoveries, "Recoveries, newest first"},
    Route{
        "/api/v1/recoveries/{id}",
        read,
        here,
        recovery_by_id,
        "One, by number or id, with its steps"},
    Route{"/api/v1/nodes", read, here, nodes, "This node and all nodes"},
    Route{
        "/api/v1/probe/{host}/{port}",
        Access::operate,
        here,
        probe,
        "Try a known server from the node asked, on a new connection: does it answer there",
        Limit::usual,
        true},
    Route{
        "/api/v1/events",
        read,
        here,
        events,
        "What changes, as it happens: server-sent events of the types topology, finding, recovery, "
        "step, audit, lease, node"},
};

}  // namespace

std::span<const Route> v1_routes() {
    return rows;
}

}  // namespace baton::api
