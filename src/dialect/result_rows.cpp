// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/result_rows.hpp"

#include "baton/base/text.hpp"

#include <charconv>

namespace baton::dialect {

std::optional<std::size_t> ResultRows::find(std::string_view column) const {
    for (std::size_t index = 0; index < columns.size(); ++index) {
        if (equal_ignoring_case(columns[index], column)) {
            return index;
        }
    }
    return std::nullopt;
}

std::string_view ResultRows::at(std::size_t row, std::size_t column) const {
    if (row >= rows.size() || column >= rows[row].size() || !rows[row][column].has_value()) {
        return {};
    }
    return *rows[row][column];
}

std::string_view ResultRows::text(std::size_t row, std::string_view column) const {
    const auto index = find(column);
    return index.has_value() ? at(row, *index) : std::string_view{};
}

namespace {

template <class Number>
std::optional<Number> whole(std::string_view text) {
    Number value{};
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || stop != end || text.empty()) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::uint64_t number_or(std::string_view text, std::uint64_t otherwise) {
    return whole<std::uint64_t>(text).value_or(otherwise);
}

std::optional<std::int64_t> signed_number(std::string_view text) {
    return whole<std::int64_t>(text);
}

double fraction_or(std::string_view text, double otherwise) {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    return status == std::errc{} && stop == end && !text.empty() ? value : otherwise;
}

std::string one_line(std::string_view text) {
    std::string result(text);
    std::erase(result, '\n');
    return result;
}

bool is_on(std::string_view text) {
    return equal_ignoring_case(text, "ON") || equal_ignoring_case(text, "YES") ||
           equal_ignoring_case(text, "TRUE") || number_or(text, 0) != 0;
}

}  // namespace baton::dialect
