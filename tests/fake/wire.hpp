// SPDX-License-Identifier: Apache-2.0
#pragma once

// Packets of the MySQL protocol, as far as FakeMysql speaks it.

#include "fake/fake_mysql.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::test::wire {

/// A sequence of packets with their headers.
class Packets {
public:
    explicit Packets(std::uint8_t first_sequence) : sequence_(first_sequence) {}

    void add(std::string_view payload);

    [[nodiscard]] const std::string& bytes() const { return bytes_; }

    [[nodiscard]] std::uint8_t next_sequence() const { return sequence_; }

private:
    std::string bytes_;
    std::uint8_t sequence_;
};

struct Login {
    std::uint32_t capabilities = 0;
    std::string user;
    std::string token;
    std::string plugin;
};

constexpr std::size_t salt_size = 20;

std::string greeting(
    std::string_view version,
    std::uint32_t connection_id,
    std::string_view salt,
    std::string_view plugin
);
std::optional<Login> parse_login(std::string_view payload);
std::string auth_switch(std::string_view plugin, std::string_view salt);
/// What a client with this password sends.
std::string native_token(std::string_view password, std::string_view salt);
std::string sha2_token(std::string_view password, std::string_view salt);

std::string ok_packet(const FakeResult& result, bool more);
std::string error_packet(std::uint16_t number, std::string_view sqlstate, std::string_view text);
std::string eof_packet(bool more);
std::string length_encoded(std::uint64_t value);
std::string row_packet(const FakeRow& row);
/// `promised` columns are announced, all of `result.columns` are described.
void add_columns(Packets& packets, const FakeResult& result, std::size_t promised);
void add_result(Packets& packets, const FakeResult& result, bool more);

/// Statements of a text, split at semicolons outside quotes and comments, trimmed, empty ones left
/// out.
std::vector<std::string> split_statements(std::string_view text);

}  // namespace baton::test::wire
