// SPDX-License-Identifier: Apache-2.0
#include "sqlite_database.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace baton::store {

namespace {

// Bounds one reply, as max_allowed_packet does on a server.
constexpr std::size_t statement_bytes_limit = 4U << 20U;
constexpr int instructions_between_deadline_checks = 10'000;

/// flock() on "<file>.lock", held as long as the object lives. Not the database file itself:
/// SQLite's own byte-range locks on it are dropped when any descriptor of it is closed.
class FileLock {
public:
    static Result<std::shared_ptr<FileLock>> take(const std::string& file) {
        const auto name = file + ".lock";
        const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0) {
            return fail(
                Errc::io,
                fmt::format(
                    "cannot open {}: {}; its folder must exist and be writable for this user",
                    name,
                    std::strerror(errno)
                )
            );
        }
        auto lock = std::shared_ptr<FileLock>(new FileLock(fd));
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            char pid[32] = {};
            const auto length = ::read(fd, pid, sizeof pid - 1);
            const auto owner = length > 0 ? trim(pid) : std::string_view("unknown");
            return fail(
                Errc::conflict,
                fmt::format(
                    "another daemon (process {}) uses {}: an SQLite backend serves one node only; "
                    "stop that daemon, or give both a mysql:// backend",
                    owner,
                    file
                )
            );
        }
        const auto pid = fmt::format("{}\n", ::getpid());
        // The number is a courtesy for the message above; the lock itself does not need it.
        if (::ftruncate(fd, 0) == 0 && ::write(fd, pid.data(), pid.size()) < 0) {
            return lock;
        }
        return lock;
    }

    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

    ~FileLock() { ::close(fd_); }

private:
    explicit FileLock(int fd) : fd_(fd) {}

    int fd_;
};

// The number a MySQL server gives for the same condition, so that one table classifies both.
Error error_of(sqlite3* handle, int code, bool expired) {
    const std::string text = fmt::format(
        "SQLite: {}", handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code)
    );
    if (expired) {
        return {Errc::timeout, "SQLite: the deadline passed"};
    }
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Errc::server_error, text, 1205, "HY000"};
        case SQLITE_FULL:
            return {Errc::server_error, text, 1021, "HY000"};
        case SQLITE_READONLY:
            return {Errc::server_error, text, 1290, "HY000"};
        case SQLITE_CANTOPEN:
        case SQLITE_IOERR:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_PERM:
            return {Errc::io, text};
        default:
            break;
    }
    if (text.find("no such table") != std::string::npos) {
        return {Errc::server_error, text, 1146, "42S02"};
    }
    if (text.find("no such column") != std::string::npos ||
        text.find("has no column") != std::string::npos) {
        return {Errc::server_error, text, 1054, "42S22"};
    }
    return {Errc::server_error, text, 1064, "42000"};
}

class SqliteDatabase final : public Database {
public:
    SqliteDatabase(std::string path, std::shared_ptr<FileLock> lock)
        : path_(std::move(path)), lock_(std::move(lock)) {}

    SqliteDatabase(const SqliteDatabase&) = delete;
    SqliteDatabase& operator=(const SqliteDatabase&) = delete;

    ~SqliteDatabase() override { shut(); }

    Result<void> connect(std::size_t /*index*/, Deadline deadline) override {
        shut();
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        const int code = sqlite3_open_v2(path_.c_str(), &handle_, flags, nullptr);
        if (code != SQLITE_OK) {
            const auto error = error_of(handle_, code, false);
            shut();
            return error.in(path_);
        }
        sqlite3_progress_handler(
            handle_, instructions_between_deadline_checks, &SqliteDatabase::interrupted, this
        );
        const auto reply = query(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000",
            deadline
        );
        if (reply.error) {
            shut();
            return reply.error->in(path_);
        }
        ++number_;
        return {};
    }

