// SPDX-License-Identifier: Apache-2.0
#pragma once

// Passing a request on to the active node. A request goes from node to node at most once: two nodes
// that take each other for the active one must not send it round.

#include "call.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace baton::api {

/// Name of the node that passed the request on, and the address it came from.
constexpr std::string_view forwarded_by = "X-Baton-Forwarded-By";
constexpr std::string_view forwarded_for = "X-Forwarded-For";

/// Waits a few seconds until somebody acts, this node or another: a hand-over takes a moment, and a
/// node hears of its end a moment later. Not while the backend is out of reach.
Task<void> wait_for_active_node(std::shared_ptr<const Call> call);

/// The active node's answer to `target` (path with query). 503 with Retry-After when there is no
/// active node, when it cannot be reached, or when the request came from another node already.
Task<http::Response> forwarded(
    std::shared_ptr<const Call> call, http::Method method, std::string target, Duration limit
);

}  // namespace baton::api
