// SPDX-License-Identifier: Apache-2.0

// Audit log, request echo, metrics.

#include "lookup.hpp"
#include "metrics_text.hpp"
#include "paging.hpp"
#include "reply.hpp"
#include "route.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace baton::api {

namespace {

using EntryPtr = std::shared_ptr<const control::AuditEntry>;

http::Response entries(const std::vector<EntryPtr>& list) {
    JsonWriter json;
    json.begin_array();
    for (const auto& entry : list) {
        json.begin_object();
        json.member("AuditId", entry->number);
        json.member("AuditTimestamp", wall_text(entry->at_ms));
        json.member("AuditType", entry->type);
        json.key("AuditInstanceKey");
        write_key(json, entry->instance);
        json.member("Message", entry->message);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

http::Response audit(const Call& call) {
    return entries(page_of(call.view->audit, call.parameters.empty() ? "0" : call.parameter(0)));
}

http::Response audit_instance(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    std::vector<EntryPtr> list;
    std::copy_if(
        call.view->audit.begin(),
        call.view->audit.end(),
        std::back_inserter(list),
        [&](const EntryPtr& entry) { return entry->instance == *id; }
    );
    return entries(page_of(list, call.parameters.size() > 2 ? call.parameter(2) : "0"));
}

http::Response headers(const Call& call) {
    std::map<std::string, std::vector<std::string>> all;
    for (const auto& [name, value] : call.request.headers) {
        all[name].push_back(value);
    }
    JsonWriter json;
    json.begin_object();
    for (const auto& [name, values] : all) {
        json.member(name, values);
    }
    json.end_object();
    return plain(json);
}

http::Response metrics(const Call& call) {
    http::Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_text(call);
    return response;
}

constexpr auto here = Runs::anywhere;

constexpr std::array rows{
    Route{"/api/audit", Access::read, here, audit, "What was done, newest first, 20 a page"},
    Route{"/api/audit/{page}", Access::read, here, audit, "A further page, from 0"},
    Route{
        "/api/audit/instance/{host}/{port}",
        Access::read,
        here,
        audit_instance,
        "What was done to one server"},
    Route{
        "/api/audit/instance/{host}/{port}/{page}",
        Access::read,
        here,
        audit_instance,
        "A further page"},
    Route{"/api/headers", Access::read, here, headers, "Echo of the request's header fields"},
    Route{"/metrics", Access::read, here, metrics, "Metrics in Prometheus' text format"},
};

}  // namespace

std::span<const Route> meta_routes() {
    return rows;
}

}  // namespace baton::api