    Reply query(const std::string& sql, Deadline deadline) override {
        Reply reply;
        if (handle_ == nullptr) {
            reply.error = fail(Errc::unreachable, "SQLite: the file is not open");
            return reply;
        }
        deadline_ = deadline;
        const auto left = to_ms(deadline - std::chrono::steady_clock::now());
        sqlite3_busy_timeout(handle_, static_cast<int>(std::clamp<std::int64_t>(left, 1, 60'000)));
        const char* at = sql.c_str();
        const char* const end = at + sql.size();
        while (at < end) {
            sqlite3_stmt* statement = nullptr;
            const char* tail = nullptr;
            const int length = static_cast<int>(end - at);
            const int prepared = sqlite3_prepare_v2(handle_, at, length, &statement, &tail);
            if (prepared != SQLITE_OK) {
                reply.error = error_of(handle_, prepared, false);
                return reply;
            }
            at = tail;
            if (statement == nullptr) {  // white space or a comment
                continue;
            }
            run(statement, reply);
            sqlite3_finalize(statement);
            if (reply.error) {
                return reply;
            }
        }
        return reply;
    }

    void close() override { shut(); }

    [[nodiscard]] bool connected() const override { return handle_ != nullptr; }

    [[nodiscard]] std::uint64_t connection_number() const override { return number_; }

    [[nodiscard]] std::string address() const override { return "sqlite:" + path_; }

    [[nodiscard]] std::size_t address_count() const override { return 1; }

    [[nodiscard]] Dialect dialect() const override { return Dialect::sqlite; }

    [[nodiscard]] std::size_t packet_limit() const override { return statement_bytes_limit; }

private:
    static int interrupted(void* self) {
        return std::chrono::steady_clock::now() >= static_cast<SqliteDatabase*>(self)->deadline_
                   ? 1
                   : 0;
    }

    void run(sqlite3_stmt* statement, Reply& reply) {
        ResultSet set;
        const int columns = sqlite3_column_count(statement);
        const auto before = sqlite3_total_changes64(handle_);
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            Row row;
            row.reserve(static_cast<std::size_t>(columns));
            for (int i = 0; i < columns; ++i) {
                if (sqlite3_column_type(statement, i) == SQLITE_NULL) {
                    row.emplace_back(std::nullopt);
                    continue;
                }
                const void* const bytes = sqlite3_column_blob(statement, i);
                const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
                row.emplace_back(std::string());
                if (size != 0) {
                    row.back()->assign(static_cast<const char*>(bytes), size);
                }
            }
            set.rows.push_back(std::move(row));
        }
        if (code != SQLITE_DONE) {
            const bool expired = (code & 0xff) == SQLITE_INTERRUPT;
            reply.error = error_of(handle_, code, expired);
            return;
        }
        set.affected = static_cast<std::uint64_t>(sqlite3_total_changes64(handle_) - before);
        reply.sets.push_back(std::move(set));
    }

    void shut() {
        if (handle_ != nullptr) {
            sqlite3_close_v2(handle_);
            handle_ = nullptr;
        }
    }

    std::string path_;
    std::shared_ptr<FileLock> lock_;
    sqlite3* handle_ = nullptr;
    std::uint64_t number_ = 0;
    Deadline deadline_{};
};

class SqliteBackend final : public Backend {
public:
    SqliteBackend(BackendOptions options, std::shared_ptr<FileLock> lock)
        : options_(std::move(options)), lock_(std::move(lock)) {}

    std::unique_ptr<Database> database(Purpose /*purpose*/) override {
        return std::make_unique<SqliteDatabase>(options_.url.path, lock_);
    }

    [[nodiscard]] const BackendOptions& options() const override { return options_; }

private:
    BackendOptions options_;
    std::shared_ptr<FileLock> lock_;
};

}  // namespace

Result<std::shared_ptr<Backend>> open_sqlite_backend(BackendOptions options) {
    auto lock = FileLock::take(options.url.path);
    if (!lock) {
        return lock.error();
    }
    return std::shared_ptr<Backend>(
        std::make_shared<SqliteBackend>(std::move(options), std::move(*lock))
    );
}

}  // namespace baton::store
