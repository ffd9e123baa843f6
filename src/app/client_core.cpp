// SPDX-License-Identifier: Apache-2.0
#include "client_core.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace baton::app {

namespace {

Task<void> fetch(
    http::Client* client,
    http::ClientRequest request,
    Deadline deadline,
    std::optional<Result<http::ClientResponse>>* answer
) {
    auto result = co_await client->fetch(std::move(request), deadline);
    answer->emplace(std::move(result));
}

void rethrow(const std::exception_ptr& failure) {
    if (failure) {
        std::rethrow_exception(failure);
    }
}

/// Each line of a message; it may be a list of faults.
std::string shown_lines(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        safe += c != '\n' && (byte < 0x20 || byte == 0x7F) ? '?' : c;
    }
    return safe;
}

}  // namespace

std::string shown(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        safe += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    return safe;
}

std::string text_of(const Json& json, const char* key) {
    if (!json.is_object() || !json.contains(key) || json[key].is_null()) {
        return "";
    }
    const auto& value = json[key];
    return value.is_string() ? shown(value.get<std::string>()) : value.dump();
}

Json list_of(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_array() ? json[key]
                                                                          : Json::array();
}

void print_table(std::vector<std::vector<std::string>> rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i];
        }
        fmt::print("{}\n", line);
    }
}

void print_list(const char* title, const Json& items) {
    if (items.empty()) {
        return;
    }
    fmt::print("{}\n", title);
    for (const auto& item : items) {
        fmt::print("  - {}\n", item.is_string() ? shown(item.get<std::string>()) : item.dump());
    }
}

int print_json(const Json& json) {
    fmt::print("{}\n", json.dump(2));
    return 0;
}

std::optional<Json> Client::ask(
    http::Method method, const std::string& path, int& code, Duration limit, std::string body
) {
    http::ClientOptions transport;
    transport.ca_file = options_.ca_file;
    http::Client client(transport);
    http::ClientRequest request;
    request.method = method;
    request.url = options_.url + path;
    request.headers.add("Accept", "application/json");
    if (!body.empty()) {
        request.headers.add("Content-Type", "application/json");
        request.body = std::move(body);
    }
    std::optional<Result<http::ClientResponse>> answer;
    asio::io_context io(1);
    asio::co_spawn(
        io,
        fetch(&client, std::move(request), std::chrono::steady_clock::now() + limit, &answer),
        rethrow
    );
    io.run();
    if (!*answer) {
        fmt::print(
            stderr,
            "baton: {} does not answer: {}\nName a node with --url or in $BATON_URL.\n",
            options_.url,
            answer->error().what
        );
        code = 3;
        return std::nullopt;
    }
    auto json = Json::parse((*answer)->body, nullptr, false);
    if (json.is_discarded()) {
        fmt::print(
            stderr,
            "baton: {} gave no JSON (status {}); is it a Baton node?\n",
            options_.url,
            (*answer)->status
        );
        code = 3;
        return std::nullopt;
    }
    if ((*answer)->status >= 400 || text_of(json, "Code") == "ERROR") {
        const auto message =
            json.is_object() && json.contains("Message") && json["Message"].is_string()
                ? shown_lines(json["Message"].get<std::string>())
                : std::string();
        fmt::print(
            stderr,
            "baton: {}\n",
            message.empty() ? fmt::format("status {}", (*answer)->status) : message
        );
        code = 1;
        return std::nullopt;
    }
    return json;
}

}  // namespace baton::app
