// SPDX-License-Identifier: Apache-2.0
#include "access.hpp"

#include "baton/base/text.hpp"
#include "baton/http/auth.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::api {

namespace {

Caller by_password(const http::Request& request, const AuthOptions& auth) {
    Caller caller;
    const auto given = http::basic_credentials(request.headers);
    if (!given) {
        return caller;
    }
    const bool right = http::equal_secrets(given->user, auth.user) &
                       http::equal_secrets(given->password, auth.password);
    if (right) {
        caller.admitted = true;
        caller.may_act = true;
        caller.user = given->user;
    } else if (auth.method == AuthOptions::Method::multi && given->user == "readonly") {
        caller.admitted = true;
        caller.user = given->user;
    }
    return caller;
}

Caller by_proxy(const http::Request& request, const AuthOptions& auth) {
    Caller caller;
    caller.admitted = true;
    caller.user = std::string(request.headers.get(auth.header));
    const auto named = [&](const std::string& power_user) {
        return power_user == "*" || (!caller.user.empty() && power_user == caller.user);
    };
    caller.may_act = std::any_of(auth.power_users.begin(), auth.power_users.end(), named);
    return caller;
}

}  // namespace

Result<AuthOptions::Method> parse_auth_method(std::string_view text) {
    const auto word = to_lower(trim(text));
    if (word.empty() || word == "none") {
        return AuthOptions::Method::none;
    }
    if (word == "basic") {
        return AuthOptions::Method::basic;
    }
    if (word == "multi") {
        return AuthOptions::Method::multi;
    }
    if (word == "proxy") {
        return AuthOptions::Method::proxy;
    }
    return fail(
        Errc::invalid_argument,
        fmt::format("'{}' is not a way to authenticate (allowed: none, basic, multi, proxy)", text)
    );
}

Caller caller_of(const http::Request& request, const AuthOptions& auth) {
    Caller caller;
    switch (auth.method) {
        case AuthOptions::Method::none:
            caller.admitted = true;
            caller.may_act = true;
            break;
        case AuthOptions::Method::basic:
        case AuthOptions::Method::multi:
            caller = by_password(request, auth);
            break;
        case AuthOptions::Method::proxy:
            caller = by_proxy(request, auth);
            break;
    }
    caller.may_act = caller.may_act && !auth.read_only;
    return caller;
}

bool is_foreign(const http::Request& request) {
    if (contains_ignoring_case(request.headers.get("Sec-Purpose"), "prefetch") ||
        contains_ignoring_case(request.headers.get("Purpose"), "prefetch")) {
        return true;
    }
    const auto site = request.headers.get("Sec-Fetch-Site");
    if (!site.empty()) {
        return site != "same-origin" && site != "none";
    }
    const auto origin = request.headers.get("Origin");
    if (origin.empty()) {
        return false;
    }
    const auto scheme = origin.find("://");
    return scheme == std::string_view::npos ||
           !equal_ignoring_case(origin.substr(scheme + 3), request.headers.get("Host"));
}

}  // namespace baton::api
