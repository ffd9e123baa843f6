// SPDX-License-Identifier: Apache-2.0
#include "path_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace baton::mysql {

namespace {

// By then the kernel has sent the first packet of the oldest one again itself.
constexpr std::size_t sockets_limit = 8;

}  // namespace

PathProbe::PathProbe(std::string host, std::uint16_t port, std::chrono::milliseconds every)
    : host_(std::move(host)), port_(port), every_(every) {
    restart();
}

PathProbe::~PathProbe() {
    close_all();
}

void PathProbe::restart() {
    close_all();
    through_ = false;
    next_ = std::chrono::steady_clock::now() + every_;
}

bool PathProbe::got_through() {
    if (!enabled() || through_) {
        return through_;
    }
    if (one_answered()) {
        close_all();
        through_ = true;
        return true;
    }
    if (const auto now = std::chrono::steady_clock::now(); now >= next_) {
        next_ = now + every_;
        begin_one();
    }
    return through_;
}

void PathProbe::resolve() {
    resolved_ = true;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const auto service = fmt::format("{}", port_);
    if (::getaddrinfo(host_.c_str(), service.c_str(), &hints, &found) != 0) {
        return;  // the attempt itself tells of it
    }
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        Address address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.length = entry->ai_addrlen;
        address.family = entry->ai_family;
        addresses_.push_back(address);
    }
    ::freeaddrinfo(found);
}

void PathProbe::begin_one() {
    if (!resolved_) {
        resolve();
    }
    if (addresses_.empty()) {
        return;
    }
    const auto& address = addresses_[begun_++ % addresses_.size()];
    const int socket =
        ::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (socket < 0) {
        return;  // out of descriptors, say: then there is no probe
    }
    const auto* target = reinterpret_cast<const sockaddr*>(&address.storage);
    if (::connect(socket, target, address.length) != 0 && errno != EINPROGRESS) {
        through_ = errno == ECONNREFUSED;
        ::close(socket);
        return;
    }
    if (sockets_.size() >= sockets_limit) {
        ::close(sockets_.front());
        sockets_.pop_front();
    }
    sockets_.push_back(socket);
}

/// A refusal is an answer too: the way is open, and the attempt will hear the same.
bool PathProbe::one_answered() {
    for (auto socket = sockets_.begin(); socket != sockets_.end();) {
        pollfd entry{};
        entry.fd = *socket;
        entry.events = POLLOUT;
        if (::poll(&entry, 1, 0) <= 0) {
            ++socket;
            continue;
        }
        int failure = 0;
        socklen_t size = sizeof failure;
        if (::getsockopt(*socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
            (failure == 0 || failure == ECONNREFUSED)) {
            return true;
        }
        ::close(*socket);
        socket = sockets_.erase(socket);
    }
    return false;
}

void PathProbe::close_all() {
    for (const int socket : sockets_) {
        ::close(socket);
    }
    sockets_.clear();
}

}  // namespace baton::mysql
