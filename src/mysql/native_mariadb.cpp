// SPDX-License-Identifier: Apache-2.0

// MariaDB Connector/C (tried with 3.3.20): *_start / *_cont.

#include "native.hpp"
#include "path_probe.hpp"

#if defined(MARIADB_PACKAGE_VERSION_ID)

#include "baton/base/log.hpp"
#include "baton/mysql/connector.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <poll.h>

namespace baton::mysql {

namespace {

bool is_numeric(const std::string& host) {
    boost::system::error_code failure;
    boost::asio::ip::make_address(host, failure);
    return !failure;
}

/// Bits of the library for what we waited for, and back.
int to_events(Wait ready) {
    switch (ready) {
        case Wait::read:
            return MYSQL_WAIT_READ;
        case Wait::write:
            return MYSQL_WAIT_WRITE;
        case Wait::none:
        case Wait::yield:
            break;
    }
    return 0;
}

Wait from_events(int events) {
    if (events == 0) {
        return Wait::none;
    }
    return (events & MYSQL_WAIT_WRITE) != 0 && (events & MYSQL_WAIT_READ) == 0 ? Wait::write
                                                                               : Wait::read;
}

/// What the library's calls on this thread wait for while they connect.
struct Connecting {
    Deadline deadline;
    const std::atomic<bool>* stop = nullptr;
    PathProbe& path;
    bool in_tcp = true;
};

thread_local Connecting* current_connect = nullptr;

struct CurrentConnect {
    explicit CurrentConnect(Connecting& connecting) { current_connect = &connecting; }

    ~CurrentConnect() { current_connect = nullptr; }

