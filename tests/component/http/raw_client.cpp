// SPDX-License-Identifier: Apache-2.0
#include "component/http/raw_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

namespace baton::test {

RawClient::RawClient(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval limit{};
    limit.tv_sec = 10;
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close(socket_);
        socket_ = -1;
    }
}

RawClient::~RawClient() {
    if (socket_ >= 0) {
        close(socket_);
    }
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), buffer_(std::move(other.buffer_)) {}

bool RawClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void RawClient::end_output() {
    shutdown(socket_, SHUT_WR);
}

void RawClient::reset() {
    linger how{};
    how.l_onoff = 1;
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &how, sizeof how);
    close(socket_);
    socket_ = -1;
}

bool RawClient::fill() {
    std::array<char, 65536> bytes{};
    const auto size = recv(socket_, bytes.data(), bytes.size(), 0);
    if (size <= 0) {
        return false;
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(size));
    return true;
}

std::string RawClient::read_until(std::string_view text) {
    std::size_t at = 0;
    while ((at = buffer_.find(text)) == std::string::npos) {
        if (!fill()) {
            return std::exchange(buffer_, {});
        }
    }
    auto result = buffer_.substr(0, at + text.size());
    buffer_.erase(0, at + text.size());
    return result;
}

bool RawClient::ended() {
    while (buffer_.empty() && fill()) {
    }
    return buffer_.empty();
}

RawAnswer RawClient::read_answer(bool head) {
    RawAnswer answer;
    const auto text = read_until("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || !text.ends_with("\r\n\r\n")) {
        return answer;
    }
    answer.status = static_cast<unsigned>(std::stoul(text.substr(9, 3)));
    for (std::size_t line = text.find("\r\n") + 2; line + 2 < text.size();) {
        const auto end = text.find("\r\n", line);
        const auto colon = text.find(':', line);
        auto name = text.substr(line, colon - line);
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
            return static_cast<char>(std::tolower(c));
        });
        answer.headers[name] = text.substr(colon + 2, end - colon - 2);
        line = end + 2;
    }
    if (head || answer.status == 304 || answer.status == 204) {
        return answer;
    }
    if (answer.headers["transfer-encoding"] == "chunked") {
        for (;;) {
            const auto size = std::stoul(read_until("\r\n"), nullptr, 16);
            while (buffer_.size() < size + 2 && fill()) {
            }
            answer.body += buffer_.substr(0, size);
            buffer_.erase(0, size + 2);
            if (size == 0) {
                return answer;
            }
        }
    }
    const auto size = std::stoul("0" + answer.headers["content-length"]);
    while (buffer_.size() < size && fill()) {
    }
    answer.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return answer;
}

RawAnswer RawClient::request(
    std::string_view method, std::string_view target, std::string_view headers
) {
    std::string text;
    text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
    text.append(headers).append("\r\n");
    if (!send(text)) {
        return {};
    }
    return read_answer(method == "HEAD");
}

RawAnswer http_get(std::uint16_t port, std::string_view target, std::string_view headers) {
    RawClient client(port);
    return client.request("GET", target, headers);
}

}  // namespace baton::test
