// SPDX-License-Identifier: Apache-2.0
#pragma once

// MySQL's GTID set: for each origin (server UUID, and since 8.3 an optional tag) a set of
// transaction numbers. Kept canonical, so that `==` is equality of sets. Values; no I/O.

#include "baton/base/result.hpp"
#include "baton/gtid/interval_set.hpp"
#include "baton/gtid/uuid.hpp"

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::gtid {

/// Who numbered a transaction: a server, or a server under a tag.
struct Origin {
    Uuid uuid;
    std::string tag;  // "" = none; else 1..32 of [a-z0-9_], not beginning with a digit

    friend auto operator<=>(const Origin&, const Origin&) = default;
    friend bool operator==(const Origin&, const Origin&) = default;
};

class MysqlGtidSet {
public:
    struct Part {
        Origin origin;
        IntervalSet numbers;  // never empty
        friend bool operator==(const Part&, const Part&) = default;
    };

    MysqlGtidSet() = default;

    /// Reads what servers print and accept: "uuid:1-5:7,uuid:tag:1-3:9", with any white space
    /// between the tokens; "" is the empty set. Stricter than the server in two points, because
    /// there the text is more likely cut off than meant: a UUID without numbers and an interval
    /// that runs backwards are errors. Errors: invalid_argument.
    static Result<MysqlGtidSet> parse(std::string_view text);

    /// Canonical: sorted by UUID, tags after the untagged numbers, "," without white space.
    [[nodiscard]] std::string text() const;

    [[nodiscard]] bool empty() const { return parts_.empty(); }

    /// Number of transactions; stays at the largest value instead of overflowing.
    [[nodiscard]] std::uint64_t count() const;
    [[nodiscard]] bool contains(const Origin& origin, std::uint64_t number) const;
    [[nodiscard]] bool contains(const MysqlGtidSet& part) const;

    [[nodiscard]] bool is_subset_of(const MysqlGtidSet& whole) const {
        return whole.contains(*this);
    }

    [[nodiscard]] bool intersects(const MysqlGtidSet& other) const;

    void add(const Origin& origin, std::uint64_t first, std::uint64_t last);
    [[nodiscard]] MysqlGtidSet united(const MysqlGtidSet& other) const;
    [[nodiscard]] MysqlGtidSet minus(const MysqlGtidSet& other) const;
    [[nodiscard]] MysqlGtidSet common(const MysqlGtidSet& other) const;
    /// Without all transactions of these servers, whatever their tag.
    [[nodiscard]] MysqlGtidSet without(std::span<const Uuid> servers) const;

    /// Sorted by origin.
    [[nodiscard]] const std::vector<Part>& parts() const& { return parts_; }

    /// Not of a temporary: a range-for over it would read freed memory.
    const std::vector<Part>& parts() && = delete;

    friend bool operator==(const MysqlGtidSet&, const MysqlGtidSet&) = default;

private:
    IntervalSet& numbers_of(const Origin& origin);

    std::vector<Part> parts_;
};

}  // namespace baton::gtid
