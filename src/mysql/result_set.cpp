// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/result_set.hpp"

#include "baton/base/text.hpp"

#include <charconv>

namespace baton::mysql {

namespace {

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number value{};
    const char* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (text.empty() || status != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::optional<std::size_t> ResultSet::find(std::string_view column) const {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (equal_ignoring_case(columns[i], column)) {
            return i;
        }
    }
    return std::nullopt;
}

const Cell* ResultSet::cell(std::size_t row, std::string_view column) const {
    const auto index = find(column);
    if (!index || row >= rows.size() || *index >= rows[row].size()) {
        return nullptr;
    }
    return &rows[row][*index];
}

std::string_view ResultSet::text(std::size_t row, std::string_view column) const {
    const Cell* const found = cell(row, column);
    return found != nullptr && *found ? std::string_view(**found) : std::string_view();
}

std::optional<std::int64_t> ResultSet::int64(std::size_t row, std::string_view column) const {
    return number<std::int64_t>(text(row, column));
}

std::optional<std::uint64_t> ResultSet::uint64(std::size_t row, std::string_view column) const {
    return number<std::uint64_t>(text(row, column));
}

bool ResultSet::is_null(std::size_t row, std::string_view column) const {
    const Cell* const found = cell(row, column);
    return found == nullptr || !*found;
}

const ResultSet& Reply::first() const {
    static const ResultSet none;
    return sets.empty() ? none : sets.front();
}

Result<ResultSet> Reply::one() && {
    if (error) {
        return std::move(*error);
    }
    if (sets.empty()) {
        return fail(Errc::protocol, "no result set");
    }
    return std::move(sets.front());
}

}  // namespace baton::mysql
