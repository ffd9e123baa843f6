// SPDX-License-Identifier: Apache-2.0
#include "baton/http/client.hpp"

#include "component/http/some_server.hpp"
#include "unit/async/run.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

namespace baton::http {
namespace {

using namespace std::chrono_literals;
using test::SomeServer;

Task<void> fetch_into(
    Client& client, ClientRequest request, Duration limit, Result<ClientResponse>& result
) {
    result = co_await client.fetch(std::move(request), std::chrono::steady_clock::now() + limit);
}

Result<ClientResponse> fetch(ClientRequest request, Duration limit = 5s) {
    asio::io_context loop;
    Client client;
    Result<ClientResponse> result = fail(Errc::cancelled, "not run");
    test::run(loop, fetch_into(client, std::move(request), limit, result));
    return result;
}

ClientRequest a_get(std::string url) {
    ClientRequest request;
    request.url = std::move(url);
    return request;
}

std::string at(std::uint16_t port, std::string_view path) {
    return "http://127.0.0.1:" + std::to_string(port) + std::string(path);
}

TEST(HttpClient, FetchesWithHeadersAndBody) {
    SomeServer server;
    auto request = a_get(at(server.port(), "/echo/x?a=b"));
    request.method = Method::post;
    request.body = "data";
    request.headers.add("X-Name", "joe");

    const auto answer = fetch(std::move(request));

    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 200U);
    EXPECT_EQ(answer->headers.get("content-type"), "text/plain");
    EXPECT_EQ(answer->body, "POST [echo][x] a=b joe 127.0.0.1 data");
}

TEST(HttpClient, ResolvesNames) {
    SomeServer server;

    const auto answer = fetch(a_get("http://localhost:" + std::to_string(server.port()) + "/echo"));

    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 200U);
}

TEST(HttpClient, ReadsChunkedAnswers) {
    SomeServer server;

    const auto answer = fetch(a_get(at(server.port(), "/stream/2")));

    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->body, "piece 1\npiece 2\n");
}

TEST(HttpClient, GivesUpAtTheDeadline) {
    SomeServer server;

    const auto answer = fetch(a_get(at(server.port(), "/slow/30000")), 100ms);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::timeout);
}

TEST(HttpClient, SaysWhyThereIsNoAnswer) {
    std::uint16_t closed = 0;
    {
        SomeServer server;
        closed = server.port();
    }
    const auto refused = fetch(a_get(at(closed, "/")));
    const auto unknown = fetch(a_get("http://no-such-host.invalid:3000/"));
    const auto bad = fetch(a_get("node:3000"));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unreachable);
    EXPECT_NE(refused.error().what.find(std::to_string(closed)), std::string::npos);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Errc::unreachable) << unknown.error().what;
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, Errc::invalid_argument);
}

TEST(HttpClient, SendsNoForgedHeaderLines) {
    SomeServer server;
    auto request = a_get(at(server.port(), "/echo"));
    request.headers.add("X-Other", "a\r\nX-Name: forged");

    const auto answer = fetch(std::move(request));

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body.find("forged"), std::string::npos);
}

/// A server that answers one connection with the given bytes and ends it.
Result<ClientResponse> fetch_from_bytes(std::string bytes) {
    asio::io_context loop;
    asio::ip::tcp::acceptor acceptor(
        loop, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)
    );
    std::thread peer([&] {
        auto socket = acceptor.accept();
        boost::system::error_code ignored;  // the client may be quicker to leave
        std::array<char, 1024> request{};
        socket.read_some(asio::buffer(request), ignored);
        socket.send(asio::buffer(bytes), 0, ignored);
        socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        socket.read_some(asio::buffer(request), ignored);
    });
    auto result = fetch(a_get(at(acceptor.local_endpoint().port(), "/")));
    peer.join();
    return result;
}

TEST(HttpClient, UnderstandsAnswersThatEndWithTheConnection) {
    const auto answer = fetch_from_bytes("HTTP/1.1 200 OK\r\n\r\nuntil the end");

    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->body, "until the end");
}

TEST(HttpClient, ReportsBrokenAnswers) {
    for (const auto* bytes :
         {"",
          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "SSH-2.0-OpenSSH\r\n",
          "\x16\x03\x01\x02",
          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"}) {
        const auto answer = fetch_from_bytes(bytes);
        ASSERT_FALSE(answer) << bytes;
        EXPECT_TRUE(
            answer.error().code == Errc::protocol || answer.error().code == Errc::unreachable
        ) << to_string(answer.error().code);
    }
}

}  // namespace
}  // namespace baton::http
