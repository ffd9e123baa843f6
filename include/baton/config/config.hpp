// SPDX-License-Identifier: Apache-2.0
#pragma once

// The configuration as values, read from one YAML file. One table (options.cpp) has every option
// with its default, unit, check and sentence; parser, error messages, `baton config example` and
// docs/configuration.md are made from it.

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace baton::config {

struct Config {
    struct Node {
        std::string name;       // "" in the file = host name
        std::string advertise;  // "" = http://<name>:<port of http.listen>
        std::string data_dir;
        std::int64_t priority = 0;
        Duration self_check{};
    } node;

    struct Http {
        std::string listen;
        std::string tls_cert, tls_key;
        std::string auth_method, auth_user, auth_password, auth_header;
        std::vector<std::string> power_users;
        bool auth_exempt_checks = true;
        bool read_only = false;
        std::int64_t max_connections = 0;
    } http;

    struct Log {
        std::string level, file;
    } log;

    struct Backend {
        std::string url, password, engine, tls, tls_ca;
    } backend;

    struct Lease {
        Duration duration{}, renew{}, look{};
        bool peer_check = false;
    } lease;

    struct Topology {
        std::string user, password, tls, tls_ca, tls_cert, tls_key;
        std::string replication_user, replication_password;
        std::vector<std::string> seeds;
        std::int64_t default_port = 0;
    } topology;

    struct Discovery {
        Duration poll_interval{}, probe_timeout{}, dead_interval_max{}, forget_after{};
        std::int64_t connect_threads = 0;
        std::vector<std::string> ignore_hosts;
        std::string cluster_alias_query, data_center_query, region_query, environment_query,
            instance_alias_query;
    } discovery;

    struct Detection {
        std::string mode;
        std::int64_t timeouts = 0;
        Duration lagging{};
        Duration cut_off_after{}, hanging_after{}, read_only_after{};
        bool replace_cut_off = false, replace_hanging = false;
        std::int64_t lock_pile_up = 0;
    } detection;

    struct Recovery {
        std::vector<std::string> primary_clusters, intermediate_clusters, ignore_hosts,
            promotion_ignore_hosts;
        Duration drain_limit{}, anti_flapping_window{}, healthy_again{}, step_limit{};
        Duration brake_window{}, budget_window{};
        double brake_share = 0;
        std::int64_t budget = 0;
        bool prevent_cross_data_center = false, prevent_cross_region = false;
        bool require_all_acknowledgers = true;
        bool kill_writers_of_deposed = true;
        Duration hook_limit{};
        std::vector<std::string> on_failure_detection, pre_failover, post_primary_failover,
            post_intermediate_failover, post_failover, post_unsuccessful_failover,
            pre_graceful_takeover, post_graceful_takeover, fence, reclone;
        Duration switchover_lag_limit{}, switchover_grace{}, switchover_outage_limit{},
            clone_limit{};
        bool switchover_end_sessions = false, fence_required = false, rejoin_clean = true;
        bool promote_errant = false, co_primary_must_take_over = true;
        bool repair_semi_sync = false, exact_semi_sync = false, make_primary_writable = false;
        std::int64_t semi_sync_least_wait = 0;
        Duration make_writable_after{};
    } recovery;

    struct Advice {
        std::vector<std::string> ignore;
    } advice;

    std::string policies = R"({"rules":[]})";  // canonical JSON, checked (policy::parse)
    Duration timeline_keep{};

    std::string file;                       // where it was read from
    std::vector<std::string> secret_files;  // read while loading, for messages only
};

/// Reads and checks a file. Every fault found is reported, one per line, each with "file:line: "
/// and what is allowed. Errors: io, invalid_argument.
Result<Config> load(const std::string& file);
/// The same from text, for tests; `name` stands for the file in messages.
Result<Config> parse(const std::string& text, const std::string& name);

/// A file with every option, its default, unit and sentence, all commented out but the ones that
/// must be set.
std::string example();
/// docs/configuration.md, generated.
std::string reference_page();

/// Options whose change between the two needs a restart, by key.
std::vector<std::string> needs_restart(const Config& before, const Config& after);
/// Hash over everything that should be equal on all nodes (not node.*, http.*, log.*). 16 hex
/// digits. No secrets in it.
std::string fingerprint(const Config& config);
/// Of what is in force after `fresh` was read without a restart.
std::string fingerprint(const Config& running, const Config& fresh);

/// The same document as JSON; every scalar becomes a text. `name` stands for the file in messages.
Result<std::string> json_of_yaml(const std::string& text, const std::string& name);

/// "1500ms", "2s", "5m", "1h", "1d", "1.5s". Errors: invalid_argument.
Result<Duration> parse_duration(std::string_view text);

}  // namespace baton::config
