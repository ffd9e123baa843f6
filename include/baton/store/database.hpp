// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam to the shared backend: blocking calls, each with a deadline, from one thread at a time.
// One implementation speaks the MySQL protocol to a list of addresses, the other is an embedded
// SQLite file for a single node.
//
// Connecting is explicit, so that the caller knows when the connection changed: what was observed
// on another connection does not count for the lease.

#include "baton/base/result.hpp"
#include "baton/base/time.hpp"
#include "baton/election/error_class.hpp"
#include "baton/store/backend_url.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::store {

/// What an error of the backend means for the outcome and for the connection. SQLite's errors carry
/// the number that a MySQL server gives for the same condition.
election::ErrorClass classify(const Error& error);

/// The error with the remedy for the operator, where there is one to name.
std::string explain(const Error& error, const BackendUrl& url);

using Cell = std::optional<std::string>;
using Row = std::vector<Cell>;

/// Cell of a column that is never NULL; "" when it is, nevertheless.
const std::string& text_of(const Cell& cell);
/// Number in a cell; 0 when there is none. Our own columns only, whose content we wrote.
std::uint64_t number_of(const Cell& cell);

struct ResultSet {
    std::vector<Row> rows;
    std::uint64_t affected = 0;  // changed rows
};

/// One set for each statement that was done, in order; an error ends the list.
struct Reply {
    std::vector<ResultSet> sets;
    std::optional<Error> error;
};

enum class Dialect { mysql, mariadb, sqlite };

class Database {
public:
    Database() = default;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    virtual ~Database() = default;

    /// Opens a connection to address number `index`; closes an open one first. Creates the database
    /// if it does not exist and the account may. Errors: unreachable, timeout, access_denied,
    /// server_error, io.
    virtual Result<void> connect(std::size_t index, Deadline deadline) = 0;

    /// Runs statements separated by ';' in one packet. Stops at the first error. A transaction that
    /// was open then is left to roll_back(). The deadline passing closes the connection and gives
    /// `timeout`; the outcome is then unknown.
    virtual Reply query(const std::string& sql, Deadline deadline) = 0;

    virtual void close() = 0;

    [[nodiscard]] virtual bool connected() const = 0;
    /// Rises with each connect(); 0 before the first.
    [[nodiscard]] virtual std::uint64_t connection_number() const = 0;
    /// The address in use, or the last one tried.
    [[nodiscard]] virtual std::string address() const = 0;
    /// Number of addresses that connect() goes through.
    [[nodiscard]] virtual std::size_t address_count() const = 0;
    /// Valid while connected.
    [[nodiscard]] virtual Dialect dialect() const = 0;
    /// Longest packet that one query() may have, in bytes. Valid while connected.
    [[nodiscard]] virtual std::size_t packet_limit() const = 0;
};

/// Ends an open transaction after an error. Closes the connection when that fails or when the class
/// of the error demands it.
void settle(Database& database, election::ErrorClass error, Deadline deadline);

struct BackendOptions {
    BackendUrl url;
    std::string password;
    std::string tls;     // "", "disabled", "preferred", "required", "verify_ca", "verify_identity"
    std::string tls_ca;  // file
    /// Bound of every network operation of the lease connection (lease.md: T).
    Duration lease_timeout = 1s;
    /// D, for the session time-out on the server.
    Duration lease_duration = 3s;
};

/// Hands out connections to one backend. For SQLite it holds the lock on the file, so that a second
/// daemon is refused; all Databases keep the lock alive.
class Backend {
public:
    enum class Purpose { lease, documents };

    /// Errors: conflict (another daemon uses the SQLite file), io (its folder cannot be written),
    /// invalid_argument.
    static Result<std::shared_ptr<Backend>> open(BackendOptions options);

    virtual ~Backend() = default;
    [[nodiscard]] virtual std::unique_ptr<Database> database(Purpose purpose) = 0;
    [[nodiscard]] virtual const BackendOptions& options() const = 0;
};

}  // namespace baton::store
