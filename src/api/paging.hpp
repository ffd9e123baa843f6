// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pages of the audit lists, as orchestrator cuts them.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace baton::api {

constexpr std::size_t page_size = 20;

inline std::optional<std::uint64_t> parsed_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

/// Page `number` of the list; the first is 0, which is also what a bad number means.
template <class T>
std::vector<T> page_of(const std::vector<T>& list, std::string_view number) {
    const auto page = parsed_number(number).value_or(0);
    if (page > list.size() / page_size) {
        return {};
    }
    const auto first = static_cast<std::size_t>(page) * page_size;
    const auto last = std::min(first + page_size, list.size());
    using Offset = typename std::vector<T>::difference_type;
    return {list.begin() + static_cast<Offset>(first), list.begin() + static_cast<Offset>(last)};
}

}  // namespace baton::api
