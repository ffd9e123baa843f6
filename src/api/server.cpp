// SPDX-License-Identifier: Apache-2.0
#include "baton/api/server.hpp"

#include "access.hpp"
#include "event_stream.hpp"
#include "forward.hpp"
#include "page.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/async/deadline.hpp"
#include "baton/http/router.hpp"
#include "baton/http/url.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::api {

namespace {

constexpr std::string_view standard_status_endpoint = "/api/status";

WallMs wall_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

EventHub::Limits event_limits(const ServerOptions& options) {
    EventHub::Limits limits;
    limits.clients = options.event_clients;
    limits.queue = options.event_queue;
    limits.heartbeat = options.heartbeat;
    return limits;
}

http::ServerOptions http_options(const ServerOptions& options) {
    http::ServerOptions result;
    result.listen = options.listen;
    result.tls = options.tls;
    result.limits = options.limits;
    result.threads = options.threads;
    return result;
}

/// "" or "/a/b". Errors: invalid_argument.
Result<std::string> normal_prefix(std::string prefix) {
    while (prefix.ends_with('/')) {
        prefix.pop_back();
    }
    if (prefix.empty()) {
        return prefix;
    }
    if (!prefix.starts_with('/')) {
        prefix.insert(0, "/");
    }
    const bool plain = std::all_of(prefix.begin(), prefix.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '/' || c == '-' || c == '_' || c == '.';
    });
    if (!plain || prefix.find("//") != std::string::npos) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "'{}' cannot be a URL prefix (letters, digits, '-', '_', '.' between single '/')",
                prefix
            )
        );
    }
    return prefix;
}

/// The text without the prefix; nothing when it is elsewhere.
std::optional<std::string_view> below(std::string_view path, std::string_view prefix) {
    if (!path.starts_with(prefix) || (path.size() > prefix.size() && path[prefix.size()] != '/')) {
        return std::nullopt;
    }
    path.remove_prefix(prefix.size());
    return path.empty() ? std::string_view("/") : path;
}

http::Response unauthorized() {
    auto response = failure(Errc::access_denied, "Unauthorized", "null", 401);
    response.headers.add("WWW-Authenticate", R"(Basic realm="Authorization Required")");
    return response;
}

http::Response wrong_method(const std::vector<http::Method>& allowed) {
    auto response =
        failure(Errc::invalid_argument, "This path is not asked by this method", "null", 405);
    std::string list;
    for (const auto method : allowed) {
        list += (list.empty() ? "" : ", ") + std::string(http::to_string(method));
    }
    response.headers.add("Allow", list);
    return response;
}

/// with_deadline() wants a Result.
Task<Result<http::Response>> as_result(Task<http::Response> task) {
    auto response = co_await std::move(task);
    co_return Result<http::Response>(std::move(response));
}

bool is_own_api(std::string_view path) {
    return path.starts_with("/api/v1/");
}

}  // namespace

struct Server::Impl {
    Impl(ServerOptions o, control::Commands& c, http::StaticLookup p)
        : options(std::move(o)),
          commands(c),
          page(std::move(p)),
          routes(all_routes()),
          client(options.forward),
          events(std::make_shared<EventHub>(event_limits(options))) {}

    void add_routes();
    Task<http::Response> answer(http::Request request);
    Task<http::Response> acted(std::shared_ptr<const Call> call, const Route* route);
    std::optional<http::Response> refusal(const Call& call, const Route& route) const;
    const http::StaticFile* page_file(const http::Request& request) const;
    http::Router::Match match(const http::Request& request) const;

    ServerOptions options;
    control::Commands& commands;
    http::StaticLookup page;
    std::vector<Route> routes;
    http::Router router;
    http::Client client;
    std::shared_ptr<EventHub> events;
    std::uint64_t subscription = 0;
    bool started = false;
    std::unique_ptr<http::Server> server;  // last: its threads use the rest
};

void Server::Impl::add_routes() {
    for (std::size_t id = 0; id < routes.size(); ++id) {
        auto& route = routes[id];
        auto path = options.url_prefix + std::string(route.path);
        if (route.path == standard_status_endpoint &&
            options.status_endpoint != standard_status_endpoint) {
            path = options.status_endpoint;  // as orchestrator: literally, without prefix
        }
        const bool acts = route.access == Access::operate;
        if (!acts || route.by_get_too || (options.mutations_by_get && !is_own_api(route.path))) {
            router.add(http::Method::get, path, id);
        }
        if (acts) {
            router.add(http::Method::post, path, id);
            if (is_own_api(route.path)) {
                router.add(http::Method::put, path, id);
            }
        }
    }
}

const http::StaticFile* Server::Impl::page_file(const http::Request& request) const {
    const bool reads = request.method == http::Method::get || request.method == http::Method::head;
    const auto path = below(request.path, options.url_prefix);
    if (!page || !reads || !path) {
        return nullptr;
    }
    const bool may_be = *path == "/" || *path == "/web" || path->starts_with("/web/") ||
                        *path == "/index.html" || path->starts_with("/assets/");
    return may_be ? page(*path) : nullptr;
}

