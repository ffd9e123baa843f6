// SPDX-License-Identifier: Apache-2.0
#include "sim/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::sim {

using election::Action;
using election::AfterRelease;
using election::Clocks;
using election::Do;
using election::EventKind;
using election::Instant;
using election::LeaseMachine;
using election::Mutant;
using election::mutated;
using election::Role;

namespace {

constexpr Time never = INT64_MAX / 4;
constexpr Time probe_path_every = 250 * ms;  // ConnectOptions, at most

Time ticks(Instant t) {
    return t.time_since_epoch().count();
}

Time ticks(std::chrono::milliseconds t) {
    return t.count() * ms;
}

}  // namespace

void Statistics::add(const Statistics& other) {
    events += other.events;
    epochs += other.epochs;
    late_grabs += other.late_grabs;
    lapses += other.lapses;
    revivals += other.revivals;
    releases += other.releases;
    releases_skipped += other.releases_skipped;
    regressions += other.regressions;
    lost_versions += other.lost_versions;
    fenced_writes += other.fenced_writes;
    fenced_off += other.fenced_off;
    unclear_outcomes += other.unclear_outcomes;
    conflicts += other.conflicts;
    freezes += other.freezes;
    slowest_recovery = std::max(slowest_recovery, other.slowest_recovery);
}

Outcome run_seed(std::uint64_t seed, Mutant mutant, bool trace) {
    election::active_mutant = mutant;
    auto outcome = World(seed, trace).run();
    election::active_mutant = Mutant::none;
    return outcome;
}

template <class... Args>
void World::log(const char* format, const Args&... args) {
    if (tracing_) {
        outcome_.trace.push_back(
            fmt::format(
                "{:>10.3f} ms  ", static_cast<double>(queue_.now()) / static_cast<double>(ms)
            ) +
            fmt::format(fmt::runtime(format), args...)
        );
    }
}

World::World(std::uint64_t seed, bool trace) : tracing_(trace), random_(seed * 2654435761U + 1) {
    constexpr std::array kinds{
        BackendKind::single, BackendKind::failover, BackendKind::failover, BackendKind::certified};
    const auto kind = kinds[random_.below(kinds.size())];
    const std::size_t servers = kind == BackendKind::single     ? 1
                                : kind == BackendKind::failover ? 2
                                                                : 3;
    backend_ = std::make_unique<ModelBackend>(kind, servers);
    nodes_.resize(2 + random_.below(3));
    const std::array durations{1000, 2000, 3000};
    const std::chrono::milliseconds duration{durations[random_.below(durations.size())]};
    for (auto& node : nodes_) {
        node.id = static_cast<std::size_t>(&node - nodes_.data());
        // A rolling change of the configuration: some nodes have another duration. Not on a backend
        // that loses commits, where a row from the past may tell a shorter one than the lost holder
        // counts on (docs/internals/lease.md, "What stays hazardous").
        const bool other = random_.chance(0.1) && kind != BackendKind::failover;
        node.policy =
            election::LeasePolicy::of_duration(other ? duration + duration / 2 : duration);
        node.rate = 1.0 + node.policy.clock_rate_bound * (2.0 * random_.fraction() - 1.0);
        if (random_.chance(0.3)) {
            node.rate = 1.0 + node.policy.clock_rate_bound * (random_.chance(0.5) ? 1.0 : -1.0);
        }
        node.boot_ref = random_.between(1, 1000) * s;
        node.wall_minus_boot = random_.between(0, 1000000) * s;
        node.priority = static_cast<int>(random_.between(-1, 1));
        node.keeps_epoch = random_.chance(0.5);
    }
    cut_until_.assign(nodes_.size(), std::vector<Time>(servers, 0));
    quiet_ = random_.chance(0.04);
    misfortune_ = quiet_ ? 0.0 : random_.chance(0.3) ? 0.01 : 0.06;
    faults_end_ = random_.between(15, 30) * s;
    end_ = faults_end_ + ticks(duration) * 6 + 5 * s;
}

