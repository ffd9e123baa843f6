// SPDX-License-Identifier: Apache-2.0
#pragma once

// The UUID of a server, as it stands in MySQL's GTIDs. A value of 16 bytes, cheap to copy and sort.

#include "baton/base/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton::gtid {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    /// Lower case, with hyphens, as servers print it.
    [[nodiscard]] std::string text() const;
    friend auto operator<=>(const Uuid&, const Uuid&) = default;
    friend bool operator==(const Uuid&, const Uuid&) = default;
};

/// Reads "3e11fa47-71ca-11e1-9e33-c80aa9429562", upper or lower case. Errors: invalid_argument.
Result<Uuid> parse_uuid(std::string_view text);

}  // namespace baton::gtid
