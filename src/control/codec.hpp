// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stored form of the values that control owns. ASCII JSON, tolerant of missing and unknown members.

#include "baton/analysis/finding.hpp"
#include "baton/base/result.hpp"
#include "baton/control/view.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::control {

std::string to_json_text(const Detection& value);
std::string to_json_text(const Blocked& value);
std::string to_json_text(const AuditEntry& value);
std::string to_json_text(const Decision& value);
std::string to_json_text(const policy::Version& value);
std::string to_json_text(const std::vector<analysis::Finding>& findings);
Result<Detection> detection_from_json(std::string_view text);
Result<Blocked> blocked_from_json(std::string_view text);
Result<AuditEntry> audit_from_json(std::string_view text);
Result<Decision> decision_from_json(std::string_view text);
Result<policy::Version> policy_version_from_json(std::string_view text);
Result<std::vector<analysis::Finding>> findings_from_json(std::string_view text);

}  // namespace baton::control