Outcome World::run() {
    for (auto& node : nodes_) {
        const auto id = node.id;
        queue_.at(random_.between(0, 400) * ms, [this, id] { start(nodes_[id]); });
    }
    replicate();
    if (!quiet_) {
        plan_faults();
    }
    queue_.at(faults_end_, [this] { heal(); });
    while (outcome_.violation.empty() && queue_.run_one(end_)) {
        ++outcome_.statistics.events;
        check();
    }
    if (outcome_.violation.empty() && held_since_ == 0) {
        fail("L: nobody holds the lease at the end");
    }
    return std::move(outcome_);
}

void World::fail(std::string why) {
    if (outcome_.violation.empty()) {
        log("VIOLATION {}", why);
        outcome_.violation = std::move(why);
    }
}

void World::check() {
    if (!backend_->violation().empty()) {
        fail(backend_->violation());
    }
    const Node* actor = nullptr;
    for (const auto& node : nodes_) {
        // While a machine is frozen without its boot clock counting, its programs do not run; they
        // notice the jump before they go on.
        const bool believes = (node.life == Life::up || node.life == Life::paused) &&
                              node.machine->may_act(Instant{std::chrono::nanoseconds{boot(node)}});
        if (!believes) {
            continue;
        }
        if (actor != nullptr) {
            fail(fmt::format(
                "I2: node {} (epoch {}) and node {} (epoch {}) may both act",
                actor->id,
                actor->machine->epoch(),
                node.id,
                node.machine->epoch()
            ));
        }
        actor = &node;
    }
    if (actor != nullptr && quiet_) {
        if (quiet_epoch_ != 0 && quiet_epoch_ != actor->machine->epoch()) {
            fail("L: a hand-over without any fault");
        }
        quiet_epoch_ = actor->machine->epoch();
    }
    if (faulty_) {
        return;
    }
    // Time for the longest duration that the row or any node can have, for the statement under way
    // when the faults ended (D/3), and a second. A lease held at the end of the faults may still be
    // lost in that time; after it, never.
    auto longest = std::chrono::milliseconds{0};
    for (const auto& node : nodes_) {
        longest = std::max(longest, node.policy.duration);
    }
    const Time limit = ticks(longest) + ticks(longest) / 3 + s;
    if (actor != nullptr && held_since_ == 0) {
        held_since_ = queue_.now();
        outcome_.statistics.slowest_recovery = queue_.now() - faults_end_;
    }
    if (actor == nullptr) {
        held_since_ = 0;
        if (queue_.now() > faults_end_ + limit) {
            fail("L: nobody holds the lease, though the faults are long over");
        }
    }
}

// ---------------------------------------------------------------------------- nodes

Time World::boot(const Node& node) const {
    const auto now = node.life == Life::frozen ? node.frozen_at : queue_.now();
    return node.boot_ref + static_cast<Time>(node.rate * static_cast<double>(now - node.ref));
}

Clocks World::clocks(const Node& node) const {
    const auto t = boot(node);
    return Clocks{
        Instant{std::chrono::nanoseconds{t}}, std::chrono::nanoseconds{t + node.wall_minus_boot}};
}

/// Runs `what` when the node's clock has reached the time, however long that takes, unless the
/// process ends before.
void World::at_boot(std::size_t id, Time target, std::function<void(Node&)> what) {
    auto& node = nodes_[id];
    const auto left = std::max<Time>(target - boot(node), 0);
    const auto pause = static_cast<Time>(static_cast<double>(left) / node.rate) + 1;
    const auto incarnation = node.incarnation;
    queue_.at(queue_.now() + pause, [this, id, incarnation, target, what = std::move(what)] {
        auto& late = nodes_[id];
        if (late.incarnation != incarnation) {
            return;
        }
        if (boot(late) < target) {
            if (late.life == Life::frozen) {  // its clock stands
                queue_.at(queue_.now() + 20 * ms, [this, id, incarnation, target, what] {
                    if (nodes_[id].incarnation == incarnation) {
                        at_boot(id, target, what);
                    }
                });
            } else {
                at_boot(id, target, what);
            }
            return;
        }
        what(late);
    });
}

