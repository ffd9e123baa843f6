// SPDX-License-Identifier: Apache-2.0
#pragma once

// The sentences of a finding. They hold no ages and no growing numbers: a finding is written and
// announced whenever it differs from the last one. Pure.

#include "view.hpp"

#include <string>
#include <vector>

namespace baton::analysis {

/// "r1:3306, r2:3306 and 12 others".
std::string names(const std::vector<const Instance*>& instances);
std::vector<const Instance*> those(const View& view, Testimony testimony);

Severity severity_of(Code code);
std::string summary_of(const View& view, Code code);
std::vector<std::string> evidence_of(const View& view, Code code);

}  // namespace baton::analysis
