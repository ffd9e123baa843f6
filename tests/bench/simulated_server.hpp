// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a simulated MySQL 8.4 server answers to the questions of a poll: a primary and its replicas
// per cluster, replicating by GTID without lag. Pure: the state is a function of the time that has
// passed.

#include "fake/fake_mysql.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::bench {

struct FarmPlan {
    std::size_t servers = 1000;
    std::size_t cluster_size = 5;
    std::size_t busy = 0;  // the first ones: their positions move all the time
    std::size_t dead = 0;  // replicas, spread over the clusters
    std::uint16_t port = 3306;
};

/// A farm that the plan can be laid out as: at least one replica for each dead server.
bool is_possible(const FarmPlan& plan);

/// Which servers are dead, by number.
std::vector<bool> dead_servers(const FarmPlan& plan);

/// One 127.x.y.z for each server; nullopt when the address is of no server.
std::string address_of(std::size_t server);
std::optional<std::size_t> server_at(std::string_view address);

/// The server that this one replicates from; itself for a primary.
std::size_t primary_of(const FarmPlan& plan, std::size_t server);

/// Nothing when the statement is none of a poll's.
std::optional<test::FakeResult> answer(
    const FarmPlan& plan,
    const std::vector<bool>& dead,
    std::size_t server,
    std::string_view statement,
    std::chrono::milliseconds since_start
);

}  // namespace baton::bench
