// SPDX-License-Identifier: Apache-2.0
#include "fake/wire.hpp"

#include "baton/base/text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace baton::test::wire {

namespace {

constexpr std::size_t largest_packet = 0xFFFFFF;

constexpr std::uint32_t connect_with_db = 0x00000008;
constexpr std::uint32_t secure_connection = 0x00008000;
constexpr std::uint32_t plugin_auth = 0x00080000;
constexpr std::uint32_t plugin_auth_length_encoded = 0x00200000;
// LONG_PASSWORD FOUND_ROWS LONG_FLAG CONNECT_WITH_DB LOCAL_FILES PROTOCOL_41 TRANSACTIONS
// SECURE_CONNECTION MULTI_STATEMENTS MULTI_RESULTS PLUGIN_AUTH CONNECT_ATTRS PLUGIN_AUTH_LENENC
constexpr std::uint32_t capabilities = 0x1 | 0x2 | 0x4 | connect_with_db | 0x80 | 0x200 | 0x2000 |
                                       secure_connection | 0x10000 | 0x20000 | plugin_auth |
                                       0x100000 | plugin_auth_length_encoded;

constexpr std::uint16_t status_autocommit = 0x0002;
constexpr std::uint16_t status_more_results = 0x0008;
constexpr char charset_utf8mb4 = 45;

void put(std::string& out, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
        out.push_back(static_cast<char>((value >> (8 * i)) & 0xFFU));
    }
}

void put_text(std::string& out, std::string_view text) {
    out += length_encoded(text.size());
    out += text;
}

std::uint16_t status(bool more) {
    return static_cast<std::uint16_t>(status_autocommit | (more ? status_more_results : 0));
}

std::string digest(const EVP_MD* kind, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), out.data(), &size, kind, nullptr);
    return {reinterpret_cast<const char*>(out.data()), size};  // NOLINT: bytes are bytes
}

std::string exclusive_or(std::string a, std::string_view b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        a[i] = static_cast<char>(a[i] ^ b[i]);
    }
    return a;
}

/// Reads fields from the front of a payload; after an attempt to read past the end all are empty.
class Reader {
public:
    explicit Reader(std::string_view payload) : rest_(payload) {}

