// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace baton::app {

std::string version();

}  // namespace baton::app