void World::start(Node& node) {
    ++node.incarnation;
    node.life = Life::up;
    node.connection.reset();
    node.call = 0;
    node.inbox.reset();
    election::NodeOptions options;
    options.token = fmt::format("node{}.{}", node.id, node.incarnation);
    options.addresses = backend_->servers().size();
    options.priority = node.priority;
    options.jitter_seed = random_.next();
    options.epoch_high = node.keeps_epoch ? node.epoch_high : 0;
    node.machine.emplace(node.policy, options);
    log("{} starts, rate {:.4f}, D {} ms", options.token, node.rate, node.policy.duration.count());
    step(node);
    const auto id = node.id;
    const auto incarnation = node.incarnation;
    queue_.at(queue_.now() + 100 * ms, [this, id, incarnation] { act(id, incarnation); });
}

void World::kill(Node& node) {
    node.life = Life::down;
    ++node.incarnation;
    node.call = 0;
    node.epoch_high = node.machine ? node.machine->epoch_high() : 0;
    const auto id = node.id;
    const auto back = faulty_ ? random_.between(50, 4000) * ms : 100 * ms;
    queue_.at(queue_.now() + back, [this, id] {
        if (nodes_[id].life == Life::down) {
            start(nodes_[id]);
        }
    });
}

void World::step(Node& node) {
    const auto action = node.machine->next(clocks(node));
    note_events(node);
    const auto id = node.id;
    if (action.what == Do::stop) {
        log("node {} ends", id);
        kill(node);
        return;
    }
    if (action.what == Do::wait) {
        node.call = 0;
        const auto wait = ++next_id_;
        node.wait = wait;
        at_boot(id, std::max(ticks(action.until), boot(node) + us), [this, wait](Node& n) {
            if (n.wait == wait && n.call == 0) {
                poke(n, [](Node&) {});
            }
        });
        return;
    }
    perform(node, action);
}

void World::perform(Node& node, const Action& action) {
    node.call = ++next_id_;
    node.action = action;
    const auto id = node.id;
    const auto incarnation = node.incarnation;
    const auto call = node.call;
    at_boot(id, ticks(action.until), [this, id, incarnation, call](Node&) {
        Completion timeout;
        timeout.call = call;
        complete(id, incarnation, std::move(timeout));
    });
    if (action.what == Do::grab) {
        ++grabs_;
        log("node {} sends grab of epoch {}", id, action.epoch);
    }
    if (queue_.now() - node.busy_since > s) {
        node.busy_since = queue_.now();
        node.busy_calls = 0;
    }
    if (++node.busy_calls > 400) {
        fail(fmt::format("B: node {} makes more than 400 calls in a second", id));
    }
    if (action.what == Do::connect) {
        connect(node, action);
        return;
    }
    Statement statement;
    statement.action = action;
    statement.token = node.machine->view().holder;
    send(node, std::move(statement), call);
}

/// An answer reaches the node: at once, or when it runs again.
void World::complete(std::size_t id, std::uint64_t incarnation, Completion completion) {
    auto& node = nodes_[id];
    if (node.incarnation != incarnation || node.call != completion.call || completion.call == 0) {
        return;  // given up before
    }
    if (node.life != Life::up) {
        if (!node.inbox) {
            node.inbox = std::move(completion);
        }
        return;
    }
    feed(node, completion);
    if (node.life == Life::up && node.call == 0) {
        step(node);
    }
}

void World::feed(Node& node, const Completion& completion) {
    const auto now = clocks(node);
    const auto what = node.action.what;
    node.call = 0;
    switch (completion.what) {
        case Completion::What::connected:
            node.connection = completion.connection;
            node.machine->on_connected(now);
            break;
        case Completion::What::affected:
            if (what == Do::grab) {
                log("node {}: grab of {} changed {} rows",
                    node.id,
                    node.action.epoch,
                    completion.answer.rows);
            }
            node.machine->on_affected(completion.answer.rows, now);
            break;
        case Completion::What::row:
            node.machine->on_row(completion.answer.row, completion.answer.server, now);
            if (node.machine->role() == Role::holder) {
                ++outcome_.statistics.late_grabs;
                log("node {} takes a late answer", node.id);
            }
            break;
        case Completion::What::error:
            if (completion.answer.error == 1213) {
                ++outcome_.statistics.conflicts;
            }
            node.machine->on_error({completion.answer.error, "simulated"}, now);
            break;
    }
    note_events(node);
}

