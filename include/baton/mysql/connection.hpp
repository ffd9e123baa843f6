// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connection: one MySQL session driven by coroutines. Connects on the Connector's threads, queries
// on the caller's loop with the library's non-blocking calls, and watches the idle socket.
//
// Used from one strand or one-thread loop; one operation at a time (an idle_event() in progress is
// ended by the next query). The object may be destroyed while an operation is suspended: that one
// then reports cancelled. C1: after a timeout, cancellation, or an error of the client library
// (2000-2999) the session is closed.

#include "baton/async/task.hpp"
#include "baton/mysql/connect_options.hpp"
#include "baton/mysql/connector.hpp"
#include "baton/mysql/result_set.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace baton::mysql {

enum class IdleEvent {
    fin,        // the server closed the connection: it ended, or ended this session
    reset,      // RST, or the kernel gave the peer up
    data,       // unasked data, e.g. error 4031 (idle too long) before the end: poll at once
    cancelled,  // cancel_idle(), a query, or drop() came first; or there is no connection
    quiet,      // the given time came first
};

std::string_view to_string(IdleEvent event);

class Connection {
public:
    /// The connector must outlive the connection.
    Connection(asio::any_io_executor executor, Connector& connector);
    ~Connection();
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&& other) noexcept;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Opens a new session, dropping an old one. Returns at the deadline even if a thread of the
    /// connector is still busy with the attempt (that ends by itself).
    ///
    /// With `probe_first` a bare TCP connect is made on the loop before: give true when the last
    /// attempt failed, so that a black hole never occupies a thread. Errors: timeout, unreachable
    /// (refused, no route, unknown name, TLS), access_denied, server_error, protocol (not a MySQL
    /// server), unavailable (connector queue full).
    Task<Result<void>> connect(ConnectOptions options, Deadline deadline, bool probe_first);

    /// Sends the text and reads all results. The error, if any, is in the reply, next to the sets
    /// that came before it.
    ///
    /// Errors: timeout (the outcome is unknown: the server may go on executing), unreachable,
    /// access_denied, server_error, protocol, unavailable (not connected), cancelled (dropped
    /// meanwhile). Cancellation: any time; the session is closed.
    Task<Reply> query(std::string sql, Deadline deadline);

    /// Waits for something to happen on the idle session, at most until `until`. After fin and
    /// reset the session is closed. Returns at once when it is not open. Cancellation: any time;
    /// the session stays open.
    Task<IdleEvent> idle_event(TimePoint until = TimePoint::max());

    /// Ends an idle_event() in progress, which then returns cancelled. The session stays open.
    void cancel_idle() noexcept;

    /// Closes hard from any state; never blocks. An operation in progress returns cancelled.
    void drop() noexcept;

    [[nodiscard]] bool is_open() const noexcept;
    /// Of the last session opened: the server's thread id, its version text from the handshake.
    [[nodiscard]] std::uint64_t connection_id() const noexcept;
    [[nodiscard]] const std::string& server_version() const noexcept;
    [[nodiscard]] bool uses_tls() const noexcept;
    /// Time from sending to the complete answer, of the last query that was answered.
    [[nodiscard]] Duration last_latency() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;

    static Task<Result<void>> run_connect(
        std::shared_ptr<State> state, ConnectOptions options, Deadline deadline, bool probe_first
    );
    static Task<Reply> run_query(std::shared_ptr<State> state, std::string sql, Deadline deadline);
    static Task<IdleEvent> run_idle(std::shared_ptr<State> state, TimePoint until);
};

}  // namespace baton::mysql
