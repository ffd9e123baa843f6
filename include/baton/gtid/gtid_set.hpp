// SPDX-License-Identifier: Apache-2.0
#pragma once

// The transactions of a server in either notation, and the questions that recovery asks: who is
// further, how much is missing, what is errant. Values; no I/O.

#include "baton/base/result.hpp"
#include "baton/gtid/mariadb_set.hpp"
#include "baton/gtid/mysql_set.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::gtid {

enum class Flavour {
    automatic,  // by the look of the text; a blank text gives a set of no flavour
    mysql,
    mariadb,
};

/// How the left one of two sets stands to the right one.
enum class Order {
    equal,
    behind,    // all of left is in right, right has more
    ahead,     // the reverse
    diverged,  // each has something that the other lacks, or they cannot be compared
};

std::string_view to_string(Order order);

class GtidSet {
public:
    /// Empty, of no flavour: comparable with both.
    GtidSet() = default;

    GtidSet(MysqlGtidSet set) : set_(std::move(set)) {}  // NOLINT(google-explicit-constructor)

    GtidSet(MariadbGtidSet set) : set_(std::move(set)) {}  // NOLINT(google-explicit-constructor)

    /// Errors: invalid_argument (text of neither flavour, or not of the one demanded).
    static Result<GtidSet> parse(std::string_view text, Flavour flavour = Flavour::automatic);

    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::uint64_t count() const;

    /// Null when of another flavour. Valid as long as this object.
    [[nodiscard]] const MysqlGtidSet* mysql() const { return std::get_if<MysqlGtidSet>(&set_); }

    [[nodiscard]] const MariadbGtidSet* mariadb() const {
        return std::get_if<MariadbGtidSet>(&set_);
    }

    /// Both together. Of two flavours (a migration under way) the left one, unless it is empty.
    [[nodiscard]] GtidSet united(const GtidSet& other) const;

    /// Equality of contents: empty sets of any flavour are equal.
    friend bool operator==(const GtidSet& left, const GtidSet& right) {
        return (left.empty() && right.empty()) || left.set_ == right.set_;
    }

private:
    std::variant<std::monostate, MysqlGtidSet, MariadbGtidSet> set_;
};

/// MySQL: by set inclusion. MariaDB: by sequence in each domain; the same sequence from two server
/// ids is a divergence. Non-empty sets of different flavours are diverged.
Order compare(const GtidSet& left, const GtidSet& right);

/// Number of transactions that `source` has and `replica` lacks; for MariaDB by difference of the
/// sequence numbers. Of different flavours: all of `source`.
std::uint64_t missing_from(const GtidSet& source, const GtidSet& replica);

/// Whose transactions are no error when the source does not show them (yet): its ancestors', which
/// were read at another moment than the replica, and for co-primaries the replica's own.
struct Trusted {
    std::vector<Uuid> servers;              // MySQL
    std::vector<std::uint32_t> server_ids;  // MariaDB
};

/// Transactions executed on the replica that its source does not have and no trusted server made.
/// MariaDB: positions of the domains in which the replica is further than its source, the last
/// transaction being of no trusted server id; older errant transactions cannot be seen in a
/// position. Empty when a set has no flavour (is unknown) or they are of two: nothing can be said.
GtidSet errant(const GtidSet& replica, const GtidSet& source, const Trusted& trusted);

/// The UUIDs among the texts. What is none is left out: it can be the origin of no transaction.
std::vector<Uuid> uuids_of(std::span<const std::string> texts);

}  // namespace baton::gtid
