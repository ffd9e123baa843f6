// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/quote.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::mysql {

namespace {

std::string doubled(std::string_view text, char mark, bool backslashes) {
    std::string out;
    out.reserve(text.size() + 2);
    out.push_back(mark);
    for (const char c : text) {
        if (c == mark || (backslashes && c == '\\')) {
            out.push_back(c);
        }
        out.push_back(c);
    }
    out.push_back(mark);
    return out;
}

std::string hexadecimal(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out = "X'";
    out.reserve(text.size() * 2 + 3);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out.push_back(digits[byte >> 4U]);
        out.push_back(digits[byte & 0x0FU]);
    }
    out.push_back('\'');
    return out;
}

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7F && c != '\\';
}

}  // namespace

std::string quote_text(std::string_view text) {
    if (valid_utf8(text) != text) {
        return hexadecimal(text);
    }
    if (std::all_of(text.begin(), text.end(), is_plain)) {
        return doubled(text, '\'', false);
    }
    return "_utf8mb4 " + hexadecimal(text);
}

std::string quote_literal(std::string_view text) {
    return doubled(text, '\'', true);
}

std::string quote_identifier(std::string_view name) {
    return doubled(name, '`', false);
}

}  // namespace baton::mysql
