// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connector: the few threads on which connections are made (name, TCP, TLS, authentication, session
// set-up), because both client libraries may block there. Shared by all Connections of a loop; must
// outlive them. Thread-safe.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace baton::mysql {

/// Once per process, before any other use: initialises the library, loads its authentication
/// plugins (their first use is not thread-safe), ignores SIGPIPE (both libraries write without
/// MSG_NOSIGNAL). Safe to repeat. Connector and BlockingConnection call it themselves.
void initialize();

/// "MariaDB Connector/C 3.3.20" or "MySQL client 9.7.4", for logs.
std::string client_library();

struct ConnectorStats {
    std::uint64_t accepted = 0;  // jobs taken
    std::uint64_t refused = 0;   // queue was full
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t abandoned = 0;  // nobody waited any more when a thread got or finished it
    std::size_t waiting = 0;      // now
    std::size_t running = 0;      // now
};

class Connector {
public:
    struct Options {
        Options() = default;

        Options(std::size_t t, std::size_t q) : threads(t), queue_limit(q) {}

        std::size_t threads = 8;
        std::size_t queue_limit = 1024;  // attempts waiting for a thread; more are refused
    };

    explicit Connector(Options options);

    Connector() : Connector(Options()) {}

    /// Drops waiting jobs, ends running ones where the library lets us, and waits for the rest: at
    /// most their deadline rounded up to whole seconds, plus a name look-up in progress.
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    [[nodiscard]] ConnectorStats stats() const;

private:
    friend class Connection;
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace baton::mysql
