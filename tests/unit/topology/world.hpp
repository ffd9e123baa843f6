// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builders for observations: a_server("p"), a_replica("r1", "p"); probes at given seconds.

#include "baton/topology/topology.hpp"

#include <string>

namespace baton::topology {

inline TimePoint at(double seconds) {
    return TimePoint{} + std::chrono::hours(1) +
           std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
}

inline constexpr WallMs wall_start_ms = 1'767'254'400'000;  // at(0)

inline WallMs wall(double seconds) {
    return wall_start_ms + static_cast<WallMs>(seconds * 1000);
}

inline InstanceId id(const std::string& host, Port port = 3306) {
    return {host, port};
}

inline std::string uuid(const std::string& host) {
    std::string hex;
    for (const char c : host) {
        hex += "0123456789abcdef"[static_cast<unsigned char>(c) % 16];
    }
    hex.resize(12, '0');
    return "00000000-0000-0000-0000-" + hex;
}

inline ServerState a_server(const std::string& host) {
    ServerState out;
    out.identity.uuid = uuid(host);
    out.identity.server_id = std::hash<std::string>{}(host) % 100'000 + 1;
    out.identity.hostname = host;
    out.identity.report_port = 3306;
    out.identity.flavor = Flavor::mysql;
    out.identity.version = "8.0.36";
    out.identity.log_bin = out.identity.log_replica_updates = true;
    out.identity.gtid_mode = "ON";
    out.uptime_seconds = 1000;
    return out;
}

inline ServerState a_replica(const std::string& host, const std::string& source) {
    auto out = a_server(host);
    out.read_only = true;
    Channel channel;
    channel.source = id(source);
    channel.source_uuid = uuid(source);
    channel.receiver = channel.applier = ThreadState::running;
    channel.auto_position = true;
    channel.read = channel.executed = {"binlog.000001", 100};
    out.channels.push_back(channel);
    return out;
}

inline Observation good(const InstanceId& server, ServerState state, double seconds) {
    Observation out;
    out.id = server;
    out.started = at(seconds - 0.002);
    out.ended = at(seconds);
    out.wall_ms = wall(seconds);
    state.uptime_seconds += static_cast<std::uint64_t>(seconds);
    out.state = std::move(state);
    return out;
}

inline Observation failed(const InstanceId& server, ProbeFailure failure, double seconds) {
    Observation out;
    out.id = server;
    out.started = at(seconds - 0.5);
    out.ended = at(seconds);
    out.wall_ms = wall(seconds);
    out.failure = failure;
    out.error = "no answer";
    return out;
}

/// One primary "p" with replicas r1..rN, all well, as a builder after the first round of probes.
inline Builder a_cluster(int replicas) {
    Builder builder;
    builder.apply(good(id("p"), a_server("p"), 0));
    for (int i = 1; i <= replicas; ++i) {
        const auto name = "r" + std::to_string(i);
        builder.apply(good(id(name), a_replica(name, "p"), 0));
    }
    return builder;
}

inline TopologyPtr build(Builder& builder, double seconds) {
    return builder.build(at(seconds), wall(seconds));
}

}  // namespace baton::topology
