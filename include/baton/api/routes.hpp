// SPDX-License-Identifier: Apache-2.0
#pragma once

// What there is to say of each route, for documentation and tests. The table itself, with the
// handlers, is private.

#include <string>
#include <string_view>
#include <vector>

namespace baton::api {

enum class Access {
    open,  // checks of load balancers: may be exempt from authentication
    read,
    operate,  // needs the right to act; GET (for old clients) and POST
};

enum class Runs { anywhere, on_leader };

struct RouteInfo {
    std::string_view path;  // "{name}" stands for one segment
    Access access = Access::read;
    Runs runs = Runs::anywhere;
    bool offered = true;  // false: known to orchestrator, answered with an error that says so
    std::string_view sentence;
};

std::vector<RouteInfo> route_list();
/// docs/http-api.md.
std::string routes_page();

}  // namespace baton::api
