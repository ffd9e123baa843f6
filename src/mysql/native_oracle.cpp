// SPDX-License-Identifier: Apache-2.0

// Oracle's libmysqlclient (8.0.22 or later; tried with 9.7.4): *_nonblocking.

#include "native.hpp"
#include "path_probe.hpp"

#if !defined(MARIADB_PACKAGE_VERSION_ID)

#if MYSQL_VERSION_ID < 80022
#error "needs MariaDB Connector/C, or libmysqlclient 8.0.22 or later"
#endif

#include "baton/mysql/connector.hpp"

#include <boost/asio/ip/address.hpp>

#include <poll.h>

namespace baton::mysql {

namespace {

bool is_numeric(const std::string& host) {
    boost::system::error_code failure;
    boost::asio::ip::make_address(host, failure);
    return !failure;
}

unsigned ssl_mode(Tls tls) {
    switch (tls) {
        case Tls::off:
            return SSL_MODE_DISABLED;
        case Tls::preferred:
            return SSL_MODE_PREFERRED;
        case Tls::required:
            return SSL_MODE_REQUIRED;
        case Tls::verify_ca:
            return SSL_MODE_VERIFY_CA;
        case Tls::verify_identity:
            return SSL_MODE_VERIFY_IDENTITY;
    }
    return SSL_MODE_REQUIRED;
}

bool is_writable(int descriptor) {
    pollfd entry{};
    entry.fd = descriptor;
    entry.events = POLLOUT;
    return ::poll(&entry, 1, 0) > 0;
}

}  // namespace

std::string client_library() {
    return std::string("MySQL client ") + mysql_get_client_info();
}

void initialize_library() {}

bool Native::connect_is_exact(const ConnectOptions& options) {
    return is_numeric(options.host);  // names are resolved synchronously
}

int Native::descriptor() const {
    // NET::fd is valid once my_net_init() has run, after the TCP connect; NET::buff tells.
    if (handle_ == nullptr || handle_->net.vio == nullptr || handle_->net.buff == nullptr) {
        return -1;
    }
    return static_cast<int>(handle_->net.fd);
}

void Native::prepare_handle() {
    handle_ = mysql_init(nullptr);
}

void Native::set_library_options() {
    const bool on = true;
    const unsigned protocol = MYSQL_PROTOCOL_TCP;
    const unsigned local_infile = 0;  // a server must not be able to ask for our files
    const unsigned long packet_limit = options_.reply_limit_bytes;
    const unsigned mode = ssl_mode(options_.tls);
    mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(handle_, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(handle_, MYSQL_OPT_LOCAL_INFILE, &local_infile);
    mysql_options(handle_, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_limit);
    mysql_options(handle_, MYSQL_OPT_SSL_MODE, &mode);
    mysql_options4(
        handle_, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options_.program_name.c_str()
    );
    if (options_.tls == Tls::off || options_.tls == Tls::preferred) {
        // caching_sha2_password without TLS needs the server's key for its first full
        // authentication.
        mysql_options(handle_, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &on);
    }
    if (options_.tls == Tls::off) {
        return;
    }
    const bool verify = options_.tls == Tls::verify_ca || options_.tls == Tls::verify_identity;
    // With an authority the library verifies, also when the mode asks for encryption only.
    if (verify && !options_.ca_file.empty()) {
        mysql_options(handle_, MYSQL_OPT_SSL_CA, options_.ca_file.c_str());
    }
    if (!options_.cert_file.empty()) {
        mysql_options(handle_, MYSQL_OPT_SSL_CERT, options_.cert_file.c_str());
    }
    if (!options_.key_file.empty()) {
        mysql_options(handle_, MYSQL_OPT_SSL_KEY, options_.key_file.c_str());
    }
}

Result<void> Native::library_connect(
    Deadline deadline, const std::atomic<bool>* stop, PathProbe& path
) {
    // Not mysql_real_connect(): a peer frozen inside the TLS handshake blocks that for ever.
    const char* const database = options_.database.empty() ? nullptr : options_.database.c_str();
    const unsigned long flags = options_.multi_statements ? CLIENT_MULTI_STATEMENTS : 0;
    int last_stage = -1;
    bool retried = false;
    for (;;) {
        const net_async_status status = mysql_real_connect_nonblocking(
            handle_,
            options_.host.c_str(),
            options_.user.c_str(),
            options_.password.c_str(),
            database,
            options_.port,
            nullptr,
            flags
        );
        if (status == NET_ASYNC_COMPLETE) {
            return {};
        }
        if (status != NET_ASYNC_NOT_READY) {
            return library_error().in("connect");
        }
        if (std::chrono::steady_clock::now() >= deadline ||
            (stop != nullptr && stop->load(std::memory_order_relaxed))) {
            return fail(Errc::timeout, "connect: no answer by the deadline");
        }
        // "Not ready" is also returned between two internal stages. Only when the stage stands
        // still twice has the library really met EAGAIN. In the TCP connect it waits itself, 1 ms
        // per call.
        const int stage = mysql_get_connect_nonblocking_stage(handle_);
        if (stage == CONNECT_STAGE_NET_WAIT_CONNECT || descriptor() < 0) {
            if (path.got_through()) {
                return fail(Errc::timeout, "connect: no answer yet");
            }
            last_stage = stage;
            retried = false;
            continue;
        }
        if (stage != last_stage || !retried) {
            retried = stage == last_stage;
            last_stage = stage;
            continue;
        }
        if (!poll_descriptor(descriptor(), Wait::read, deadline, stop)) {
            return fail(Errc::timeout, "connect: no answer by the deadline");
        }
        retried = false;
    }
}

Wait Native::begin(Step step) {
    step_ = step;
    return resume_call(Wait::none);
}

Wait Native::resume_call(Wait /*ready*/) {
    constexpr std::size_t send_buffer_at_least = 2048;
    // Once more after the first "not ready": see library_connect().
    for (int attempt = 0; attempt < 2; ++attempt) {
        net_async_status status = NET_ASYNC_ERROR;
        switch (step_) {
            case Step::query:
                status = mysql_real_query_nonblocking(handle_, sql_.data(), sql_.size());
                break;
            case Step::fetch:
                status = mysql_fetch_row_nonblocking(result_, &row_);
                break;
            case Step::next:
                status = mysql_next_result_nonblocking(handle_);
                break;
        }
        switch (status) {
            case NET_ASYNC_COMPLETE:
                outcome_ = 0;
                return Wait::none;
            case NET_ASYNC_COMPLETE_NO_MORE_RESULTS:
                outcome_ = -1;
                return Wait::none;
            case NET_ASYNC_ERROR:
                outcome_ = 1;
                row_ = nullptr;
                return Wait::none;
            case NET_ASYNC_NOT_READY:
                break;
        }
    }
    // The library does not say what it waits for. It can be stuck in sending only while the socket
    // takes nothing, and only with a statement that does not fit the send buffer.
    if (step_ == Step::query && sql_.size() > send_buffer_at_least && !is_writable(descriptor())) {
        return Wait::write;
    }
    return Wait::read;
}

}  // namespace baton::mysql

#endif
