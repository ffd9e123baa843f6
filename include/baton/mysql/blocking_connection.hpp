// SPDX-License-Identifier: Apache-2.0
#pragma once

// BlockingConnection: the same client for threads of their own (lease, store). Deadlines hold to
// the millisecond, because the library's non-blocking calls are driven with poll(2) here. Where the
// library would block regardless (a host name; TLS with MariaDB Connector/C) the attempt runs on a
// helper thread and is left to itself at the deadline.

#include "baton/base/time.hpp"
#include "baton/mysql/connect_options.hpp"
#include "baton/mysql/result_set.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace baton::mysql {

class Native;

/// Used by one thread at a time. Same errors and rule C1 as Connection.
class BlockingConnection {
public:
    BlockingConnection();
    ~BlockingConnection();
    BlockingConnection(BlockingConnection&&) noexcept;
    BlockingConnection& operator=(BlockingConnection&&) noexcept;
    BlockingConnection(const BlockingConnection&) = delete;
    BlockingConnection& operator=(const BlockingConnection&) = delete;

    Result<void> connect(const ConnectOptions& options, Deadline deadline);
    Reply query(std::string sql, Deadline deadline);
    void close() noexcept;

    [[nodiscard]] bool is_open() const noexcept;
    [[nodiscard]] std::uint64_t connection_id() const noexcept;
    [[nodiscard]] std::string server_version() const;
    [[nodiscard]] bool uses_tls() const noexcept;

private:
    struct Attempt;
    std::shared_ptr<Native> native_;
    std::map<std::string, std::weak_ptr<Attempt>> abandoned_;  // by address: did not end in time
};

}  // namespace baton::mysql
