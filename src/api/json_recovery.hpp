// SPDX-License-Identifier: Apache-2.0
#pragma once

// orchestrator's TopologyRecovery (for recoveries and for detections) and its steps; names and
// order as served by it.

#include "call.hpp"
#include "json_writer.hpp"

#include "baton/recovery/record.hpp"

namespace baton::api {

void write_recovery(JsonWriter& json, const recovery::Record& record, const Moment& moment);
void write_detection(JsonWriter& json, const control::Detection& detection, const Moment& moment);
void write_step(JsonWriter& json, const recovery::Record& record, const recovery::StepRecord& step);

/// Running, or its anti-flapping window is not over and nobody acknowledged it.
bool in_active_period(const recovery::Record& record, const Moment& moment);

}  // namespace baton::api
