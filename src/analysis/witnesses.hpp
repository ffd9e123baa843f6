// SPDX-License-Identifier: Apache-2.0
#pragma once

// In which order, and how many at a time, replicas are made to reconnect to a source of which
// nobody knows whether it lives: a living one must not suffer from it. Pure.

#include "sight.hpp"

#include <vector>

namespace baton::analysis {

/// Most worth keeping connected comes last.
void sort_by_worth(std::vector<const Instance*>& replicas, const Topology& topology);

/// From those that could be asked, sorted by worth, to those that are asked now. `failed`: how many
/// were asked and did not reach it.
void choose_witnesses(
    std::vector<const Instance*>& order, const Instance& source, std::size_t failed, TimePoint now
);

}  // namespace baton::analysis
