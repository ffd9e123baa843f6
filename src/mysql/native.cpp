// SPDX-License-Identifier: Apache-2.0
#include "native.hpp"

#include "path_probe.hpp"

#include "baton/base/check.hpp"
#include "baton/mysql/connector.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace baton::mysql {

namespace {

/// About 1 ms of work.
constexpr std::size_t yield_every_bytes = 512U << 10U;

/// Keep-alive finds a peer that vanished while nothing is being sent; TCP_USER_TIMEOUT one that
/// vanished while something is. Both only back the deadlines up.
void tune_socket(int descriptor, std::chrono::milliseconds unacknowledged_limit) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    const int on = 1;
    const int idle_seconds = 5;
    const int interval_seconds = 2;
    const int probes = 3;
    const auto user_timeout_ms = static_cast<unsigned>(unacknowledged_limit.count());
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
    ::setsockopt(
        descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds
    );
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    ::setsockopt(
        descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms
    );
}

struct ThreadAttachment {
    ThreadAttachment() { mysql_thread_init(); }

    ~ThreadAttachment() { mysql_thread_end(); }

    ThreadAttachment(const ThreadAttachment&) = delete;
    ThreadAttachment& operator=(const ThreadAttachment&) = delete;
};

}  // namespace

void initialize() {
    static std::once_flag once;
    std::call_once(once, [] {
        // Both libraries write to sockets without MSG_NOSIGNAL.
        std::signal(SIGPIPE, SIG_IGN);
        const int failed = mysql_library_init(0, nullptr, nullptr);
        BATON_CHECK(failed == 0, "the MySQL client library must initialise");
        initialize_library();
    });
}

void enter_thread() {
    static thread_local const ThreadAttachment attachment;
}

namespace {

/// OpenSSL keeps errors for each thread, not for each session, and MariaDB's library does not clear
/// them before it calls: what one session leaves behind when its server dies would break all others
/// that are served by this thread.
void forget_tls_errors() {
    ERR_clear_error();
}

}  // namespace

bool poll_descriptor(int descriptor, Wait wait, Deadline deadline, const std::atomic<bool>* stop) {
    constexpr auto slice = 100ms;
    for (;;) {
        if (stop != nullptr && stop->load(std::memory_order_relaxed)) {
            return false;
        }
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline) {
            return false;
        }
        if (wait == Wait::yield) {
            return true;
        }
        Duration left = deadline - now;
        if (stop != nullptr) {
            left = std::min<Duration>(left, slice);
        }
        left = std::min<Duration>(left, 1h);
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        timespec limit{};
        limit.tv_sec = seconds.count();
        limit.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
        pollfd entry{};
        entry.fd = descriptor;
        entry.events = wait == Wait::write ? POLLOUT : POLLIN;
        const int ready = ::ppoll(&entry, 1, &limit, nullptr);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true;  // after an unexpected error the library's own call reports it
        }
    }
}

bool poll_connecting(
    int descriptor, Wait wait, Deadline deadline, const std::atomic<bool>* stop, PathProbe& path
) {
    constexpr auto slice = 20ms;
    if (!path.enabled()) {
        return poll_descriptor(descriptor, wait, deadline, stop);
    }
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        if (poll_descriptor(descriptor, wait, std::min<Deadline>(deadline, now + slice), stop)) {
            return true;
        }
        const bool stopped = stop != nullptr && stop->load(std::memory_order_relaxed);
        if (stopped || std::chrono::steady_clock::now() >= deadline || path.got_through()) {
            return false;
        }
    }
}

Native::Native() {
    initialize();
    enter_thread();
}

Native::~Native() {
    abort();
}

Result<void> Native::connect(
    const ConnectOptions& options, Deadline deadline, const std::atomic<bool>* stop
) {
    BATON_CHECK(handle_ == nullptr, "a session is opened once");
    enter_thread();
    forget_tls_errors();
    options_ = options;
    PathProbe path(options.host, options.port, options.probe_path_every);
    for (;;) {
        prepare_handle();
        if (handle_ == nullptr) {
            return fail(Errc::unavailable, "out of memory for a MySQL session");
        }
        set_library_options();
        const auto done = library_connect(deadline, stop, path);
        if (done) {
            break;
        }
        abort();
        if (!path.through()) {
            return done.error();
        }
        path.restart();
    }
    connected_ = true;
    tune_socket(descriptor(), options_.unacknowledged_limit);
    connection_id_ = mysql_thread_id(handle_);
    if (const char* version = mysql_get_server_info(handle_); version != nullptr) {
        server_version_ = version;
    }
    tls_ = mysql_get_ssl_cipher(handle_) != nullptr;
    if (auto done = check_session(deadline, stop); !done) {
        abort();
        return done.error();
    }
    return {};
}

Result<void> Native::check_session(Deadline deadline, const std::atomic<bool>* stop) {
    const bool must_encrypt = options_.tls != Tls::off && options_.tls != Tls::preferred;
    if (must_encrypt && !tls_) {
        // Connector/C goes on in plain text when the server does not offer TLS.
        return fail(Errc::unreachable, "the server does not offer TLS, which is required");
    }
    if (options_.init_sql.empty()) {
        return {};
    }
    Reply reply = query(options_.init_sql, deadline, stop);
    if (!reply.ok()) {
        return reply.error->in("session set-up");
    }
    return {};
}

