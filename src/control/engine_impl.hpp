// SPDX-License-Identifier: Apache-2.0
#pragma once

// The engine's state and the parts its loops are made of. One executor, no locks; only `view`,
// `lease` and `role_changed` are touched from other threads.

#include "interruption.hpp"
#include "state.hpp"

#include "baton/async/event.hpp"
#include "baton/async/task_group.hpp"
#include "baton/control/engine.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace baton::control {

/// Servers that are first looked at within a millisecond: each needs a connection, and an answer
/// that is late by our own doing looks like one that does not come.
inline constexpr std::size_t first_looks_per_ms = 4;

inline TimePoint now() {
    return std::chrono::steady_clock::now();
}

/// One watched server.
struct Slot {
    explicit Slot(const asio::any_io_executor& executor)
        : observed(std::make_shared<baton::Event>(executor)) {}

    InstanceId id;
    std::unique_ptr<ports::Watch> watch;
    bool removed = false;
    bool witness_running = false;
    TimePoint witness_ended{};      // end of the last witness test
    TimePoint next_witness{};       // not before, after one that could not be carried out
    unsigned witness_failures = 0;  // of those in a row
    TimePoint first_due{};
    TimePoint last_started{};  // start of the newest finished probe
    TimePoint last_wake{};
    std::shared_ptr<baton::Event>
        observed;           // set when the present probe has been folded in, then replaced
    unsigned failures = 0;  // in a row
    std::string error;      // of the newest probe, "" when it succeeded
    bool moved = true, changed = true;  // since its stored forms were made
    TimePoint moved_at{};               // end of the newest probe that showed something new
    TimePoint stable_made{};
    std::size_t stable_hash = 0, progress_hash = 0;
};

/// What is remembered while the brake on correlated failures is on.
struct Brake {
    bool on = false, asking = false;
    std::string text;                 // what vanished, in words
    std::vector<InstanceId> servers;  // all that vanished since it went on; sorted
    recovery::Judgement judgement;
    std::map<InstanceId, std::pair<TimePoint, std::vector<ports::Opinion>>> opinions;
};

/// What this node found out about itself.
struct SelfReport {
    std::string config_fingerprint;
    std::vector<std::string> warnings;
};

struct Engine::Impl {
    Impl(
        asio::any_io_executor core_executor,
        Identity identity_of_node,
        Settings first_settings,
        ports::Servers& servers_port,
        ports::Store& store_port,
        ports::Lease& lease_port,
        ports::Hooks& hooks_port,
        ports::Peers& peers_port,
        std::function<Result<Settings>()> reload_function,
        WallClock clock
    );

    // engine.cpp: role, following, publishing
    Task<void> run();
    Task<void> play_roles();
    Task<void> lead();
    Task<void> follow_step();
    Task<bool> catch_up();
    Task<void> watch_role(TaskGroup& group);
    [[nodiscard]] TimePoint last_look_at_servers() const;
    Task<void> nodes_loop();
    Task<void> lag_loop();
    void apply_documents(const std::vector<ports::Document>& documents);
    void rebuild_followed(const State::Touched& touched);
    void publish_view();
    void emit(std::string type, std::string data);

    // self_check.cpp
    Task<void> self_check_loop();
    Task<void> check_hooks(std::vector<std::string>* found);
    Task<void> check_account(std::vector<std::string>* found);
    Task<void> report(std::vector<std::string> found);

    // discovery.cpp
    Task<void> watch_server(std::shared_ptr<Slot> slot);
    void start_watching(const InstanceId& id, Duration delay);
    void stop_watching(const InstanceId& id);
    void handle(const std::shared_ptr<Slot>& slot, topology::Observation observation);
    void wake(const InstanceId& id);
    void wake_neighbours(const topology::Instance& instance);
    Task<bool> observe_afresh(InstanceId id, Deadline deadline);
    Task<void> publisher();
    void publish(bool follow = true);
    void publish_soon(bool urgent);
    void follow_topology();
    Task<void> ask_witness(std::shared_ptr<Slot> slot);
    [[nodiscard]] bool ignored(const InstanceId& id) const;
    [[nodiscard]] Duration pause_after(const InstanceId& id, unsigned failures) const;

