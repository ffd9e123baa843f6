// SPDX-License-Identifier: Apache-2.0

// What changes which servers are known, and who acts; in orchestrator's forms.

#include "forward.hpp"
#include "json_instance.hpp"
#include "lookup.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"
#include "baton/http/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::api {

namespace {

/// A client that did not get the answer to its order sends it again within this time.
constexpr WallMs repetition_ms = 60'000;

/// An instance as it is known after a command.
std::string fresh_instance(const Call& call, const InstanceId& id) {
    auto moment = call.moment();
    const auto view = call.commands->view();
    moment.view = view.get();
    moment.now = std::chrono::steady_clock::now();
    const auto* const instance = view->topology->find(id);
    if (instance != nullptr) {
        return instance_json(*instance, moment);
    }
    JsonWriter json;
    json.begin_object();
    json.key("Key");
    write_key(json, id);
    json.end_object();
    return json.take();
}

Task<http::Response> discover(std::shared_ptr<const Call> call) {
    const auto id = instance_id(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto found = co_await call->commands->discover(*id, call->by());
    if (!found) {
        co_return failure(found.error());
    }
    co_return ok(
        fmt::format("Instance discovered: {}", found->text()), fresh_instance(*call, *found)
    );
}

Task<http::Response> refresh(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto found = co_await call->commands->refresh(*id);
    if (!found) {
        co_return failure(found.error());
    }
    co_return ok(fmt::format("Instance refreshed: {}", found->text()), *found);
}

bool was_done_lately(const Call& call, std::string_view type, const InstanceId& id, WallMs within) {
    const auto& audit = call.view->audit;
    return std::any_of(audit.begin(), audit.end(), [&](const auto& entry) {
        return entry->type == type && entry->instance == id && entry->at_ms + within > call.wall_ms;
    });
}

Task<http::Response> forget(std::shared_ptr<const Call> call) {
    const auto id = instance_id(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto done = co_await call->commands->forget(*id, call->by());
    if (done) {
        co_return ok(fmt::format("Instance forgotten: {}", id->text()), *id);
    }
    if (done.error().code == Errc::not_found &&
        was_done_lately(*call, "forget", *id, repetition_ms)) {
        co_return ok(fmt::format("Instance was forgotten already: {}", id->text()), *id);
    }
    co_return failure(done.error());
}

Task<http::Response> forget_cluster(std::shared_ptr<const Call> call) {
    const auto cluster = find_cluster(*call, call->parameter(0), false);
    if (!cluster) {
        co_return failure(cluster.error());
    }
    const auto done = co_await call->commands->forget_cluster((*cluster)->id, call->by());
    co_return done ? ok(fmt::format("Cluster forgotten: {}", (*cluster)->name))
                   : failure(done.error());
}

Task<http::Response> set_cluster_alias(std::shared_ptr<const Call> call) {
    const auto cluster = find_cluster(*call, call->parameter(0), false);
    if (!cluster) {
        co_return failure(cluster.error());
    }
    const auto alias = std::string(trim(call->request.query_value("alias")));
    constexpr std::size_t longest = 128;
    if (alias.size() > longest) {
        co_return failure(Errc::invalid_argument, "Alias too long");
    }
    const auto done = co_await call->commands->set_cluster_alias((*cluster)->id, alias, call->by());
    co_return done ? ok(fmt::format("Cluster {} now has alias '{}'", (*cluster)->name, alias))
                   : failure(done.error());
}

Task<http::Response> reload_configuration(std::shared_ptr<const Call> call) {
    if (call->request.has_query("config")) {
        co_return failure(
            Errc::refused,
            "Another file cannot be named here: the node reads the one it was started with"
        );
    }
    const auto done = co_await call->commands->reload_configuration(call->by());
    co_return done ? ok("Config reloaded", text_json("")) : failure(done.error());
}

Task<http::Response> resolve(std::shared_ptr<const Call> call) {
    constexpr Duration limit = std::chrono::seconds(5);
    const auto id = instance_id(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto connected = co_await http::Client::try_connect(
        id->host, id->port, std::chrono::steady_clock::now() + limit
    );
    co_return connected ? ok("Instance resolved", *id) : failure(connected.error());
}

/// Runs on the active node.
Task<http::Response> handed_over(std::shared_ptr<const Call> call, std::string to) {
    const auto status = call->commands->status();
    if (!to.empty() && to == status.name) {
        co_return ok(fmt::format("{} is the active node already", to), text_json(to));
    }
    // Without a name, a repetition would move it a second time.
    constexpr WallMs lately_ms = 5'000;
    if (to.empty() && was_done_lately(*call, "hand-over", InstanceId(), lately_ms)) {
        co_return ok(
            fmt::format("Handed over a moment ago; {} is the active node", status.name), "null"
        );
    }
    const auto done = co_await call->commands->hand_over(to, call->by());
    if (!done) {
        co_return failure(done.error());
    }
    co_return ok(
        to.empty() ? fmt::format("{} gave the lease back", status.name)
                   : fmt::format("{} gave the lease back, and {} took it", status.name, to),
        text_json(to)
    );
}

Task<http::Response> hand_over(std::shared_ptr<const Call> call) {
    auto to = call->request.query_value("to");
    return handed_over(std::move(call), std::move(to));
}

Task<http::Response> reelect(std::shared_ptr<const Call> call) {
    return handed_over(std::move(call), "");
}

/// Asks the active node to hand over to this one.
Task<http::Response> grab_election(std::shared_ptr<const Call> call) {
    const auto status = call->commands->status();
    if (status.lease.may_act) {
        co_return ok(fmt::format("{} is the active node", status.name), "null");
    }
    auto target =
        call->options->url_prefix + "/api/v1/handover?to=" + http::percent_encoded(status.name);
    const auto limit = call->options->forward_limit;
    auto response =
        co_await forwarded(std::move(call), http::Method::post, std::move(target), limit);
    co_return response;
}

constexpr auto here = Runs::anywhere;
constexpr auto active = Runs::on_leader;
constexpr auto act = Access::operate;

constexpr std::array rows{
    Route{
        "/api/discover/{host}/{port}",
        act,
        active,
        discover,
        "Probe a server now, make it known, follow its neighbours"},
    Route{"/api/async-discover/{host}/{port}", act, active, discover, "As discover"},
    Route{"/api/refresh/{host}/{port}", act, active, refresh, "Probe a known server now"},
    Route{
        "/api/forget/{host}/{port}",
        act,
        active,
        forget,
        "Forget a server; it comes back when another one names it"},
    Route{
        "/api/forget-cluster/{cluster}",
        act,
        active,
        forget_cluster,
        "Forget all members of a cluster"},
    Route{
        "/api/set-cluster-alias/{cluster}",
        act,
        active,
        set_cluster_alias,
        "Give a cluster the ?alias="},
    Route{
        "/api/reload-configuration",
        act,
        here,
        reload_configuration,
        "Read the configuration of this node again"},
    Route{
        "/api/resolve/{host}/{port}",
        act,
        here,
        resolve,
        "Resolve a name and connect to the port by TCP"},
    Route{"/api/grab-election", act, here, grab_election, "This node shall become the active one"},
    Route{"/api/reelect", act, active, reelect, "The active node gives the lease back"},
};

constexpr std::array v1_rows{
    Route{
        "/api/v1/handover",
        act,
        active,
        hand_over,
        "The active node gives the lease back, for another or for node ?to= to take it"},
};

}  // namespace

std::span<const Route> operate_routes() {
    return rows;
}

std::span<const Route> v1_operate_routes() {
    return v1_rows;
}

}  // namespace baton::api
