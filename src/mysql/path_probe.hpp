// SPDX-License-Identifier: Apache-2.0
#pragma once

// PathProbe: finds out while an attempt to connect hangs in TCP that the way to the server is open
// again. When a first packet was lost the kernel sends it again after 1 s, then after 2 s and more,
// and the client libraries have no say in that. So plain TCP connections are tried beside the
// attempt; when one is answered, the attempt is worth beginning anew. The attempt itself goes on
// meanwhile: a way that is merely slow is not given up, and a server that answers TCP and then says
// nothing is not probed at all. One thread.

#include "baton/base/time.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace baton::mysql {

class PathProbe {
public:
    /// every: how often one is tried; 0 = never. Resolves the name, blocking, at the first probe.
    PathProbe(std::string host, std::uint16_t port, std::chrono::milliseconds every);
    ~PathProbe();
    PathProbe(const PathProbe&) = delete;
    PathProbe& operator=(const PathProbe&) = delete;

    [[nodiscard]] bool enabled() const { return every_.count() > 0; }

    /// An attempt begins.
    void restart();
    /// To be asked every few milliseconds while the attempt hangs in TCP. True from when a probe
    /// was answered, until restart().
    bool got_through();

    [[nodiscard]] bool through() const { return through_; }

private:
    struct Address {
        sockaddr_storage storage{};
        socklen_t length = 0;
        int family = 0;
    };

    void resolve();
    void begin_one();
    [[nodiscard]] bool one_answered();
    void close_all();

    std::string host_;
    std::uint16_t port_;
    std::chrono::milliseconds every_;
    TimePoint next_;
    bool resolved_ = false;
    bool through_ = false;
    std::vector<Address> addresses_;
    std::size_t begun_ = 0;
    std::deque<int> sockets_;  // connecting
};

}  // namespace baton::mysql