void World::note_events(Node& node) {
    auto& count = outcome_.statistics;
    for (const auto& event : node.machine->take_events()) {
        log("node {}: {} {} {}", node.id, election::to_string(event.kind), event.number, event.text
        );
        switch (event.kind) {
            case EventKind::became_holder:
                ++count.epochs;
                break;
            case EventKind::lapsed:
                ++count.lapses;
                break;
            case EventKind::revived:
                ++count.revivals;
                break;
            case EventKind::released:
                ++count.releases;
                for (auto& other : nodes_) {
                    const auto id = other.id;
                    if (id != node.id && random_.chance(0.5)) {
                        queue_.at(queue_.now() + delay(), [this, id] {
                            poke(nodes_[id], [this](Node& n) { n.machine->look_soon(clocks(n)); });
                        });
                    }
                }
                break;
            case EventKind::release_skipped:
                ++count.releases_skipped;
                break;
            case EventKind::epoch_regressed:
                ++count.regressions;
                break;
            default:
                break;
        }
    }
}

/// An input that is no answer; a process that does not run gets it later.
void World::poke(Node& node, const std::function<void(Node&)>& input) {
    if (node.life == Life::down) {
        return;
    }
    const auto id = node.id;
    if (node.life != Life::up) {
        const auto incarnation = node.incarnation;
        queue_.at(queue_.now() + 20 * ms, [this, id, incarnation, input] {
            if (nodes_[id].incarnation == incarnation) {
                poke(nodes_[id], input);
            }
        });
        return;
    }
    input(node);
    note_events(node);
    if (node.call == 0) {
        step(node);
    }
}

/// The acting part of a node: takes the view as another thread would and writes under its fence.
void World::act(std::size_t id, std::uint64_t incarnation) {
    auto& node = nodes_[id];
    if (node.incarnation != incarnation) {
        return;
    }
    queue_.at(queue_.now() + random_.between(50, 300) * ms, [this, id, incarnation] {
        act(id, incarnation);
    });
    if (node.life != Life::up) {
        return;
    }
    if (const auto fence = node.machine->view().fence(clocks(node).boot)) {
        // It may be stopped between its check and its write, for any time.
        const bool stopped = faulty_ && random_.chance(misfortune_);
        const auto longest_pause = std::min(8 * s, std::max<Time>(faults_end_ - queue_.now(), 0));
        const auto pause = stopped ? random_.between(0, longest_pause) : 0;
        queue_.at(queue_.now() + pause, [this, id, incarnation, fence] {
            if (nodes_[id].incarnation == incarnation) {
                send_fenced(id, *fence);
            }
        });
    }
}

void World::send_fenced(std::size_t id, election::Fence fence) {
    auto& servers = backend_->servers();
    // Writes go where the lease connection goes: the copy of another certified server may not show
    // a new epoch yet, and then the answer would be "lost".
    const auto& connection_of_lease = nodes_[id].connection;
    auto server = backend_->primary();
    if (backend_->kind() == BackendKind::certified) {
        server = connection_of_lease ? connection_of_lease->server : server;
        server = faulty_ && !quiet_ && random_.chance(0.3) ? random_.below(servers.size()) : server;
    }
    if (!servers[server].up || cut(id, server)) {
        return;
    }
    Statement statement;
    statement.fenced_write = true;
    statement.token = fence.holder;
    statement.action.epoch = fence.epoch;
    const Connection connection{++next_id_, server, servers[server].incarnation};
    const auto incarnation = nodes_[id].incarnation;
    const auto reply = [this, id, incarnation, fence](const Answer& answer) {
        if (nodes_[id].incarnation != incarnation || answer.error != 0) {
            return;
        }
        ++(answer.rows > 0 ? outcome_.statistics.fenced_writes : outcome_.statistics.fenced_off);
        queue_.at(queue_.now() + delay(), [this, id, incarnation, fence, answer] {
            if (nodes_[id].incarnation == incarnation) {
                poke(nodes_[id], [this, fence, answer](Node& node) {
                    node.machine->on_fenced_write(fence, answer.rows > 0, clocks(node));
                });
            }
        });
    };
    const bool late = faulty_ && random_.chance(misfortune_);
    const auto travel =
        late
            ? std::min(random_.between(0, 9000) * ms, std::max<Time>(faults_end_ - queue_.now(), 0))
            : delay();
    queue_.at(queue_.now() + travel, [this, statement, connection, reply] {
        arrive(statement, connection, reply);
    });
}

