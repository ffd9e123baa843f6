// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/connection.hpp"

#include "connector_impl.hpp"
#include "probe.hpp"

#include "baton/base/check.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <cerrno>
#include <sys/socket.h>
#include <utility>

namespace baton::mysql {

namespace {

using Stream = asio::posix::stream_descriptor;

const std::string no_version;

bool is_cancelled(const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

std::string_view to_string(IdleEvent event) {
    switch (event) {
        case IdleEvent::fin:
            return "closed by the server";
        case IdleEvent::reset:
            return "connection reset";
        case IdleEvent::data:
            return "unasked data";
        case IdleEvent::cancelled:
            return "cancelled";
        case IdleEvent::quiet:
            return "quiet";
    }
    return "unknown";
}

/// Shared by the Connection and its suspended coroutine; touched on the executor only.
struct Connection::State : std::enable_shared_from_this<State> {
    State(asio::any_io_executor e, std::shared_ptr<Connector::Impl> c)
        : executor(std::move(e)), connector(std::move(c)), stream(executor), timer(executor) {}

    /// The library closes its socket by itself when a server sends nonsense after the handshake.
    Result<void> adopt(std::shared_ptr<Native> session_handle) {
        boost::system::error_code failure;
        stream.assign(session_handle->descriptor(), failure);
        if (failure) {
            session_handle->abort();
            return fail(
                Errc::unreachable,
                "connect: the session broke right after it was set up: " + failure.message()
            );
        }
        native = std::move(session_handle);
        return {};
    }

    void drop() noexcept {
        ++session;
        end_idle();
        disarm();
        if (stream.is_open()) {
            stream.release();  // never closed here: the library owns it
        }
        if (native) {
            native->abort();
            last_id = native->connection_id();
            last_version = native->server_version();
            native.reset();
        }
        if (connect_timer != nullptr) {
            connect_timer->cancel();
        }
    }

    /// Interrupts the wait on the stream at the deadline. The generation tells an expiry that was
    /// queued before the operation ended from one of the current operation.
    void arm(Deadline deadline) {
        const auto mine = ++generation;
        timed_out = false;
        timer.expires_at(deadline);
        timer.async_wait([weak = weak_from_this(), mine](const boost::system::error_code& stopped) {
            if (stopped) {
                return;
            }
            const auto state = weak.lock();
            if (!state || state->generation != mine) {
                return;
            }
            state->timed_out = true;
            state->cancel_wait();
        });
    }

    void disarm() noexcept {
        ++generation;
        timer.cancel();
    }

    void cancel_wait() noexcept {
        if (stream.is_open()) {
            boost::system::error_code ignored;
            stream.cancel(ignored);
        }
    }

    void end_idle() noexcept {
        if (idling) {
            idling = false;
            ++idle_number;
            disarm();
            cancel_wait();
        }
    }

    const asio::any_io_executor executor;
    const std::shared_ptr<Connector::Impl> connector;
    std::shared_ptr<Native> native;
    Stream stream;  // the library's descriptor, on loan
    asio::steady_timer timer;
    asio::steady_timer* connect_timer = nullptr;  // of a connect() in progress
    std::uint64_t session = 0;                    // changes with each drop()
    std::uint64_t generation = 0;
    std::uint64_t idle_number = 0;
    bool timed_out = false;
    bool busy = false;  // connect or query in progress
    bool idling = false;
    std::uint64_t last_id = 0;
    std::string last_version;
    Duration latency{};
};

Connection::Connection(asio::any_io_executor executor, Connector& connector)
    : state_(std::make_shared<State>(std::move(executor), connector.impl_)) {}

Connection::~Connection() {
    if (state_) {
        state_->drop();
    }
}

Connection::Connection(Connection&& other) noexcept = default;

Connection& Connection::operator=(Connection&& other) noexcept {
    if (this != &other) {
        if (state_) {
            state_->drop();
        }
        state_ = std::move(other.state_);
    }
    return *this;
}

namespace {

/// Marks the object busy; on the way out by exception or early return drops the session unless
/// kept.
template <class State>
class Operation {
public:
    explicit Operation(std::shared_ptr<State> state)
        : state_(std::move(state)), session_(state_->session) {
        BATON_CHECK(!state_->busy, "a connection does one operation at a time");
        state_->busy = true;
    }

    ~Operation() {
        state_->busy = false;
        if (!kept_ && !lost()) {
            state_->drop();
        }
    }

    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    /// True when somebody dropped the session meanwhile.
    [[nodiscard]] bool lost() const { return state_->session != session_; }

    void keep() { kept_ = true; }

private:
    std::shared_ptr<State> state_;
    std::uint64_t session_;
    bool kept_ = false;
};

/// The coroutine's side of an attempt: whatever way it leaves, nobody waits any more.
class Waiting {
public:
    Waiting(std::shared_ptr<Attempt> attempt, asio::steady_timer* timer)
        : attempt_(std::move(attempt)) {
        attempt_->waiter = timer;
    }

    ~Waiting() {
        attempt_->waiter = nullptr;
        attempt_->abandon();
    }

    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    std::shared_ptr<Attempt> attempt_;
};

/// Lets drop() end the wait for an attempt.
class Interruptible {
public:
    Interruptible(asio::steady_timer** place, asio::steady_timer* timer) : place_(place) {
        *place_ = timer;
    }

    ~Interruptible() { *place_ = nullptr; }

    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

private:
    asio::steady_timer** place_;
};

}  // namespace

Task<Result<void>> Connection::connect(
    ConnectOptions options, Deadline deadline, bool probe_first
) {
    return run_connect(state_, std::move(options), deadline, probe_first);
}

Task<Result<void>> Connection::run_connect(
    std::shared_ptr<State> state, ConnectOptions options, Deadline deadline, bool probe_first
) {
    state->drop();
    Operation<State> operation(state);
    if (probe_first) {
        auto probed = co_await probe_tcp(options.host, options.port, deadline);
        if (!probed) {
            co_return probed.error();
        }
        if (operation.lost()) {
            co_return fail(Errc::cancelled, "connect: dropped meanwhile");
        }
    }
    const auto attempt = std::make_shared<Attempt>(state->executor, std::move(options), deadline);
    if (!state->connector->submit(attempt)) {
        co_return fail(Errc::unavailable, "connect: too many connection attempts are waiting");
    }
    asio::steady_timer timer(state->executor, deadline);
    const Waiting waiting(attempt, &timer);
    const Interruptible interruptible(&state->connect_timer, &timer);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (is_cancelled(cancellation)) {
        throw_cancelled();
    }
    if (operation.lost()) {
        co_return fail(Errc::cancelled, "connect: dropped meanwhile");
    }
    if (!attempt->outcome) {
        co_return fail(
            Errc::timeout,
            probe_first
                ? "connect: the port accepts connections, and nobody answers by the deadline"
                : "connect: no answer by the deadline"
        );
    }
    if (!*attempt->outcome) {
        co_return attempt->outcome->error();
    }
    const Result<void> adopted = state->adopt(std::move(attempt->native));
    if (adopted) {
        operation.keep();
    }
    co_return adopted;
}

Task<Reply> Connection::query(std::string sql, Deadline deadline) {
    return run_query(state_, std::move(sql), deadline);
}

Task<Reply> Connection::run_query(
    std::shared_ptr<State> state, std::string sql, Deadline deadline
) {
    if (!state->native) {
        co_return Reply(fail(Errc::unavailable, "not connected"));
    }
    state->end_idle();
    const auto begin = std::chrono::steady_clock::now();
    if (begin >= deadline) {
        co_return Reply(fail(Errc::timeout, "the deadline passed before the query was sent"));
    }
    Operation<State> operation(state);
    const auto native = state->native;
    state->arm(deadline);
    Wait wait = native->start(std::move(sql));
    while (wait != Wait::none) {
        boost::system::error_code ignored;
        if (wait == Wait::yield) {
            co_await asio::post(state->executor, asio::use_awaitable);
        } else {
            const auto direction = wait == Wait::write ? Stream::wait_write : Stream::wait_read;
            co_await state->stream.async_wait(
                direction, asio::redirect_error(asio::use_awaitable, ignored)
            );
        }
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) {
            throw_cancelled();  // operation drops the session
        }
        if (operation.lost()) {
            co_return Reply(fail(Errc::cancelled, "the connection was dropped meanwhile"));
        }
        if (state->timed_out) {
            state->stream.release();
            Reply partial =
                native->give_up(fail(Errc::timeout, "no complete answer by the deadline"));
            co_return partial;
        }
        wait = native->resume(wait);
    }
    state->disarm();
    Reply reply = native->take_reply();
    if (!native->broken()) {
        state->latency = std::chrono::steady_clock::now() - begin;
        operation.keep();
    }
    co_return reply;
}

Task<IdleEvent> Connection::idle_event(TimePoint until) {
    return run_idle(state_, until);
}

namespace {

/// What a readable idle socket means; nullopt = nothing.
std::optional<IdleEvent> look_at(int descriptor) {
    char byte = 0;
    const ssize_t got = ::recv(descriptor, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) {
        return IdleEvent::data;
    }
    if (got == 0) {
        return IdleEvent::fin;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return std::nullopt;
    }
    return IdleEvent::reset;
}

}  // namespace

Task<IdleEvent> Connection::run_idle(std::shared_ptr<State> state, TimePoint until) {
    if (!state->native || state->busy) {
        co_return IdleEvent::cancelled;
    }
    BATON_CHECK(!state->idling, "only one coroutine watches an idle connection");
    state->idling = true;
    const auto mine = ++state->idle_number;
    state->arm(until);
    for (;;) {
        boost::system::error_code ignored;
        co_await state->stream.async_wait(
            Stream::wait_read, asio::redirect_error(asio::use_awaitable, ignored)
        );
        const bool superseded = state->idle_number != mine;
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(cancellation)) {
            if (!superseded) {
                state->end_idle();
            }
            throw_cancelled();
        }
        if (superseded) {
            co_return IdleEvent::cancelled;
        }
        if (state->timed_out) {
            state->end_idle();
            co_return IdleEvent::quiet;
        }
        const auto event = look_at(state->stream.native_handle());
        if (event) {
            state->end_idle();
            if (*event != IdleEvent::data) {
                state->drop();
            }
            co_return *event;
        }
    }
}

void Connection::cancel_idle() noexcept {
    state_->end_idle();
}

void Connection::drop() noexcept {
    state_->drop();
}

bool Connection::is_open() const noexcept {
    return state_->native != nullptr;
}

std::uint64_t Connection::connection_id() const noexcept {
    return state_->native ? state_->native->connection_id() : state_->last_id;
}

const std::string& Connection::server_version() const noexcept {
    return state_->native ? state_->native->server_version() : state_->last_version;
}

bool Connection::uses_tls() const noexcept {
    return state_->native && state_->native->uses_tls();
}

Duration Connection::last_latency() const noexcept {
    return state_->latency;
}

}  // namespace baton::mysql
