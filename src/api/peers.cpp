// SPDX-License-Identifier: Apache-2.0
#include "baton/api/peers.hpp"

#include "forward.hpp"

#include "baton/async/task_group.hpp"
#include "baton/base/text.hpp"
#include "baton/http/auth.hpp"
#include "baton/http/url.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace baton::api {

namespace {

http::ClientRequest question(
    const ports::NodeRow& node,
    const std::string& path,
    const AuthOptions& auth,
    const std::string& own_name
) {
    http::ClientRequest request;
    request.method = http::Method::get;
    auto base = node.api_url;
    while (base.ends_with('/')) {
        base.pop_back();
    }
    request.url = base + path;
    switch (auth.method) {
        case AuthOptions::Method::none:
            break;
        case AuthOptions::Method::basic:
        case AuthOptions::Method::multi:
            request.headers.add(
                "Authorization", http::basic_authorization(auth.user, auth.password)
            );
            break;
        case AuthOptions::Method::proxy: {
            const bool named = !auth.power_users.empty() && auth.power_users.front() != "*";
            request.headers.add(auth.header, named ? auth.power_users.front() : "baton");
            break;
        }
    }
    request.headers.add(std::string(forwarded_by), own_name);
    return request;
}

void read_answer(const http::ClientResponse& answer, ports::Opinion& opinion) {
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status == 200 && json.is_object() && json.contains("answered") &&
        json["answered"].is_boolean()) {
        opinion.kind = json["answered"].get<bool>() ? ports::Opinion::Kind::reached
                                                    : ports::Opinion::Kind::not_reached;
        if (json.contains("error") && json["error"].is_string()) {
            opinion.text = clipped(json["error"].get<std::string>(), 500);
        }
        return;
    }
    opinion.kind = ports::Opinion::Kind::abstained;
    opinion.text = fmt::format("HTTP status {}", answer.status);
    if (json.is_object() && json.contains("Message") && json["Message"].is_string()) {
        opinion.text += ": " + clipped(json["Message"].get<std::string>(), 500);
    }
}

}  // namespace

HttpPeers::HttpPeers(http::ClientOptions client, AuthOptions auth, std::string node)
    : client_(std::move(client)), auth_(std::move(auth)), node_(std::move(node)) {}

Task<std::vector<ports::Opinion>> HttpPeers::ask(
    std::vector<ports::NodeRow> nodes, InstanceId server, Deadline deadline
) {
    std::vector<ports::Opinion> opinions(nodes.size());
    co_await throw_if_cancelled();  // join() must be reached
    TaskGroup asked(co_await asio::this_coro::executor);
    for (std::size_t at = 0; at < nodes.size(); ++at) {
        asked.spawn("ask " + nodes[at].name, ask_one(nodes[at], server, deadline, &opinions[at]));
    }
    co_await asked.join();
    co_return opinions;
}

Task<void> HttpPeers::ask_one(
    ports::NodeRow node, InstanceId server, Deadline deadline, ports::Opinion* opinion
) {
    opinion->node = node.name;
    const auto path =
        fmt::format("/api/v1/probe/{}/{}", http::percent_encoded(server.host), server.port);
    auto request = question(node, path, auth_, node_);
    const auto answer = co_await client_.fetch(std::move(request), deadline);
    if (answer) {
        read_answer(*answer, *opinion);
    } else {
        opinion->kind = ports::Opinion::Kind::unheard;
        opinion->text = answer.error().what;
    }
}

Task<void> HttpPeers::look(std::vector<ports::NodeRow> nodes, Deadline deadline) {
    auto statuses = co_await get_all(std::move(nodes), "/api/v1/look", deadline);
    static_cast<void>(statuses);  // a hint
}

Task<void> HttpPeers::stand_back(std::vector<ports::NodeRow> nodes, Deadline deadline) {
    auto statuses = co_await get_all(std::move(nodes), "/api/v1/stand-back", deadline);
    static_cast<void>(statuses);  // a hint
}

Task<bool> HttpPeers::anyone_leads(std::vector<ports::NodeRow> nodes, Deadline deadline) {
    const auto statuses = co_await get_all(std::move(nodes), "/api/leader-check", deadline);
    co_return std::find(statuses.begin(), statuses.end(), 200U) != statuses.end();
}

Task<std::vector<unsigned>> HttpPeers::get_all(
    std::vector<ports::NodeRow> nodes, std::string path, Deadline deadline
) {
    std::vector<unsigned> statuses(nodes.size());
    co_await throw_if_cancelled();  // join() must be reached
    TaskGroup asked(co_await asio::this_coro::executor);
    for (std::size_t at = 0; at < nodes.size(); ++at) {
        asked.spawn("ask " + nodes[at].name, get_one(nodes[at], path, deadline, &statuses[at]));
    }
    co_await asked.join();
    co_return statuses;
}

Task<void> HttpPeers::get_one(
    ports::NodeRow node, std::string path, Deadline deadline, unsigned* status
) {
    auto request = question(node, path, auth_, node_);
    const auto answer = co_await client_.fetch(std::move(request), deadline);
    *status = answer ? answer->status : 0;
}

}  // namespace baton::api
