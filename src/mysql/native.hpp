// SPDX-License-Identifier: Apache-2.0
#pragma once

// Native: the seam to the client library, one session. native.cpp holds what both libraries share;
// native_mariadb.cpp and native_oracle.cpp implement the library-specific members, and the
// preprocessor compiles one of them. Touched by one thread at a time.

#include "baton/base/time.hpp"
#include "baton/mysql/connect_options.hpp"
#include "baton/mysql/result_set.hpp"

#include <mysql.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace baton::mysql {

/// What a suspended call waits for on the descriptor. yield: nothing, but a good deal of a big
/// answer has been taken in; let others have the thread and resume.
enum class Wait { none, read, write, yield };

class PathProbe;

class Native {
public:
    Native();
    ~Native();
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;

    /// Blocking, on the calling thread; runs init_sql too. `stop`, when given, ends the attempt
    /// early where the library lets us. Leaves the socket non-blocking. Once per object.
    Result<void> connect(
        const ConnectOptions& options, Deadline deadline, const std::atomic<bool>* stop
    );
    /// False when connect() may overrun its deadline (up to whole seconds) with these options.
    static bool connect_is_exact(const ConnectOptions& options);

    /// Begins a query, without blocking; resume() after what was waited for has come. At Wait::none
    /// the reply is complete: take it.
    Wait start(std::string sql);
    Wait resume(Wait ready);
    Reply take_reply();
    /// Ends a query that is not complete: closes the session and gives the sets that are, with this
    /// error.
    Reply give_up(Error reason);
    /// start() to end with poll(2).
    Reply query(std::string sql, Deadline deadline, const std::atomic<bool>* stop);

    /// Hard close from any state, also with a call suspended half-way; never blocks.
    void abort() noexcept;

    [[nodiscard]] bool is_open() const { return handle_ != nullptr && connected_; }

    /// True when the session cannot be used any more (C1).
    [[nodiscard]] bool broken() const { return broken_; }

    [[nodiscard]] int descriptor() const;

    [[nodiscard]] std::uint64_t connection_id() const { return connection_id_; }

    [[nodiscard]] const std::string& server_version() const { return server_version_; }

    [[nodiscard]] bool uses_tls() const { return tls_; }

private:
    enum class Step { query, fetch, next };

    // Implemented per library. begin/resume return what to wait for, or none when the call is done
    // and its outcome is in outcome_ / row_.
    void prepare_handle();
    void set_library_options();
    /// Asks `path` while it waits in TCP, and ends when that says that a new attempt is better.
    Result<void> library_connect(Deadline deadline, const std::atomic<bool>* stop, PathProbe& path);
    Wait begin(Step step);
    Wait resume_call(Wait ready);

    Result<void> check_session(Deadline deadline, const std::atomic<bool>* stop);
    Wait advance(Wait wait);
    /// Handles a finished library call; true when the reply is complete.
    bool on_step_done();
    bool begin_result();
    bool store_row();
    bool fail_reply();
    bool end_of_set();
    [[nodiscard]] Error library_error() const;

    MYSQL* handle_ = nullptr;
    MYSQL_RES* result_ = nullptr;
    MYSQL_ROW row_ = nullptr;
    MYSQL* connect_outcome_ = nullptr;
    int outcome_ = 0;  // of the last call: 0 success, anything else failed
    Step step_ = Step::query;
    bool connected_ = false;
    bool broken_ = false;
    bool tls_ = false;
    ConnectOptions options_;  // its strings must outlive suspended calls
    std::string sql_;         // likewise
    std::size_t reply_bytes_ = 0;
    std::size_t yield_at_bytes_ = 0;
    Reply reply_;
    std::uint64_t connection_id_ = 0;
    std::string server_version_;
};

/// Error of ours for a server's or library's error number.
Error map_error(unsigned number, std::string_view sqlstate, std::string_view text);

/// True when the session is of no use after this error number.
bool ends_session(unsigned number);

/// poll(2) with a deadline, in slices when `stop` is to be heeded. False at the deadline or when
/// stopped.
bool poll_descriptor(int descriptor, Wait wait, Deadline deadline, const std::atomic<bool>* stop);

/// The same for an attempt that may hang in TCP: false when the probe got through, too.
bool poll_connecting(
    int descriptor, Wait wait, Deadline deadline, const std::atomic<bool>* stop, PathProbe& path
);

/// Attaches the calling thread to the library until it ends.
void enter_thread();

/// Implemented per library: called once by initialize().
void initialize_library();

}  // namespace baton::mysql
