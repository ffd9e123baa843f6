// SPDX-License-Identifier: Apache-2.0
#pragma once

// MariaDB's GTID position: for each replication domain the last transaction, as
// domain-server-sequence. It says how far a server is, not which transactions it has: everything
// before the last one of a domain is taken as present. Values; no I/O.
// Source: MariaDB manual, "Global Transaction ID": gtid_slave_pos, gtid_binlog_pos and
// gtid_current_pos hold one GTID per domain.

#include "baton/base/result.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::gtid {

struct MariadbGtid {
    std::uint32_t domain = 0;
    std::uint32_t server_id = 0;
    std::uint64_t sequence = 0;

    [[nodiscard]] std::string text() const;
    friend auto operator<=>(const MariadbGtid&, const MariadbGtid&) = default;
    friend bool operator==(const MariadbGtid&, const MariadbGtid&) = default;
};

class MariadbGtidSet {
public:
    MariadbGtidSet() = default;

    /// Reads "0-1-5,1-2-7", white space allowed; "" is the start of everything. Where a domain
    /// comes more than once (gtid_binlog_state) the highest sequence counts. Errors:
    /// invalid_argument.
    static Result<MariadbGtidSet> parse(std::string_view text);

    /// Sorted by domain.
    [[nodiscard]] std::string text() const;

    [[nodiscard]] bool empty() const { return positions_.empty(); }

    /// Sum of the sequence numbers: how many transactions there can be at most.
    [[nodiscard]] std::uint64_t count() const;

    /// Null when nothing of the domain was seen. Valid until the set changes.
    [[nodiscard]] const MariadbGtid* find(std::uint32_t domain) const;

    /// Moves the domain forward; an older position than the present one changes nothing.
    void advance(const MariadbGtid& position);
    /// In each domain the further of the two.
    [[nodiscard]] MariadbGtidSet united(const MariadbGtidSet& other) const;
    /// Positions of the domains in which this set is further than `other`, or stands at the same
    /// sequence by another server (two servers have written to the domain).
    [[nodiscard]] MariadbGtidSet ahead_of(const MariadbGtidSet& other) const;
    /// Transactions that this set has and `other` lacks, by difference of sequence numbers; gaps in
    /// the numbering make it too high.
    [[nodiscard]] std::uint64_t distance_from(const MariadbGtidSet& other) const;

    [[nodiscard]] const std::vector<MariadbGtid>& positions() const& { return positions_; }

    /// Not of a temporary: a range-for over it would read freed memory.
    const std::vector<MariadbGtid>& positions() && = delete;

    friend bool operator==(const MariadbGtidSet&, const MariadbGtidSet&) = default;

private:
    std::vector<MariadbGtid> positions_;  // sorted by domain, one each
};

}  // namespace baton::gtid
