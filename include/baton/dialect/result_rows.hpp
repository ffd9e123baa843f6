// SPDX-License-Identifier: Apache-2.0
#pragma once

// A result set as this pure module sees it: the texts that a server sent, of which none is trusted.
// Absent column, absent row and NULL are the same to the readers, so a server that leaves something
// out, renames it or lies about its shape can make a value empty, and nothing worse.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::dialect {

struct ResultRows {
    using Row = std::vector<std::optional<std::string>>;

    ResultRows() = default;

    ResultRows(std::vector<std::string> c, std::vector<Row> r)
        : columns(std::move(c)), rows(std::move(r)) {}

    std::vector<std::string> columns;
    std::vector<Row> rows;

    /// Index of a column by name, ignoring ASCII case.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;
    /// By row index and column name; "" when absent.
    [[nodiscard]] std::string_view text(std::size_t row, std::string_view column) const;
    /// By row and column index; "" when absent.
    [[nodiscard]] std::string_view at(std::size_t row, std::size_t column) const;

    friend bool operator==(const ResultRows&, const ResultRows&) = default;
};

/// A whole decimal number; `otherwise` for anything else.
std::uint64_t number_or(std::string_view text, std::uint64_t otherwise);
/// nullopt for anything but a whole decimal number.
std::optional<std::int64_t> signed_number(std::string_view text);
/// A decimal fraction as servers print it ("30.000"); `otherwise` for anything else.
double fraction_or(std::string_view text, double otherwise);
/// Without line feeds: MySQL prints each server of a GTID set on a line of its own.
std::string one_line(std::string_view text);
/// "ON", "YES", "TRUE" (any case), or a number other than 0.
bool is_on(std::string_view text);

}  // namespace baton::dialect