/// HEAD of what acts is not found: it must not act.
http::Router::Match Server::Impl::match(const http::Request& request) const {
    auto match = router.match(request.method, request.segments);
    const bool acting_head = match.kind == http::Router::Match::Kind::found &&
                             request.method == http::Method::head &&
                             routes[match.id].access == Access::operate;
    if (acting_head) {
        match.kind = http::Router::Match::Kind::other_method;
        match.allowed = {http::Method::get, http::Method::post};
    }
    return match;
}

std::optional<http::Response> Server::Impl::refusal(const Call& call, const Route& route) const {
    if (route.access != Access::operate) {
        return std::nullopt;
    }
    if (!call.may_act) {
        return failure(Errc::access_denied, "Unauthorized");
    }
    if (is_foreign(call.request)) {
        return failure(Errc::refused, "Refused: the page of another site asks for it", "null", 403);
    }
    return std::nullopt;
}

Task<http::Response> Server::Impl::answer(http::Request request) {
    using Kind = http::Router::Match::Kind;
    auto caller = caller_of(request, options.auth);
    auto found = match(request);
    const Route* const route = found.kind == Kind::found ? &routes[found.id] : nullptr;
    const bool open =
        route != nullptr && route->access == Access::open && options.auth.exempt_checks;
    if (!caller.admitted && !open) {
        co_return unauthorized();
    }
    if (route == nullptr) {
        if (const auto* const file = page_file(request)) {
            co_return page_response(*file, request);
        }
        co_return found.kind == Kind::other_method
            ? wrong_method(found.allowed)
            : failure(Errc::not_found, "There is no such path; see docs/http-api.md", "null", 404);
    }
    const auto call = std::make_shared<Call>();
    call->request = std::move(request);
    call->parameters = std::move(found.parameters);
    call->route_sentence = route->sentence;
    call->user = std::move(caller.user);
    call->may_act = caller.may_act;
    call->view = commands.view();
    call->now = std::chrono::steady_clock::now();
    call->wall_ms = wall_now();
    call->commands = &commands;
    call->options = &options;
    call->client = &client;
    call->events = events.get();
    call->traffic = server->statistics();
    if (auto refused = refusal(*call, *route)) {
        co_return std::move(*refused);
    }
    if (route->handler.read != nullptr) {
        auto response = route->handler.read(*call);
        response.headers.add("Cache-Control", "no-store");
        co_return response;
    }
    auto response = co_await acted(call, route);
    co_return response;
}

Task<http::Response> Server::Impl::acted(std::shared_ptr<const Call> call, const Route* route) {
    const auto limit =
        route->limit == Limit::long_running ? options.recover_limit : options.forward_limit;
    if (route->runs == Runs::on_leader) {
        co_await wait_for_active_node(call);
    }
    if (route->runs == Runs::on_leader && !commands.status().lease.may_act) {
        auto target = call->request.target;
        auto response =
            co_await forwarded(std::move(call), http::Method::post, std::move(target), limit);
        co_return response;
    }
    // The end comes a little earlier here than at a node that passed the request on, so that it
    // gets the answer.
    constexpr Duration margin = std::chrono::milliseconds(500);
    const auto end = std::chrono::steady_clock::now() + std::max(limit - margin, limit / 2);
    auto result = co_await with_deadline(end, as_result(route->handler.act(std::move(call))));
    if (!result) {
        co_return failure(
            Errc::timeout,
            fmt::format(
                "Not done within {} s; it may still go on (see /api/v1/recoveries, /api/audit). It "
                "is safe to ask again",
                to_ms(limit) / 1000
            )
        );
    }
    co_return std::move(*result);
}

Server::Server(ServerOptions options, control::Commands& commands, http::StaticLookup page)
    : impl_(std::make_unique<Impl>(std::move(options), commands, std::move(page))) {}

Server::~Server() {
    stop();
}

Result<void> Server::start() {
    auto& impl = *impl_;
    auto prefix = normal_prefix(impl.options.url_prefix);
    if (!prefix) {
        return prefix.error();
    }
    impl.options.url_prefix = std::move(*prefix);
    if (!impl.options.status_endpoint.starts_with('/')) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "the status endpoint '{}' must begin with '/'", impl.options.status_endpoint
            )
        );
    }
    impl.add_routes();
    impl.server =
        std::make_unique<http::Server>(http_options(impl.options), [&impl](http::Request request) {
            return impl.answer(std::move(request));
        });
    auto listening = impl.server->start();
    if (!listening) {
        return listening.error();
    }
    impl.started = true;
    impl.subscription = impl.commands.subscribe([hub = impl.events](const control::Event& event) {
        hub->publish(event);
    });
    return {};
}

void Server::stop() {
    auto& impl = *impl_;
    if (!impl.started) {
        return;
    }
    impl.started = false;
    impl.commands.unsubscribe(impl.subscription);
    impl.events->close();
    impl.server->stop();
}

std::uint16_t Server::port() const {
    return impl_->server == nullptr ? std::uint16_t{0} : impl_->server->port();
}

http::Statistics Server::statistics() const {
    return impl_->server == nullptr ? http::Statistics() : impl_->server->statistics();
}

}  // namespace baton::api
