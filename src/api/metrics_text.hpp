// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prometheus' text format, version 0.0.4.

#include "call.hpp"

#include <string>

namespace baton::api {

std::string metrics_text(const Call& call);

}  // namespace baton::api
