// SPDX-License-Identifier: Apache-2.0
#include "client_orders.hpp"

#include "baton/base/ids.hpp"
#include "baton/http/url.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace baton::app {

namespace {

constexpr Duration patience = std::chrono::minutes(11);  // a node waits ten

struct OrderOptions {
    std::string target, to, donor, comment;
    bool dry_run = false, stopped = false, force = false, accept_loss = false, skip_hooks = false;
    bool clone = false, hook = false;
};

std::string cluster_path(const OrderOptions& options, const char* what) {
    return fmt::format("/api/v1/clusters/{}/{}", http::percent_encoded(options.target), what);
}

int refused(const std::string& message) {
    fmt::print(stderr, "baton: {}\n", message);
    return 1;
}

int tell(Client& client, const std::string& path) {
    int code = 0;
    const auto answer = client.ask(http::Method::post, path, code, patience);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    fmt::print("{}\n", text_of(*answer, "Message"));
    const auto details = answer->value("Details", Json::object());
    const auto number = text_of(details, "number");
    if (!number.empty()) {
        fmt::print("Its steps: baton recoveries {}\n", number);
    }
    return 0;
}

std::string query_of(const OrderOptions& options) {
    std::string query = "?to=" + http::percent_encoded(options.to);
    if (options.stopped) {
        query += "&start=false";
    }
    if (options.accept_loss) {
        query += "&accept_loss=true";
    }
    if (options.skip_hooks) {
        query += "&skipProcesses=true";
    }
    return query;
}

int show_forecast(Client& client, const OrderOptions& options) {
    int code = 0;
    const auto forecast = client.ask(
        http::Method::get, cluster_path(options, "switchover-forecast") + query_of(options), code
    );
    if (!forecast) {
        return code;
    }
    if (client.json()) {
        return print_json(*forecast);
    }
    const auto successor = text_of(*forecast, "successor");
    fmt::print(
        "{} -> {}\n", text_of(*forecast, "primary"), successor.empty() ? "nobody" : successor
    );
    if (!text_of(*forecast, "loss").empty()) {
        fmt::print("loss: {}\n", text_of(*forecast, "loss"));
    }
    print_list("what forbids it:", list_of(*forecast, "blockers"));
    const auto left = list_of(*forecast, "lost");
    if (!left.empty()) {
        fmt::print("left behind:\n");
    }
    for (const auto& server : left) {
        fmt::print("  - {}: {}\n", text_of(server, "id"), text_of(server, "reason"));
    }
    for (const auto& candidate : list_of(*forecast, "candidates")) {
        const auto rank = text_of(candidate, "rank");
        fmt::print(
            "  {} {}: {}\n",
            rank == "0" ? "-" : rank + ".",
            text_of(candidate, "id"),
            text_of(candidate, "reason")
        );
    }
    return list_of(*forecast, "blockers").empty() ? 0 : 1;
}

int fail_over(Client& client, const OrderOptions& options) {
    if (!options.force) {
        return refused(
            "a primary that is down is failed over by itself, or by `baton recover SERVER`. To "
            "replace one that may live, give --force"
        );
    }
    return tell(client, cluster_path(options, "failover") + query_of(options));
}

int rejoin(Client& client, const OrderOptions& options) {
    const auto id = parse_instance_id(options.target);
    if (!id) {
        return refused(id.error().what);
    }
    if (options.clone && options.hook) {
        return refused("--clone and --hook exclude each other");
    }
    const char* method = options.clone ? "clone" : options.hook ? "hook" : "repoint";
    return tell(
        client,
        fmt::format(
            "/api/v1/servers/{}/{}/rejoin?method={}&donor={}",
            http::percent_encoded(id->host),
            id->port,
            method,
            http::percent_encoded(options.donor)
        )
    );
}

int acknowledge(Client& client, const OrderOptions& options) {
    return tell(
        client,
        fmt::format(
            "/api/ack-recovery/cluster/{}?comment={}",
            http::percent_encoded(options.target),
            http::percent_encoded(options.comment)
        )
    );
}

int switch_automatic(Client& client, const OrderOptions& options) {
    if (options.target != "on" && options.target != "off") {
        return refused("say on or off");
    }
    return tell(
        client,
        options.target == "on" ? "/api/enable-global-recoveries" : "/api/disable-global-recoveries"
    );
}

}  // namespace

void add_order_commands(
    const std::function<CLI::App*(const char* name, const char* what)>& add,
    const std::function<Client()>& client,
    int& result
) {
    auto options = std::make_shared<OrderOptions>();

    auto* switchover = add("switchover", "Planned change of a cluster's primary");
    switchover->add_option("CLUSTER", options->target, "Name, alias, or a member")->required();
    switchover->add_option("--to", options->to, "host:port of the new primary; else the best one");
    switchover->add_flag(
        "--dry-run", options->dry_run, "Show what it would do and what forbids it"
    );
    switchover->add_flag(
        "--leave-stopped", options->stopped, "Do not start replication on the old primary"
    );
    switchover->add_flag("--skip-hooks", options->skip_hooks, "Run no hooks");
    switchover->callback([client, options, &result] {
        auto c = client();
        result = options->dry_run
                     ? show_forecast(c, *options)
                     : tell(c, cluster_path(*options, "switchover") + query_of(*options));
    });

    auto* failover = add("failover", "Replace a primary that may live (--force)");
    failover->add_option("CLUSTER", options->target, "Name, alias, or a member")->required();
    failover->add_flag("--force", options->force, "Yes, also if it is alive and well");
    failover->add_option("--to", options->to, "host:port of the new primary; else the best one");
    failover->add_flag(
        "--accept-loss",
        options->accept_loss,
        "Also if transactions are lost by it, or the old primary cannot be kept from taking writes"
    );
    failover->add_flag("--skip-hooks", options->skip_hooks, "Run no hooks but fence");
    failover->callback([client, options, &result] {
        auto c = client();
        result = fail_over(c, *options);
    });

    auto* back = add("rejoin", "Make a replaced primary a replica of its successor");
    back->add_option("SERVER", options->target, "host:port of the replaced primary")->required();
    back->add_flag("--clone", options->clone, "Replace its data by MySQL's clone plugin first");
    back->add_flag("--hook", options->hook, "Replace its data by recovery.hooks.reclone first");
    back->add_option("--donor", options->donor, "host:port to copy from; else the best replica");
    back->callback([client, options, &result] {
        auto c = client();
        result = rejoin(c, *options);
    });

    auto* seen = add("acknowledge", "Acknowledge the recoveries of a cluster: the next may begin");
    seen->add_option("CLUSTER", options->target, "Name, alias, or a member")->required();
    seen->add_option("--comment", options->comment, "Why")->required();
    seen->callback([client, options, &result] {
        auto c = client();
        result = acknowledge(c, *options);
    });

    auto* automatic = add("automatic", "Switch automatic recovery of all clusters on or off");
    automatic->add_option("STATE", options->target, "on or off")->required();
    automatic->callback([client, options, &result] {
        auto c = client();
        result = switch_automatic(c, *options);
    });
}

}  // namespace baton::app
