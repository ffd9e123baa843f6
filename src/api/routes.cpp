// SPDX-License-Identifier: Apache-2.0
#include "baton/api/routes.hpp"

#include "route.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::api {

namespace {

struct Section {
    std::string_view title;
    std::span<const Route> routes;
};

std::vector<Section> sections() {
    return {
        {"Checks", health_routes()},
        {"Clusters", cluster_routes()},
        {"Servers", instance_routes()},
        {"Analysis and recovery", recovery_routes()},
        {"Recoveries by order", recover_routes()},
        {"Downtime, maintenance, tags, promotion rules", maintenance_routes()},
        {"Changes of a primary by order", order_routes()},
        {"Discovery and operation", operate_routes()},
        {"Audit and metrics", meta_routes()},
        {"Baton's own", v1_routes()},
        {"Baton's own, that change something", v1_operate_routes()},
        {"Policy and timeline", policy_routes()},
        {"Baton's own, that change a primary", v1_order_routes()},
        {"Known to orchestrator and not offered", missing_routes()},
    };
}

RouteInfo info_of(const Route& route) {
    RouteInfo info;
    info.path = route.path;
    info.access = route.access;
    info.runs = route.runs;
    info.offered = route.handler.read != not_offered;
    info.sentence = route.sentence;
    return info;
}

/// A bar would end the cell.
std::string cell(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|') {
            result += '\\';
        }
        result += c;
    }
    return result;
}

constexpr std::string_view introduction = R"(# HTTP API

This page is made from the route table of the program (`src/api`); a test compares it. Change the table, then run the
test `api_test` with `BATON_UPDATE_DOCS=1`.

Every node answers every request. What is read comes from the memory of the node asked: the active node's own
observations, or on another node its copy of the shared state, less than a second old. What changes something (marked
**acts**) is done by the active node; the others pass it on (routes marked *here* act on the node asked). Without an
active node such a request is answered with 503 and `Retry-After`, and nothing was changed.

* Requests that act may be sent by GET, as orchestrator's clients do, or by POST; those below `/api/v1` by POST only,
  but for the probe, which changes nothing.
  HEAD never acts. All are safe to repeat. A browser's request is refused when another site's page caused it.
* Answers are JSON, but for `/metrics`, `/api/v1/events` and the page. Below `/api` they have orchestrator's member
  names, in one of its two families: plain, or the envelope `{"Code":"OK"|"ERROR","Message":...,"Details":...}`.
  Errors always have the envelope, with status 500 as orchestrator gives it. Beyond orchestrator: 404 for an unknown path,
  405 for a wrong method, 503 for what a repetition may cure. The header `X-Baton-Reason` tells errors apart for programs:
  `invalid_argument`, `not_found`, `refused`, `conflict`, `access_denied`, `unreachable`, `timeout`, `not_leader`,
  `unavailable`.
* `{cluster}` is a name, an alias, a member as `host` or `host:port`, or the cluster's id. `{host}/{port}` names a known
  server; for reads a part of the host's name is enough when only one fits, for changes it must be exact.
* Empty lists are `[]` everywhere (orchestrator gives `null` for some).
* One trailing slash is ignored.
)";

}  // namespace

std::vector<Route> all_routes() {
    std::vector<Route> all;
    for (const auto& section : sections()) {
        all.insert(all.end(), section.routes.begin(), section.routes.end());
    }
    return all;
}

std::vector<RouteInfo> route_list() {
    std::vector<RouteInfo> list;
    for (const auto& route : all_routes()) {
        list.push_back(info_of(route));
    }
    return list;
}

std::string routes_page() {
    std::string page(introduction);
    for (const auto& section : sections()) {
        page += fmt::format("\n## {}\n\n| route | |\n|---|---|\n", section.title);
        for (const auto& route : section.routes) {
            const auto info = info_of(route);
            std::string_view mark;
            if (info.access == Access::operate) {
                mark = info.runs == Runs::on_leader ? "**acts** " : "**acts** *here* ";
            } else if (info.access == Access::open) {
                mark = "*open* ";
            }
            page += fmt::format("| `{}` | {}{} |\n", cell(info.path), mark, cell(info.sentence));
        }
    }
    page += "\nRoutes marked *open* may be asked without password (`http.auth_exempt_checks`).\n";
    return page;
}

}  // namespace baton::api
