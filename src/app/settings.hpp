// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the configuration file to the policies of the modules.

#include "baton/config/config.hpp"
#include "baton/control/engine.hpp"

namespace baton::app {

control::Settings settings_from(const config::Config& config);

}  // namespace baton::app
