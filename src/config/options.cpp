// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "baton/analysis/advice.hpp"
#include "baton/base/ids.hpp"
#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>

namespace baton::config {

namespace {

using Check = std::function<Result<void>(const std::string&)>;
using Kind = Option::Kind;

Result<void> any_text(const std::string& /*text*/) {
    return {};
}

Check one_of(std::vector<std::string> words) {
    return [words = std::move(words)](const std::string& text) -> Result<void> {
        if (std::find(words.begin(), words.end(), text) == words.end()) {
            return fail(
                Errc::invalid_argument,
                fmt::format("'{}' is not one of {}", text, join(words, ", "))
            );
        }
        return {};
    };
}

Result<void> not_empty(const std::string& text) {
    if (text.empty()) {
        return fail(Errc::invalid_argument, "must not be empty");
    }
    return {};
}

Result<void> address(const std::string& text) {
    auto id = parse_instance_id(text, 3000);
    if (!id) {
        return id.error();
    }
    return {};
}

Result<void> regex(const std::string& text) {
    if (text == "*" || text.starts_with("alias=")) {
        return {};
    }
    try {
        const std::regex compiled(text);
    } catch (const std::regex_error& failure) {
        return fail(
            Errc::invalid_argument,
            fmt::format("'{}' is not a regular expression: {}", text, failure.what())
        );
    }
    return {};
}

Result<void> server_address(const std::string& text) {
    auto id = parse_instance_id(text, 3306);
    if (!id) {
        return id.error();
    }
    return {};
}

Result<void> backend_url(const std::string& text) {
    if (text.starts_with("mysql://") || text.starts_with("sqlite:/")) {
        return {};
    }
    return fail(
        Errc::invalid_argument,
        fmt::format(
            "'{}' is neither mysql://user@host:port[,host:port...]/database nor "
            "sqlite:/absolute/path",
            text
        )
    );
}

Result<void> advice_code(const std::string& text) {
    if (text == "*" || analysis::is_advice_code(text)) {
        return {};
    }
    return fail(
        Errc::invalid_argument,
        fmt::format("'{}' is no code of an advice; docs/operations.md lists them", text)
    );
}

Result<void> http_url(const std::string& text) {
    if (text.empty() || text.starts_with("http://") || text.starts_with("https://")) {
        return {};
    }
    return fail(
        Errc::invalid_argument, fmt::format("'{}' does not begin with http:// or https://", text)
    );
}

Option text_option(
    std::string key,
    std::function<std::string&(Config&)> at,
    std::string fallback,
    std::string allowed,
    std::string sentence,
    Check check,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::text;
    option.fallback = std::move(fallback);
    option.allowed = std::move(allowed);
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set = [at,
                  check = std::move(check
                  )](Config& config, const std::string& text, const auto&) -> Result<void> {
        if (auto good = check(text); !good) {
            return good;
        }
        at(config) = text;
        return {};
    };
    option.get = [at](const Config& config) { return at(const_cast<Config&>(config)); };
    return option;
}

Option secret_option(
    std::string key, std::function<std::string&(Config&)> at, std::string sentence
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::secret;
    option.allowed = "\"${NAME}\" of an environment variable; or give the same key with _file";
    option.sentence = std::move(sentence);
    option.reloadable = false;
    option.set = [at](Config& config, const std::string& text, const auto&) -> Result<void> {
        at(config) = text;
        return {};
    };
    option.get = [](const Config&) { return std::string(); };
    return option;
}

Option integer_option(
    std::string key,
    std::function<std::int64_t&(Config&)> at,
    std::int64_t fallback,
    std::int64_t low,
    std::int64_t high,
    std::string sentence,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::integer;
    option.fallback = std::to_string(fallback);
    option.allowed = fmt::format("{} to {}", low, high);
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set =
        [at, low, high](Config& config, const std::string& text, const auto&) -> Result<void> {
        std::int64_t value = 0;
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (status != std::errc{} || end != text.data() + text.size() || value < low ||
            value > high) {
            return fail(
                Errc::invalid_argument,
                fmt::format("'{}' is not a whole number from {} to {}", text, low, high)
            );
        }
        at(config) = value;
        return {};
    };
    option.get = [at](const Config& config) {
        return std::to_string(at(const_cast<Config&>(config)));
    };
    return option;
}

Option boolean_option(
    std::string key,
    std::function<bool&(Config&)> at,
    bool fallback,
    std::string sentence,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::boolean;
    option.fallback = fallback ? "true" : "false";
    option.allowed = "true or false";
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set = [at](Config& config, const std::string& text, const auto&) -> Result<void> {
        if (text != "true" && text != "false") {
            return fail(Errc::invalid_argument, fmt::format("'{}' is not true or false", text));
        }
        at(config) = text == "true";
        return {};
    };
    option.get = [at](const Config& config) {
        return std::string(at(const_cast<Config&>(config)) ? "true" : "false");
    };
    return option;
}

std::string duration_text(Duration value) {
    const auto ms = to_ms(value);
    if (ms % 1000 != 0) {
        return fmt::format("{}ms", ms);
    }
    const auto seconds = ms / 1000;
    if (seconds != 0 && seconds % 3600 == 0) {
        return fmt::format("{}h", seconds / 3600);
    }
    if (seconds != 0 && seconds % 60 == 0) {
        return fmt::format("{}m", seconds / 60);
    }
    return fmt::format("{}s", seconds);
}

Option duration_option(
    std::string key,
    std::function<Duration&(Config&)> at,
    Duration fallback,
    Duration low,
    Duration high,
    std::string sentence,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::duration;
    option.fallback = duration_text(fallback);
    option.allowed = fmt::format("{} to {}", duration_text(low), duration_text(high));
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set =
        [at, low, high](Config& config, const std::string& text, const auto&) -> Result<void> {
        auto value = parse_duration(text);
        if (!value) {
            return value.error();
        }
        if (*value < low || *value > high) {
            return fail(
                Errc::invalid_argument,
                fmt::format(
                    "'{}' is not within {} to {}", text, duration_text(low), duration_text(high)
                )
            );
        }
        at(config) = *value;
        return {};
    };
    option.get = [at](const Config& config) {
        return duration_text(at(const_cast<Config&>(config)));
    };
    return option;
}

Option share_option(
    std::string key,
    std::function<double&(Config&)> at,
    std::string fallback,
    std::string sentence,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::number;
    option.fallback = std::move(fallback);
    option.allowed = "0.1 to 1";
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set = [at](Config& config, const std::string& text, const auto&) -> Result<void> {
        double value = 0;
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (status != std::errc{} || end != text.data() + text.size() ||
            !(value >= 0.1 && value <= 1)) {
            return fail(
                Errc::invalid_argument, fmt::format("'{}' is not a number from 0.1 to 1", text)
            );
        }
        at(config) = value;
        return {};
    };
    option.get = [at](const Config& config) {
        return fmt::format("{}", at(const_cast<Config&>(config)));
    };
    return option;
}

Option list_option(
    std::string key,
    std::function<std::vector<std::string>&(Config&)> at,
    std::string allowed,
    std::string sentence,
    Check check,
    bool reloadable = false
) {
    Option option;
    option.key = std::move(key);
    option.kind = Kind::list;
    option.fallback = "[]";
    option.allowed = std::move(allowed);
    option.sentence = std::move(sentence);
    option.reloadable = reloadable;
    option.set = [at, check = std::move(check)](
                     Config& config, const std::string&, const std::vector<std::string>& list
                 ) -> Result<void> {
        for (const auto& item : list) {
            if (auto good = check(item); !good) {
                return good;
            }
        }
        at(config) = list;
        return {};
    };
    option.get = [at](const Config& config) { return join(at(const_cast<Config&>(config)), "\n"); };
    return option;
}

// Short names for the member a row is about.
#define BATON_AT(type, member) [](Config& c) -> type& { return c.member; }
#define BATON_TEXT(member) BATON_AT(std::string, member)
#define BATON_INT(member) BATON_AT(std::int64_t, member)
#define BATON_BOOL(member) BATON_AT(bool, member)
#define BATON_TIME(member) BATON_AT(Duration, member)
#define BATON_LIST(member) BATON_AT(std::vector<std::string>, member)

std::vector<Option> node_options() {
    return {
        text_option(
            "node.name",
            BATON_TEXT(node.name),
            "",
            "any text; empty: the host name",
            "Name of this node in messages, in the API and on the page.",
            any_text
        ),
        text_option(
            "node.advertise",
            BATON_TEXT(node.advertise),
            "",
            "http:// or https:// address; empty: made of name and http.listen",
            "Address under which the other nodes and people's browsers reach this node's API.",
            http_url
        ),
        text_option(
            "node.data_dir",
            BATON_TEXT(node.data_dir),
            "/var/lib/baton",
            "a directory that the service may write to",
            "Where this node keeps its own small files (the highest epoch it saw).",
            not_empty
        ),
        integer_option(
            "node.priority",
            BATON_INT(node.priority),
            0,
            0,
            100,
            "Nodes with a higher number take a free lease first."
        ),
        duration_option(
            "node.self_check",
            BATON_TIME(node.self_check),
            30s,
            1s,
            1h,
            "How often the node looks whether it could do its work, as a standby too: does its "
            "account work at some of the servers, are the programs of the hooks there.",
            true
        ),
        text_option(
            "http.listen",
            BATON_TEXT(http.listen),
            "127.0.0.1:3000",
            "address:port; 0.0.0.0 for all IPv4 addresses",
            "Where the API and the page are served.",
            address
        ),
        text_option(
            "http.tls_cert",
            BATON_TEXT(http.tls_cert),
            "",
            "a PEM file; empty: plain HTTP",
            "Certificate chain of the HTTP listener.",
            any_text
        ),
        text_option(
            "http.tls_key", BATON_TEXT(http.tls_key), "", "a PEM file", "Its private key.", any_text
        ),
        text_option(
            "http.auth.method",
            BATON_TEXT(http.auth_method),
            "none",
            "none, basic, multi or proxy",
            "Who may read and who may act: everybody; one user; one user acts and 'readonly' "
            "reads; a proxy in front names the user.",
            one_of({"none", "basic", "multi", "proxy"})
        ),
        text_option(
            "http.auth.user",
            BATON_TEXT(http.auth_user),
            "",
            "any text",
            "User of the methods basic and multi.",
            any_text
        ),
        secret_option(
            "http.auth.password", BATON_TEXT(http.auth_password), "Password of that user."
        ),
        text_option(
            "http.auth.user_header",
            BATON_TEXT(http.auth_header),
            "X-Forwarded-User",
            "a header name",
            "Header in which the proxy names the user.",
            not_empty
        ),
        list_option(
            "http.auth.power_users",
            BATON_LIST(http.power_users),
            "user names; \"*\" for everybody",
            "Users who may act with the method proxy.",
            not_empty
        ),
        boolean_option(
            "http.auth.exempt_checks",
            BATON_BOOL(http.auth_exempt_checks),
            true,
            "Load balancer checks (leader-check, lb-check, /health/) need no password."
        ),
        boolean_option(
            "http.read_only", BATON_BOOL(http.read_only), false, "Refuse every change through HTTP."
        ),
        integer_option(
            "http.max_connections",
            BATON_INT(http.max_connections),
            20000,
            16,
            1000000,
            "Connections served at a time; the longest idle one gives way."
        ),
        text_option(
            "log.level",
            BATON_TEXT(log.level),
            "info",
            "error, warning, info or debug",
            "What is logged.",
            one_of({"error", "warning", "info", "debug"}),
            true
        ),
        text_option(
            "log.file",
            BATON_TEXT(log.file),
            "",
            "a file; empty: standard error (the journal under systemd)",
            "Where to.",
            any_text
        ),
    };
}

std::vector<Option> backend_options() {
    return {
        text_option(
            "backend.url",
            BATON_TEXT(backend.url),
            "sqlite:/var/lib/baton/baton.db",
            "mysql://user@host:port[,host:port...]/database or sqlite:/absolute/path",
            "The store that all nodes share. SQLite serves a single node without any database "
            "server.",
            backend_url
        ),
        secret_option(
            "backend.password", BATON_TEXT(backend.password), "Password of the backend user."
        ),
        text_option(
            "backend.engine",
            BATON_TEXT(backend.engine),
            "InnoDB",
            "InnoDB or NDB",
            "Storage engine of Baton's tables.",
            one_of({"InnoDB", "NDB"})
        ),
        text_option(
            "backend.tls",
            BATON_TEXT(backend.tls),
            "preferred",
            "off, preferred, required, verify_ca or verify_identity",
            "Transport security towards the backend.",
            one_of({"off", "preferred", "required", "verify_ca", "verify_identity"})
        ),
        text_option(
            "backend.tls_ca",
            BATON_TEXT(backend.tls_ca),
            "",
            "a PEM file",
            "Authority that signed the backend's certificate.",
            any_text
        ),
        duration_option(
            "lease.duration",
            BATON_TIME(lease.duration),
            3s,
            1s,
            60s,
            "How long the active node may act without renewing; also how long its death goes "
            "unnoticed."
        ),
        duration_option(
            "lease.renew",
            BATON_TIME(lease.renew),
            500ms,
            50ms,
            15s,
            "Renewal interval; at most a quarter of the duration."
        ),
        duration_option(
            "lease.look",
            BATON_TIME(lease.look),
            250ms,
            20ms,
            15s,
            "How often the other nodes look; at most a quarter of the duration."
        ),
        boolean_option(
            "lease.peer_check",
            BATON_BOOL(lease.peer_check),
            false,
            "Before taking a lease that was not given back, ask the other nodes over HTTP whether "
            "one "
            "of them holds it. A second guard for a backend of two servers that could both be "
            "written to; a node that is alive and cut off from the backend then delays the others "
            "until its own lease has ended."
        ),
    };
}

std::vector<Option> observation_options() {
    return {
        text_option(
            "topology.user",
            BATON_TEXT(topology.user),
            "baton",
            "a user name",
            "User on the managed servers.",
            not_empty
        ),
        secret_option("topology.password", BATON_TEXT(topology.password), "Password of that user."),
        text_option(
            "topology.replication_user",
            BATON_TEXT(topology.replication_user),
            "",
            "a user name",
            "User with which a former primary connects when it becomes a replica. Without it a "
            "replica's user and password are taken over where the servers show them (MySQL, and "
            "the right to read mysql.slave_master_info).",
            any_text
        ),
        secret_option(
            "topology.replication_password",
            BATON_TEXT(topology.replication_password),
            "Password of that user."
        ),
        text_option(
            "topology.tls",
            BATON_TEXT(topology.tls),
            "preferred",
            "off, preferred, required, verify_ca or verify_identity",
            "Transport security towards the managed servers.",
            one_of({"off", "preferred", "required", "verify_ca", "verify_identity"})
        ),
        text_option(
            "topology.tls_ca",
            BATON_TEXT(topology.tls_ca),
            "",
            "a PEM file",
            "Authority that signed their certificates.",
            any_text
        ),
        text_option(
            "topology.tls_cert",
            BATON_TEXT(topology.tls_cert),
            "",
            "a PEM file",
            "Certificate of this client.",
            any_text
        ),
        text_option(
            "topology.tls_key", BATON_TEXT(topology.tls_key), "", "a PEM file", "Its key.", any_text
        ),
        list_option(
            "topology.seeds",
            BATON_LIST(topology.seeds),
            "host:port",
            "Servers to begin with; one of each topology suffices, the others are found from "
            "there.",
            server_address,
            true
        ),
        integer_option(
            "topology.default_port",
            BATON_INT(topology.default_port),
            3306,
            1,
            65535,
            "Port where none is given."
        ),
        duration_option(
            "discovery.poll_interval",
            BATON_TIME(discovery.poll_interval),
            1s,
            100ms,
            1h,
            "How often each server is observed; a broken connection is noticed at once anyway.",
            true
        ),
        duration_option(
            "discovery.probe_timeout",
            BATON_TIME(discovery.probe_timeout),
            1s,
            50ms,
            60s,
            "How long an answer may take.",
            true
        ),
        duration_option(
            "discovery.dead_interval_max",
            BATON_TIME(discovery.dead_interval_max),
            5s,
            100ms,
            1h,
            "Dead servers are tried again ever more seldom, at least this often.",
            true
        ),
        duration_option(
            "discovery.forget_after",
            BATON_TIME(discovery.forget_after),
            240h,
            1min,
            24h * 3650,
            "Servers that have not been seen for so long are forgotten.",
            true
        ),
        integer_option(
            "discovery.connect_threads",
            BATON_INT(discovery.connect_threads),
            8,
            1,
            256,
            "Threads that make connections (names, TLS, authentication)."
        ),
        list_option(
            "discovery.ignore_hosts",
            BATON_LIST(discovery.ignore_hosts),
            "regular expressions on host:port",
            "Servers that are never followed.",
            regex,
            true
        ),
        text_option(
            "discovery.cluster_alias_query",
            BATON_TEXT(discovery.cluster_alias_query),
            "",
            "SQL that gives one value",
            "Run on primaries; gives the cluster's alias.",
            any_text
        ),
        text_option(
            "discovery.data_center_query",
            BATON_TEXT(discovery.data_center_query),
            "",
            "SQL that gives one value",
            "Gives the server's data centre.",
            any_text
        ),
        text_option(
            "discovery.region_query",
            BATON_TEXT(discovery.region_query),
            "",
            "SQL that gives one value",
            "Gives the server's region.",
            any_text
        ),
        text_option(
            "discovery.environment_query",
            BATON_TEXT(discovery.environment_query),
            "",
            "SQL that gives one value",
            "Gives the server's physical environment.",
            any_text
        ),
        text_option(
            "discovery.instance_alias_query",
            BATON_TEXT(discovery.instance_alias_query),
            "",
            "SQL that gives one value",
            "Gives a name to show for the server.",
            any_text
        ),
        text_option(
            "detection.mode",
            BATON_TEXT(detection.mode),
            "active",
            "active or shadow",
            "shadow: find and explain everything, change nothing.",
            one_of({"active", "shadow"}),
            true
        ),
        integer_option(
            "detection.timeouts",
            BATON_INT(detection.timeouts),
            2,
            1,
            100,
            "Unanswered probes in a row after which a server counts as unreachable.",
            true
        ),
        duration_option(
            "detection.lagging",
            BATON_TIME(detection.lagging),
            10s,
            1s,
            24h * 30,
            "Replicas further behind count as lagging.",
            true
        ),
        duration_option(
            "detection.cut_off_after",
            BATON_TIME(detection.cut_off_after),
            8s,
            2s,
            1h,
            "So long no replica can have connected to a primary that Baton reaches, before it "
            "counts as cut off from them. Shorter than the time after which a semi-synchronous "
            "primary stops waiting for them (10 s by default), or its writes will be lost.",
            true
        ),
        boolean_option(
            "detection.replace_cut_off",
            BATON_BOOL(detection.replace_cut_off),
            true,
            "Such a primary is made read-only and replaced, when nothing that it has acknowledged "
            "is missing on its replicas. Off: only reported.",
            true
        ),
        duration_option(
            "detection.hanging_after",
            BATON_TIME(detection.hanging_after),
            10s,
            2s,
            1h,
            "So long commits, sessions that wait for a lock, or questions for the state of a "
            "server can hang, before it is said.",
            true
        ),
        boolean_option(
            "detection.replace_hanging",
            BATON_BOOL(detection.replace_hanging),
            false,
            "A primary whose commits hang (a full disk, for example) is replaced, if it can be "
            "made "
            "read-only. Off: only reported.",
            true
        ),
        integer_option(
            "detection.lock_pile_up",
            BATON_INT(detection.lock_pile_up),
            10,
            1,
            100'000,
            "So many sessions waiting for one kind of lock are reported.",
            true
        ),
        duration_option(
            "detection.read_only_after",
            BATON_TIME(detection.read_only_after),
            10s,
            0s,
            1h,
            "A primary that is read-only for longer is a warning, and no notice any more.",
            true
        ),
        list_option(
            "advice.ignore",
            BATON_LIST(advice.ignore),
            "codes of advice, as docs/operations.md lists them",
            "Advice about settings that is not wanted. A rule of the policy sets it for some "
            "clusters; the tag advice.ignore of a server does the same for it alone.",
            advice_code,
            true
        ),
    };
}

/// Rules for clusters; what they may say is in docs/policy.md.
Option policies_option() {
    Option option;
    option.key = "policies";
    option.kind = Kind::document;
    option.fallback = "[]";
    option.allowed = "a list of rules, each with match and set; see docs/policy.md";
    option.sentence =
        "Settings for some clusters, later rules before earlier ones. Without effect while a "
        "policy "
        "set by `baton policy set` holds.";
    option.reloadable = true;
    option.set = [](Config& config, const std::string& text, const auto&) -> Result<void> {
        const auto parsed = policy::parse(text);
        if (!parsed.good()) {
            return parsed.error();
        }
        config.policies = parsed.document.text();
        return {};
    };
    option.get = [](const Config& config) { return config.policies; };
    return option;
}

std::vector<Option> policy_options() {
    return {
        policies_option(),
        duration_option(
            "timeline.keep",
            BATON_TIME(timeline_keep),
            24h * 90,
            1h,
            24h * 3650,
            "Decisions older than this are dropped from the timelines; of one cluster the newest "
            "500 are kept, of all 5000.",
            true
        ),
    };
}

std::vector<Option> recovery_options() {
    const std::string patterns =
        "regular expressions on cluster name or alias, alias=NAME, or \"*\"";
    const std::string commands = "command lines";
    return {
        list_option(
            "recovery.primary.clusters",
            BATON_LIST(recovery.primary_clusters),
            patterns,
            "Clusters whose dead primary is replaced automatically. Empty: none.",
            regex,
            true
        ),
        list_option(
            "recovery.intermediate.clusters",
            BATON_LIST(recovery.intermediate_clusters),
            patterns,
            "Clusters in which replicas of a dead intermediate source are moved automatically. "
            "Empty: none.",
            regex,
            true
        ),
        list_option(
            "recovery.ignore_hosts",
            BATON_LIST(recovery.ignore_hosts),
            "regular expressions on host:port",
            "Servers whose death never starts a recovery.",
            regex,
            true
        ),
        list_option(
            "recovery.promotion_ignore_hosts",
            BATON_LIST(recovery.promotion_ignore_hosts),
            "regular expressions on host:port",
            "Servers that are never promoted.",
            regex,
            true
        ),
        duration_option(
            "recovery.drain_limit",
            BATON_TIME(recovery.drain_limit),
            30s,
            1s,
            24h,
            "How long a candidate may take to apply what it has received, before the next one is "
            "looked at.",
            true
        ),
        duration_option(
            "recovery.step_limit",
            BATON_TIME(recovery.step_limit),
            10s,
            1s,
            10min,
            "How long any other step may take.",
            true
        ),
        duration_option(
            "recovery.anti_flapping_window",
            BATON_TIME(recovery.anti_flapping_window),
            1h,
            0s,
            24h * 30,
            "A second failover of a cluster within this time needs an acknowledgement, or that the "
            "cluster was healthy in between.",
            true
        ),
        duration_option(
            "recovery.healthy_again",
            BATON_TIME(recovery.healthy_again),
            30s,
            0s,
            24h,
            "So long a cluster must have been healthy to count as such.",
            true
        ),
        duration_option(
            "recovery.brake.window",
            BATON_TIME(recovery.brake_window),
            10s,
            1s,
            10min,
            "When too many servers vanish within this time, the other nodes are asked whether they "
            "reach them before anything is recovered; a node that alone does not reach them hands "
            "over.",
            true
        ),
        share_option(
            "recovery.brake.share",
            BATON_AT(double, recovery.brake_share),
            "0.5",
            "Too many: more than this part of all servers, at least three, of at least two "
            "clusters; or all of them.",
            true
        ),
        integer_option(
            "recovery.budget",
            BATON_INT(recovery.budget),
            20,
            1,
            100000,
            "So many automatic recoveries of all clusters together may begin within the next "
            "time; more wait for an acknowledgement or an order.",
            true
        ),
        duration_option(
            "recovery.budget_window",
            BATON_TIME(recovery.budget_window),
            10min,
            1s,
            24h,
            "Time over which the recoveries of the budget are counted.",
            true
        ),
        boolean_option(
            "recovery.prevent_cross_data_center",
            BATON_BOOL(recovery.prevent_cross_data_center),
            false,
            "Never promote in another data centre than the dead primary's.",
            true
        ),
        boolean_option(
            "recovery.prevent_cross_region",
            BATON_BOOL(recovery.prevent_cross_region),
            false,
            "Never promote in another region than the dead primary's.",
            true
        ),
        boolean_option(
            "recovery.require_all_acknowledgers",
            BATON_BOOL(recovery.require_all_acknowledgers),
            true,
            "With semi-sync: refuse to promote when a replica that cannot be reached may hold "
            "acknowledged transactions that no reachable one has.",
            true
        ),
        boolean_option(
            "recovery.promote_errant",
            BATON_BOOL(recovery.promote_errant),
            false,
            "A server with errant transactions may be promoted when nobody else can be; they reach "
            "all others then.",
            true
        ),
        boolean_option(
            "recovery.co_primary_must_take_over",
            BATON_BOOL(recovery.co_primary_must_take_over),
            true,
            "When one of two co-primaries dies, only the other one is promoted while it answers; "
            "an "
            "order may name another.",
            true
        ),
        boolean_option(
            "recovery.semi_sync.repair",
            BATON_BOOL(recovery.repair_semi_sync),
            false,
            "A semi-synchronous primary whose commits hang gets further acknowledgers: the "
            "replicas "
            "that are preferred for promotion first.",
            true
        ),
        boolean_option(
            "recovery.semi_sync.exact",
            BATON_BOOL(recovery.exact_semi_sync),
            false,
            "The same, and acknowledgers beyond the number that the primary waits for are switched "
            "off, the least preferred first.",
            true
        ),
        integer_option(
            "recovery.semi_sync.least_wait",
            BATON_INT(recovery.semi_sync_least_wait),
            0,
            0,
            1000,
            "When there are too few replicas to acknowledge, a repair may let the primary wait for "
            "fewer, but not for less than so many; what was acknowledged is on so many replicas "
            "then. 0: never.",
            true
        ),
        boolean_option(
            "recovery.make_primary_writable",
            BATON_BOOL(recovery.make_primary_writable),
            false,
            "A primary that is read-only is made writable; never one that was replaced, is in "
            "downtime or maintenance, or is read-only again soon after.",
            true
        ),
        duration_option(
            "recovery.make_writable_after",
            BATON_TIME(recovery.make_writable_after),
            5s,
            0s,
            1h,
            "... when it was read-only for this long.",
            true
        ),
        boolean_option(
            "recovery.kill_writers_of_deposed",
            BATON_BOOL(recovery.kill_writers_of_deposed),
            true,
            "When a replaced primary comes back: besides making it read-only, end its clients' "
            "connections.",
            true
        ),
        duration_option(
            "recovery.switchover.lag_limit",
            BATON_TIME(recovery.switchover_lag_limit),
            20s,
            1s,
            24h,
            "Planned switchover: a new primary that is more behind than this is refused.",
            true
        ),
        duration_option(
            "recovery.switchover.grace",
            BATON_TIME(recovery.switchover_grace),
            5s,
            0s,
            10min,
            "Planned switchover: so long transactions that have written and are older than a "
            "second "
            "may go on to their end before the primary is made read-only. Those that are still "
            "open "
            "then are ended, with their sessions.",
            true
        ),
        duration_option(
            "recovery.switchover.outage_limit",
            BATON_TIME(recovery.switchover_outage_limit),
            10s,
            1s,
            10min,
            "Planned switchover: when the new primary has not everything within this time after "
            "the "
            "old one was made read-only, the old one is made writable again.",
            true
        ),
        boolean_option(
            "recovery.switchover.end_sessions",
            BATON_BOOL(recovery.switchover_end_sessions),
            false,
            "Planned switchover: end all clients' sessions on the old primary, so that they "
            "connect "
            "anew; not only those with open transactions.",
            true
        ),
        boolean_option(
            "recovery.fence_required",
            BATON_BOOL(recovery.fence_required),
            false,
            "Never promote while the old primary may live: it must be seen to be read-only, or "
            "refuse connections, or a hook of recovery.hooks.fence must have succeeded.",
            true
        ),
        boolean_option(
            "recovery.rejoin_clean",
            BATON_BOOL(recovery.rejoin_clean),
            true,
            "A replaced primary that is back, and has nothing that its successor lacks, becomes a "
            "replica of it by itself.",
            true
        ),
        duration_option(
            "recovery.clone_limit",
            BATON_TIME(recovery.clone_limit),
            12h,
            1min,
            168h,
            "`baton rejoin --clone` and hooks of recovery.hooks.reclone may take so long.",
            true
        ),
        duration_option(
            "recovery.hooks.limit",
            BATON_TIME(recovery.hook_limit),
            30s,
            1s,
            1h,
            "A hook that runs longer is killed and counts as failed.",
            true
        ),
        list_option(
            "recovery.hooks.on_failure_detection",
            BATON_LIST(recovery.on_failure_detection),
            commands,
            "Run when a failure is detected.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.pre_failover",
            BATON_LIST(recovery.pre_failover),
            commands,
            "Run before a recovery changes anything; a failing one stops it.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.post_primary_failover",
            BATON_LIST(recovery.post_primary_failover),
            commands,
            "Run after a primary was replaced.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.post_intermediate_failover",
            BATON_LIST(recovery.post_intermediate_failover),
            commands,
            "Run after replicas of an intermediate source were moved.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.post_failover",
            BATON_LIST(recovery.post_failover),
            commands,
            "Run after any successful recovery, after the specific list.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.post_unsuccessful_failover",
            BATON_LIST(recovery.post_unsuccessful_failover),
            commands,
            "Run after a recovery that failed.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.pre_graceful_takeover",
            BATON_LIST(recovery.pre_graceful_takeover),
            commands,
            "Run before a planned switchover changes anything; a failing one stops it.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.post_graceful_takeover",
            BATON_LIST(recovery.post_graceful_takeover),
            commands,
            "Run after a planned switchover.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.fence",
            BATON_LIST(recovery.fence),
            commands,
            "Run before a promotion when the old primary cannot be reached, to cut it off (power, "
            "network, proxy). Success means: nobody can write to it any more.",
            not_empty,
            true
        ),
        list_option(
            "recovery.hooks.reclone",
            BATON_LIST(recovery.reclone),
            commands,
            "Run by `baton rejoin --hook`: replaces the data of a server (BATON_FAILED_HOST, "
            "BATON_FAILED_PORT) by a copy of another one (BATON_DONOR_HOST, BATON_DONOR_PORT).",
            not_empty,
            true
        ),
    };
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    return policy::parse_duration(text);
}

const std::vector<Option>& options() {
    static const std::vector<Option> table = [] {
        std::vector<Option> all;
        for (auto part :
             {node_options(),
              backend_options(),
              observation_options(),
              recovery_options(),
              policy_options()}) {
            std::move(part.begin(), part.end(), std::back_inserter(all));
        }
        return all;
    }();
    return table;
}

}  // namespace baton::config