// ---------------------------------------------------------------------------- network

Time World::delay() {
    return random_.chance(0.02) ? random_.between(1, 40) * ms : random_.between(50, 1500) * us;
}

bool World::alive(const Connection& connection) const {
    const auto& server = backend_->servers()[connection.server];
    return server.up && server.incarnation == connection.incarnation &&
           killed_.count(connection.id) == 0;
}

bool World::cut(std::size_t node, std::size_t server) const {
    return queue_.now() < cut_until_[node][server];
}

void World::connect(Node& node, const Action& action) {
    const auto id = node.id;
    const auto incarnation = node.incarnation;
    const auto call = node.call;
    const auto number = action.address;
    node.connection.reset();
    queue_.at(queue_.now() + delay(), [this, id, incarnation, call, number] {
        reach(id, incarnation, call, number);
    });
}

/// Through a cut the driver tries again and again until the attempt is given up; on a server that
/// stands still the attempt waits.
void World::reach(
    std::size_t id, std::uint64_t incarnation, std::uint64_t call, std::size_t number
) {
    if (nodes_[id].incarnation != incarnation || nodes_[id].call != call) {
        return;
    }
    const auto& server = backend_->servers()[number];
    const bool lost = cut(id, number);
    if (lost || queue_.now() < server.stalled_until) {
        const auto again = lost ? queue_.now() + probe_path_every : server.stalled_until;
        queue_.at(again + delay(), [this, id, incarnation, call, number] {
            reach(id, incarnation, call, number);
        });
        return;
    }
    Completion done;
    done.call = call;
    if (!server.up) {
        done.answer.error = 2003;
    } else if (faulty_ && random_.chance(misfortune_ / 4)) {
        done.answer.error = 1040;
    } else {
        done.what = Completion::What::connected;
        done.connection = Connection{++next_id_, number, server.incarnation};
    }
    queue_.at(queue_.now() + delay(), [this, id, incarnation, done] {
        complete(id, incarnation, done);
    });
}

void World::send(Node& node, Statement statement, std::uint64_t call) {
    const auto id = node.id;
    const auto incarnation = node.incarnation;
    const auto connection = node.connection.value_or(Connection{0, 0, never});
    const auto what = statement.action.what;
    const auto reply = [this, id, incarnation, call, what, connection](Answer answer) {
        if (cut(id, connection.server) || (faulty_ && random_.chance(misfortune_ / 2))) {
            return;  // the answer is lost
        }
        Completion done;
        done.call = call;
        done.what = answer.error != 0  ? Completion::What::error
                    : what == Do::look ? Completion::What::row
                                       : Completion::What::affected;
        done.answer = std::move(answer);
        const auto back =
            faulty_ && random_.chance(misfortune_) ? random_.between(10, 1500) * ms : delay();
        queue_.at(queue_.now() + back, [this, id, incarnation, done = std::move(done)] {
            complete(id, incarnation, done);
        });
    };
    if (!alive(connection)) {
        Answer broken;
        broken.error = 2013;
        reply(broken);
        return;
    }
    if (cut(id, connection.server)) {
        return;  // what is sent into a cut is lost
    }
    auto travel = delay();
    if (faulty_ && random_.chance(misfortune_)) {
        // Held up on its way: it may arrive long after the sender gave up, but not after the
        // faults.
        travel = std::min(random_.between(0, 9000) * ms, faults_end_ - queue_.now());
        log("node {}: {} is held up for {} ms", id, election::to_string(what), travel / ms);
    }
    queue_.at(queue_.now() + travel, [this, statement, connection, reply] {
        arrive(statement, connection, reply);
    });
    if (faulty_ && random_.chance(misfortune_ / 4)) {  // delivered twice
        const auto again =
            std::min(travel + random_.between(0, 5000) * ms, faults_end_ - queue_.now());
        queue_.at(queue_.now() + again, [this, statement, connection] {
            arrive(statement, connection, [](const Answer&) {});
        });
    }
}

