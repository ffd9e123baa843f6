// SPDX-License-Identifier: Apache-2.0
#include "forward.hpp"

#include "reply.hpp"

#include "baton/async/event.hpp"
#include "baton/async/task_group.hpp"
#include "baton/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace baton::api {

namespace {

/// How long an answer waits until this node has seen what it changed, so that who asks here next
/// finds it.
constexpr Duration catch_up_limit = std::chrono::milliseconds(1000);
constexpr Duration election_limit = std::chrono::milliseconds(4000);
constexpr Duration catch_up_step = std::chrono::milliseconds(20);
/// How often it is looked whether the node that was asked is still the active one, and what it has
/// for an answer that is on its way when it is not.
constexpr Duration lease_look = std::chrono::milliseconds(250);
constexpr Duration last_answer = std::chrono::milliseconds(1000);

http::ClientRequest outgoing(
    const Call& call,
    const control::NodeStatus& status,
    http::Method method,
    const std::string& target
) {
    http::ClientRequest request;
    request.method = method;
    auto base = status.active_url;
    while (base.ends_with('/')) {
        base.pop_back();
    }
    request.url = base + target;
    constexpr std::array<std::string_view, 3> passed{"Authorization", "Content-Type", "Accept"};
    for (const auto name : passed) {
        if (const auto* const value = call.request.headers.find(name)) {
            request.headers.add(std::string(name), *value);
        }
    }
    const auto& auth = call.options->auth;
    if (auth.method == AuthOptions::Method::proxy && !call.user.empty()) {
        request.headers.add(auth.header, call.user);
    }
    request.headers.add(std::string(forwarded_by), status.name);
    request.headers.add(std::string(forwarded_for), call.request.remote_address);
    request.body = call.request.body;
    return request;
}

http::Response taken_over(http::ClientResponse answer) {
    http::Response response;
    response.status = answer.status;
    response.content_type = std::string(answer.headers.get("Content-Type"));
    constexpr std::array<std::string_view, 3> passed{
        "X-Baton-Reason", "Retry-After", "WWW-Authenticate"};
    for (const auto name : passed) {
        if (const auto* const value = answer.headers.find(name)) {
            response.headers.add(std::string(name), *value);
        }
    }
    response.body = std::move(answer.body);
    return response;
}

struct Passed {
    explicit Passed(const asio::any_io_executor& executor) : ended(executor) {}

    Event ended;
    std::optional<Result<http::ClientResponse>> answer;
};

Task<void> pass(
    std::shared_ptr<const Call> call,
    http::ClientRequest request,
    Deadline deadline,
    std::shared_ptr<Passed> passed
) {
    passed->answer = co_await call->client->fetch(std::move(request), deadline);
    passed->ended.set();
}

/// No answer when the node that was asked has ceased to be the active one: a frozen one keeps its
/// connections, and nobody should wait for it until the limit.
Task<std::optional<Result<http::ClientResponse>>> ask_while_active(
    std::shared_ptr<const Call> call,
    http::ClientRequest request,
    std::string asked_token,
    Deadline deadline
) {
    const auto executor = co_await asio::this_coro::executor;
    const auto passed = std::make_shared<Passed>(executor);
    TaskGroup group(executor);
    group.spawn("pass on", pass(call, std::move(request), deadline, passed));
    bool ended = passed->ended.is_set();
    while (!ended) {
        ended = co_await passed->ended.wait(std::chrono::steady_clock::now() + lease_look);
        const auto token = call->commands->status().active_token;
        if (!ended && !token.empty() && token != asked_token) {
            // It may have answered and given the lease back.
            ended = co_await passed->ended.wait(std::chrono::steady_clock::now() + last_answer);
            if (!ended) {
                group.cancel();
                break;
            }
        }
    }
    co_await group.join();
    co_return std::move(passed->answer);
}

/// This node acts and has read the shared state, or it knows who else acts.
bool somebody_acts(const control::Commands& commands, const control::NodeStatus& status) {
    return status.lease.may_act ? commands.view()->active
                                : !status.active_url.empty() && status.active_token != status.token;
}

}  // namespace

Task<void> wait_for_active_node(std::shared_ptr<const Call> call) {
    const auto limit = std::min(election_limit, call->options->forward_limit / 2);
    const auto give_up = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto status = call->commands->status();
        if (somebody_acts(*call->commands, status) || !status.lease.backend_ok ||
            std::chrono::steady_clock::now() >= give_up) {
            co_return;
        }
        co_await sleep_for(catch_up_step);
    }
}

Task<http::Response> forwarded(
    std::shared_ptr<const Call> call, http::Method method, std::string target, Duration limit
) {
    const auto status = call->commands->status();
    if (call->request.headers.find(forwarded_by) != nullptr) {
        co_return failure(Error(
            Errc::not_leader,
            fmt::format(
                "{} is not the active node, and the request was passed on once already", status.name
            )
        ));
    }
    if (status.active_url.empty() || status.active_token == status.token) {
        co_return failure(Error(
            Errc::unavailable,
            "There is no active node at the moment; nothing was changed. Try again"
        ));
    }
    auto request = outgoing(*call, status, method, target);
    const Deadline deadline = std::chrono::steady_clock::now() + limit;
    auto asked = co_await ask_while_active(call, std::move(request), status.active_token, deadline);
    if (!asked.has_value()) {
        co_return failure(
            Errc::timeout,
            fmt::format(
                "{} is not the active node any more and gave no answer; it may have begun. What it "
                "has begun is taken up by its successor: see the recoveries. It is safe to ask "
                "again",
                status.active_name
            )
        );
    }
    auto& answer = *asked;
    if (!answer) {
        const auto& error = answer.error();
        if (error.code == Errc::timeout) {
            co_return failure(
                Errc::timeout,
                fmt::format(
                    "The active node {} gave no answer within {} s; it may still do it. It is safe "
                    "to ask again",
                    status.active_name,
                    to_ms(limit) / 1000
                )
            );
        }
        log::warning(
            "cannot pass a request on to the active node {}: {}", status.active_name, error.what
        );
        co_return failure(Error(
            Errc::unavailable,
            fmt::format("The active node {} does not answer: {}", status.active_name, error.what)
        ));
    }
    if (answer->status < 300) {
        const auto answered = std::chrono::steady_clock::now();
        while (call->commands->view()->fresh_at < answered &&
               std::chrono::steady_clock::now() < answered + catch_up_limit) {
            co_await sleep_for(catch_up_step);
        }
    }
    co_return taken_over(std::move(*answer));
}

}  // namespace baton::api
