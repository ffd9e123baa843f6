// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small world behind the ports: model servers that replicate at once, a store in memory with a
// fence, a lease that the test gives and takes. For testing the engine's loops without a socket.

#include "baton/async/event.hpp"
#include "baton/control/engine.hpp"

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace baton::fake {

inline TimePoint now() {
    return std::chrono::steady_clock::now();
}

/// One model server: MySQL with GTID.
struct Server {
    InstanceId id;
    std::string uuid;
    bool up = true;
    bool frozen = false;
    bool read_only = false;
    InstanceId source;  // empty: none
    bool cut_from_source = false;
    bool receiver_on = true, applier_on = true;
    std::uint64_t uptime_seconds = 100'000;
    std::map<std::string, std::uint64_t> executed, received;  // uuid -> highest

    [[nodiscard]] static std::string text(const std::map<std::string, std::uint64_t>& set) {
        std::string all;
        for (const auto& [uuid, last] : set) {
            if (last > 0) {
                all += (all.empty() ? "" : ",") + uuid + ":1-" + std::to_string(last);
            }
        }
        return all;
    }
};

class World final : public ports::Servers {
public:
    explicit World(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    Server& add(const std::string& name, const std::string& source = "") {
        Server server;
        server.id = InstanceId(name, 3306);
        server.uuid = fmt::format("00000000-0000-0000-0000-{:012}", servers.size() + 1);
        server.read_only = !source.empty();
        if (!source.empty()) {
            server.source = InstanceId(source, 3306);
        }
        return servers[server.id] = server;
    }

    Server& at(const std::string& name) { return servers.at(InstanceId(name, 3306)); }

    /// A write on a writable server, replicated to whoever is connected.
    bool write(const std::string& name) {
        auto& server = at(name);
        if (!server.up || server.frozen || server.read_only) {
            return false;
        }
        ++server.executed[server.uuid];
        replicate();
        return true;
    }

    void replicate() {
        for (std::size_t round = 0; round < servers.size(); ++round) {
            for (auto& [id, replica] : servers) {
                if (!replica.up || replica.frozen || replica.source.empty() ||
                    !servers.contains(replica.source)) {
                    continue;
                }
                const auto& source = servers.at(replica.source);
                if (replica.receiver_on && source.up && !source.frozen &&
                    !replica.cut_from_source) {
                    for (const auto& [uuid, last] : source.executed) {
                        replica.received[uuid] = std::max(replica.received[uuid], last);
                    }
                }
                if (replica.applier_on) {
                    for (const auto& [uuid, last] : replica.received) {
                        replica.executed[uuid] = std::max(replica.executed[uuid], last);
                    }
                }
            }
        }
    }

    void kill(const std::string& name) {
        at(name).up = false;
        for (auto* watch : watches_) {
            watch->lose(at(name).id);
        }
    }

    [[nodiscard]] std::vector<std::string> writable() const {
        std::vector<std::string> names;
        for (const auto& [id, server] : servers) {
            if (server.up && !server.read_only) {
                names.push_back(id.host);
            }
        }
        return names;
    }

    std::map<InstanceId, Server> servers;
    /// Called before each step is performed; may throw away the lease, kill servers... False: the
    /// step is not done.
    std::function<bool(const recovery::Step&)> before_step = [](const recovery::Step&) {
        return true;
    };
    std::function<void(const recovery::Step&)> after_step = [](const recovery::Step&) {};
    std::vector<std::string> performed;
    std::function<bool()> may_act = [] { return true; };

    std::unique_ptr<ports::Watch> watch(InstanceId id) override {
        return std::make_unique<Watch>(*this, std::move(id));
    }

    std::unique_ptr<ports::Performer> performer(std::string /*lock_name*/) override {
        return std::make_unique<Performer>(*this);
    }

private:
    class Watch final : public ports::Watch {
    public:
        Watch(World& world, InstanceId id)
            : world_(world), id_(std::move(id)), signal_(world.executor_) {
            world_.watches_.insert(this);
        }

        ~Watch() override { world_.watches_.erase(this); }

        Task<topology::Observation> probe(Deadline deadline) override {
            topology::Observation seen;
            seen.id = id_;
            seen.started = now();
            const auto found = world_.servers.find(id_);
            if (found != world_.servers.end() && found->second.frozen) {
                co_await sleep_until(deadline);
                seen.failure = topology::ProbeFailure::timeout;
                seen.error = "no answer in time";
            } else if (found == world_.servers.end() || !found->second.up) {
                co_await sleep_for(1ms);
                seen.failure = topology::ProbeFailure::refused;
                seen.error = "connection refused";
            } else {
                co_await sleep_for(1ms);
                seen.state = world_.state_of(found->second);
            }
            seen.ended = now();
            seen.wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch()
            )
                               .count();
            co_return seen;
        }

        Task<Idle> idle(Deadline deadline) override {
            const bool woken = co_await signal_.wait(deadline);
            co_return woken ? (std::exchange(lost_, false) ? Idle::lost : Idle::woken)
                            : Idle::deadline;
        }

        void wake() override { signal_.set(); }

        void drop() override {}

        void lose(const InstanceId& id) {
            if (id == id_) {
                lost_ = true;
                signal_.set();
            }
        }

    private:
        World& world_;
        InstanceId id_;
        Signal signal_;
        bool lost_ = false;
    };

    class Performer final : public ports::Performer {
    public:
        explicit Performer(World& world) : world_(world) {}

        Task<Result<recovery::StepReport>> perform(recovery::Step step, Deadline /*deadline*/)
            override {
            co_await sleep_for(1ms);
            if (!world_.before_step(step)) {
                co_return fail(Errc::unreachable, "the connection broke");
            }
            if (!world_.may_act()) {
                co_return fail(Errc::not_leader, "no lease");
            }
            auto report = world_.perform(step);
            world_.after_step(step);
            co_return report;
        }

        Task<void> close() override { co_return; }

    private:
        World& world_;
    };

    topology::ServerState state_of(const Server& server) const {
        topology::ServerState state;
        state.identity.uuid = server.uuid;
        state.identity.server_id = std::hash<std::string>{}(server.uuid) % 100000;
        state.identity.hostname = server.id.host;
        state.identity.report_host = server.id.host;
        state.identity.report_port = server.id.port;
        state.identity.version = "8.4.4";
        state.identity.flavor = topology::Flavor::mysql;
        state.identity.binlog_format = "ROW";
        state.identity.log_bin = true;
        state.identity.log_replica_updates = true;
        state.identity.gtid_mode = "ON";
        state.identity.has_super_read_only = true;
        state.uptime_seconds = server.uptime_seconds;
        state.read_only = server.read_only;
        state.super_read_only = server.read_only;
        state.binlog = topology::LogPosition("bin.000001", 4 + server.executed.size());
        state.executed_gtid_set = Server::text(server.executed);
        if (!server.source.empty()) {
            topology::Channel channel;
            channel.source = server.source;
            const auto source = servers.find(server.source);
            const bool connected =
                source != servers.end() && source->second.up && !server.cut_from_source;
            channel.source_uuid = source != servers.end() ? source->second.uuid : "";
            channel.auto_position = true;
            channel.receiver = !server.receiver_on ? topology::ThreadState::stopped
                               : connected         ? topology::ThreadState::running
                                                   : topology::ThreadState::connecting;
            channel.receiver_error =
                server.receiver_on && !connected ? "error connecting to source" : "";
            channel.receiver_errno = server.receiver_on && !connected ? 2003 : 0;
            channel.applier =
                server.applier_on ? topology::ThreadState::running : topology::ThreadState::stopped;
            channel.retrieved_gtid_set = Server::text(server.received);
            channel.seconds_behind = 0;
            channel.read = topology::LogPosition("bin.000001", 100);
            channel.executed = channel.read;
            state.channels.push_back(channel);
        }
        for (const auto& [id, other] : servers) {
            if (other.source == server.id && other.up) {
                state.reported_replicas.push_back(id);
            }
        }
        state.dump_threads = state.reported_replicas.size();
        return state;
    }

    Result<recovery::StepReport> perform(const recovery::Step& step) {
        recovery::StepReport report;
        auto found = servers.find(step.target);
        if (found == servers.end() || !found->second.up || found->second.frozen) {
            return fail(Errc::unreachable, "cannot connect");
        }
        auto& server = found->second;
        performed.push_back(step.text());
        report.text = "done";
        const auto position = [&] {
            recovery::ReplicaPosition at;
            at.executed_gtid_set = Server::text(server.executed);
            auto all = server.executed;
            for (const auto& [uuid, last] : server.received) {
                all[uuid] = std::max(all[uuid], last);
            }
            at.received_gtid_set = Server::text(all);
            return at;
        };
        switch (step.kind) {
            case recovery::StepKind::stop_receiver:
                server.receiver_on = false;
                report.position = position();
                break;
            case recovery::StepKind::start_replication:
                server.receiver_on = server.applier_on = true;
                break;
            case recovery::StepKind::wait_applied:
                server.applier_on = true;
                replicate();
                report.position = position();
                break;
            case recovery::StepKind::promote:
                if (step.await_required) {
                    replicate();
                }
                if (const auto guard = servers.find(step.guard);
                    guard != servers.end() && !guard->second.read_only) {
                    return fail(Errc::refused, step.guard.text() + " is writable");
                }
                server.source = {};
                server.received.clear();
                server.read_only = false;
                report.position = position();
                report.binlog = topology::LogPosition("bin.000001", 200);
                break;
            case recovery::StepKind::repoint:
                server.source = step.source;
                server.cut_from_source = false;
                server.receiver_on = server.applier_on = step.start;
                replicate();
                break;
            case recovery::StepKind::set_read_only:
                server.read_only = true;
                report.position = position();
                break;
            case recovery::StepKind::set_writable:
                server.read_only = false;
                break;
            case recovery::StepKind::witness: {
                const auto source = servers.find(server.source);
                report.heard = source != servers.end() && source->second.up &&
                               !source->second.frozen && !server.cut_from_source;
                report.text = report.heard ? "connected again" : "cannot connect";
                break;
            }
            case recovery::StepKind::read_credentials:
            case recovery::StepKind::clone:
            case recovery::StepKind::set_semi_sync:
            case recovery::StepKind::hook:
                break;
        }
        return report;
    }

    asio::any_io_executor executor_;
    std::set<Watch*> watches_;
};

/// The world as one node sees it: some servers may be out of its reach.
class Standpoint final : public ports::Servers {
public:
    explicit Standpoint(World& world) : world_(world) {}

    std::function<bool(const InstanceId&)> cut = [](const InstanceId&) { return false; };
    std::function<bool(const InstanceId&)> refused = [](const InstanceId&) { return false; };

    std::unique_ptr<ports::Watch> watch(InstanceId id) override {
        return std::make_unique<Watch>(*this, std::move(id));
    }

    std::unique_ptr<ports::Performer> performer(std::string lock_name) override {
        return world_.performer(std::move(lock_name));
    }

private:
    class Watch final : public ports::Watch {
    public:
        Watch(Standpoint& from, const InstanceId& id)
            : from_(from), id_(id), real_(from.world_.watch(id)) {}

        Task<topology::Observation> probe(Deadline deadline) override {
            if (!from_.cut(id_) && !from_.refused(id_)) {
                co_return co_await real_->probe(deadline);
            }
            topology::Observation seen;
            seen.id = id_;
            seen.started = now();
            if (from_.refused(id_)) {
                seen.failure = topology::ProbeFailure::access_denied;
                seen.error = "Access denied for user 'baton'";
                seen.ended = now();
                co_return seen;
            }
            co_await sleep_until(deadline);
            seen.failure = topology::ProbeFailure::timeout;
            seen.error = "no answer in time";
            seen.ended = now();
            co_return seen;
        }

        Task<Idle> idle(Deadline deadline) override { return real_->idle(deadline); }

        void wake() override { real_->wake(); }

        void drop() override { real_->drop(); }

    private:
        Standpoint& from_;
        InstanceId id_;
        std::unique_ptr<ports::Watch> real_;
    };

    World& world_;
};

/// Asks the engines of the other nodes directly.
class Peers final : public ports::Peers {
public:
    Task<std::vector<ports::Opinion>> ask(
        std::vector<ports::NodeRow> nodes, InstanceId server, Deadline /*deadline*/
    ) override {
        std::vector<ports::Opinion> opinions;
        for (const auto& node : nodes) {
            asked.push_back(fmt::format("{} about {}", node.name, server.text()));
            ports::Opinion opinion;
            opinion.node = node.name;
            if (const auto engine = engines.find(node.name); engine != engines.end()) {
                const auto seen = co_await engine->second->probe(server);
                opinion.kind = !seen ? ports::Opinion::Kind::abstained
                               : topology::is_absence(seen->failure)
                                   ? ports::Opinion::Kind::not_reached
                                   : ports::Opinion::Kind::reached;
                opinion.text = seen ? seen->error : seen.error().what;
            } else {
                co_await sleep_for(1ms);
                opinion.text = "cannot connect";
            }
            opinions.push_back(opinion);
        }
        co_return opinions;
    }

    Task<void> look(std::vector<ports::NodeRow> nodes, Deadline /*deadline*/) override {
        for (const auto& node : nodes) {
            told_to_look.push_back(node.name);
        }
        co_return;
    }

    Task<void> stand_back(std::vector<ports::NodeRow> nodes, Deadline /*deadline*/) override {
        for (const auto& node : nodes) {
            told_to_stand_back.push_back(node.name);
        }
        co_return;
    }

    std::vector<std::string> told_to_look, told_to_stand_back;

    std::map<std::string, control::Commands*> engines;  // by name of the node; others are unheard
    std::vector<std::string> asked;
};

/// The backend's documents and its fence, shared by several nodes.
struct Backend {
    std::vector<ports::NodeRow> nodes;
    std::map<std::pair<std::string, std::string>, ports::Document> documents;
    std::uint64_t next_seq = 1;
    std::uint64_t epoch = 0;
    std::string holder;
    bool down = false;
    bool takes_no_writes = false;
    std::function<void()> on_write = [] {};  // after each transaction
};

class Lease final : public ports::Lease {
public:
    Lease(Backend& backend, std::string token) : backend_(backend), token_(std::move(token)) {}

    void take() {
        backend_.holder = token_;
        epoch_ = ++backend_.epoch;
        believes_ = true;
    }

    void lose() { believes_ = false; }

    /// A renewal that came late, and nobody else was quicker.
    void renew() { believes_ = true; }

    Duration left = 2s;

    [[nodiscard]] bool may_act() const override { return believes_; }

    [[nodiscard]] ports::LeaseStatus status() const override {
        ports::LeaseStatus status;
        status.role = believes_ ? ports::Role::holder : ports::Role::challenger;
        status.may_act = believes_;
        status.left = believes_ ? left : Duration{};
        status.epoch = believes_ ? epoch_ : backend_.epoch;
        status.token = token_;
        status.holder_token = backend_.holder;
        status.backend_ok = !backend_.down;
        return status;
    }

    void release() override {
        believes_ = false;
        backend_.holder.clear();
    }

    void look_now() override {}

    void stand_back(Duration /*length*/) override { ++stood_back; }

    int stood_back = 0;

    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

private:
    Backend& backend_;
    std::string token_;
    std::uint64_t epoch_ = 0;
    std::atomic<bool> believes_{false};
};

class Store final : public ports::Store {
public:
    Store(Backend& backend, Lease& lease) : backend_(backend), lease_(lease) {}

    Task<Result<void>> write(std::vector<ports::Document> documents, Deadline /*deadline*/)
        override {
        co_await sleep_for(1ms);
        if (backend_.down || backend_.takes_no_writes) {
            co_return fail(Errc::unreachable, "backend down");
        }
        const auto status = lease_.status();
        if (backend_.holder != status.token || backend_.epoch != lease_.epoch()) {
            co_return fail(Errc::not_leader, "fenced");
        }
        if (std::any_of(documents.begin(), documents.end(), [](const auto& document) {
                return document.key.empty();
            })) {
            co_return fail(Errc::invalid_argument, "document key ''");  // as the real one does
        }
        for (auto& document : documents) {
            document.seq = backend_.next_seq++;
            document.epoch = backend_.epoch;
            backend_.documents[{document.kind, document.key}] = document;
        }
        ++writes;
        backend_.on_write();
        co_return Result<void>{};
    }

    Task<Result<ports::Changes>>
    changes(std::uint64_t cursor, std::size_t limit, Deadline /*deadline*/) override {
        co_await sleep_for(1ms);
        if (backend_.down) {
            co_return fail(Errc::unreachable, "backend down");
        }
        ports::Changes changes;
        for (const auto& [name, document] : backend_.documents) {
            if (document.seq > cursor) {
                changes.documents.push_back(document);
            }
        }
        std::sort(
            changes.documents.begin(),
            changes.documents.end(),
            [](const auto& a, const auto& b) { return a.seq < b.seq; }
        );
        changes.more = changes.documents.size() > limit;
        if (changes.more) {
            changes.documents.resize(limit);
        }
        changes.cursor = changes.documents.empty() ? cursor : changes.documents.back().seq;
        co_return changes;
    }

    Task<Result<void>>
    expire(std::string /*kind*/, std::vector<std::string> /*keys*/, Deadline /*deadline*/)
        override {
        co_return Result<void>{};
    }

    Task<Result<std::vector<ports::NodeRow>>> nodes(Deadline /*deadline*/) override {
        co_return backend_.nodes;
    }

    Task<Result<void>> report(
        std::string token,
        std::string config_fingerprint,
        std::vector<std::string> warnings,
        Deadline /*deadline*/
    ) override {
        if (backend_.down) {
            co_return fail(Errc::unreachable, "backend down");
        }
        for (auto& node : backend_.nodes) {
            if (node.token == token) {
                node.config_fingerprint = config_fingerprint;
                node.warnings = warnings;
            }
        }
        ++reports;
        co_return Result<void>{};
    }

    int reports = 0;

    [[nodiscard]] std::uint64_t history_id() const override { return 1; }

    int writes = 0;

private:
    Backend& backend_;
    Lease& lease_;
};

class Hooks final : public ports::Hooks {
public:
    Task<Result<ports::HookResult>> run(
        std::string command, std::map<std::string, std::string> environment, Deadline /*deadline*/
    ) override {
        co_await sleep_for(1ms);
        calls.emplace_back(command, environment);
        if (const auto length = takes.find(command); length != takes.end()) {
            co_await sleep_for(length->second);
        }
        ports::HookResult result;
        const auto own = exit_codes.find(command);
        result.exit_code = own == exit_codes.end() ? exit_code : own->second;
        ended.push_back(command);
        on_end(command);
        co_return result;
    }

    Task<std::string> missing(std::string command) override {
        co_return absent.contains(command) ? command + " is not there" : "";
    }

    /// Of one command that was run once.
    [[nodiscard]] std::string variable(const std::string& command, const std::string& name) const {
        for (const auto& [called, environment] : calls) {
            if (called == command) {
                return environment.at(name);
            }
        }
        return "not run";
    }

    [[nodiscard]] auto count(const std::string& command) const {
        return std::count_if(calls.begin(), calls.end(), [&](const auto& call) {
            return call.first == command;
        });
    }

    std::set<std::string> absent;
    std::map<std::string, Duration> takes;
    std::map<std::string, int> exit_codes;  // others: exit_code
    std::vector<std::string> ended;
    std::function<void(const std::string&)> on_end = [](const std::string&) {};
    std::vector<std::pair<std::string, std::map<std::string, std::string>>> calls;
    int exit_code = 0;
};

}  // namespace baton::fake
