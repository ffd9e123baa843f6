// SPDX-License-Identifier: Apache-2.0
#include "advice.hpp"

#include "baton/base/check.hpp"
#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::analysis {
namespace {

/// Codes are part of the API and of configurations.
const std::vector<AdviceRule> rules{
    {"replica_net_timeout_long",
     Severity::warning,
     "replica_net_timeout is above 10 s: a replica whose connection broke without a word takes "
     "that "
     "long to see it, and cannot testify that its source is gone"},
    {"connect_retry_long",
     Severity::warning,
     "the receiver waits more than 5 s before it connects again: after a moment's break, and after "
     "each failover, it stays without transactions for so long"},
    {"retry_count_low",
     Severity::warning,
     "the receiver gives up within an hour and stays stopped: a source that is away longer comes "
     "back without its replicas, and a stopped receiver proves nothing about its source"},
    {"heartbeat_long",
     Severity::warning,
     "no heartbeats, or one in more than 5 s: on a quiet source nothing shows that a connection "
     "lives; when they come more seldom than replica_net_timeout, the receiver reconnects for ever "
     "(warning)"},
    {"replica_start_skipped",
     Severity::notice,
     "skip_replica_start: after a restart the replica receives nothing until somebody starts it"},
    {"received_lost",
     Severity::warning,
     "the replica has lost transactions it had received (a relay log dropped at a restart or by "
     "CHANGE, a data directory that went back): if its source dies before it has them again, they "
     "may be gone"},
    {"relay_log_recovery_discards",
     Severity::warning,
     "relay_log_recovery on a semi-synchronous MySQL replica with GTID positioning: a restart "
     "throws away what it acknowledged and has not applied"},
    {"relay_log_recovery_off",
     Severity::warning,
     "relay_log_recovery is off on a MySQL replica without GTID positioning: a relay log torn by a "
     "crash stops it, or makes it apply transactions twice"},
    {"not_durable",
     Severity::warning,
     "sync_binlog or innodb_flush_log_at_trx_commit is not 1: a crash of the machine loses "
     "committed transactions, and the server comes back behind its own replicas (primary and "
     "semi-synchronous replicas: warning; other replicas that may be promoted: notice)"},
    {"semi_sync_source_off",
     Severity::warning,
     "replicas are ready to acknowledge, and the primary does not wait for them"},
    {"semi_sync_replica_off",
     Severity::warning,
     "the primary waits for acknowledgements, and this replica gives none (notice while there are "
     "more acknowledgers than it waits for)"},
    {"semi_sync_source_missing",
     Severity::warning,
     "the source half of semi-synchronous replication is missing on a replica that may be "
     "promoted: "
     "as primary it would wait for nobody"},
    {"semi_sync_source_on_replica",
     Severity::warning,
     "a replica whose own replicas do not acknowledge waits for acknowledgements: each transaction "
     "that it applies and logs can hang until the timeout. Only the primary should wait; Baton "
     "switches it on with a promotion, and off when a replaced primary becomes a replica, but the "
     "configuration holds again after a restart"},
    {"semi_sync_timeout_short",
     Severity::warning,
     "the primary goes on without acknowledgement after less than 10 s (warning) or an hour "
     "(notice): a primary that is cut off then takes writes that are lost with it"},
    {"semi_sync_wait_count_high",
     Severity::warning,
     "the primary waits for more acknowledgements than replicas can give: each commit hangs until "
     "the timeout"},
    {"replication_user_not_set",
     Severity::warning,
     "topology.replication_user is not set: Baton knows no account with which a replaced primary "
     "could follow its successor, so it stays out of replication until somebody sets it up. (On "
     "MySQL the replicas' own account is used where Baton may read mysql.slave_master_info: "
     "notice)"},
    {"replication_user_missing",
     Severity::warning,
     "the account of topology.replication_user does not exist on the primary, or lacks REPLICATION "
     "SLAVE: a replaced primary could not follow its successor. Seen only where Baton may read "
     "mysql.user (User, Host, Repl_slave_priv), and no replica is connected with that account"},
    {"read_only_off",
     Severity::warning,
     "a replica is writable: what is written there is errant, and keeps it from being followed or "
     "promoted"},
    {"super_read_only_off",
     Severity::notice,
     "read_only is on, super_read_only is not: accounts with privileges can still write to the "
     "replica"},
    {"read_only_not_kept",
     Severity::notice,
     "read-only was set at run time and is not persisted: unless the configuration file has it, "
     "which cannot be seen from outside, the server is writable after a restart"},
    {"binary_log_off", Severity::warning, "no binary log: the replica cannot be promoted"},
    {"log_replica_updates_off",
     Severity::warning,
     "the replica does not log what it replicates: it cannot be promoted"},
    {"gtid_off", Severity::warning, "gtid_mode is not ON: the server cannot be promoted or moved"},
    {"gtid_positioning_off",
     Severity::warning,
     "the replica does not position itself by GTID: it cannot be moved below another source"},
    {"gtid_strict_off",
     Severity::warning,
     "MariaDB without gtid_strict_mode: a replica that has other transactions than its source goes "
     "on without complaint"},
    {"binlog_format_not_row",
     Severity::notice,
     "statements instead of rows are logged: replicas can come to differ unnoticed"},
    {"binlog_expires_soon",
     Severity::warning,
     "binary logs are kept for less than a day (notice), or a replica is away for more than half "
     "of "
     "the time they are kept (warning): it will have to be cloned anew"},
    {"commit_order_not_kept",
     Severity::warning,
     "a parallel applier without preserved commit order: what is executed has gaps, and a promoted "
     "server shows states that never were"},
    {"errors_skipped",
     Severity::warning,
     "replica_skip_errors: the replica differs from its source and says nothing"},
    {"older_than_source",
     Severity::warning,
     "the replica is of an older release than its source, which is not supported"},
    {"server_id_not_unique",
     Severity::critical,
     "two servers of a cluster have the same server_id: they throw each other off their source"},
    {"server_uuid_not_unique",
     Severity::critical,
     "two servers have the same server_uuid (a copied auto.cnf): they throw each other off their "
     "source, and GTIDs of one pass for the other's"},
    {"report_host_missing",
     Severity::notice,
     "report_host is not set, and the replica is known by another name or port than its source can "
     "tell: it is not found through its source"},
};

/// The tag of a server, or the policy's list.
bool ignored(const std::string& code, const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), code) != list.end() ||
           std::find(list.begin(), list.end(), "*") != list.end();
}

