// SPDX-License-Identifier: Apache-2.0
#include "serve.hpp"

#include "notify.hpp"
#include "settings.hpp"
#include "stop_order.hpp"
#include "version.hpp"

#include "baton/api/peers.hpp"
#include "baton/api/server.hpp"
#include "baton/async/task_group.hpp"
#include "baton/base/log.hpp"
#include "baton/config/config.hpp"
#include "baton/control/engine.hpp"
#include "baton/election/policy.hpp"
#include "baton/hooks/runner.hpp"
#include "baton/mysql/connector.hpp"
#include "baton/server/servers.hpp"
#include "baton/store/backend_url.hpp"
#include "baton/store/lease_runner.hpp"
#include "baton/store/store.hpp"
#include "baton/webui/assets.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>

namespace baton::app {

namespace {

WallMs wall_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

std::chrono::milliseconds ms(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

mysql::Tls tls_from(const std::string& word) {
    for (const auto mode :
         {mysql::Tls::off,
          mysql::Tls::preferred,
          mysql::Tls::required,
          mysql::Tls::verify_ca,
          mysql::Tls::verify_identity}) {
        if (mysql::to_string(mode) == word) {
            return mode;
        }
    }
    return mysql::Tls::preferred;
}

election::LeasePolicy lease_policy(const config::Config& config) {
    auto policy = election::LeasePolicy::of_duration(ms(config.lease.duration));
    policy.renew_every = ms(config.lease.renew);
    policy.look_every = ms(config.lease.look);
    policy.peer_check = config.lease.peer_check;
    policy.statement_timeout = std::max(policy.statement_timeout, policy.renew_every);
    return policy;
}

Result<std::shared_ptr<store::Backend>> open_backend(const config::Config& config) {
    auto url = store::parse_backend_url(config.backend.url);
    if (!url) {
        return url.error();
    }
    url->engine = config.backend.engine;
    store::BackendOptions options;
    options.url = std::move(*url);
    options.password = config.backend.password;
    options.tls = config.backend.tls == "off" ? "disabled" : config.backend.tls;
    options.tls_ca = config.backend.tls_ca;
    const auto policy = lease_policy(config);
    options.lease_timeout = policy.statement_timeout;
    options.lease_duration = policy.duration;
    return store::Backend::open(std::move(options));
}

server::Options server_options(const config::Config& config) {
    server::Options options;
    options.user = config.topology.user;
    options.password = config.topology.password;
    options.replication_user = config.topology.replication_user;
    options.replication_password = config.topology.replication_password;
    options.tls = tls_from(config.topology.tls);
    options.ca_file = config.topology.tls_ca;
    options.cert_file = config.topology.tls_cert;
    options.key_file = config.topology.tls_key;
    options.probe_timeout = config.discovery.probe_timeout;
    options.cluster_alias_query = config.discovery.cluster_alias_query;
    options.data_center_query = config.discovery.data_center_query;
    options.region_query = config.discovery.region_query;
    options.environment_query = config.discovery.environment_query;
    options.instance_alias_query = config.discovery.instance_alias_query;
    return options;
}

Result<api::ServerOptions> api_options(const config::Config& config) {
    api::ServerOptions options;
    auto listen = http::parse_listen_address(config.http.listen);
    if (!listen) {
        return listen.error();
    }
    options.listen.push_back(std::move(*listen));
    if (!config.http.tls_cert.empty()) {
        http::TlsFiles files;
        files.certificate_chain = config.http.tls_cert;
        files.private_key = config.http.tls_key;
        options.tls = std::move(files);
    }
    options.limits.connections = static_cast<std::size_t>(config.http.max_connections);
    auto method = api::parse_auth_method(config.http.auth_method);
    if (!method) {
        return method.error();
    }
    options.auth.method = *method;
    options.auth.user = config.http.auth_user;
    options.auth.password = config.http.auth_password;
    options.auth.header = config.http.auth_header;
    options.auth.power_users = config.http.power_users;
    options.auth.read_only = config.http.read_only;
    options.auth.exempt_checks = config.http.auth_exempt_checks;
    options.default_port = static_cast<Port>(config.topology.default_port);
    return options;
}

/// Re-reads the file; keeps what needs a restart as it is, and says so.
Result<control::Settings> reload(const std::string& file, const config::Config& running) {
    auto fresh = config::load(file);
    if (!fresh) {
        return fresh.error();
    }
    for (const auto& key : config::needs_restart(running, *fresh)) {
        log::warning(
            "{} was changed in {}, which takes effect with the next restart only", key, file
        );
    }
    if (auto done = log::configure(fresh->log.level, running.log.file); !done) {
        return done.error();
    }
    auto settings = settings_from(*fresh);
    settings.config_fingerprint = config::fingerprint(running, *fresh);
    return settings;
}

Task<void> watch_signals(control::Engine* engine, TaskGroup* root, store::LeaseRunner* lease) {
    asio::signal_set signals(co_await asio::this_coro::executor, SIGTERM, SIGINT, SIGHUP);
    for (;;) {
        const int number = co_await signals.async_wait(asio::use_awaitable);
        if (number != SIGHUP) {
            log::info("signal {}: stopping", number);
            notify_service_manager("STOPPING=1");
            lease->begin_release();  // from here on nothing is changed any more
            root->cancel();
            co_return;
        }
        timespec monotonic{};
        clock_gettime(CLOCK_MONOTONIC, &monotonic);
        notify_service_manager(fmt::format(
            "RELOADING=1\nMONOTONIC_USEC={}",
            monotonic.tv_sec * 1'000'000 + monotonic.tv_nsec / 1000
        ));
        auto done = co_await engine->reload_configuration("SIGHUP");
        ignore(done, "the engine has logged it");
        notify_service_manager("READY=1");
    }
}

/// The other nodes that this one has heard of. Those whose heartbeats it does not see are among
/// them: they may beat on the other half of a backend that has split.
std::vector<ports::NodeRow> other_nodes(const control::Engine& engine, const std::string& token) {
    const auto view = engine.view();
    std::vector<ports::NodeRow> others;
    std::copy_if(
        view->nodes.begin(),
        view->nodes.end(),
        std::back_inserter(others),
        [&](const auto& node) { return node.token != token && !node.api_url.empty(); }
    );
    return others;
}

/// On the calling thread, which is not that of the loop.
template <class T>
T wait_for(Task<T> task) {
    asio::io_context own(1);
    auto result = asio::co_spawn(own, std::move(task), asio::use_future);
    own.run();
    return result.get();
}

Task<void> run_root(control::Engine* engine, store::LeaseRunner* lease) {
    TaskGroup root(co_await asio::this_coro::executor);
    root.spawn("engine", engine->run());
    root.spawn("signals", watch_signals(engine, &root, lease));
    co_await root.join();
}

}  // namespace

int serve(const std::string& config_file) {
    auto config = config::load(config_file);
    if (!config) {
        fmt::print(stderr, "{}\n", config.error().what);
        return 2;
    }
    if (auto logging = log::configure(config->log.level, config->log.file); !logging) {
        fmt::print(stderr, "{}\n", logging.error().what);
        return 2;
    }
    const auto start_failure = [](const Error& error) {
        log::error("cannot start: {}", error.what);
        return 1;
    };
    log::info(
        "baton {} starts as '{}', with {}", version(), config->node.name, mysql::client_library()
    );
    const auto files = raise_open_files_limit();
    if (files < 4096) {
        log::warning("only {} open files are allowed; raise LimitNOFILE for many servers", files);
    }
    mysql::initialize();
    auto backend = open_backend(*config);
    if (!backend) {
        return start_failure(backend.error());
    }
    const auto policy = lease_policy(*config);
    if (auto good = election::validate(policy); !good) {
        return start_failure(good.error());
    }

    asio::io_context core(1);
    mysql::Connector connector(
        mysql::Connector::Options(static_cast<std::size_t>(config->discovery.connect_threads), 4096)
    );
    hooks::Runner hook_runner;

    auto face = api_options(*config);
    if (!face) {
        return start_failure(face.error());
    }
    api::HttpPeers peers(face->forward, face->auth, config->node.name);

    control::Engine* engine_address = nullptr;
    std::string own_token;
    store::LeaseRunnerOptions lease_options;
    lease_options.backend = *backend;
    lease_options.policy = policy;
    lease_options.node.name = config->node.name;
    lease_options.node.api_url = config->node.advertise;
    lease_options.node.version = version();
    lease_options.node.config_fingerprint = config::fingerprint(*config);
    lease_options.node.priority = config->node.priority;
    lease_options.node.started_ms = wall_now();
    lease_options.data_dir = config->node.data_dir;
    lease_options.on_role = [&engine_address, &core](ports::Role, std::uint64_t) {
        asio::post(core, [&engine_address] {
            if (engine_address != nullptr) {
                engine_address->role_changed();
            }
        });
    };
    lease_options.ask_peers = [&](Deadline deadline) {
        return wait_for(peers.anyone_leads(other_nodes(*engine_address, own_token), deadline));
    };
    store::LeaseRunner lease(std::move(lease_options));
    own_token = lease.status().token;
    std::function<bool()> may_act = [&lease] { return lease.may_act(); };
    store::FenceSource* fence = &lease;
    std::optional<StopOrder> stop_order;
    std::optional<StoppingFence> stopping_fence;
    if (const char* file = std::getenv("BATON_TEST_STOP"); file != nullptr) {
        stop_order.emplace(file);
        fence = &stopping_fence.emplace(lease, *stop_order);
        may_act = [&lease, &stop_order] {
            const bool allowed = lease.may_act();
            if (allowed) {
                stop_order->allowed("act");
            }
            return allowed;
        };
    }
    server::ManagedServers servers(
        core.get_executor(), connector, server_options(*config), std::move(may_act)
    );

    store::BackendStoreOptions store_options;
    store_options.backend = *backend;
    store::BackendStore documents(std::move(store_options), *fence);

    control::Identity identity;
    identity.name = config->node.name;
    identity.api_url = config->node.advertise;
    identity.version = version();
    identity.config_fingerprint = config::fingerprint(*config);
    if (const char* point = std::getenv("BATON_TEST_INTERRUPT"); point != nullptr) {
        identity.interruption = point;
    }
    control::Engine engine(
        core.get_executor(),
        identity,
        settings_from(*config),
        servers,
        documents,
        lease,
        hook_runner,
        peers,
        [&config, &config_file] { return reload(config_file, *config); },
        wall_now
    );
    engine_address = &engine;

    api::Server api(std::move(*face), engine, webui::find_asset);
    if (auto listening = api.start(); !listening) {
        return start_failure(listening.error());
    }
    log::info(
        "listening on {}, known to others as {}", config->http.listen, config->node.advertise
    );
    lease.start();
    notify_service_manager("READY=1\nSTATUS=serving " + config->node.advertise);

    // Commands still run on the loop when the engine has ended; the lease must not wait for them.
    std::thread ending;
    auto running = asio::make_work_guard(core);
    asio::co_spawn(core, run_root(&engine, &lease), [&](const std::exception_ptr& failure) {
        if (failure) {
            std::rethrow_exception(failure
            );  // out of run(): a bug, ends the process with a message
        }
        ending = std::thread([&] {
            const auto others = other_nodes(engine, own_token);
            lease.stop();
            wait_for(peers.look(others, std::chrono::steady_clock::now() + 200ms));
            api.stop();
            running.reset();
        });
    });
    core.run();
    if (ending.joinable()) {
        ending.join();
    }
    log::info("stopped");
    return 0;
}

}  // namespace baton::app