Wait Native::start(std::string sql) {
    BATON_CHECK(is_open(), "a query needs an open session");
    enter_thread();
    forget_tls_errors();
    sql_ = std::move(sql);
    reply_ = Reply();
    reply_bytes_ = 0;
    yield_at_bytes_ = yield_every_bytes;
    step_ = Step::query;
    return advance(begin(step_));
}

Wait Native::resume(Wait ready) {
    forget_tls_errors();
    return advance(ready == Wait::yield ? begin(step_) : resume_call(ready));
}

Reply Native::take_reply() {
    return std::exchange(reply_, Reply());
}

Reply Native::give_up(Error reason) {
    Reply partial = take_reply();
    if (result_ != nullptr) {
        partial.sets.pop_back();  // not complete
    }
    partial.error = std::move(reason);
    broken_ = true;
    abort();
    return partial;
}

Reply Native::query(std::string sql, Deadline deadline, const std::atomic<bool>* stop) {
    Wait wait = start(std::move(sql));
    while (wait != Wait::none) {
        if (!poll_descriptor(descriptor(), wait, deadline, stop)) {
            return give_up(fail(Errc::timeout, "no complete answer by the deadline"));
        }
        wait = resume(wait);
    }
    Reply reply = take_reply();
    if (broken_) {
        abort();
    }
    return reply;
}

Wait Native::advance(Wait wait) {
    while (wait == Wait::none) {
        if (on_step_done()) {
            return Wait::none;
        }
        if (reply_bytes_ >= yield_at_bytes_) {
            yield_at_bytes_ = reply_bytes_ + yield_every_bytes;
            return Wait::yield;
        }
        wait = begin(step_);
    }
    return wait;
}

bool Native::on_step_done() {
    switch (step_) {
        case Step::query:
        case Step::next:  // asked for only when there is one, so "no more" is an error as well
            // Not only > 0: Connector/C says -1 for an answer that it cannot read.
            return outcome_ != 0 ? fail_reply() : begin_result();
        case Step::fetch:
            if (row_ != nullptr) {
                return store_row();
            }
            if (mysql_errno(handle_) != 0) {
                return fail_reply();
            }
            mysql_free_result(std::exchange(result_, nullptr));
            return end_of_set();
    }
    return true;
}

bool Native::begin_result() {
    result_ = mysql_use_result(handle_);  // no I/O: rows are fetched one by one
    if (result_ == nullptr) {
        if (mysql_field_count(handle_) != 0) {
            return fail_reply();
        }
        ResultSet& set = reply_.sets.emplace_back();
        set.affected_rows = mysql_affected_rows(handle_);
        set.insert_id = mysql_insert_id(handle_);
        return end_of_set();
    }
    ResultSet& set = reply_.sets.emplace_back();
    const unsigned count = mysql_num_fields(result_);
    const MYSQL_FIELD* fields = mysql_fetch_fields(result_);
    set.columns.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
        set.columns.emplace_back(fields[i].name, fields[i].name_length);
    }
    step_ = Step::fetch;
    return false;
}

bool Native::store_row() {
    ResultSet& set = reply_.sets.back();
    const unsigned long* lengths = mysql_fetch_lengths(result_);
    const std::size_t width = set.columns.size();
    Row& row = set.rows.emplace_back();
    row.reserve(width);
    for (std::size_t i = 0; i < width; ++i) {
        if (row_[i] == nullptr) {
            row.emplace_back(std::nullopt);
        } else {
            row.emplace_back(std::in_place, row_[i], lengths[i]);
            reply_bytes_ += lengths[i];
        }
    }
    reply_bytes_ += sizeof(Row) + width * sizeof(Cell);
    if (reply_bytes_ <= options_.reply_limit_bytes) {
        return false;
    }
    reply_.sets.pop_back();
    reply_.error = fail(
        Errc::protocol,
        fmt::format("the answer is larger than the limit of {} bytes", options_.reply_limit_bytes)
    );
    broken_ = true;
    return true;
}

bool Native::fail_reply() {
    reply_.error = library_error();
    const unsigned number = mysql_errno(handle_);
    broken_ = number == 0 || ends_session(number);
    if (result_ != nullptr) {
        reply_.sets.pop_back();  // not complete
        if (!broken_) {
            mysql_free_result(std::exchange(result_, nullptr));
        }
    }
    return true;
}

bool Native::end_of_set() {
    if (!mysql_more_results(handle_)) {
        return true;
    }
    step_ = Step::next;
    return false;
}

void Native::abort() noexcept {
    if (handle_ == nullptr) {
        return;
    }
    // After the shutdown neither COM_QUIT nor the draining of an unfinished result can block, also
    // when a call is suspended half-way.
    if (const int socket = descriptor(); socket >= 0) {
        ::shutdown(socket, SHUT_RDWR);
    }
    if (result_ != nullptr) {
        mysql_free_result(std::exchange(result_, nullptr));
    }
    mysql_close(std::exchange(handle_, nullptr));
    connected_ = false;
}

Error Native::library_error() const {
    return map_error(mysql_errno(handle_), mysql_sqlstate(handle_), mysql_error(handle_));
}

}  // namespace baton::mysql