    // detection.cpp
    void react(const std::vector<analysis::Finding>& findings);
    void record_detections(const std::vector<analysis::Finding>& findings);
    void ask(const analysis::Finding& finding);
    void consider(const analysis::Finding& finding);
    void note_refusal(const analysis::Finding& finding, const recovery::Refusal& refusal);
    [[nodiscard]] recovery::History history_of(
        const topology::Cluster& cluster, analysis::RecoveryKind kind, const InstanceId& subject
    ) const;
    [[nodiscard]] const analysis::Finding* finding_of(const InstanceId& id) const;
    void note_health(const std::set<std::string>& troubled);
    [[nodiscard]] recovery::Forecast forecast_of(
        const topology::Cluster& cluster,
        const topology::Topology& seen,
        const policy::Effective& policy
    ) const;
    Task<void> run_detection_hooks(std::shared_ptr<const Detection> detection);

    // brake.cpp
    bool brake_holds();
    bool looked_around(const InstanceId& subject);
    Task<void> look_around();
    [[nodiscard]] bool may_leave() const;
    [[nodiscard]] bool should_leave() const;
    void watch_losses(const std::vector<analysis::Finding>& present);
    Task<void> ask_others(std::vector<InstanceId> questions);
    Task<void> ask_about(
        InstanceId server,
        std::vector<ports::NodeRow> others,
        Deadline deadline,
        std::vector<ports::Opinion>* answers
    );
    Task<std::vector<std::string>> living_nodes(std::vector<ports::NodeRow> others);
    Task<void> leave_to_others();
    Task<Result<topology::Observation>> probe(InstanceId id);
    [[nodiscard]] recovery::Opinions opinions_in_force() const;
    [[nodiscard]] std::optional<recovery::Refusal> braked(const analysis::Finding& finding) const;
    [[nodiscard]] std::vector<std::string> brake_evidence(const InstanceId& subject) const;

    // policy.cpp
    void renew_policy();
    void refresh_policies();
    [[nodiscard]] policy::Effective base_policy() const;
    /// Of a cluster by id; of none: as configured.
    [[nodiscard]] const policy::Effective& policy_of(const std::string& cluster_id) const;
    /// With which the recovery began.
    std::shared_ptr<const policy::Effective> policy_of(const recovery::Record& record);
    [[nodiscard]] Result<void> may_change(const std::string& cluster_id) const;
    [[nodiscard]] std::vector<analysis::Finding> analyzed() const;
    Task<Result<std::uint64_t>> set_policy(
        std::string document, std::uint64_t expected, std::string comment, std::string by
    );
    Task<Result<std::uint64_t>> roll_back_policy(
        std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
    );
    Task<Result<std::uint64_t>> store_policy(policy::Version version, std::uint64_t expected);
    void decide_policy(
        const std::string& rule,
        const std::string& headline,
        const std::string& by,
        const std::map<std::string, std::shared_ptr<const policy::Effective>>& before
    );
    Task<Result<std::vector<PolicyTrial>>> try_policy(std::string document);

    // decisions.cpp: what is remembered for the timeline
    void decide(Decision decision);
    [[nodiscard]] Decision decision_on(
        Decision::Kind kind, const std::string& cluster_id, const InstanceId& subject
    ) const;
    void decide_begin(const recovery::Record& record);
    void decide_refusal(const analysis::Finding& finding, const recovery::Refusal& refusal);
    void decide_settled(const Blocked& blocked);
    void decide_primary(
        const std::string& cluster_id,
        const InstanceId& before,
        const InstanceId& after,
        const std::string& why,
        const std::string& recovery_id
    );
    [[nodiscard]] recovery::Refusal shadow_refusal(
        const recovery::Record& record, const recovery::History& history
    );
    /// For how long the finding has held.
    Duration held_for(const analysis::Finding& finding);
    Task<void> look_again(Duration after);