void World::arrive(Statement statement, Connection connection, std::function<void(Answer)> reply) {
    const auto& server = backend_->servers()[connection.server];
    if (!alive(connection)) {
        return;
    }
    Time start = server.stalled_until;
    const bool row_lock = statement.action.what != Do::look && statement.action.what != Do::beat &&
                          statement.action.what != Do::register_node;
    if (row_lock && server.locked_until > std::max(start, queue_.now())) {
        start = server.locked_until;
        if (start > queue_.now() + s) {
            queue_.at(queue_.now() + s, [reply] {
                Answer answer;
                answer.error = 1205;
                reply(answer);
            });
            return;
        }
    }
    if (start > queue_.now()) {
        queue_.at(start + random_.between(0, 5) * ms, [this, statement, connection, reply] {
            arrive(statement, connection, reply);
        });
        return;
    }
    execute(statement, connection, reply);
}

void World::execute(
    const Statement& statement,
    const Connection& connection,
    const std::function<void(Answer)>& reply
) {
    if (statement.fenced_write && mutated(Mutant::fence_reads_only)) {
        Answer answer;
        answer.rows = backend_->read_fence(statement, connection.server) ? 1 : 0;
        if (answer.rows > 0) {
            queue_.at(queue_.now() + delay(), [this, statement] {
                backend_->commit_unfenced(statement);
            });
        }
        reply(answer);
        return;
    }
    if (faulty_ &&
        random_.chance(misfortune_ / 4)) {  // refused, or interrupted before it took effect
        constexpr std::array errors{1213U, 1205U, 1317U, 1180U, 1290U, 1021U, 3100U, 1146U, 1142U};
        Answer answer;
        answer.error = errors[random_.below(errors.size())];
        reply(answer);
        return;
    }
    auto answer = backend_->execute(statement, connection.server);
    if (answer.rows > 0 &&
        (statement.action.what == Do::grab || statement.action.what == Do::release)) {
        log("server {} executes {} of epoch {} by {}",
            connection.server,
            election::to_string(statement.action.what),
            statement.action.epoch,
            statement.token);
    }
    if (answer.error == 0 && faulty_ && random_.chance(misfortune_ / 4)) {
        answer.error = random_.chance(0.5) ? 1180 : 1317;  // done, but the answer says otherwise
        ++outcome_.statistics.unclear_outcomes;
    }
    reply(std::move(answer));
}

/// Copies follow the newest version with a lag.
void World::replicate() {
    const bool lagging = faulty_ && random_.chance(misfortune_ * 2);
    const auto pause = lagging
                           ? std::min(random_.between(50, 2500) * ms, faults_end_ - queue_.now())
                           : random_.between(1, 30) * ms;
    queue_.at(queue_.now() + pause, [this] {
        const auto number = random_.below(backend_->servers().size());
        if (queue_.now() >= backend_->servers()[number].lagging_until) {
            backend_->catch_up(number);
        }
        replicate();
    });
}

// ---------------------------------------------------------------------------- faults

void World::plan_faults() {
    const auto pause = random_.between(50, misfortune_ > 0.02 ? 2500 : 6000) * ms;
    queue_.at(queue_.now() + pause, [this] {
        if (faulty_) {
            fault();
            plan_faults();
        }
    });
}

void World::fault() {
    if (backend_->kind() == BackendKind::failover && random_.chance(0.2)) {
        storm();
        return;
    }
    switch (random_.below(4)) {
        case 0:
            server_fault(random_.below(backend_->servers().size()));
            break;
        case 1:
            network_fault();
            break;
        default: {
            // Mostly the holder's: the others have little to lose.
            auto victim = random_.below(nodes_.size());
            for (const auto& node : nodes_) {
                if (node.life == Life::up && node.machine->role() == Role::holder &&
                    random_.chance(0.6)) {
                    victim = node.id;
                }
            }
            node_fault(nodes_[victim]);
            break;
        }
    }
}

