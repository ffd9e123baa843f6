// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who asks, and what they may do. Pure: decides from the request and the options alone.

#include "baton/api/server.hpp"
#include "baton/http/message.hpp"

#include <string>

namespace baton::api {

struct Caller {
    bool admitted = false;  // may read
    bool may_act = false;
    std::string user;  // authenticated; "" = nobody in particular
};

Caller caller_of(const http::Request& request, const AuthOptions& auth);

/// True when a browser sends it on behalf of another site's page, or merely in advance. Such a
/// request changes nothing: else a link or an image anywhere could start a failover, since old
/// clients change things by GET.
bool is_foreign(const http::Request& request);

}  // namespace baton::api
