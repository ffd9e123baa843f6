// SPDX-License-Identifier: Apache-2.0
#pragma once

// The loops of the daemon: role, discovery, analysis, recovery, following the backend as standby,
// and the commands. Everything runs on one executor (the core's, single-threaded); only view(),
// status() may be called from elsewhere.

#include "baton/analysis/advice.hpp"
#include "baton/analysis/analyze.hpp"
#include "baton/control/commands.hpp"
#include "baton/ports/hooks.hpp"
#include "baton/ports/peers.hpp"
#include "baton/ports/servers.hpp"
#include "baton/ports/store.hpp"
#include "baton/recovery/planner.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace baton::control {

/// What can be changed while running.
struct Settings {
    std::vector<InstanceId> seeds;
    Duration poll_interval = std::chrono::seconds(1);
    Duration probe_timeout = std::chrono::seconds(1);
    Duration dead_interval_max = std::chrono::seconds(5);
    Duration forget_after = std::chrono::hours(240);
    std::vector<std::string> ignore_hosts;  // regular expressions on host:port
    analysis::Policy analysis;
    analysis::AdvicePolicy advice;
    recovery::Policy recovery;
    bool shadow = false;
    Duration hook_limit = std::chrono::seconds(30);
    std::map<std::string, std::vector<std::string>> hooks;  // list name -> commands
    /// How often the node looks whether it could do its work: accounts, hooks.
    Duration self_check = std::chrono::seconds(30);
    std::string config_fingerprint;  // of the configuration in force; "" = as in Identity
    policy::Document policy;         // of the configuration file
    Duration history_age = std::chrono::hours(24 * 90);  // decisions older than this are dropped
};

/// What is fixed from the start.
struct Identity {
    std::string name, api_url, version, config_fingerprint;
    /// For tests: where in a recovery the process is to end or stop itself (docs/testing.md).
    std::string interruption = {};
};

/// Wall time for people; a parameter so that tests have their own.
using WallClock = std::function<WallMs()>;

class Engine final : public Commands {
public:
    /// References must outlive the engine. `reload` re-reads the configuration and gives the new
    /// settings.
    Engine(
        asio::any_io_executor core,
        Identity identity,
        Settings settings,
        ports::Servers& servers,
        ports::Store& store,
        ports::Lease& lease,
        ports::Hooks& hooks,
        ports::Peers& peers,
        std::function<Result<Settings>()> reload,
        WallClock wall_clock
    );
    ~Engine() override;

    /// Runs until cancelled. Afterwards nothing of it is active any more.
    Task<void> run();
    /// The role may have changed; cheap; any thread.
    void role_changed();
    /// Replaces the settings (core executor).
    void apply(Settings settings);

    [[nodiscard]] ViewPtr view() const override;
    [[nodiscard]] NodeStatus status() const override;
    std::uint64_t subscribe(std::function<void(const Event&)> listener) override;
    void unsubscribe(std::uint64_t handle) override;

    Task<Result<topology::Observation>> probe(InstanceId id) override;
    Task<Result<InstanceId>> discover(InstanceId id, std::string by) override;
    Task<Result<InstanceId>> refresh(InstanceId id) override;
    Task<Result<void>> forget(InstanceId id, std::string by) override;
    Task<Result<void>> forget_cluster(std::string cluster_id, std::string by) override;
    Task<Result<void>> begin_downtime(
        InstanceId id,
        std::string owner,
        std::string reason,
        std::chrono::seconds length,
        std::string by
    ) override;
    Task<Result<void>> end_downtime(InstanceId id, std::string by) override;
    Task<Result<std::uint64_t>> begin_maintenance(
        InstanceId id, std::string owner, std::string reason, std::string by
    ) override;
    Task<Result<void>> end_maintenance(InstanceId id, std::string by) override;
    Task<Result<void>> register_candidate(
        InstanceId id, topology::PromotionRule rule, std::string by
    ) override;
    Task<Result<void>> set_tag(InstanceId id, std::string name, std::string value, std::string by)
        override;
    Task<Result<std::vector<InstanceId>>> remove_tag(
        std::optional<InstanceId> id,
        std::string name,
        std::optional<std::string> value,
        std::string by
    ) override;
    Task<Result<void>> set_cluster_alias(std::string cluster_id, std::string alias, std::string by)
        override;
    Task<Result<std::vector<std::uint64_t>>> acknowledge(
        AckScope scope, std::string comment, std::string by
    ) override;
    Task<Result<void>> set_recoveries_enabled(bool enabled, std::string by) override;
    Task<Result<recovery::Record>> recover(
        InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
    ) override;
    Task<Result<recovery::Record>> switchover(std::string cluster_id, recovery::Order order)
        override;
    Task<Result<recovery::Record>> force_failover(std::string cluster_id, recovery::Order order)
        override;
    Task<Result<recovery::Record>> rejoin(InstanceId id, recovery::Order order, Duration wait)
        override;
    Task<Result<void>> reload_configuration(std::string by) override;
    Task<Result<std::uint64_t>> set_policy(
        std::string document, std::uint64_t expected, std::string comment, std::string by
    ) override;
    Task<Result<std::uint64_t>> roll_back_policy(
        std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
    ) override;
    Task<Result<std::vector<PolicyTrial>>> try_policy(std::string document) override;
    void look_now() override;
    void stand_back() override;
    Task<Result<void>> hand_over(std::string to, std::string by) override;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::control