std::vector<std::string> ignored_by_tag(const topology::Topology& topology, const InstanceId& id) {
    const auto& tags = topology.overlay().tags;
    const auto of_server = tags.find(id);
    if (of_server == tags.end()) {
        return {};
    }
    const auto tag = of_server->second.find("advice.ignore");
    if (tag == of_server->second.end()) {
        return {};
    }
    std::string text = tag->second;
    std::replace(text.begin(), text.end(), ',', ' ');
    return split(text, ' ');
}

Members members_of(
    const topology::Topology& topology, const std::vector<const Instance*>& members
) {
    Members out;
    for (const Instance* member : members) {
        const auto& health = member->health;
        if (!health.valid && health.last_seen_ms > 0 && topology.wall_ms() > health.last_seen_ms) {
            const auto away =
                static_cast<std::uint64_t>((topology.wall_ms() - health.last_seen_ms) / 1000);
            if (away > out.away_seconds) {
                out.away_seconds = away;
                out.away = member->id;
            }
        }
        if (!member->ever_seen) {
            continue;
        }
        const auto& identity = member->state.identity;
        out.by_server_id[identity.server_id].push_back(member);
        out.by_uuid[identity.uuid].push_back(member);
        if (member->state.semi_sync.replica_enabled) {
            ++out.acknowledgers[member->source()];
        }
    }
    return out;
}

}  // namespace

const std::vector<AdviceRule>& advice_rules() {
    return rules;
}

bool is_advice_code(std::string_view code) {
    return std::any_of(rules.begin(), rules.end(), [&](const AdviceRule& rule) {
        return rule.code == code;
    });
}

void Advices::add(
    std::string_view code,
    Severity severity,
    std::string sentence,
    std::vector<std::string> statements,
    std::string config
) {
    BATON_CHECK(is_advice_code(code), "an advice must be in the table that documents it");
    Advice& advice = list_.emplace_back();
    advice.code = code;
    advice.server = server_.instance->id;
    advice.severity = severity;
    advice.sentence = std::move(sentence);
    advice.statements = std::move(statements);
    advice.config = std::move(config);
}

std::vector<Advice> advise(
    const topology::Topology& topology, const topology::Cluster& cluster, const AdvicePolicy& policy
) {
    std::vector<Advice> out;
    Advised server;
    server.topology = &topology;
    server.cluster = &cluster;
    const auto members = topology.members(cluster);
    const auto counted = members_of(topology, members);
    server.members = &counted;
    server.primary = topology.find(cluster.primary);
    if (server.primary != nullptr && !server.primary->ever_seen) {
        server.primary = nullptr;
    }
    for (const Instance* member : members) {
        // Without its settings (a server not seen yet, or stored by an older version) all of them
        // would look wrong.
        if (!member->ever_seen || !member->state.settings.read) {
            continue;
        }
        server.instance = member;
        const Instance* source = topology.find(member->source());
        server.source = source != nullptr && source->ever_seen ? source : nullptr;
        Advices advices(server);
        advise_channels(server, advices);
        advise_durability(server, advices);
        advise_semi_sync(server, advices);
        advise_replication_user(server, policy.replication_user, advices);
        advise_read_only(server, advices);
        advise_promotion(server, advices);
        advise_identity(server, advices);
        const auto unwanted = ignored_by_tag(topology, member->id);
        for (auto& advice : std::move(advices).take()) {
            if (!ignored(advice.code, policy.ignore) && !ignored(advice.code, unwanted)) {
                out.push_back(std::move(advice));
            }
        }
    }
    std::stable_sort(out.begin(), out.end(), [](const Advice& left, const Advice& right) {
        return left.severity > right.severity;
    });
    return out;
}

}  // namespace baton::analysis
