// SPDX-License-Identifier: Apache-2.0
#pragma once

// The managed servers as the loops see them (ports::Servers), over real connections: watches with
// one persistent session each, performers with one locked session for each target.
//
// Everything runs on one executor. Must outlive its watches and performers.

#include "baton/async/task.hpp"
#include "baton/mysql/connect_options.hpp"
#include "baton/mysql/connector.hpp"
#include "baton/ports/servers.hpp"

#include <functional>
#include <memory>
#include <string>

namespace baton::server {

struct Options {
    Options() = default;

    std::string user, password;
    mysql::Tls tls = mysql::Tls::preferred;
    std::string ca_file, cert_file, key_file;

    /// For a server that has no channel yet and shall follow another one ("" = refuse).
    std::string replication_user, replication_password;

    /// What one probe may take; bounds what a server spends on a statement that we gave up.
    Duration probe_timeout = std::chrono::seconds(1);
    /// Settings and identity are read again after this time.
    Duration refresh_every = std::chrono::seconds(10);

    /// One value each, read at connect and every minute; "" = none.
    std::string cluster_alias_query, data_center_query, region_query, environment_query,
        instance_alias_query;
};

class ManagedServers final : public ports::Servers {
public:
    /// The connector must outlive this. `may_act` is asked right before each statement that changes
    /// a server (E5).
    ManagedServers(
        asio::any_io_executor executor,
        mysql::Connector& connector,
        Options options,
        std::function<bool()> may_act
    );
    /// What a promotion left to be finished ends by itself when may_act() says no; run the executor
    /// until then.
    ~ManagedServers() override;
    ManagedServers(const ManagedServers&) = delete;
    ManagedServers& operator=(const ManagedServers&) = delete;

    std::unique_ptr<ports::Watch> watch(InstanceId id) override;
    std::unique_ptr<ports::Performer> performer(std::string lock_name) override;

    /// Statements still waiting for an answer on sessions of their own (a STOP that takes its
    /// time).
    [[nodiscard]] std::size_t background_work() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace baton::server
