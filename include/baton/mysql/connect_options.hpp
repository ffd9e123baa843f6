// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where and how to connect. A value; copied into the connection attempt.

#include "baton/base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton::mysql {

enum class Tls {
    off,              // never
    preferred,        // when the server offers it; nothing is verified
    required,         // always; nothing is verified
    verify_ca,        // always; the chain is verified (MariaDB Connector/C 3.3: the name as well)
    verify_identity,  // always; chain and host name are verified: give the name as `host`
};

std::string_view to_string(Tls mode);

struct ConnectOptions {
    ConnectOptions() = default;

    ConnectOptions(std::string h, std::uint16_t p, std::string u, std::string pw)
        : host(std::move(h)), port(p), user(std::move(u)), password(std::move(pw)) {}

    std::string host;  // name or address; a name is resolved on a connector thread
    std::uint16_t port = 3306;
    std::string user;
    std::string password;
    std::string database;  // "" = none

    Tls tls = Tls::off;
    std::string ca_file;    // "" = the system's bundle (20 ms of CPU per connect with verification)
    std::string cert_file;  // client certificate
    std::string key_file;

    /// CLIENT_MULTI_STATEMENTS. Leave off for connections that change servers: an injected
    /// statement can then not be appended.
    bool multi_statements = true;

    /// Run right after the connect, on the connector thread and within its deadline ("" = none); a
    /// failure fails the connect. With multi_statements several statements may be given.
    std::string init_sql;

    /// A larger reply breaks the connection with Errc::protocol: bounds what a hostile or mad
    /// server can make this process hold.
    std::size_t reply_limit_bytes = 64U << 20U;

    /// TCP_USER_TIMEOUT: a peer that acknowledges nothing for so long is given up by the kernel.
    std::chrono::milliseconds unacknowledged_limit = 10s;

    /// While TCP has not connected, a plain TCP connection is tried beside the attempt so often,
    /// and the attempt is begun anew when one is answered: where a first packet was lost the kernel
    /// sends it again after 1 s only. The server sees such a connection end without a log-in. 0 =
    /// never.
    std::chrono::milliseconds probe_path_every{0};

    /// Shown in performance_schema.session_connect_attrs.
    std::string program_name = "baton";
};

}  // namespace baton::mysql