    CurrentConnect(const CurrentConnect&) = delete;
    CurrentConnect& operator=(const CurrentConnect&) = delete;
};

/// The library's limits are whole seconds; ours are kept to the millisecond. Returns as poll(2).
int wait_in_connect(my_socket socket, my_bool is_read, int timeout_ms) {
    const int descriptor = static_cast<int>(socket);
    if (current_connect == nullptr) {
        pollfd entry{};
        entry.fd = descriptor;
        entry.events = is_read != 0 ? POLLIN : POLLOUT;
        int ready = 0;
        do {
            ready = ::poll(&entry, 1, timeout_ms > 0 ? timeout_ms : -1);
        } while (ready < 0 && errno == EINTR);
        return ready;
    }
    auto& connecting = *current_connect;
    connecting.in_tcp = connecting.in_tcp && is_read == 0;
    const auto wait = is_read != 0 ? Wait::read : Wait::write;
    const bool ready =
        connecting.in_tcp
            ? poll_connecting(
                  descriptor, wait, connecting.deadline, connecting.stop, connecting.path
              )
            : poll_descriptor(descriptor, wait, connecting.deadline, connecting.stop);
    return ready ? 1 : 0;
}

}  // namespace

std::string client_library() {
    return "MariaDB Connector/C " MARIADB_PACKAGE_VERSION;
}

void initialize_library() {
    // Plugins are shared objects loaded at first use, and 16 threads doing so at once fail with
    // "already loaded". MYSQL_CLIENT_AUTHENTICATION_PLUGIN is 2; its header is not packaged on
    // Debian 12.
    constexpr int authentication_plugin = 2;
    constexpr std::array plugins{
        "client_ed25519", "caching_sha2_password", "sha256_password", "mysql_clear_password"};
    MYSQL* handle = mysql_init(nullptr);
    for (const char* plugin : plugins) {
        if (mysql_load_plugin(handle, plugin, authentication_plugin, 0) == nullptr) {
            log::debug("client plugin {} is not installed: {}", plugin, mysql_error(handle));
        }
    }
    mysql_close(handle);
}

bool Native::connect_is_exact(const ConnectOptions& options) {
    // The library resolves names synchronously, and its TLS handshake blocks.
    return options.tls == Tls::off && is_numeric(options.host);
}

int Native::descriptor() const {
    return handle_ == nullptr ? -1 : static_cast<int>(mysql_get_socket(handle_));
}

void Native::prepare_handle() {
    handle_ = mysql_init(nullptr);
    if (handle_ != nullptr) {
        mysql_options(handle_, MYSQL_OPT_NONBLOCK, nullptr);
    }
}

void Native::set_library_options() {
    const my_bool on = 1;
    const my_bool off = 0;
    const unsigned protocol = MYSQL_PROTOCOL_TCP;  // "localhost" means TCP too
    const unsigned local_infile = 0;               // a server must not be able to ask for our files
    const unsigned long packet_limit = options_.reply_limit_bytes;
    mysql_options(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(handle_, MYSQL_OPT_RECONNECT, &off);
    mysql_options(handle_, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(handle_, MYSQL_OPT_LOCAL_INFILE, &local_infile);
    mysql_options(handle_, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_limit);
    mysql_options4(
        handle_, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", options_.program_name.c_str()
    );
    if (options_.tls == Tls::off) {
        return;
    }
    // 3.3 has one switch for chain and name: verify_ca is as strict as verify_identity here.
    const bool verify = options_.tls == Tls::verify_ca || options_.tls == Tls::verify_identity;
    mysql_options(handle_, MARIADB_OPT_IO_WAIT, reinterpret_cast<const void*>(&wait_in_connect));
    mysql_options(handle_, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(handle_, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &on : &off);
    // Given a CA, 3.3.20 verifies the chain whatever the switch says; without one it reads the
    // system's bundle, which costs 20 ms of CPU, and verifies nothing.
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
    const char* const database = options_.database.empty() ? nullptr : options_.database.c_str();
    const unsigned long flags = options_.multi_statements ? CLIENT_MULTI_STATEMENTS : 0;
    if (options_.tls != Tls::off) {
        // Not _start/_cont: between TCP connect and handshake they do not suspend, and the
        // handshake then blocks without limit. The blocking call waits by wait_in_connect(), and
        // where a build of the library does not, it keeps to this time-out in every phase.
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= Duration::zero()) {
            return fail(Errc::timeout, "connect: the deadline passed before the attempt began");
        }
        const auto seconds =
            static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(left).count());
        mysql_options(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
        Connecting connecting{deadline, stop, path};
        const CurrentConnect current(connecting);
        connect_outcome_ = mysql_real_connect(
            handle_,
            options_.host.c_str(),
            options_.user.c_str(),
            options_.password.c_str(),
            database,
            options_.port,
            nullptr,
            flags
        );
    } else {
        Wait wait = from_events(mysql_real_connect_start(
            &connect_outcome_,
            handle_,
            options_.host.c_str(),
            options_.user.c_str(),
            options_.password.c_str(),
            database,
            options_.port,
            nullptr,
            flags
        ));
        bool in_tcp = true;
        while (wait != Wait::none) {
            in_tcp = in_tcp && wait == Wait::write;  // the server speaks first
            const bool ready = in_tcp ? poll_connecting(descriptor(), wait, deadline, stop, path)
                                      : poll_descriptor(descriptor(), wait, deadline, stop);
            if (!ready) {
                return fail(Errc::timeout, "connect: no answer by the deadline");
            }
            wait =
                from_events(mysql_real_connect_cont(&connect_outcome_, handle_, to_events(wait)));
        }
    }
    if (connect_outcome_ == nullptr) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return fail(Errc::timeout, "connect: no answer by the deadline");
        }
        return library_error().in("connect");
    }
    return {};
}

Wait Native::begin(Step step) {
    switch (step) {
        case Step::query:
            return from_events(mysql_real_query_start(&outcome_, handle_, sql_.data(), sql_.size())
            );
        case Step::fetch:
            return from_events(mysql_fetch_row_start(&row_, result_));
        case Step::next:
            return from_events(mysql_next_result_start(&outcome_, handle_));
    }
    return Wait::none;
}

Wait Native::resume_call(Wait ready) {
    const int events = to_events(ready);
    switch (step_) {
        case Step::query:
            return from_events(mysql_real_query_cont(&outcome_, handle_, events));
        case Step::fetch:
            return from_events(mysql_fetch_row_cont(&row_, result_, events));
        case Step::next:
            return from_events(mysql_next_result_cont(&outcome_, handle_, events));
    }
    return Wait::none;
}

}  // namespace baton::mysql

#endif
