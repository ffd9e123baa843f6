// SPDX-License-Identifier: Apache-2.0
#include "json_writer.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace baton::api {

namespace {

void append_escape(std::string& out, unsigned code) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) {
        out += digits[(code >> static_cast<unsigned>(shift)) & 0xFU];
    }
}

/// Valid UTF-8 only.
void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '<':
            case '>':
            case '&':
            case '\x7f':
                append_escape(out, static_cast<unsigned char>(c));
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    append_escape(out, static_cast<unsigned char>(c));
                } else if (text.substr(i, 3) == "\xe2\x80\xa8" || text.substr(i, 3) == "\xe2\x80\xa9") {
                    append_escape(out, text[i + 2] == '\xa8' ? 0x2028 : 0x2029);
                    i += 2;
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}

/// True for bytes that go as they are.
constexpr std::array<bool, 256> make_plain_table() {
    std::array<bool, 256> table{};
    for (std::size_t byte = 0x20; byte < 0x7F; ++byte) {
        table[byte] = byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
    }
    return table;
}

constexpr auto plain_table = make_plain_table();

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return plain_table[static_cast<unsigned char>(c)];
    });
}

/// One growth of the buffer for all: this is where the time of a long list goes.
void append_plain(
    std::string& out, std::string_view before, std::string_view text, std::string_view after
) {
    auto at = out.size();
    out.resize(at + before.size() + text.size() + after.size() + 2, '"');
    at += before.copy(&out[at], before.size()) + 1;
    at += text.copy(&out[at], text.size()) + 1;
    after.copy(&out[at], after.size());
}

}  // namespace

void JsonWriter::separate() {
    if (after_key_) {
        after_key_ = false;
    } else if (!first_) {
        text_ += ',';
    }
    first_ = false;
}

JsonWriter& JsonWriter::begin_object() {
    separate();
    text_ += '{';
    first_ = true;
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    text_ += '}';
    first_ = false;
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    separate();
    text_ += '[';
    first_ = true;
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    text_ += ']';
    first_ = false;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    if (is_plain(name)) {
        append_plain(text_, first_ ? "" : ",", name, ":");
        first_ = false;
    } else {
        value(name);
        text_ += ':';
    }
    after_key_ = true;
    return *this;
}

JsonWriter& JsonWriter::null() {
    return raw("null");
}

JsonWriter& JsonWriter::value(std::string_view text) {
    if (is_plain(text)) {  // nearly always
        append_plain(text_, after_key_ || first_ ? "" : ",", text, "");
        after_key_ = first_ = false;
    } else {
        separate();
        append_quoted(text_, valid_utf8(text));
    }
    return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
    return raw(flag ? "true" : "false");
}

JsonWriter& JsonWriter::value(double number) {
    // JSON knows no infinity.
    return std::isfinite(number) ? raw(fmt::format("{}", number)) : null();
}

JsonWriter& JsonWriter::value(std::int64_t number) {
    return raw(fmt::format_int(number).c_str());
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
    return raw(fmt::format_int(number).c_str());
}

JsonWriter& JsonWriter::value(const std::vector<std::string>& texts) {
    begin_array();
    for (const auto& text : texts) {
        value(text);
    }
    return end_array();
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    text_ += json;
    return *this;
}

}  // namespace baton::api