    // recovery_loop.cpp
    void start_recovery(recovery::Record record);
    Task<void> run_recovery(std::string id, bool resumed);
    Task<bool> recovery_round(recovery::Record& record, ports::Performer& performer);
    Task<void> perform_step(
        const recovery::Record* record,
        ports::Performer* performer,
        recovery::Step step,
        recovery::StepRecord* journal,
        std::optional<Result<recovery::StepReport>>* outcome
    );
    Task<Result<recovery::StepReport>> run_hooks(
        recovery::Record record, recovery::Step step, recovery::StepRecord* journal
    );
    Task<Result<void>> run_hook(
        const recovery::Record* record,
        std::string command,
        bool resumed,
        recovery::StepRecord* journal,
        std::string* told
    );
    void on_promoted(const recovery::Record& record, std::vector<ports::Document>& documents);
    void on_finished(const recovery::Record& record, std::vector<ports::Document>& documents);
    void mark_left_stopped(const recovery::Record& record, std::vector<ports::Document>& documents);
    void forget_started_receivers();
    void take_over_recoveries();
    void note_interrupted_steps(
        const std::string& recovery_id, std::vector<ports::Document>& documents
    );
    void add_left_to_write(std::vector<ports::Document>& documents) const;

    // orders.cpp: recoveries that an operator orders
    Task<Result<recovery::Record>> switchover(std::string cluster_id, recovery::Order order);
    Task<Result<recovery::Record>> force_failover(std::string cluster_id, recovery::Order order);
    Task<Result<recovery::Record>> rejoin(InstanceId id, recovery::Order order, Duration wait);
    Task<Result<recovery::Record>> change_primary(
        std::string cluster_id, recovery::Order order, bool by_force
    );
    [[nodiscard]] std::string ordered_before(
        const topology::Cluster& cluster, const recovery::Order& order
    ) const;
    Task<void> look_at_cluster(std::string cluster_id);
    Result<recovery::Record> refuse_order(
        const std::string& cluster_id,
        const InstanceId& subject,
        const recovery::Refusal& refusal,
        const recovery::Order& order
    );
    Task<Result<recovery::Record>> end_of(std::string id, Deadline until);
    void forgive_returned();

    // writer.cpp: what goes to the backend
    Task<void> flush_loop();
    Task<Result<void>> commit(std::vector<ports::Document> documents, Duration limit);
    void enqueue(ports::Document document);
    Task<void> collect_instances();
    Task<void> janitor();
    void audit(
        const std::string& type,
        const InstanceId& id,
        const std::string& cluster,
        const std::string& message,
        const std::string& by
    );

    // commands.cpp
    [[nodiscard]] Result<void> must_lead() const;
    Task<Result<void>> store_change(ports::Document document);
    Task<Result<InstanceId>> discover(InstanceId id, std::string by);
    Task<Result<InstanceId>> refresh(InstanceId id);
    Task<Result<void>> forget(InstanceId id, std::string by);
    Task<Result<void>> forget_cluster(std::string cluster_id, std::string by);
    Task<Result<void>> begin_downtime(
        InstanceId id,
        std::string owner,
        std::string reason,
        std::chrono::seconds length,
        std::string by
    );
    Task<Result<void>> end_downtime(InstanceId id, std::string by);
    Task<Result<std::uint64_t>> begin_maintenance(
        InstanceId id, std::string owner, std::string reason, std::string by
    );
    Task<Result<void>> end_maintenance(InstanceId id, std::string by);
    Task<Result<void>> register_candidate(
        InstanceId id, topology::PromotionRule rule, std::string by
    );
    Task<Result<void>> set_tag(InstanceId id, std::string name, std::string value, std::string by);
    Task<Result<std::vector<InstanceId>>> remove_tag(
        std::optional<InstanceId> id,
        std::string name,
        std::optional<std::string> value,
        std::string by
    );
    Task<Result<void>> set_cluster_alias(std::string cluster_id, std::string alias, std::string by);
    Task<Result<std::vector<std::uint64_t>>> acknowledge(
        AckScope scope, std::string comment, std::string by
    );
    Task<Result<void>> set_recoveries_enabled(bool enabled, std::string by);
    Task<Result<recovery::Record>> recover(
        InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
    );
    Task<Result<void>> reload_configuration(std::string by);
    Task<Result<void>> hand_over(std::string to, std::string by);
    Task<void> give_back(std::string to, std::string message, std::string by);
    Task<void> tell_others_to_look();
    [[nodiscard]] std::vector<ports::NodeRow> other_living_nodes() const;
    Task<Result<void>> await_holder(std::string to);
    [[nodiscard]] Result<void> can_take(const std::string& to) const;
    void apply_settings(Settings fresh);
    void remove_instance(const InstanceId& id);

