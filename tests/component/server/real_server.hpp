// SPDX-License-Identifier: Apache-2.0
#pragma once

// Real database servers for the tests: small, on a loopback address of their own, in a folder that
// goes with them. The program runs in a network namespace of its own when it may (root), so that
// packets can be dropped and no port is taken from anybody.

#include "baton/base/ids.hpp"
#include "baton/mysql/blocking_connection.hpp"

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace baton::test {

enum class Kind { mariadb, mysql };

/// What GoogleTest calls the tests of each kind.
std::string name_of(Kind kind);
/// Empty when servers of the kind can be started here, else the reason.
std::string missing_because(Kind kind);

/// Called by main() before there are threads.
void enter_own_network();
/// Whether packets can be dropped here.
bool has_own_network();

inline constexpr const char* baton_user = "baton";
inline constexpr const char* baton_password = "baton-secret";

struct ServerOptions {
    ServerOptions() = default;

    bool read_only = false;
    unsigned net_timeout_seconds = 60;  // of the receiver
    std::vector<std::string> more;
};

class RealServer {
public:
    /// Begins to start; started() waits for it.
    RealServer(Kind kind, ServerOptions options);
    /// Kills the process and removes its files.
    ~RealServer();
    RealServer(const RealServer&) = delete;
    RealServer& operator=(const RealServer&) = delete;

    void started();

    [[nodiscard]] const InstanceId& id() const { return id_; }

    [[nodiscard]] Kind kind() const { return kind_; }

    /// Forgets the administrator's session; the next call logs in anew.
    void leave() { admin_.close(); }

    /// As administrator. Throws std::runtime_error with the server's message.
    void run(const std::string& sql);
    /// First column of the first row; "" when there is none.
    std::string value(const std::string& sql);
    /// By column names.
    std::string status(const std::string& mariadb_column, const std::string& mysql_column);
    /// A session of an ordinary user who may write to schema app.
    mysql::BlockingConnection writer();

    /// Configures and starts replication from the source, with TLS, an account that requires it, a
    /// heartbeat of 2.5 s, and waits until it runs.
    void follow(const RealServer& source);
    /// One row in app.ledger.
    void write();
    std::string rows();
    /// Waits until all that `source` has executed is received here.
    void receive_all(RealServer& source);
    /// Executed transactions, in the server's words.
    std::string position();

    [[nodiscard]] bool writable();
    /// "Yes", "No", "Connecting".
    std::string receiver();
    std::string applier();

    void kill();    // SIGKILL
    void freeze();  // SIGSTOP
    void thaw();
    /// After kill().
    void restart();
    /// Drops all packets from and to its address.
    void cut_off();
    void reconnect();

private:
    void spawn();
    void admin_login();

    Kind kind_;
    ServerOptions options_;
    InstanceId id_;
    std::filesystem::path folder_;
    pid_t process_ = -1;
    bool cut_ = false;
    mysql::BlockingConnection admin_;
};

/// True as soon as the condition is; false when it is not within the limit.
template <class Condition>
bool eventually(Condition condition, Duration limit);

void pause_briefly();

template <class Condition>
bool eventually(Condition condition, Duration limit) {
    const TimePoint end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        pause_briefly();
    }
    return true;
}

}  // namespace baton::test
