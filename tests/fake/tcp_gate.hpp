// SPDX-License-Identifier: Apache-2.0
#pragma once

// TcpGate: a TCP proxy on 127.0.0.1 that delays, stalls and cuts, on a thread of its own.
// Thread-safe.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace baton::test {

enum class Direction { to_server, to_client, both };

class TcpGate {
public:
    /// Forwards to the target; each accepted connection opens one.
    TcpGate(std::string target_address, std::uint16_t target_port);
    ~TcpGate();
    TcpGate(const TcpGate&) = delete;
    TcpGate& operator=(const TcpGate&) = delete;

    [[nodiscard]] std::uint16_t port() const;

    /// Every chunk waits so long before it is forwarded, in either direction: half of a round trip.
    void set_delay(std::chrono::milliseconds delay);
    /// Takes bytes in but forwards none until resume(): a dead link whose ends still acknowledge.
    void stall(Direction direction);
    /// Forwards so many more bytes of each connection in this direction, then stalls it.
    void stall_after(Direction direction, std::size_t bytes);
    void resume();
    /// First packets of new connections are lost, as in a network that drops everything.
    void drop_connects();
    /// The end of drop_connects(). Whoever was dropped gets through with its next packet.
    void take_connects();
    /// Ends all connections: FIN, or RST.
    void cut(bool reset);

    [[nodiscard]] std::size_t connections() const;  // open now
    [[nodiscard]] std::size_t accepted() const;     // ever

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace baton::test
