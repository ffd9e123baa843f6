// SPDX-License-Identifier: Apache-2.0
#pragma once

// A simulated run: nodes made of the real LeaseMachine, a model backend, a network and a fault
// plan, all drawn from one seed. After every event it checks
//   I1 a fenced write commits only while the lease row carries the writer's (epoch, holder);
//   I2 at most one node may act;
//   I3 in one history the epoch only grows, and no (epoch, holder) is grabbed twice;
//   L  when the faults are over the lease is soon held, and stays held;
//   B  no node keeps the backend busy without need.

#include "mutants.hpp"
#include "sim/event_queue.hpp"
#include "sim/model_backend.hpp"
#include "sim/random.hpp"

#include "baton/election/lease.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace baton::sim {

/// What a run went through; summed over runs it shows that the seeds reach the interesting cases.
struct Statistics {
    std::uint64_t events = 0;
    std::uint64_t epochs = 0;
    std::uint64_t late_grabs = 0;
    std::uint64_t lapses = 0;
    std::uint64_t revivals = 0;
    std::uint64_t releases = 0;
    std::uint64_t releases_skipped = 0;
    std::uint64_t regressions = 0;
    std::uint64_t lost_versions = 0;
    std::uint64_t fenced_writes = 0;
    std::uint64_t fenced_off = 0;
    std::uint64_t unclear_outcomes = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t freezes = 0;
    Time slowest_recovery = 0;  // from the end of the faults until the lease is held

    void add(const Statistics& other);
};

struct Outcome {
    std::string violation;  // "" = all rules held
    std::vector<std::string> trace;
    Statistics statistics;
};

/// One run. The trace is kept only when asked for; it does not change the run.
Outcome run_seed(std::uint64_t seed, election::Mutant mutant, bool trace);

class World {
public:
    World(std::uint64_t seed, bool trace);
    Outcome run();

private:
    struct Connection {
        std::uint64_t id = 0;
        std::size_t server = 0;
        std::uint64_t incarnation = 0;
    };

    struct Completion {
        enum class What { connected, affected, row, error } what = What::error;
        std::uint64_t call = 0;
        Connection connection;  // of a connect
        Answer answer;
    };

    enum class Life { up, paused, frozen, down };

    struct Node {
        std::size_t id = 0;
        Life life = Life::down;
        std::uint64_t incarnation = 0;
        std::optional<election::LeaseMachine> machine;
        election::LeasePolicy policy;
        int priority = 0;
        // clock: boot = boot_ref + rate * (now - ref); stands while frozen
        double rate = 1.0;
        Time ref = 0;
        Time boot_ref = 0;
        Time wall_minus_boot = 0;
        Time frozen_at = 0;

        std::optional<Connection> connection;
        std::uint64_t call = 0;  // number of the call under way; 0 = none
        election::Action action;
        std::uint64_t wait = 0;
        std::optional<Completion> inbox;  // came while paused
        std::uint64_t epoch_high = 0;     // kept over restarts by some
        bool keeps_epoch = false;
        Time busy_since = 0;
        std::uint64_t busy_calls = 0;
    };

    // -- nodes
    void start(Node& node);
    void kill(Node& node);
    void step(Node& node);
    void perform(Node& node, const election::Action& action);
    void complete(std::size_t id, std::uint64_t incarnation, Completion completion);
    void feed(Node& node, const Completion& completion);
    void note_events(Node& node);
    void poke(Node& node, const std::function<void(Node&)>& input);
    void act(std::size_t id, std::uint64_t incarnation);
    [[nodiscard]] election::Clocks clocks(const Node& node) const;
    [[nodiscard]] Time boot(const Node& node) const;
    void at_boot(std::size_t id, Time boot, std::function<void(Node&)> what);

    // -- network and backend
    void connect(Node& node, const election::Action& action);
    void reach(std::size_t id, std::uint64_t incarnation, std::uint64_t call, std::size_t number);
    void send(Node& node, Statement statement, std::uint64_t call);
    void arrive(Statement statement, Connection connection, std::function<void(Answer)> reply);
    void execute(
        const Statement& statement,
        const Connection& connection,
        const std::function<void(Answer)>& reply
    );
    void send_fenced(std::size_t id, election::Fence fence);
    void replicate();
    [[nodiscard]] bool alive(const Connection& connection) const;
    [[nodiscard]] bool cut(std::size_t node, std::size_t server) const;
    [[nodiscard]] Time delay();

    // -- faults
    void plan_faults();
    void fault();
    void server_fault(std::size_t server);
    void fail_over(Time old_primary_returns);
    void storm();
    void cut_off(std::size_t id, Time until);
    void node_fault(Node& node);
    void network_fault();
    void resume(Node& node);
    void ask_release(Node& node);
    void heal();

    // -- checks
    void check();
    void fail(std::string why);
    template <class... Args>
    void log(const char* format, const Args&... args);

    bool tracing_;
    Random random_;
    EventQueue queue_;
    std::vector<Node> nodes_;
    std::unique_ptr<ModelBackend> backend_;
    std::vector<std::vector<Time>> cut_until_;  // [node][server]
    std::set<std::uint64_t> killed_;            // connections
    std::uint64_t next_id_ = 1;
    std::uint64_t grabs_ = 0;
    bool faulty_ = true;       // faults may still happen
    bool quiet_ = false;       // a run without any fault: no hand-over is allowed
    double misfortune_ = 0.0;  // probability of trouble with a statement
    Time faults_end_ = 0;
    Time end_ = 0;
    Time held_since_ = 0;
    std::uint64_t quiet_epoch_ = 0;
    Outcome outcome_;
};

}  // namespace baton::sim