    // ---- members
    const asio::any_io_executor core;
    Identity identity;
    Settings settings;
    std::vector<std::regex> ignore_patterns;
    ports::Servers& servers;
    ports::Store& store;
    ports::Lease& lease;
    ports::Hooks& hooks;
    ports::Peers& peers;
    std::function<Result<Settings>()> reload;
    WallClock wall;
    WallMs started_ms = 0;

    Signal role_signal;
    Signal publish_signal;
    Signal flush_signal;
    Signal self_check_signal;
    bool publish_urgent = false;

    State state;
    std::uint64_t cursor = 0;
    std::uint64_t history_id = 0;
    topology::Builder builder;
    topology::TopologyPtr topology = std::make_shared<const topology::Topology>();
    std::vector<analysis::Finding> findings;
    std::vector<ports::NodeRow> nodes;
    TimePoint fresh_at{};
    std::string follow_error;

    bool active = false;
    std::atomic<WallMs> active_since_ms{0};
    bool instances_due = false;  // something decisive is to be written without the usual pause
    std::atomic<Duration::rep> last_look{0};  // asked for by another node; time since epoch
    TaskGroup* group = nullptr;               // of the present leadership
    std::map<InstanceId, std::shared_ptr<Slot>> slots;
    std::map<InstanceId, std::pair<analysis::Code, std::uint64_t>> open_detections;
    std::map<std::string, ClusterHealth> cluster_health;
    std::shared_ptr<const std::map<std::string, ClusterHealth>> shared_health;  // null: changed
    Brake brake;
    std::vector<InstanceId> lost_lately;  // within the brake's window
    TimePoint looked{};                   // begin of the last look at all servers
    bool looking = false;
    TimePoint brake_released{};     // last hand-over because of it; outlives the leadership
    unsigned probing = 0;           // probes asked for by others
    std::set<std::string> running;  // places (place_of) with a recovery task
    std::map<std::string, std::shared_ptr<baton::Event>> recovery_ended;  // by recovery id
    policy::Resolver resolver;
    std::shared_ptr<const policy::Document> policy_document =
        std::make_shared<const policy::Document>();  // of the resolver, for views
    std::shared_ptr<const std::map<std::string, std::shared_ptr<const policy::Effective>>>
        policies =
            std::make_shared<const std::map<std::string, std::shared_ptr<const policy::Effective>>>(
            );
    bool analysis_differs = false;  // some cluster has an analysis policy of its own
    bool policy_writing = false;
    std::map<std::string, std::shared_ptr<const policy::Effective>>
        kept_policies;  // by id of a running recovery
    std::map<InstanceId, std::pair<analysis::RecoveryKind, TimePoint>> held_since;
    std::map<std::string, TimePoint> frozen_at;    // by recovery id: writers waited since
    std::map<std::string, bool> written_findings;  // by cluster id; false: by a predecessor
    std::map<InstanceId, TimePoint> forgotten;     // not to be found again before
    TimePoint last_publish{}, last_follow{}, last_instances{}, names_due{};
    topology::TopologyPtr followed;  // whose names were gone through; null: none

    std::map<std::pair<std::string, std::string>, std::string> outbox;  // (kind, key) -> data
    std::string write_error;

    std::map<std::uint64_t, std::function<void(const control::Event&)>> listeners;
    std::uint64_t next_listener = 1, next_event = 1;

    Interruption interruption;
    std::size_t self_check_next = 0;  // of the servers, for the next self-check
    std::atomic<std::shared_ptr<const SelfReport>> self{std::make_shared<const SelfReport>()};

    Counters counters;
    std::uint64_t generation = 0;
    std::atomic<ViewPtr> view{std::make_shared<const View>()};
};

}  // namespace baton::control
