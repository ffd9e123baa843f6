// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two Baton nodes over the fake world: a, which has the lease at the start, and b.

#include "component/control/fake_world.hpp"

#include "baton/async/task_group.hpp"
#include "baton/base/log.hpp"
#include "baton/control/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

namespace baton::control {

/// One Baton node in the fake world.
struct Node {
    Node(
        asio::io_context& io,
        fake::World& world,
        fake::Backend& backend,
        fake::Peers& peers,
        const std::string& name,
        Settings settings,
        const Duration* ahead = nullptr  // by so much its wall clock is
    )
        : lease(backend, name),
          store(backend, lease),
          servers(world),
          engine(
              io.get_executor(),
              identity_of(name),
              settings,
              servers,
              store,
              lease,
              hooks,
              peers,
              [settings]() -> Result<Settings> { return settings; },
              [ahead] {
                  return std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch() +
                             (ahead != nullptr ? *ahead : Duration{})
                  )
                      .count();
              }
          ) {}

    static Identity identity_of(const std::string& name) {
        Identity identity;
        identity.name = name;
        identity.version = "test";
        return identity;
    }

    fake::Lease lease;
    fake::Store store;
    fake::Hooks hooks;
    fake::Standpoint servers;
    Engine engine;
};

/// A primary p with replicas r1, r2, r3, observed by node a (which has the lease); node b stands
/// by.
class EngineTest : public testing::Test {
protected:
    EngineTest() {
        ignore(
            log::configure(std::getenv("BATON_TEST_LOG") ? "info" : "error", ""),
            "tests need no log"
        );
        world.add("p");
        for (const auto* name : {"r1", "r2", "r3"}) {
            world.add(name, "p");
        }
        world.may_act = [this] { return (a && a->lease.may_act()) || (b && b->lease.may_act()); };
    }

    Settings settings() {
        Settings s;
        s.seeds = {InstanceId("p", 3306)};
        s.poll_interval = 50ms;
        s.probe_timeout = 50ms;
        s.dead_interval_max = 100ms;
        s.recovery.primary_clusters = {"*"};
        s.recovery.intermediate_clusters = {"*"};
        s.recovery.anti_flapping_window = 0s;
        return s;
    }

    void start(Settings s) {
        a = std::make_unique<Node>(io, world, backend, peers, "a", s, &ahead);
        b = std::make_unique<Node>(io, world, backend, peers, "b", s, &ahead);
        group = std::make_unique<TaskGroup>(io.get_executor());
        group->spawn("a", a->engine.run());
        group->spawn("b", b->engine.run());
        a->lease.take();
        a->engine.role_changed();
    }

    ~EngineTest() override {
        if (group) {
            group->cancel();
            asio::co_spawn(io, join(), asio::detached);
            io.restart();
            io.run();
        }
    }

    Task<void> join() { co_await group->join(); }

    /// Runs the loop until the condition holds; false after ten seconds.
    bool until(const std::function<bool()>& condition) {
        const auto end = fake::now() + 10s;
        while (!condition()) {
            if (fake::now() > end) {
                return false;
            }
            io.restart();
            io.run_for(5ms);
        }
        return true;
    }

    static bool complete(const Node& node, std::size_t servers) {
        const auto view = node.engine.view();
        return view->topology->instances().size() == servers &&
               view->topology->clusters().size() == 1 &&
               std::all_of(
                   view->topology->instances().begin(),
                   view->topology->instances().end(),
                   [](const auto& i) { return i->health.valid; }
               );
    }

    static bool recovered(const Node& node) {
        const auto view = node.engine.view();
        return !view->recoveries.empty() &&
               view->recoveries.front()->record.state == recovery::State::done;
    }

    /// How many servers count as replaced primaries, by what is written.
    [[nodiscard]] auto deposed() const {
        return std::count_if(
            backend.documents.begin(),
            backend.documents.end(),
            [](const auto& entry) {
                return entry.first.first == "deposed" && !entry.second.data.empty();
            }
        );
    }

    /// What is written of the only cluster, "" = nothing.
    [[nodiscard]] std::string written_cluster() const {
        const auto found =
            std::find_if(backend.documents.begin(), backend.documents.end(), [](const auto& entry) {
                return entry.first.first == "cluster";
            });
        return found != backend.documents.end() ? found->second.data : "";
    }

    asio::io_context io{1};
    fake::World world{io.get_executor()};
    fake::Backend backend;
    fake::Peers peers;
    Duration ahead{};  // of the real time are the wall clocks
    std::unique_ptr<Node> a, b;
    std::unique_ptr<TaskGroup> group;
};

}  // namespace baton::control
