// SPDX-License-Identifier: Apache-2.0
#include "baton/gtid/uuid.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

namespace baton::gtid {
namespace {

constexpr std::size_t text_size = 36;

constexpr bool hyphen_at(std::size_t position) {
    return position == 8 || position == 13 || position == 18 || position == 23;
}

/// -1 when not a hexadecimal digit.
constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

}  // namespace

std::string Uuid::text() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(text_size);
    for (const auto byte : bytes) {
        if (hyphen_at(out.size())) {
            out += '-';
        }
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

Result<Uuid> parse_uuid(std::string_view text) {
    const auto refuse = [&] {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "'{}' is not a server UUID (8-4-4-4-12 hexadecimal digits)", clipped(text, 60)
            )
        );
    };
    if (text.size() != text_size) {
        return refuse();
    }
    Uuid uuid;
    std::size_t at = 0;
    for (auto& byte : uuid.bytes) {
        if (hyphen_at(at)) {
            if (text[at] != '-') {
                return refuse();
            }
            ++at;
        }
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) {
            return refuse();
        }
        byte = static_cast<std::uint8_t>(high * 16 + low);
        at += 2;
    }
    return uuid;
}

}  // namespace baton::gtid
