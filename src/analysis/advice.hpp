// SPDX-License-Identifier: Apache-2.0
#pragma once

// Under the hood of baton/analysis/advice.hpp: one server in its place, the words it speaks, and
// the groups of rules.

#include "baton/analysis/advice.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace baton::analysis {

using topology::Channel;
using topology::Instance;

/// What rules ask of all members, counted once.
struct Members {
    /// Of servers seen at least once, in the order of members().
    std::map<std::uint64_t, std::vector<const Instance*>> by_server_id;
    std::map<std::string_view, std::vector<const Instance*>> by_uuid;
    std::map<InstanceId, std::uint64_t> acknowledgers;  // by source, as far as settings go
    InstanceId away;                                    // who is away for longest
    std::uint64_t away_seconds = 0;
};

/// A server with what the rules ask of its neighbourhood.
struct Advised {
    const topology::Topology* topology = nullptr;
    const topology::Cluster* cluster = nullptr;
    const Members* members = nullptr;
    const Instance* instance = nullptr;
    const Instance* source = nullptr;   // null: none, or not known
    const Instance* primary = nullptr;  // of the cluster; null: none seen

    [[nodiscard]] const topology::Identity& identity() const { return instance->state.identity; }

    [[nodiscard]] const topology::ServerSettings& settings() const {
        return instance->state.settings;
    }

    [[nodiscard]] bool mariadb() const { return identity().flavor == topology::Flavor::mariadb; }

    /// A replica in the ordinary sense: not of a pair of co-primaries, not a member of a group.
    [[nodiscard]] bool plain_replica() const {
        return instance->is_replica() && !instance->is_co_primary &&
               instance->state.group.name.empty();
    }

    [[nodiscard]] bool may_be_promoted() const {
        return topology->promotion_rule(instance->id) != topology::PromotionRule::must_not;
    }
};

/// Collects for one server.
class Advices {
public:
    explicit Advices(const Advised& server) : server_(server) {}

    /// `code` must be in advice_rules().
    void add(
        std::string_view code,
        Severity severity,
        std::string sentence,
        std::vector<std::string> statements,
        std::string config
    );

    [[nodiscard]] std::vector<Advice>&& take() && { return std::move(list_); }

private:
    const Advised& server_;
    std::vector<Advice> list_;
};

// ---- words of the server

/// "SET PERSIST x = 1" where the server has that, else "SET GLOBAL x = 1".
std::string set_variable(const Advised& server, std::string_view name, std::string_view value);
/// For what can be changed only by a restart: "SET PERSIST_ONLY x = OFF"; none where the server has
/// no such statement.
std::vector<std::string> set_for_restart(
    const Advised& server, std::string_view name, std::string_view value
);
/// "replica_net_timeout" or "slave_net_timeout", for example.
std::string replica_variable(const Advised& server, std::string_view rest);
/// "STOP REPLICA IO_THREAD"; `threads` is "" or "IO_THREAD" or "SQL_THREAD".
std::string control_replica(
    const Advised& server, std::string_view verb, std::string_view threads, const Channel& channel
);
/// With `options` in front of those that a CHANGE would reset. MariaDB needs both threads stopped.
std::vector<std::string> change_channel(
    const Advised& server, const Channel& channel, const std::vector<std::string>& options
);
/// Stops and starts the receiver, so that it takes up new settings.
std::vector<std::string> reconnect(const Advised& server, const Channel& channel);

/// Around statements that must not meet a running applier.
std::vector<std::string> with_applier_stopped(
    const Advised& server, std::vector<std::string> statements
);
/// A quoted literal: nothing that a server sent gets into a statement otherwise.
std::string quoted(std::string_view text);

/// What the channel's heartbeat period should be.
double wanted_heartbeat(const Advised& server, const Channel& channel);

constexpr std::uint64_t net_timeout_limit_seconds = 10;
constexpr std::uint64_t connect_retry_limit_seconds = 5;
constexpr double heartbeat_limit_seconds = 5;

// ---- groups of rules

void advise_channels(const Advised& server, Advices& out);
void advise_durability(const Advised& server, Advices& out);
void advise_promotion(const Advised& server, Advices& out);
void advise_read_only(const Advised& server, Advices& out);
void advise_semi_sync(const Advised& server, Advices& out);
/// `user`: with which a replaced primary is to follow its successor; "" = none is configured.
void advise_replication_user(const Advised& server, const std::string& user, Advices& out);
void advise_identity(const Advised& server, Advices& out);

}  // namespace baton::analysis
