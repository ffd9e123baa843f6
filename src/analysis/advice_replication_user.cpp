// SPDX-License-Identifier: Apache-2.0
// A replaced primary has no channel: with which account shall it follow its successor?
#include "advice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::analysis {
namespace {

/// A replica that is connected with the account is the best proof that it works.
bool is_used(const Advised& server, const std::string& user) {
    const auto replicas = server.topology->replicas_of(server.instance->id);
    return std::any_of(replicas.begin(), replicas.end(), [&](const Instance* replica) {
        const auto* channel = replica->channel();
        return channel != nullptr && channel->user == user &&
               channel->receiver == topology::ThreadState::running;
    });
}

/// The account with which the most replicas connect, as a proposal; "" = not known.
std::string account_in_use(const std::vector<const Instance*>& replicas) {
    std::map<std::string, int> used;
    for (const auto* replica : replicas) {
        if (const auto* channel = replica->channel(); channel != nullptr) {
            ++used[channel->user];
        }
    }
    used.erase("");
    const auto most = std::max_element(used.begin(), used.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
    });
    return most == used.end() ? std::string{} : most->first;
}

void advise_unset(const Advised& server, Advices& out) {
    const auto replicas = server.topology->replicas_of(server.instance->id);
    const auto used = account_in_use(replicas);
    out.add(
        "replication_user_not_set",
        server.mariadb() ? Severity::warning : Severity::notice,
        fmt::format(
            "topology.replication_user is not set: {}. Set it and "
            "topology.replication_password_file in Baton's configuration{}",
            server.mariadb()
                ? "when this primary is replaced and comes back, it cannot be made a replica of "
                  "its "
                  "successor"
                : "when this primary is replaced and comes back, it can be made a replica of its "
                  "successor only if Baton may read the account and password of other replicas "
                  "(mysql.slave_master_info), and they are stored there",
            used.empty() ? std::string{} : fmt::format("; its replicas connect as {}", quoted(used))
        ),
        {},
        ""
    );
}

void advise_missing(const Advised& server, const std::string& user, Advices& out) {
    const auto account = server.settings().replication_account;
    if (account != topology::ReplicationAccount::absent &&
        account != topology::ReplicationAccount::without_privilege) {
        return;
    }
    const bool absent = account == topology::ReplicationAccount::absent;
    const auto name = fmt::format("{}@'%'", quoted(user));
    std::vector<std::string> statements;
    if (absent) {
        statements.push_back(fmt::format(
            "CREATE USER {} IDENTIFIED BY '(as in topology.replication_password_file)'", name
        ));
    }
    statements.push_back(fmt::format("GRANT REPLICATION SLAVE ON *.* TO {}", name));
    out.add(
        "replication_user_missing",
        Severity::warning,
        fmt::format(
            "the account {} of topology.replication_user {}: when this primary is replaced and "
            "comes back, it cannot be made a replica of its successor",
            quoted(user),
            absent ? "does not exist here" : "has not been granted REPLICATION SLAVE here"
        ),
        std::move(statements),
        ""
    );
}

}  // namespace

void advise_replication_user(const Advised& server, const std::string& user, Advices& out) {
    const auto& instance = *server.instance;
    if (&instance != server.primary || !instance.state.group.name.empty() ||
        server.topology->replicas_of(instance.id).empty()) {
        return;  // a group gets its members in by itself
    }
    if (user.empty()) {
        advise_unset(server, out);
    } else if (!is_used(server, user)) {
        advise_missing(server, user, out);
    }
}

}  // namespace baton::analysis
