// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/mariadb_set.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace baton::gtid {
namespace {

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    return b > most - a ? most : a + b;
}

/// Reads one number from the front of `text` and cuts it off.
template <class Number>
bool take_number(std::string_view& text, Number& into) {
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (status != std::errc{}) {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return true;
}

bool take_hyphen(std::string_view& text) {
    if (text.empty() || text.front() != '-') {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

Result<MariadbGtid> parse_gtid(std::string_view text) {
    MariadbGtid out;
    auto rest = text;
    const bool valid = take_number(rest, out.domain) && take_hyphen(rest) &&
                       take_number(rest, out.server_id) && take_hyphen(rest) &&
                       take_number(rest, out.sequence) && rest.empty();
    if (!valid) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "not a MariaDB GTID position: domain-server-sequence expected, found '{}'",
                clipped(text, 60)
            )
        );
    }
    return out;
}

}  // namespace

std::string MariadbGtid::text() const {
    return fmt::format("{}-{}-{}", domain, server_id, sequence);
}

Result<MariadbGtidSet> MariadbGtidSet::parse(std::string_view text) {
    MariadbGtidSet out;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = trim(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        if (part.empty()) {
            continue;
        }
        const auto gtid = parse_gtid(part);
        if (!gtid) {
            return gtid.error();
        }
        out.advance(*gtid);
    }
    return out;
}

std::string MariadbGtidSet::text() const {
    std::string out;
    for (const auto& position : positions_) {
        out += out.empty() ? "" : ",";
        out += position.text();
    }
    return out;
}

std::uint64_t MariadbGtidSet::count() const {
    return distance_from(MariadbGtidSet{});
}

const MariadbGtid* MariadbGtidSet::find(std::uint32_t domain) const {
    const auto found =
        std::partition_point(positions_.begin(), positions_.end(), [&](const MariadbGtid& p) {
            return p.domain < domain;
        });
    return found != positions_.end() && found->domain == domain ? &*found : nullptr;
}

void MariadbGtidSet::advance(const MariadbGtid& position) {
    const auto place =
        std::partition_point(positions_.begin(), positions_.end(), [&](const MariadbGtid& p) {
            return p.domain < position.domain;
        });
    if (place == positions_.end() || place->domain != position.domain) {
        positions_.insert(place, position);
    } else if (place->sequence < position.sequence) {
        *place = position;
    }
}

MariadbGtidSet MariadbGtidSet::united(const MariadbGtidSet& other) const {
    auto out = *this;
    for (const auto& position : other.positions_) {
        out.advance(position);
    }
    return out;
}

MariadbGtidSet MariadbGtidSet::ahead_of(const MariadbGtidSet& other) const {
    MariadbGtidSet out;
    for (const auto& position : positions_) {
        const auto* theirs = other.find(position.domain);
        const bool ahead =
            theirs == nullptr || theirs->sequence < position.sequence ||
            (theirs->sequence == position.sequence && theirs->server_id != position.server_id);
        if (ahead) {
            out.positions_.push_back(position);
        }
    }
    return out;
}

std::uint64_t MariadbGtidSet::distance_from(const MariadbGtidSet& other) const {
    std::uint64_t total = 0;
    for (const auto& position : positions_) {
        const auto* theirs = other.find(position.domain);
        const auto reached = theirs == nullptr ? 0 : theirs->sequence;
        if (position.sequence > reached) {
            total = saturating_sum(total, position.sequence - reached);
        }
    }
    return total;
}

}  // namespace baton::gtid
