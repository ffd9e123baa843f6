// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/gtid_set.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::gtid {
namespace {

Order order_of(bool left_has_more, bool right_has_more) {
    if (left_has_more && right_has_more) {
        return Order::diverged;
    }
    if (left_has_more) {
        return Order::ahead;
    }
    return right_has_more ? Order::behind : Order::equal;
}

}  // namespace

std::string_view to_string(Order order) {
    switch (order) {
        case Order::equal:
            return "equal";
        case Order::behind:
            return "behind";
        case Order::ahead:
            return "ahead";
        case Order::diverged:
            return "diverged";
    }
    return "diverged";
}

Result<GtidSet> GtidSet::parse(std::string_view text, Flavour flavour) {
    if (flavour == Flavour::automatic) {
        if (trim(text).empty()) {
            return GtidSet{};
        }
        // Only MySQL's have colons; what has none and is cut off or wrong is reported as MariaDB's.
        flavour = text.find(':') != std::string_view::npos ? Flavour::mysql : Flavour::mariadb;
    }
    if (flavour == Flavour::mysql) {
        auto set = MysqlGtidSet::parse(text);
        if (!set) {
            return set.error();
        }
        return GtidSet{std::move(*set)};
    }
    auto set = MariadbGtidSet::parse(text);
    if (!set) {
        return set.error();
    }
    return GtidSet{std::move(*set)};
}

std::string GtidSet::text() const {
    if (mysql() != nullptr) {
        return mysql()->text();
    }
    return mariadb() != nullptr ? mariadb()->text() : std::string{};
}

bool GtidSet::empty() const {
    if (mysql() != nullptr) {
        return mysql()->empty();
    }
    return mariadb() == nullptr || mariadb()->empty();
}

std::uint64_t GtidSet::count() const {
    if (mysql() != nullptr) {
        return mysql()->count();
    }
    return mariadb() != nullptr ? mariadb()->count() : 0;
}

GtidSet GtidSet::united(const GtidSet& other) const {
    if (empty()) {
        return other;
    }
    if (mysql() != nullptr && other.mysql() != nullptr) {
        return mysql()->united(*other.mysql());
    }
    if (mariadb() != nullptr && other.mariadb() != nullptr) {
        return mariadb()->united(*other.mariadb());
    }
    return *this;
}

Order compare(const GtidSet& left, const GtidSet& right) {
    if (left.empty() || right.empty()) {
        return order_of(!left.empty(), !right.empty());
    }
    if (left.mysql() != nullptr && right.mysql() != nullptr) {
        return order_of(
            !right.mysql()->contains(*left.mysql()), !left.mysql()->contains(*right.mysql())
        );
    }
    if (left.mariadb() != nullptr && right.mariadb() != nullptr) {
        return order_of(
            !left.mariadb()->ahead_of(*right.mariadb()).empty(),
            !right.mariadb()->ahead_of(*left.mariadb()).empty()
        );
    }
    return Order::diverged;
}

std::uint64_t missing_from(const GtidSet& source, const GtidSet& replica) {
    if (source.mysql() != nullptr && replica.mysql() != nullptr) {
        return source.mysql()->minus(*replica.mysql()).count();
    }
    if (source.mariadb() != nullptr && replica.mariadb() != nullptr) {
        return source.mariadb()->distance_from(*replica.mariadb());
    }
    return source.count();
}

GtidSet errant(const GtidSet& replica, const GtidSet& source, const Trusted& trusted) {
    if (replica.mysql() != nullptr && source.mysql() != nullptr) {
        return replica.mysql()->without(trusted.servers).minus(*source.mysql());
    }
    MariadbGtidSet out;
    if (replica.mariadb() != nullptr && source.mariadb() != nullptr) {
        const auto& ids = trusted.server_ids;
        const auto ahead = replica.mariadb()->ahead_of(*source.mariadb());
        for (const auto& position : ahead.positions()) {
            if (std::find(ids.begin(), ids.end(), position.server_id) == ids.end()) {
                out.advance(position);
            }
        }
    }
    return out;
}

std::vector<Uuid> uuids_of(std::span<const std::string> texts) {
    std::vector<Uuid> out;
    for (const auto& text : texts) {
        if (auto uuid = parse_uuid(text)) {
            out.push_back(*uuid);
        }
    }
    return out;
}

}  // namespace baton::gtid
