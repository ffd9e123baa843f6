// SPDX-License-Identifier: Apache-2.0
#pragma once

// The route table: one row says all there is to say of a route. Router, access check, forwarding,
// the page docs/http-api.md and the test that every route is covered are derived from it.

#include "call.hpp"

#include "baton/api/routes.hpp"
#include "baton/async/task.hpp"
#include "baton/http/message.hpp"

#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace baton::api {

/// Answers from the view at once.
using Read = http::Response (*)(const Call& call);
/// Waits for a command.
using Act = Task<http::Response> (*)(std::shared_ptr<const Call> call);

struct Handler {
    constexpr Handler(Read r)
        : read(r) {}  // NOLINT(google-explicit-constructor): rows name a function

    constexpr Handler(Act a) : act(a) {}  // NOLINT(google-explicit-constructor)

    Read read = nullptr;
    Act act = nullptr;
};

enum class Limit { usual, long_running };

struct Route {
    std::string_view path;
    Access access;
    Runs runs;
    Handler handler;
    std::string_view sentence;
    Limit limit = Limit::usual;
    bool by_get_too = false;  // below /api/v1, where what needs the right to act is POST only
};

// Rows by subject, each in the file of its handlers.
std::span<const Route> health_routes();
std::span<const Route> instance_routes();
std::span<const Route> cluster_routes();
std::span<const Route> recovery_routes();
std::span<const Route> recover_routes();
std::span<const Route> maintenance_routes();
std::span<const Route> operate_routes();
std::span<const Route> order_routes();
std::span<const Route> meta_routes();
std::span<const Route> missing_routes();
std::span<const Route> v1_routes();
std::span<const Route> v1_operate_routes();
std::span<const Route> policy_routes();
std::span<const Route> v1_order_routes();

/// All of them.
std::vector<Route> all_routes();

/// Answers that this version does not offer it.
http::Response not_offered(const Call& call);

}  // namespace baton::api
