// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the forms of /api/v1 are made of; for the files json_v1.cpp, json_explain.cpp alone.

#include "call.hpp"
#include "json_writer.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::api::v1::parts {

using analysis::Finding;
using analysis::Severity;
using topology::Cluster;
using topology::Instance;

enum class State { ok, warning, critical };

std::string_view to_string(State state);
State state_of(Severity severity);

/// A state and why.
struct Verdict {
    State state = State::ok;
    std::string summary;

    void worsen(State other, const std::string& why) {
        if (other > state) {
            state = other;
            summary = why;
        }
    }
};

Verdict verdict_of(const Cluster& cluster, const Moment& moment);
std::string unreachable_text(const Instance& instance);
/// Why what the finding asks for is not done; null: nothing is in the way.
const control::Blocked* blocked(const Finding& finding, const Moment& moment);
std::vector<const Finding*> findings_of(const Cluster& cluster, const Moment& moment);
const recovery::Record* running_recovery(const Cluster& cluster, const Moment& moment);

std::string text_or_empty(const InstanceId& id);
void write_head(JsonWriter& json, const Cluster& cluster, const Verdict& verdict);
void write_ids(JsonWriter& json, std::string_view name, const std::vector<InstanceId>& ids);
void write_findings(JsonWriter& json, const Cluster& cluster, const Moment& moment);
void write_candidates(JsonWriter& json, const std::vector<recovery::CandidateVerdict>& candidates);

}  // namespace baton::api::v1::parts
