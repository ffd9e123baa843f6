// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cluster p1 with replicas r1, r2 ..., observed probe by probe at times that the test chooses.

#include "scenario/analysis/expectation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

namespace baton::analysis {

using topology::ProbeFailure;
using topology::ThreadState;

inline InstanceId id(const std::string& name) {
    return scenario::id_of(name);
}

/// Milliseconds after the start.
inline TimePoint at_ms(int ms) {
    return scenario::start_time + std::chrono::milliseconds(ms);
}

class Stage {
public:
    explicit Stage(const std::string& text)
        : servers(scenario::read_scenario("servers:\n" + text).before) {}

    /// Everything well, at 0 ms.
    Stage& well() {
        for (const auto& [name, server] : servers) {
            builder.add(id(name));
        }
        for (const auto& [name, server] : servers) {
            good(name, 0);
        }
        return look(1);
    }

    /// A probe that takes 2 ms and ends at `ms`.
    Stage& good(const std::string& name, int ms) {
        builder.apply(scenario::good_probe(servers.at(name), at_ms(ms)));
        return *this;
    }

    Stage& fails(const std::string& name, ProbeFailure failure, int ms) {
        auto server = servers.at(name);
        server.probe = failure;
        builder.apply(scenario::failed_probe(server, at_ms(ms)));
        return *this;
    }

    Stage& witness(const std::string& name, bool heard, int asked_ms, int answered_ms) {
        topology::WitnessReport report;
        report.asked = at_ms(asked_ms);
        report.answered = at_ms(answered_ms);
        report.heard = heard;
        builder.apply_witness(id(name), report);
        return *this;
    }

    Stage& look(int ms) {
        now = builder.build(at_ms(ms), scenario::wall_at(at_ms(ms)));
        findings = analyze(*now, policy);
        return *this;
    }

    topology::Channel& channel(const std::string& name) {
        return servers.at(name).state.channels.at(0);
    }

    Stage& receiver(
        const std::string& name, ThreadState state, const std::string& text = "", unsigned error = 0
    ) {
        channel(name).receiver = state;
        channel(name).receiver_text = text;
        channel(name).receiver_errno = error;
        return *this;
    }

    [[nodiscard]] const Finding* find(const std::string& name) const {
        for (const auto& finding : findings) {
            if (finding.subject == id(name)) {
                return &finding;
            }
        }
        return nullptr;
    }

    [[nodiscard]] Code code(const std::string& name) const {
        const auto* finding = find(name);
        return finding == nullptr ? Code::no_problem : finding->code;
    }

    [[nodiscard]] bool actionable(const std::string& name) const {
        const auto* finding = find(name);
        return finding != nullptr && finding->actionable();
    }

    /// "witness r1", "reprobe p1", ...
    [[nodiscard]] std::vector<std::string> asked(const std::string& name) const {
        std::vector<std::string> out;
        if (const auto* finding = find(name)) {
            for (const auto& inquiry : finding->inquiries) {
                out.push_back(
                    (inquiry.kind == Inquiry::Kind::witness ? "witness " : "reprobe ") +
                    scenario::name_of(inquiry.target)
                );
            }
        }
        return out;
    }

    std::map<std::string, scenario::Server> servers;
    topology::Builder builder;
    topology::TopologyPtr now;
    Policy policy;
    std::vector<Finding> findings;
};

inline const std::string one_replica = "  p1: {}\n  r1: {source: p1}\n";
inline const std::string two_replicas = "  p1: {}\n  r1: {source: p1}\n  r2: {source: p1}\n";
inline const std::string lost = "Reconnecting after a failed source event read";
inline const std::string waiting = "Waiting for source to send event";

}  // namespace baton::analysis
