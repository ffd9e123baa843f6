// SPDX-License-Identifier: Apache-2.0
#pragma once

// A client that sends any bytes it is told to, for tests of servers. Blocking, with a limit of 10
// s.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace baton::test {

struct RawAnswer {
    unsigned status = 0;                         // 0: no answer
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

class RawClient {
public:
    explicit RawClient(std::uint16_t port);
    ~RawClient();
    RawClient(RawClient&& other) noexcept;
    RawClient& operator=(RawClient&&) = delete;

    [[nodiscard]] bool connected() const { return socket_ >= 0; }

    /// False when the peer has gone.
    bool send(std::string_view bytes);
    void end_output();
    /// Closes with a reset.
    void reset();
    /// One answer by its Content-Length or chunks. `head`: without body.
    RawAnswer read_answer(bool head = false);
    /// All that comes until the text has been seen or the connection ends.
    std::string read_until(std::string_view text);
    /// True when the peer has ended the connection (waits for it).
    bool ended();

    /// Sends "<method> <target>" and reads the answer.
    RawAnswer request(
        std::string_view method, std::string_view target, std::string_view headers = ""
    );

private:
    bool fill();

    int socket_ = -1;
    std::string buffer_;
};

/// One request on a connection of its own.
RawAnswer http_get(std::uint16_t port, std::string_view target, std::string_view headers = "");

}  // namespace baton::test
