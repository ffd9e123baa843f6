// SPDX-License-Identifier: Apache-2.0
// The one binary: the daemon, the configuration tools and the client commands.
#include "client.hpp"
#include "serve.hpp"
#include "version.hpp"

#include "baton/config/config.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>

namespace baton::app {

namespace {

int check_config(const std::string& file) {
    const auto config = config::load(file);
    if (!config) {
        fmt::print(stderr, "{}\n", config.error().what);
        return 2;
    }
    fmt::print(
        "{}: good (node '{}', fingerprint {})\n",
        file,
        config->node.name,
        config::fingerprint(*config)
    );
    return 0;
}

int run(int argc, char** argv) {
    CLI::App app("Baton keeps MySQL and MariaDB replication topologies available.");
    app.set_version_flag("--version", "baton " + version());
    app.require_subcommand(1);
    int result = 0;

    std::string config_file = "/etc/baton/baton.yaml";
    auto* serve_command = app.add_subcommand("serve", "Run the daemon");
    serve_command->add_option("-c,--config", config_file, "Configuration file")
        ->capture_default_str();
    serve_command->callback([&] { result = serve(config_file); });

    auto* config_command = app.add_subcommand("config", "Check or show the configuration");
    config_command->require_subcommand(1);
    auto* check =
        config_command->add_subcommand("check", "Check a file; every fault is shown with its line");
    check->add_option("FILE", config_file, "Configuration file")->required();
    check->callback([&] { result = check_config(config_file); });
    config_command->add_subcommand("example", "Print a file with every option")->callback([] {
        fmt::print("{}", config::example());
    });
    config_command->add_subcommand("reference", "Print docs/configuration.md")->callback([] {
        fmt::print("{}", config::reference_page());
    });

    add_client_commands(app, result);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& failure) {
        return app.exit(failure);
    }
    return result;
}

}  // namespace

}  // namespace baton::app

int main(int argc, char** argv) {
    try {
        return baton::app::run(argc, argv);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "baton: %s\n", failure.what());
        return 1;
    }
}
