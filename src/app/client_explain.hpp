// SPDX-License-Identifier: Apache-2.0
#pragma once

// `baton explain`: what is with a cluster, what would happen, and what is in the way.

#include "client_core.hpp"

#include <string>

namespace baton::app {

/// Advice about settings is counted only while something fails, unless `with_settings`.
int explain(Client& client, const std::string& cluster, bool with_settings);

}  // namespace baton::app
