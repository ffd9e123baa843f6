// SPDX-License-Identifier: Apache-2.0
#pragma once

// What should be changed in the settings of a cluster's servers (/api/v1): code, server, severity,
// sentence, statements, configuration.

#include "call.hpp"
#include "json_writer.hpp"

namespace baton::api::v1 {

/// An array.
void write_advices(JsonWriter& json, const topology::Cluster& cluster, const Moment& moment);

}  // namespace baton::api::v1
