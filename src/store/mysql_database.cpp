// SPDX-License-Identifier: Apache-2.0
#include "mysql_database.hpp"

#include "baton/base/check.hpp"
#include "baton/mysql/blocking_connection.hpp"
#include "baton/mysql/quote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace baton::store {

namespace {

constexpr unsigned er_bad_db = 1049;

// A packet much larger than this makes the row lock last and the standbys' replies big; smaller
// than the smallest default of max_allowed_packet (4 MiB in MySQL 5.7, 16 MiB in MariaDB).
constexpr std::size_t packet_ceiling = 3U << 20U;

// Sessions of a dead node vanish on the server after this; living ones speak more often.
constexpr std::chrono::seconds documents_idle_limit{60};

struct Session {
    mysql::ConnectOptions options;  // without host and port
    std::chrono::milliseconds limit{0};
};

class MysqlDatabase final : public Database {
public:
    MysqlDatabase(const BackendUrl& url, Session session)
        : url_(url), session_(std::move(session)) {}

    Result<void> connect(std::size_t index, Deadline deadline) override {
        BATON_CHECK(index < url_.addresses.size(), "no such backend address");
        connection_.close();
        current_ = index;
        auto options = session_.options;
        options.host = url_.addresses[index].host;
        options.port = url_.addresses[index].port;
        auto done = connection_.connect(options, deadline);
        if (!done && done.error().mysql_errno == er_bad_db) {
            done = create_database(options, deadline);
            if (done) {
                done = connection_.connect(options, deadline);
            }
        }
        if (!done) {
            return done;
        }
        const bool mariadb = connection_.server_version().find("MariaDB") != std::string::npos;
        dialect_ = mariadb ? Dialect::mariadb : Dialect::mysql;
        const auto limits = query("SELECT @@max_allowed_packet", deadline);
        if (limits.error) {
            connection_.close();
            return *limits.error;
        }
        const auto server_limit = static_cast<std::size_t>(number_of(limits.sets[0].rows[0][0]));
        packet_limit_ = std::min(packet_ceiling, server_limit - server_limit / 8);
        ++number_;
        return {};
    }

    Reply query(const std::string& sql, Deadline deadline) override {
        Reply reply;
        if (!connection_.is_open()) {
            reply.error = fail(Errc::unreachable, "not connected to the backend");
            return reply;
        }
        auto answer = connection_.query(sql, deadline);
        reply.error = std::move(answer.error);
        reply.sets.reserve(answer.sets.size());
        for (auto& set : answer.sets) {
            ResultSet mine;
            mine.rows = std::move(set.rows);
            mine.affected = set.affected_rows;
            reply.sets.push_back(std::move(mine));
        }
        return reply;
    }

    void close() override { connection_.close(); }

    [[nodiscard]] bool connected() const override { return connection_.is_open(); }

    [[nodiscard]] std::uint64_t connection_number() const override { return number_; }

    [[nodiscard]] std::string address() const override { return url_.addresses[current_].text(); }

    [[nodiscard]] std::size_t address_count() const override { return url_.addresses.size(); }

    [[nodiscard]] Dialect dialect() const override { return dialect_; }

    [[nodiscard]] std::size_t packet_limit() const override { return packet_limit_; }

private:
    /// Several nodes may do this at once. The error of the connect that failed stays when the
    /// account may not create it.
    Result<void> create_database(mysql::ConnectOptions options, Deadline deadline) {
        options.database.clear();
        options.init_sql.clear();
        mysql::BlockingConnection connection;
        if (auto done = connection.connect(options, deadline); !done) {
            return done;
        }
        const auto reply = connection.query(
            fmt::format(
                "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET ascii COLLATE ascii_bin",
                mysql::quote_identifier(url_.database)
            ),
            deadline
        );
        if (!reply.error) {
            return {};
        }
        auto error = *reply.error;
        error.what = fmt::format(
            "the database '{}' does not exist and could not be created: {}",
            url_.database,
            error.what
        );
        return error;
    }

    BackendUrl url_;
    Session session_;
    mysql::BlockingConnection connection_;
    std::size_t current_ = 0;
    std::uint64_t number_ = 0;
    Dialect dialect_ = Dialect::mysql;
    std::size_t packet_limit_ = packet_ceiling;
};

Result<mysql::Tls> tls_mode(const std::string& text) {
    for (const auto mode :
         {mysql::Tls::off,
          mysql::Tls::preferred,
          mysql::Tls::required,
          mysql::Tls::verify_ca,
          mysql::Tls::verify_identity}) {
        if (text == mysql::to_string(mode)) {
            return mode;
        }
    }
    if (text.empty() || text == "disabled") {
        return mysql::Tls::off;
    }
    return fail(
        Errc::invalid_argument,
        fmt::format(
            "backend.tls '{}' is not one of off, preferred, required, verify_ca, verify_identity",
            text
        )
    );
}

// READ COMMITTED: lease.md section 9. NO_BACKSLASH_ESCAPES: literals are quoted alike for both
// backends. wait_timeout and the lock time-outs let a dead node's session and locks vanish.
std::string session_sql(std::chrono::seconds idle_limit) {
    return fmt::format(
        "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
        " autocommit=1, wait_timeout={}, innodb_lock_wait_timeout=1, lock_wait_timeout=5;"
        " SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        idle_limit.count()
    );
}

class MysqlBackend final : public Backend {
public:
    MysqlBackend(BackendOptions options, mysql::Tls tls) : options_(std::move(options)) {
        base_.user = options_.url.user;
        base_.password = options_.password;
        base_.database = options_.url.database;
        base_.tls = tls;
        base_.ca_file = options_.tls_ca;
        base_.multi_statements = true;
    }

    std::unique_ptr<Database> database(Purpose purpose) override {
        using std::chrono::ceil;
        using std::chrono::milliseconds;
        using std::chrono::seconds;
        Session session;
        session.options = base_;
        session.options.program_name = purpose == Purpose::lease ? "baton-lease" : "baton-store";
        const auto idle_limit = purpose == Purpose::lease
                                    ? ceil<seconds>(options_.lease_duration) + seconds(2)
                                    : documents_idle_limit;
        session.options.init_sql = session_sql(idle_limit);
        // For the documents too: what waits in this machine while the network is gone would be
        // executed when it is back, and the write of a holder whose lease has ended would make the
        // others wait for a whole lease more.
        session.options.unacknowledged_limit = ceil<milliseconds>(options_.lease_timeout);
        // An attempt whose first packet was lost must not hold up the next one for longer than the
        // lease's look interval: the lease is to be held again within D + 1 s after a cut.
        session.options.probe_path_every = std::clamp(
            ceil<milliseconds>(options_.lease_duration) / 12, milliseconds(50), milliseconds(250)
        );
        return std::make_unique<MysqlDatabase>(options_.url, std::move(session));
    }

    [[nodiscard]] const BackendOptions& options() const override { return options_; }

private:
    BackendOptions options_;
    mysql::ConnectOptions base_;
};

}  // namespace

Result<std::shared_ptr<Backend>> open_mysql_backend(BackendOptions options) {
    const auto tls = tls_mode(options.tls);
    if (!tls) {
        return tls.error();
    }
    return std::shared_ptr<Backend>(std::make_shared<MysqlBackend>(std::move(options), *tls));
}

}  // namespace baton::store
