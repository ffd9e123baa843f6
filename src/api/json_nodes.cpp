// SPDX-License-Identifier: Apache-2.0

// The form of the nodes.

#include "json_v1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

namespace baton::api::v1 {

namespace {

void write_self(JsonWriter& json, const control::NodeStatus& status, const control::View& view) {
    const auto& lease = status.lease;
    json.key("self").begin_object();
    json.member("name", status.name);
    json.member("token", status.token);
    json.member("api_url", status.api_url);
    json.member("version", status.version);
    json.member("active", lease.may_act);
    json.member("active_name", status.active_name);
    json.member("active_url", status.active_url);
    json.member("active_since_ms", status.active_since_ms);
    json.member("started_ms", status.started_ms);
    json.member("state_age_ms", to_ms(status.state_age));
    json.member("state_source", view.source);
    json.member("backend_ok", lease.backend_ok);
    json.member("backend_error", lease.backend_error);
    json.member("backend_address", lease.backend_address);
    json.member("epoch", lease.epoch);
    json.member("lease_left_ms", to_ms(lease.left));
    json.member("recoveries_disabled", view.recoveries_disabled);
    json.member("recoveries_disabled_by", view.recoveries_disabled_by);
    json.member("brake", view.brake);
    json.member("shadow", view.shadow);
    json.member("config_fingerprint", status.config_fingerprint);
    json.member("warnings", status.warnings);
    json.end_object();
}

/// The one that the others are compared with: the active one, else this one.
const ports::NodeRow* measure_of(
    const std::vector<ports::NodeRow>& rows, const control::NodeStatus& status
) {
    const auto& token = status.active_token.empty() ? status.token : status.active_token;
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.token == token; });
    return found == rows.end() ? nullptr : &*found;
}

/// What is wrong with the living nodes, as sentences.
std::vector<std::string> warnings_of(
    const std::vector<ports::NodeRow>& rows, const control::NodeStatus& status
) {
    std::vector<std::string> all;
    const auto* measure = measure_of(rows, status);
    for (const auto& row : rows) {
        const bool self = row.token == status.token;
        if (!row.alive && !self) {
            continue;
        }
        if (measure != nullptr && row.config_fingerprint != measure->config_fingerprint) {
            all.push_back(fmt::format(
                "node {} has another configuration ({}) than node {} ({})",
                row.name,
                row.config_fingerprint,
                measure->name,
                measure->config_fingerprint
            ));
        }
        if (measure != nullptr && row.version != measure->version) {
            all.push_back(fmt::format(
                "node {} runs version {}, node {} version {}",
                row.name,
                row.version,
                measure->name,
                measure->version
            ));
        }
        for (const auto& warning : self ? status.warnings : row.warnings) {
            all.push_back(fmt::format("node {}: {}", row.name, warning));
        }
    }
    return all;
}

void write_node(JsonWriter& json, const ports::NodeRow& row, const control::NodeStatus& status) {
    const bool self = row.token == status.token;
    const bool active = self ? status.lease.may_act
                             : !status.active_token.empty() && row.token == status.active_token;
    json.begin_object();
    json.member("name", row.name);
    json.member("token", row.token);
    json.member("api_url", row.api_url);
    json.member("version", row.version);
    json.member("priority", row.priority);
    json.member("active", active);
    json.member("alive", row.alive || self);
    json.member("epoch", active ? std::optional<std::uint64_t>(status.lease.epoch) : std::nullopt);
    // Another node's: until it could be taken, as seen from here.
    const auto left = self ? status.lease.left : active ? status.lease.holder_left : Duration{};
    json.member(
        "lease_left_ms",
        self || left > Duration{} ? std::optional<std::int64_t>(to_ms(left)) : std::nullopt
    );
    json.member("backend_address", row.backend_address);
    json.member("config_fingerprint", row.config_fingerprint);
    json.member("warnings", self ? status.warnings : row.warnings);
    json.member("last_heard_ms", self ? std::int64_t{0} : to_ms(row.since_beat));
    json.member("started_ms", row.started_ms);
    json.end_object();
}

}  // namespace

void write_nodes(JsonWriter& json, const control::NodeStatus& status, const Moment& moment) {
    json.begin_object();
    write_self(json, status, *moment.view);
    auto rows = moment.view->nodes;
    const bool has_self = std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
        return row.token == status.token;
    });
    if (!has_self) {
        ports::NodeRow self;
        self.token = status.token;
        self.name = status.name;
        self.api_url = status.api_url;
        self.version = status.version;
        self.config_fingerprint = status.config_fingerprint;
        self.backend_address = status.lease.backend_address;
        self.started_ms = status.started_ms;
        rows.push_back(std::move(self));
    }
    for (auto& row : rows) {
        if (row.token == status.token) {
            row.config_fingerprint = status.config_fingerprint;  // it may have been reloaded
        }
    }
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        return std::tie(a.name, a.token) < std::tie(b.name, b.token);
    });
    json.key("nodes").begin_array();
    for (const auto& row : rows) {
        write_node(json, row, status);
    }
    json.end_array();
    json.member("warnings", warnings_of(rows, status));
    json.end_object();
}

}  // namespace baton::api::v1
