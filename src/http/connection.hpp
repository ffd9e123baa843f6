// SPDX-License-Identifier: Apache-2.0
#pragma once

// One client connection: reads requests one after the other, has them answered, writes the answers.
// It has no timer of its own: `deadline()` says when its loop is to close it, which is checked
// about once a second for all.

#include "parser.hpp"
#include "transport.hpp"

#include "baton/base/time.hpp"
#include "baton/http/server.hpp"

#include <memory>
#include <string>

namespace baton::http {

/// What the connections of one loop share.
struct Shared {
    const Limits* limits = nullptr;
    const Handler* handler = nullptr;
    Statistics statistics;  // of this loop, read and written on it
    bool stopping = false;
};

class Connection {
public:
    enum class Phase {
        handshaking,
        idle,  // between requests: may be closed at any time
        reading,
        handling,
        writing,
        streaming,  // endless answer: does not delay the stop
        draining,   // refused; reads on so that the answer is not lost by a reset
    };

    Connection(
        std::unique_ptr<Transport> transport, std::string remote_address, bool tls, Shared& shared
    );

    /// Serves until the client leaves, a limit is met, or the transport is closed.
    Task<void> run();

    [[nodiscard]] Phase phase() const { return phase_; }

    [[nodiscard]] TimePoint deadline() const { return deadline_; }

    /// When the present phase began.
    [[nodiscard]] TimePoint since() const { return since_; }

    void close();
    /// Ends a stream.
    void end_stream();

private:
    void enter(Phase phase, Duration limit);
    Task<bool> serve_one();
    Task<bool> read_request(RequestParser& parser);
    Task<Response> answer(Request request);
    Task<bool> send(
        Response response, Method method, bool keep_alive, bool is_http_1_1, bool gzip_ok
    );
    Task<bool> stream(std::shared_ptr<BodySource> source, bool chunked);
    Task<bool> write(std::string bytes);
    Task<void> refuse(unsigned status, std::string why);

    std::unique_ptr<Transport> transport_;
    std::string remote_address_;
    bool tls_;
    Shared& shared_;
    std::string buffer_;  // received and not yet parsed: less than a header and one read
    Phase phase_ = Phase::handshaking;
    TimePoint since_{};
    TimePoint deadline_{};
    std::shared_ptr<BodySource> source_;
};

}  // namespace baton::http
