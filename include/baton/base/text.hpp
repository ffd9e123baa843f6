// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small text helpers shared by all modules.

#include <string>
#include <string_view>
#include <vector>

namespace baton {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
bool contains_ignoring_case(std::string_view text, std::string_view part);
/// At most `limit` bytes, cut at a UTF-8 boundary, with "..." when cut.
std::string clipped(std::string_view text, std::size_t limit);
/// The text as valid UTF-8: each byte that is not becomes U+FFFD. For anything a server sent that
/// goes into JSON.
std::string valid_utf8(std::string_view text);

}  // namespace baton
