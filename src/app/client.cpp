// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include "baton/async/task.hpp"
#include "baton/base/ids.hpp"
#include "baton/base/text.hpp"
#include "baton/http/client.hpp"
#include "baton/http/url.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace baton::app {

namespace {

using Json = nlohmann::ordered_json;

struct ClientOptions {
    std::string url;
    bool json = false;
    std::string user, password_file, ca_file;
};

/// Terminal text: what a server is named must not reach the terminal as control codes.
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

/// Columns as wide as their widest cell.
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

class Client {
public:
    explicit Client(ClientOptions options) : options_(std::move(options)) {}

    /// Asks and gives the parsed body; nothing after the reason was printed and `code` set.
    std::optional<Json> ask(
        http::Method method, const std::string& path, int& code, Duration limit = 10s
    ) {
        http::ClientOptions transport;
        transport.ca_file = options_.ca_file;
        http::Client client(transport);
        http::ClientRequest request;
        request.method = method;
        request.url = options_.url + path;
        request.headers.add("Accept", "application/json");
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
            const auto message = text_of(json, "Message");
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

    [[nodiscard]] bool json() const { return options_.json; }

private:
    static Task<void> fetch(
        http::Client* client,
        http::ClientRequest request,
        Deadline deadline,
        std::optional<Result<http::ClientResponse>>* answer
    ) {
        auto result = co_await client->fetch(std::move(request), deadline);
        answer->emplace(std::move(result));
    }

    static void rethrow(const std::exception_ptr& failure) {
        if (failure) {
            std::rethrow_exception(failure);
        }
    }

    ClientOptions options_;
};

int print_json(const Json& json) {
    fmt::print("{}\n", json.dump(2));
    return 0;
}

int clusters(Client& client) {
    int code = 0;
    const auto all = client.ask(http::Method::get, "/api/v1/clusters", code);
    if (!all) {
        return code;
    }
    if (client.json()) {
        return print_json(*all);
    }
    std::vector<std::vector<std::string>> rows{
        {"CLUSTER", "PRIMARY", "SERVERS", "LAG", "STATE", ""}};
    for (const auto& c : *all) {
        rows.push_back(
            {text_of(c, "alias").empty() ? text_of(c, "name") : text_of(c, "alias"),
             text_of(c, "primary"),
             std::to_string(list_of(c, "servers").size()),
             text_of(c, "max_lag_seconds").empty() ? "-" : text_of(c, "max_lag_seconds") + " s",
             text_of(c, "state"),
             text_of(c, "summary")}
        );
    }
    print_table(std::move(rows));
    return 0;
}

int topology(Client& client, const std::string& cluster) {
    int code = 0;
    const auto answer =
        client.ask(http::Method::get, "/api/topology/" + http::percent_encoded(cluster), code);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        const auto full = client.ask(
            http::Method::get, "/api/v1/clusters/" + http::percent_encoded(cluster), code
        );
        return full ? print_json(*full) : code;
    }
    for (const auto& line : split((*answer)["Details"].get<std::string>(), '\n')) {
        fmt::print("{}\n", shown(line));
    }
    return 0;
}

/// What should be changed in the settings of the servers, the statements ready to be copied.
void print_advices(const Json& advices) {
    if (!advices.empty()) {
        fmt::print("settings:\n");
    }
    for (const auto& a : advices) {
        fmt::print(
            "  {}: {} ({}): {}\n",
            text_of(a, "severity"),
            text_of(a, "server"),
            text_of(a, "code"),
            text_of(a, "sentence")
        );
        for (const auto& statement : list_of(a, "statements")) {
            fmt::print("      {};\n", shown(statement.get<std::string>()));
        }
        for (const auto& line : split(text_of(a, "config"), '\n')) {
            if (!line.empty()) {
                fmt::print("      [mysqld] {}\n", line);
            }
        }
    }
}

int explain(Client& client, const std::string& cluster) {
    int code = 0;
    const auto e = client.ask(
        http::Method::get, "/api/v1/clusters/" + http::percent_encoded(cluster) + "/explain", code
    );
    if (!e) {
        return code;
    }
    if (client.json()) {
        return print_json(*e);
    }
    fmt::print("state: {}\n", text_of(*e, "state"));
    for (const auto& f : list_of(*e, "findings")) {
        fmt::print(
            "\n{}: {}\n  {}\n", text_of(f, "subject"), text_of(f, "title"), text_of(f, "summary")
        );
        print_list("  evidence:", list_of(f, "evidence"));
        print_list("  what keeps Baton from acting:", list_of(f, "vetoes"));
        if (!text_of(f, "refusal").empty()) {
            fmt::print("  no recovery: {}\n", text_of(f, "refusal"));
        }
        print_list("  structure:", list_of(f, "structure"));
    }
    const bool now = e->value("would_fail_over_now", false);
    fmt::print(
        "\nwould fail over now: {}{}\n",
        now ? "yes" : "no",
        text_of(*e, "why").empty() ? "" : " (" + text_of(*e, "why") + ")"
    );
    const Json forecast = e->value("forecast", Json::object());
    const auto successor = text_of(forecast, "successor");
    fmt::print(
        "if the primary died now: {}\n",
        successor.empty() ? "nobody would be promoted" : successor + " would be promoted"
    );
    if (!text_of(forecast, "loss").empty()) {
        fmt::print("possible loss: {}\n", text_of(forecast, "loss"));
    }
    print_list("blockers:", list_of(forecast, "blockers"));
    const auto candidates = list_of(forecast, "candidates");
    if (!candidates.empty()) {
        fmt::print("candidates:\n");
        for (const auto& c : candidates) {
            const auto rank = text_of(c, "rank");
            fmt::print(
                "  {} {}: {}\n",
                rank == "0" ? "-" : rank + ".",
                text_of(c, "id"),
                text_of(c, "reason")
            );
        }
    }
    print_advices(list_of(*e, "settings"));
    return 0;
}

int recoveries(Client& client, const std::string& id) {
    int code = 0;
    if (!id.empty()) {
        const auto r =
            client.ask(http::Method::get, "/api/v1/recoveries/" + http::percent_encoded(id), code);
        if (!r) {
            return code;
        }
        if (client.json()) {
            return print_json(*r);
        }
        fmt::print(
            "recovery {} of {} in {}: {}\n{}\nsuccessor: {}\nloss: {}\n",
            text_of(*r, "number"),
            text_of(*r, "failed"),
            text_of(*r, "cluster_name"),
            text_of(*r, "state"),
            text_of(*r, "outcome"),
            text_of(*r, "successor"),
            text_of(*r, "loss")
        );
        print_list("evidence:", list_of(*r, "evidence"));
        print_list("errors:", list_of(*r, "errors"));
        std::vector<std::vector<std::string>> rows{
            {"#", "STEP", "STATE", "MS", "EPOCH", "OUTCOME"}};
        for (const auto& s : list_of(*r, "steps")) {
            rows.push_back(
                {text_of(s, "number"),
                 text_of(s, "text"),
                 text_of(s, "state"),
                 text_of(s, "duration_ms"),
                 text_of(s, "epoch"),
                 text_of(s, "outcome")}
            );
        }
        print_table(std::move(rows));
        return 0;
    }
    const auto all = client.ask(http::Method::get, "/api/v1/recoveries", code);
    if (!all) {
        return code;
    }
    if (client.json()) {
        return print_json(*all);
    }
    std::vector<std::vector<std::string>> rows{
        {"#", "CLUSTER", "FAILED", "SUCCESSOR", "STATE", "MS", "SUMMARY"}};
    for (const auto& r : *all) {
        rows.push_back(
            {text_of(r, "number"),
             text_of(r, "cluster_name"),
             text_of(r, "failed"),
             text_of(r, "successor"),
             text_of(r, "state"),
             text_of(r, "total_ms"),
             text_of(r, "summary")}
        );
    }
    print_table(std::move(rows));
    return 0;
}

int recover(Client& client, const std::string& server, const std::string& candidate) {
    auto id = parse_instance_id(server);
    if (!id) {
        fmt::print(stderr, "baton: {}\n", id.error().what);
        return 1;
    }
    std::string path = fmt::format("/api/recover/{}/{}", http::percent_encoded(id->host), id->port);
    if (!candidate.empty()) {
        auto wanted = parse_instance_id(candidate);
        if (!wanted) {
            fmt::print(stderr, "baton: {}\n", wanted.error().what);
            return 1;
        }
        path += fmt::format("/{}/{}", http::percent_encoded(wanted->host), wanted->port);
    }
    int code = 0;
    const auto answer = client.ask(http::Method::post, path, code, 120s);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    fmt::print("{}\n", text_of(*answer, "Message"));
    return 0;
}

std::string with_unit(const std::string& number, const char* unit) {
    return number.empty() ? "" : number + unit;
}

int nodes(Client& client) {
    int code = 0;
    const auto answer = client.ask(http::Method::get, "/api/v1/nodes", code);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    std::vector<std::vector<std::string>> rows{
        {"NODE",
         "ROLE",
         "EPOCH",
         "LEASE LEFT",
         "BACKEND",
         "VERSION",
         "CONFIGURATION",
         "LAST HEARD",
         "ADDRESS"}};
    for (const auto& n : list_of(*answer, "nodes")) {
        rows.push_back(
            {text_of(n, "name"),
             n.value("active", false)  ? "active"
             : n.value("alive", false) ? "standby"
                                       : "gone",
             text_of(n, "epoch"),
             n.value("active", false) ? with_unit(text_of(n, "lease_left_ms"), " ms") : "",
             text_of(n, "backend_address"),
             text_of(n, "version"),
             text_of(n, "config_fingerprint"),
             with_unit(text_of(n, "last_heard_ms"), " ms ago"),
             text_of(n, "api_url")}
        );
    }
    print_table(std::move(rows));
    print_list("warnings:", list_of(*answer, "warnings"));
    if (const auto self = answer->find("self"); self != answer->end()) {
        if (!self->value("backend_ok", true)) {
            fmt::print("the backend cannot be reached: {}\n", text_of(*self, "backend_error"));
        }
        if (const auto brake = text_of(*self, "brake"); !brake.empty()) {
            fmt::print("recoveries wait: {}\n", brake);
        }
    }
    return 0;
}

int hand_over(Client& client, const std::string& to) {
    int code = 0;
    const auto answer = client.ask(
        http::Method::post,
        "/api/v1/handover" + (to.empty() ? "" : "?to=" + http::percent_encoded(to)),
        code
    );
    if (!answer) {
        return code;
    }
    fmt::print("{}\n", client.json() ? answer->dump(2) : text_of(*answer, "Message"));
    return 0;
}

}  // namespace