void World::server_fault(std::size_t number) {
    auto& server = backend_->servers()[number];
    const auto length = random_.between(20, 6000) * ms;
    const auto end = std::min(queue_.now() + length, faults_end_);
    switch (random_.below(6)) {
        case 0:
            if (backend_->kind() == BackendKind::failover &&
                backend_->servers()[1 - backend_->primary()].up) {
                fail_over(end);
                return;
            }
            [[fallthrough]];
        case 1:
            if (backend_->kind() != BackendKind::failover || number != backend_->primary()) {
                log("server {} crashes", number);
                server.up = false;
                ++server.incarnation;
                queue_.at(end, [this, number] { backend_->servers()[number].up = true; });
                return;
            }
            [[fallthrough]];
        case 2:
            log("server {} stalls for {} ms", number, (end - queue_.now()) / ms);
            server.stalled_until = end;
            return;
        case 3:
            log("server {} is read-only for {} ms", number, (end - queue_.now()) / ms);
            server.read_only = true;
            queue_.at(end, [this, number] { backend_->servers()[number].read_only = false; });
            return;
        case 4:
            log("the lease row is locked on server {} for {} ms", number, (end - queue_.now()) / ms
            );
            server.locked_until = end;
            return;
        default:
            if (backend_->kind() == BackendKind::single && random_.chance(0.1)) {
                log("the lease row is deleted");
                backend_->lose_row();
                return;
            }
            log("all sessions of server {} are killed", number);
            ++server.incarnation;
    }
}

void World::fail_over(Time old_primary_returns) {
    const auto old = backend_->primary();
    const auto lost = backend_->fail_over();
    outcome_.statistics.lost_versions += lost;
    log("fail-over to server {}, {} versions are lost", backend_->primary(), lost);
    queue_.at(old_primary_returns, [this, old] { backend_->servers()[old].up = true; });
}

/// The worst that an asynchronous backend does, too rare to be met by single faults: it splits. The
/// standby gets nothing any more; nodes on its side see nobody, those on the other side go on with
/// the primary or take over there; then the standby becomes primary, and the sides change places.
void World::storm() {
    const auto end = std::min(queue_.now() + random_.between(500, 9000) * ms, faults_end_);
    const auto standby = 1 - backend_->primary();
    log("the backend splits for {} ms", (end - queue_.now()) / ms);
    backend_->servers()[standby].lagging_until = end + 100 * ms;
    std::vector<std::size_t> with_primary;
    for (auto& node : nodes_) {
        const auto id = node.id;
        const bool holds = node.machine && node.machine->role() == Role::holder;
        if (!random_.chance(holds ? 0.7 : 0.5)) {
            with_primary.push_back(id);
            continue;
        }
        cut_off(id, end + random_.between(0, 1000) * ms);
        if (holds && random_.chance(0.4)) {
            queue_.at(queue_.now() + random_.between(0, 2000) * ms, [this, id] {
                if (faulty_ && nodes_[id].life == Life::up) {
                    ask_release(nodes_[id]);
                }
            });
        }
    }
    queue_.at(end, [this, standby, with_primary] {
        if (!faulty_ || !backend_->servers()[standby].up || standby == backend_->primary()) {
            return;
        }
        fail_over(std::min(queue_.now() + random_.between(500, 6000) * ms, faults_end_));
        for (const auto id : with_primary) {
            if (random_.chance(0.7)) {
                cut_off(id, queue_.now() + random_.between(0, 4000) * ms);
            }
        }
    });
}

void World::cut_off(std::size_t id, Time until) {
    until = std::min(until, faults_end_);
    std::fill(cut_until_[id].begin(), cut_until_[id].end(), until);
    log("node {} is cut off for {} ms", id, (until - queue_.now()) / ms);
}

void World::network_fault() {
    const auto node = random_.below(nodes_.size());
    const auto server = random_.below(backend_->servers().size());
    const auto end = std::min(queue_.now() + random_.between(20, 6000) * ms, faults_end_);
    if (random_.chance(0.3)) {
        if (nodes_[node].connection) {
            log("the connection of node {} breaks", node);
            killed_.insert(nodes_[node].connection->id);
        }
        return;
    }
    log("node {} is cut off from server {} for {} ms", node, server, (end - queue_.now()) / ms);
    cut_until_[node][server] = end;
    if (random_.chance(0.3)) {
        std::fill(cut_until_[node].begin(), cut_until_[node].end(), end);
    }
}

