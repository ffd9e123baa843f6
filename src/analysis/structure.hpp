// SPDX-License-Identifier: Apache-2.0
#pragma once

// Warnings about how a topology is built, which hold whether or not something has failed. Pure.

#include "view.hpp"

#include <string>
#include <utility>
#include <vector>

namespace baton::analysis {

std::vector<std::pair<Structure, std::string>> structure_of(const View& view);

}  // namespace baton::analysis
