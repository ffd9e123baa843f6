// SPDX-License-Identifier: Apache-2.0
#pragma once

// FakeMysql: a MySQL server on the wire, made of scripted answers, on a thread of its own. Speaks
// the handshake (version 10), mysql_native_password and caching_sha2_password without TLS,
// COM_QUERY with several statements, COM_PING, COM_INIT_DB, COM_QUIT; and misbehaves as told. One
// object can listen on many addresses (127.x.y.z), one per simulated server.
//
// Thread-safe. Handlers run on the fake's thread and may call the object.
// Source of the protocol: MySQL source code documentation, "Client/Server Protocol".

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::test {

using FakeCell = std::optional<std::string>;
using FakeRow = std::vector<FakeCell>;

/// Answer to one statement: a table, an acknowledgement, or an error.
struct FakeResult {
    FakeResult() = default;
    static FakeResult table(std::vector<std::string> columns, std::vector<FakeRow> rows);
    static FakeResult ok(std::uint64_t affected_rows = 0, std::uint64_t insert_id = 0);
    static FakeResult error(std::uint16_t number, std::string sqlstate, std::string text);

    std::vector<std::string> columns;
    std::vector<FakeRow> rows;  // width may differ from columns: sent as they are
    std::uint64_t affected_rows = 0;
    std::uint64_t insert_id = 0;
    std::uint16_t error_number = 0;
    std::string sqlstate;
    std::string text;
};

/// What happens instead of, or to, an answer.
enum class Fault {
    none,
    never,           // no answer; the connection stays open
    close,           // FIN instead of an answer
    reset,           // RST instead of an answer
    cut,             // half of the answer's bytes, then FIN
    stall,           // half of the answer's bytes, then nothing
    garbage,         // bytes that are no packet
    column_count,    // promises more columns than it describes
    endless_rows,    // rows without end
    endless_packet,  // one packet without end
    local_infile,    // asks the client for the file /etc/passwd
};

struct FakeAnswer {
    FakeAnswer() = default;

    FakeAnswer(FakeResult result) : results{std::move(result)} {}  // NOLINT: meant to convert

    FakeAnswer(Fault f) : fault(f) {}  // NOLINT: meant to convert

    std::vector<FakeResult> results;  // several for one text with several statements
    std::chrono::milliseconds delay{0};
    Fault fault = Fault::none;
};

/// What a new connection meets.
enum class Welcome {
    normal,
    silent,                // no greeting, ever
    garbage,               // bytes that are no greeting
    close,                 // FIN instead of a greeting
    frozen_after_login,    // greeting, then no answer to the login
    access_denied,         // error 1045 to the login
    too_many_connections,  // error 1040 instead of a greeting
};

struct FakeRequest {
    std::string address;  // that was connected to
    std::uint16_t port = 0;
    std::uint32_t connection_id = 0;
    std::string user;
    std::string statement;
};

class FakeMysql {
public:
    struct Options {
        Options() = default;

        std::string version = "8.0.36";
        std::string auth_plugin = "mysql_native_password";  // or caching_sha2_password
        std::optional<std::string> user;                    // nullopt = any
        std::optional<std::string> password;                // nullopt = any
        std::size_t statements_kept = 10000;
    };

    using Handler = std::function<std::optional<FakeAnswer>(const FakeRequest&)>;

    explicit FakeMysql(Options options);

    FakeMysql() : FakeMysql(Options()) {}

    ~FakeMysql();
    FakeMysql(const FakeMysql&) = delete;
    FakeMysql& operator=(const FakeMysql&) = delete;

    /// Listens; port 0 = one chosen by the system. Returns the port. Throws
    /// boost::system::system_error when the address cannot be bound.
    std::uint16_t listen(const std::string& address = "127.0.0.1", std::uint16_t port = 0);
    /// New connections to the address are refused; the open ones stay.
    void stop_listening(const std::string& address, std::uint16_t port);

    /// Answer to exactly this text: first the whole query text is looked up, then each of its
    /// statements by itself (without the semicolon, trimmed). Unknown statements get error 1064.
    void answer(const std::string& statement, FakeAnswer answer);
    /// Asked for whatever answer() does not know; handlers in the order they were added.
    void handle(Handler handler);
    /// For an address, or for all ("").
    void set_welcome(Welcome welcome, const std::string& address = "");
    void set_version(const std::string& version, const std::string& address);

    /// Ends the sessions of an address, or all (""): as a crash does (FIN), or hard (RST).
    void close_sessions(const std::string& address = "", bool reset = false);
    /// Sends an error packet nobody asked for on all sessions of an address, or all ("").
    void send_unasked(
        std::uint16_t number, const std::string& text, const std::string& address = ""
    );

    [[nodiscard]] std::size_t sessions() const;    // open now
    [[nodiscard]] std::uint64_t accepted() const;  // TCP connections in all
    [[nodiscard]] std::uint64_t logins() const;    // sessions that passed the authentication
    [[nodiscard]] std::uint64_t statement_count() const;
    [[nodiscard]] std::vector<std::string> statements() const;  // the latest, whole query texts
    [[nodiscard]] std::string received_file() const;            // what Fault::local_infile got

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::test