void add_client_commands(CLI::App& app, int& result) {
    auto options = std::make_shared<ClientOptions>();
    auto argument = std::make_shared<std::string>();
    auto second = std::make_shared<std::string>();
    const char* url = std::getenv("BATON_URL");
    options->url = url == nullptr || *url == '\0' ? "http://127.0.0.1:3000" : url;

    const auto add = [&app, options](const char* name, const char* what) {
        auto* command = app.add_subcommand(name, what);
        command->add_option("--url", options->url, "Any node's address ($BATON_URL)")
            ->capture_default_str();
        command->add_flag("--json", options->json, "Print JSON");
        command->add_option(
            "--ca", options->ca_file, "Certificate authority of the nodes (PEM file)"
        );
        return command;
    };
    const auto client = [options] {
        auto copy = *options;
        while (copy.url.ends_with('/')) {
            copy.url.pop_back();
        }
        if (copy.url.find("://") == std::string::npos) {
            copy.url = "http://" + copy.url;
        }
        return Client(std::move(copy));
    };

    add("clusters", "List the clusters with their state")->callback([client, &result] {
        auto c = client();
        result = clusters(c);
    });
    auto* topology_command = add("topology", "Show a cluster as a tree");
    topology_command->add_option("CLUSTER", *argument, "Name, alias, or a member")->required();
    topology_command->callback([client, argument, &result] {
        auto c = client();
        result = topology(c, *argument);
    });
    auto* explain_command = add("explain", "Would Baton fail over now, to whom, why, why not");
    explain_command->add_option("CLUSTER", *argument, "Name, alias, or a member")->required();
    explain_command->callback([client, argument, &result] {
        auto c = client();
        result = explain(c, *argument);
    });
    auto* recoveries_command = add("recoveries", "List the recoveries, or show one with its steps");
    recoveries_command->add_option("ID", *argument, "Number or id of a recovery");
    recoveries_command->callback([client, argument, &result] {
        auto c = client();
        result = recoveries(c, *argument);
    });
    auto* recover_command = add("recover", "Recover a failed server now, whatever the filters say");
    recover_command->add_option("SERVER", *argument, "host:port of the failed server")->required();
    recover_command->add_option("CANDIDATE", *second, "host:port of the replica to promote");
    recover_command->callback([client, argument, second, &result] {
        auto c = client();
        result = recover(c, *argument, *second);
    });
    add("nodes", "List the nodes")->callback([client, &result] {
        auto c = client();
        result = nodes(c);
    });
    auto* handover_command = add("handover", "Let another node become the active one");
    handover_command->add_option("--to", *second, "Name of that node");
    handover_command->callback([client, second, &result] {
        auto c = client();
        result = hand_over(c, *second);
    });
}

}  // namespace baton::app