    std::string_view take(std::size_t size) {
        if (size > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto part = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return part;
    }

    std::uint64_t number(std::size_t size) {
        std::uint64_t value = 0;
        const auto part = take(size);
        for (std::size_t i = part.size(); i > 0; --i) {
            value = value << 8U | static_cast<unsigned char>(part[i - 1]);
        }
        return value;
    }

    std::string_view terminated() {
        const auto end = rest_.find('\0');
        const auto part = take(std::min(end, rest_.size()));
        if (!rest_.empty()) {
            rest_.remove_prefix(1);
        }
        return part;
    }

    std::string_view counted() { return take(number(1)); }

    [[nodiscard]] bool failed() const { return failed_; }

    [[nodiscard]] bool empty() const { return rest_.empty(); }

private:
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace

void Packets::add(std::string_view payload) {
    for (;;) {
        const auto part = payload.substr(0, largest_packet);
        put(bytes_, part.size(), 3);
        bytes_.push_back(static_cast<char>(sequence_++));
        bytes_ += part;
        payload.remove_prefix(part.size());
        if (part.size() < largest_packet) {
            return;
        }
    }
}

std::string length_encoded(std::uint64_t value) {
    std::string out;
    if (value < 251) {
        put(out, value, 1);
    } else if (value < 1U << 16U) {
        out.push_back('\xFC');
        put(out, value, 2);
    } else if (value < 1U << 24U) {
        out.push_back('\xFD');
        put(out, value, 3);
    } else {
        out.push_back('\xFE');
        put(out, value, 8);
    }
    return out;
}

std::string greeting(
    std::string_view version,
    std::uint32_t connection_id,
    std::string_view salt,
    std::string_view plugin
) {
    std::string out;
    out.push_back('\x0A');
    out += version;
    out.push_back('\0');
    put(out, connection_id, 4);
    out += salt.substr(0, 8);
    out.push_back('\0');
    put(out, capabilities & 0xFFFFU, 2);
    out.push_back(charset_utf8mb4);
    put(out, status(false), 2);
    put(out, capabilities >> 16U, 2);
    out.push_back(static_cast<char>(salt_size + 1));
    out.append(10, '\0');
    out += salt.substr(8);
    out.push_back('\0');
    out += plugin;
    out.push_back('\0');
    return out;
}

std::optional<Login> parse_login(std::string_view payload) {
    Reader reader(payload);
    Login login;
    login.capabilities = static_cast<std::uint32_t>(reader.number(4));
    reader.take(4 + 1 + 23);
    login.user = reader.terminated();
    login.token = reader.counted();
    if ((login.capabilities & connect_with_db) != 0) {
        reader.terminated();
    }
    if ((login.capabilities & plugin_auth) != 0) {
        login.plugin = reader.terminated();
    }
    if (reader.failed()) {
        return std::nullopt;
    }
    return login;
}

std::string auth_switch(std::string_view plugin, std::string_view salt) {
    std::string out = "\xFE";
    out += plugin;
    out.push_back('\0');
    out += salt;
    out.push_back('\0');
    return out;
}

std::string native_token(std::string_view password, std::string_view salt) {
    if (password.empty()) {
        return {};
    }
    const std::string once = digest(EVP_sha1(), password);
    const std::string twice = digest(EVP_sha1(), once);
    return exclusive_or(once, digest(EVP_sha1(), std::string(salt) + twice));
}

std::string sha2_token(std::string_view password, std::string_view salt) {
    if (password.empty()) {
        return {};
    }
    const std::string once = digest(EVP_sha256(), password);
    const std::string twice = digest(EVP_sha256(), once);
    return exclusive_or(once, digest(EVP_sha256(), twice + std::string(salt)));
}

std::string ok_packet(const FakeResult& result, bool more) {
    std::string out(1, '\0');
    out += length_encoded(result.affected_rows);
    out += length_encoded(result.insert_id);
    put(out, status(more), 2);
    put(out, 0, 2);
    return out;
}

std::string error_packet(std::uint16_t number, std::string_view sqlstate, std::string_view text) {
    std::string out = "\xFF";
    put(out, number, 2);
    out.push_back('#');
    out += sqlstate;
    out += text;
    return out;
}

std::string eof_packet(bool more) {
    std::string out = "\xFE";
    put(out, 0, 2);
    put(out, status(more), 2);
    return out;
}

std::string row_packet(const FakeRow& row) {
    std::string out;
    for (const FakeCell& cell : row) {
        if (cell) {
            put_text(out, *cell);
        } else {
            out.push_back('\xFB');
        }
    }
    return out;
}

void add_columns(Packets& packets, const FakeResult& result, std::size_t promised) {
    packets.add(length_encoded(promised));
    for (const std::string& name : result.columns) {
        std::string out;
        put_text(out, "def");
        put_text(out, "");
        put_text(out, "");
        put_text(out, "");
        put_text(out, name);
        put_text(out, name);
        out.push_back('\x0C');
        put(out, charset_utf8mb4, 2);
        put(out, 1024, 4);
        out.push_back('\xFD');  // VAR_STRING
        put(out, 0, 2);
        put(out, 0, 1);
        put(out, 0, 2);
        packets.add(out);
    }
    packets.add(eof_packet(false));
}

void add_result(Packets& packets, const FakeResult& result, bool more) {
    if (result.error_number != 0) {
        packets.add(error_packet(result.error_number, result.sqlstate, result.text));
        return;
    }
    if (result.columns.empty()) {
        packets.add(ok_packet(result, more));
        return;
    }
    add_columns(packets, result, result.columns.size());
    for (const FakeRow& row : result.rows) {
        packets.add(row_packet(row));
    }
    packets.add(eof_packet(more));
}

std::vector<std::string> split_statements(std::string_view text) {
    std::vector<std::string> statements;
    std::string current;
    char quote = '\0';
    const auto flush = [&] {
        if (const auto trimmed = trim(current); !trimmed.empty()) {
            statements.emplace_back(trimmed);
        }
        current.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != '\0') {
            current.push_back(c);
            if (c == '\\' && quote != '`' && i + 1 < text.size()) {
                current.push_back(text[++i]);
            } else if (c == quote) {
                quote = '\0';
            }
        } else if (c == ';') {
            flush();
        } else {
            if (c == '\'' || c == '"' || c == '`') {
                quote = c;
            }
            current.push_back(c);
        }
    }
    flush();
    return statements;
}

}  // namespace baton::test::wire
