// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scenario/recovery/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::recovery {

inline scenario::Scenario scene(const std::string& text) {
    return scenario::read_scenario(text, {"expect"});
}

inline InstanceId id(const std::string& name) {
    return scenario::id_of(name);
}

inline Policy enabled_policy() {
    Policy policy;
    policy.primary_clusters = policy.intermediate_clusters = {"*"};
    return policy;
}

inline analysis::Finding finding_of(
    const World& world, analysis::RecoveryKind kind, const std::string& subject
) {
    analysis::Finding finding;
    finding.recovery = kind;
    finding.subject = id(subject);
    finding.code = kind == analysis::RecoveryKind::dead_primary
                       ? analysis::Code::dead_primary
                       : (kind == analysis::RecoveryKind::dead_intermediate
                              ? analysis::Code::dead_intermediate
                              : analysis::Code::deposed_primary_writable);
    finding.evidence = {"refuses connections"};
    if (const auto* cluster = world.topology->cluster_of(finding.subject)) {
        finding.cluster_id = cluster->id;
        finding.cluster_name = cluster->name;
    }
    return finding;
}

inline std::variant<Record, Refusal> begin_at(
    const World& world,
    const std::string& subject,
    const Policy& policy = enabled_policy(),
    const std::optional<Order>& order = std::nullopt,
    const History& history = {},
    analysis::RecoveryKind kind = analysis::RecoveryKind::dead_primary
) {
    return begin(finding_of(world, kind, subject), *world.topology, policy, history, order);
}

/// The record with which a recovery begins; the test fails when it is refused.
inline Record begun(
    const World& world,
    const std::string& subject = "p1",
    const Policy& policy = enabled_policy(),
    const std::optional<Order>& order = std::nullopt,
    analysis::RecoveryKind kind = analysis::RecoveryKind::dead_primary
) {
    auto answer = begin_at(world, subject, policy, order, {}, kind);
    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
        ADD_FAILURE() << "refused: " << refusal->reason;
        return {};
    }
    auto record = std::get<Record>(std::move(answer));
    record.id = "recovery-1";
    return record;
}

inline Refusal refused(const std::variant<Record, Refusal>& answer) {
    const auto* refusal = std::get_if<Refusal>(&answer);
    if (refusal == nullptr) {
        ADD_FAILURE() << "not refused";
        return {};
    }
    return *refusal;
}

/// What the candidate choice says of a server.
inline std::string verdict(
    const std::vector<CandidateVerdict>& candidates, const std::string& name
) {
    for (const auto& candidate : candidates) {
        if (candidate.id == id(name)) {
            return std::to_string(candidate.rank) + " " + candidate.reason;
        }
    }
    return "not among them";
}

inline std::vector<StepKind> kinds(const Stage& stage) {
    std::vector<StepKind> out;
    for (const auto& step : stage.steps) {
        out.push_back(step.kind);
    }
    return out;
}

/// Every reachable server but the successor follows it, and it is the only one that is writable.
inline void expect_whole(const World& world, const Record& record) {
    EXPECT_EQ(world.writable(), std::vector{scenario::name_of(record.successor)});
    for (const auto& [name, server] : world.servers) {
        if (world.up(server) && id(name) != record.successor && id(name) != record.failed &&
            !std::count(record.lost.begin(), record.lost.end(), id(name))) {
            ASSERT_FALSE(server.state.channels.empty()) << name;
            EXPECT_EQ(server.state.channels.front().source, record.successor) << name;
            EXPECT_EQ(server.state.channels.front().receiver, ThreadState::running) << name;
        }
    }
}

/// A primary with two replicas, equal and all received applied; the primary has died.
inline const std::string plain = R"(
defaults: {executed: "p1:1-100"}
servers:
  p1: {}
  r1: {source: p1}
  r2: {source: p1}
meanwhile:
  p1: {probe: refused}
  r1: {receiver: connecting}
  r2: {receiver: connecting}
)";

}  // namespace baton::recovery
