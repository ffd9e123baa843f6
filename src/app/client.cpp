// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include "client_core.hpp"
#include "client_explain.hpp"
#include "client_orders.hpp"
#include "client_policy.hpp"

#include "baton/base/ids.hpp"
#include "baton/base/text.hpp"
#include "baton/http/url.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace baton::app {

namespace {

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

    const auto common = [options](CLI::App& command) {
        command.add_option("--url", options->url, "Any node's address ($BATON_URL)")
            ->capture_default_str();
        command.add_flag("--json", options->json, "Print JSON");
        command.add_option(
            "--ca", options->ca_file, "Certificate authority of the nodes (PEM file)"
        );
    };
    const auto add = [&app, common](const char* name, const char* what) {
        auto* command = app.add_subcommand(name, what);
        common(*command);
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
    auto with_settings = std::make_shared<bool>(false);
    explain_command->add_flag(
        "--settings", *with_settings, "Advice about settings also while something fails"
    );
    explain_command->callback([client, argument, with_settings, &result] {
        auto c = client();
        result = explain(c, *argument, *with_settings);
    });
    auto* timeline_command =
        add("timeline", "What was seen, decided and done in a cluster, with evidence and epoch");
    auto limit = std::make_shared<unsigned>(50);
    timeline_command->add_option("CLUSTER", *argument, "Name, alias, or a member")->required();
    timeline_command->add_option("--limit", *limit, "So many entries, the newest")
        ->capture_default_str();
    timeline_command->callback([client, argument, limit, &result] {
        auto c = client();
        result = timeline(c, *argument, *limit);
    });
    add_policy_commands(
        *app.add_subcommand("policy", "Settings for clusters by rules, versioned"),
        common,
        client,
        result
    );
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
    add_order_commands(add, client, result);
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