void World::node_fault(Node& node) {
    if (node.life != Life::up) {
        return;
    }
    const auto id = node.id;
    const auto incarnation = node.incarnation;
    const auto length =
        random_.chance(0.5) ? random_.between(10, 900) * ms : random_.between(900, 8000) * ms;
    const auto wake = [this, id, incarnation] {
        if (nodes_[id].incarnation == incarnation) {
            resume(nodes_[id]);
        }
    };
    const auto kind = random_.below(10);
    if (kind < 1) {
        log("node {} crashes", id);
        kill(node);
    } else if (kind < 4) {
        log("node {} is paused for {} ms", id, length / ms);
        node.life = Life::paused;
        queue_.at(std::min(queue_.now() + length, faults_end_), wake);
    } else if (kind < 6) {
        log("node {} is frozen with its clock for {} ms", id, length / ms);
        ++outcome_.statistics.freezes;
        node.frozen_at = queue_.now();
        node.life = Life::frozen;
        queue_.at(std::min(queue_.now() + length, faults_end_), wake);
    } else if (kind < 7) {
        const auto jump = random_.between(-3600, 3600) * s;
        log("the wall clock of node {} is set by {} s", id, jump / s);
        node.wall_minus_boot += jump;
    } else {
        ask_release(node);
    }
}

void World::ask_release(Node& node) {
    const auto id = node.id;
    const auto then = random_.chance(0.5) ? AfterRelease::stop : AfterRelease::challenge;
    if (node.machine->role() != Role::holder && random_.chance(0.7)) {
        return;
    }
    log("node {} is asked to release", id);
    const auto incarnation = node.incarnation;
    poke(node, [this, then](Node& n) {
        if (faulty_) {
            n.machine->request_release(then, clocks(n));
        }
    });
    const auto steps =
        random_.chance(0.8) ? random_.between(0, 20) * ms : random_.between(0, 4000) * ms;
    queue_.at(queue_.now() + steps, [this, id, incarnation] {
        if (nodes_[id].incarnation == incarnation) {
            poke(nodes_[id], [this](Node& n) { n.machine->steps_stopped(clocks(n)); });
        }
    });
}

void World::resume(Node& node) {
    log("node {} runs again", node.id);
    const bool was_frozen = node.life == Life::frozen;
    if (was_frozen) {
        // The boot clock goes on from where it stood; the wall clock is put right.
        const auto stood = boot(node);
        node.wall_minus_boot += queue_.now() - node.frozen_at;
        node.boot_ref = stood;
        node.ref = queue_.now();
    }
    node.life = Life::up;
    if (node.inbox) {
        const auto completion = *std::exchange(node.inbox, std::nullopt);
        complete(node.id, node.incarnation, completion);
    } else if (node.call == 0) {
        step(node);
    } else if (was_frozen) {
        // A call is under way; a look at the clocks comes with its result. Until then the acting
        // threads could be misled (docs/internals/lease.md, "What stays hazardous"): the wait is
        // left out of the check by giving the result of the wait at once.
        Completion broken;
        broken.call = node.call;
        complete(node.id, node.incarnation, broken);
    }
}

void World::heal() {
    log("---- the faults are over");
    faulty_ = false;
    auto& servers = backend_->servers();
    for (std::size_t number = 0; number < servers.size(); ++number) {
        auto& server = servers[number];
        backend_->catch_up(number);
        server.up = true;
        server.read_only = false;
        server.stalled_until = 0;
        server.locked_until = 0;
        server.lagging_until = 0;
    }
    for (auto& row : cut_until_) {
        std::fill(row.begin(), row.end(), 0);
    }
    for (auto& node : nodes_) {
        if (node.life == Life::paused || node.life == Life::frozen) {
            resume(node);
        } else if (node.life == Life::down) {
            start(node);
        }
    }
}

}  // namespace baton::sim
