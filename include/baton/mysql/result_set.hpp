// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a server answered, as plain values. Nothing here points into the client library.

#include "baton/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::mysql {

using Cell = std::optional<std::string>;  // nullopt = NULL
using Row = std::vector<Cell>;

struct ResultSet {
    ResultSet() = default;

    ResultSet(std::vector<std::string> c, std::vector<Row> r)
        : columns(std::move(c)), rows(std::move(r)) {}

    std::vector<std::string> columns;  // empty for statements without a result
    std::vector<Row> rows;             // each as wide as columns
    std::uint64_t affected_rows = 0;
    std::uint64_t insert_id = 0;

    /// Index of a column by name, ignoring ASCII case (servers differ in it).
    [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;

    [[nodiscard]] bool has(std::string_view column) const { return find(column).has_value(); }

    // Cells by row index and column name. A column that is not there, a row that is not there and
    // NULL are the same to these: absent.

    /// The text, or "" when absent. Valid as long as this object.
    [[nodiscard]] std::string_view text(std::size_t row, std::string_view column) const;
    /// nullopt when absent or not a whole decimal number in range.
    [[nodiscard]] std::optional<std::int64_t> int64(std::size_t row, std::string_view column) const;
    [[nodiscard]] std::optional<std::uint64_t> uint64(std::size_t row, std::string_view column)
        const;
    [[nodiscard]] bool is_null(std::size_t row, std::string_view column) const;

    // The same for the first row.
    [[nodiscard]] std::string_view text(std::string_view column) const { return text(0, column); }

    [[nodiscard]] std::optional<std::int64_t> int64(std::string_view column) const {
        return int64(0, column);
    }

    [[nodiscard]] std::optional<std::uint64_t> uint64(std::string_view column) const {
        return uint64(0, column);
    }

    [[nodiscard]] bool is_null(std::string_view column) const { return is_null(0, column); }

    [[nodiscard]] bool empty() const { return rows.empty(); }

private:
    [[nodiscard]] const Cell* cell(std::size_t row, std::string_view column) const;
};

/// Answer to one query text, which may hold several statements.
struct Reply {
    Reply() = default;

    explicit Reply(Error failure) : error(std::move(failure)) {}

    /// One per statement, in order. Those completed before an error are kept; the server does not
    /// execute what comes after a failed statement.
    std::vector<ResultSet> sets;
    std::optional<Error> error;

    [[nodiscard]] bool ok() const { return !error.has_value(); }

    /// The first set, or an empty one.
    [[nodiscard]] const ResultSet& first() const;
    /// The first set, or the error: for callers who sent one statement.
    [[nodiscard]] Result<ResultSet> one() &&;
};

}  // namespace baton::mysql
