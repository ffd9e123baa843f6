// SPDX-License-Identifier: Apache-2.0
#include "baton/http/server.hpp"

#include "component/http/raw_client.hpp"
#include "component/http/some_server.hpp"

#include "baton/async/event.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <zlib.h>

namespace baton::http {
namespace {

using test::http_get;
using test::RawClient;
using test::some_limits;
using test::SomeServer;

std::string gunzip(std::string_view packed) {
    z_stream stream{};
    inflateInit2(&stream, 15 + 16);
    std::string result(1024UL * 1024, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(result.data());
    stream.avail_out = static_cast<uInt>(result.size());
    const int outcome = inflate(&stream, Z_FINISH);
    result.resize(outcome == Z_STREAM_END ? stream.total_out : 0);
    inflateEnd(&stream);
    return result;
}

TEST(HttpServer, HandsTheRequestToTheHandlerAndBackTheAnswer) {
    SomeServer server;

    const auto answer = http_get(server.port(), "/echo/a%2Fb/c?x=1+2", "X-Name: value\r\n");

    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.headers.at("content-type"), "text/plain");
    EXPECT_EQ(answer.body, "GET [echo][a/b][c] x=1 2 value 127.0.0.1 ");
}

TEST(HttpServer, KeepsTheConnectionForFurtherRequests) {
    SomeServer server;
    RawClient client(server.port());

    for (int i = 0; i < 50; ++i) {
        const auto answer = client.request("GET", "/echo");
        ASSERT_EQ(answer.status, 200U);
        ASSERT_EQ(answer.headers.at("connection"), "keep-alive");
    }
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
    SomeServer server;
    RawClient client(server.port());

    const auto answer = client.request("GET", "/echo", "Connection: close\r\n");

    EXPECT_EQ(answer.headers.at("connection"), "close");
    EXPECT_TRUE(client.ended());
}

TEST(HttpServer, ClosesAfterAnHttp10Request) {
    SomeServer server;
    RawClient client(server.port());

    client.send("GET /echo HTTP/1.0\r\n\r\n");

    EXPECT_EQ(client.read_answer().status, 200U);
    EXPECT_TRUE(client.ended());
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    SomeServer server;
    RawClient client(server.port());
    std::string requests;
    for (int i = 0; i < 200; ++i) {
        requests += "POST /echo/" + std::to_string(i) +
                    " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    }

    std::jthread writer([&] { client.send(requests); });

    for (int i = 0; i < 200; ++i) {
        const auto answer = client.read_answer();
        ASSERT_EQ(answer.body, "POST [echo][" + std::to_string(i) + "] 127.0.0.1 abc");
    }
}

TEST(HttpServer, AnswersHeadWithoutBody) {
    SomeServer server;
    RawClient client(server.port());

    const auto head = client.request("HEAD", "/big");
    const auto next = client.request("GET", "/echo");

    EXPECT_EQ(head.status, 200U);
    EXPECT_EQ(head.headers.at("content-length"), "100000");
    EXPECT_EQ(next.status, 200U);
}

TEST(HttpServer, CompressesBigBodiesWhenAccepted) {
    SomeServer server;

    const auto packed = http_get(server.port(), "/big", "Accept-Encoding: br, gzip;q=0.5\r\n");
    const auto plain = http_get(server.port(), "/big");
    const auto refused = http_get(server.port(), "/big", "Accept-Encoding: gzip;q=0\r\n");
    const auto small = http_get(server.port(), "/echo", "Accept-Encoding: gzip\r\n");

    EXPECT_EQ(packed.headers.at("content-encoding"), "gzip");
    EXPECT_LT(packed.body.size(), 2000U);
    EXPECT_EQ(gunzip(packed.body), std::string(100000, 'x'));
    EXPECT_EQ(plain.headers.count("content-encoding"), 0U);
    EXPECT_EQ(plain.body.size(), 100000U);
    EXPECT_EQ(refused.headers.count("content-encoding"), 0U);
    EXPECT_EQ(small.headers.count("content-encoding"), 0U);
}

TEST(HttpServer, AsksForTheBodyOfAPatientClient) {
    SomeServer server;
    RawClient client(server.port());

    client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    );
    const auto interim = client.read_until("\r\n\r\n");
    client.send("ok");

    EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_TRUE(client.read_answer().body.ends_with(" ok"));
}

TEST(HttpServer, ReadsChunkedBodies) {
    SomeServer server;
    RawClient client(server.port());

    client.send(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    );

    EXPECT_TRUE(client.read_answer().body.ends_with(" abcde"));
}

TEST(HttpServer, StreamsABodyPieceByPiece) {
    SomeServer server;
    RawClient client(server.port());

    const auto answer = client.request("GET", "/stream/3");
    const auto next = client.request("GET", "/echo");

    EXPECT_EQ(answer.body, "piece 1\npiece 2\npiece 3\n");
    EXPECT_EQ(next.status, 200U);
}

TEST(HttpServer, TurnsAnExceptionOfAHandlerIntoAnError) {
    SomeServer server;

    const auto answer = http_get(server.port(), "/throw");

    EXPECT_EQ(answer.status, 500U);
    EXPECT_EQ(
        answer.body,
        R"({"Code":"ERROR","Message":"internal error: bug with quotes","Details":null})"
    );
    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HttpServer, SaysClearlyWhyItCannotListen) {
    SomeServer first;
    ServerOptions options;
    options.listen.push_back(ListenAddress{.address = "127.0.0.1", .port = first.port()});
    Server second(options, test::some_handler);

    const auto started = second.start();

    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::io);
    EXPECT_NE(started.error().what.find(std::to_string(first.port())), std::string::npos);
    EXPECT_NE(started.error().what.find("another process listens there"), std::string::npos);
}

TEST(HttpServer, StopsAtOnceWithIdleConnectionsAndEndlessStreams) {
    auto limits = some_limits();
    limits.grace = std::chrono::seconds(5);
    SomeServer server(limits);
    RawClient idle(server.port());
    ASSERT_EQ(idle.request("GET", "/echo").status, 200U);
    RawClient streaming(server.port());
    streaming.send("GET /stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
    streaming.read_until("piece 1");

    const auto begin = std::chrono::steady_clock::now();
    server.stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    EXPECT_TRUE(idle.ended());
    EXPECT_FALSE(RawClient(server.port()).connected());
}

TEST(HttpServer, LetsARunningRequestEndWhenItStops) {
    auto limits = some_limits();
    limits.grace = std::chrono::seconds(10);
    SomeServer server(limits);
    RawClient client(server.port());
    client.send("GET /slow/300 HTTP/1.1\r\nHost: x\r\n\r\n");
    server.wait_for_requests(1);

    server.stop();

    EXPECT_EQ(client.read_answer().body, "slow");
}

TEST(HttpServer, CancelsARequestThatOutlastsTheGrace) {
    auto limits = some_limits();
    limits.grace = std::chrono::milliseconds(50);
    SomeServer server(limits);
    RawClient client(server.port());
    client.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    server.wait_for_requests(1);

    const auto begin = std::chrono::steady_clock::now();
    server.stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_EQ(client.read_answer().status, 0U);
}

TEST(ListenAddress, IsReadInItsForms) {
    EXPECT_EQ(parse_listen_address(":3000")->address, "0.0.0.0");
    EXPECT_EQ(parse_listen_address(":3000")->port, 3000);
    EXPECT_EQ(parse_listen_address("3001")->port, 3001);
    EXPECT_EQ(parse_listen_address("127.0.0.1:0")->port, 0);
    EXPECT_EQ(parse_listen_address("[::1]:3000")->address, "::1");
    EXPECT_EQ(parse_listen_address("localhost:3000")->address, "127.0.0.1");
    for (const auto* text : {"", ":", "::1:3000", "host:3000", "1.2.3.4:x", "1.2.3.4:70000"}) {
        EXPECT_FALSE(parse_listen_address(text)) << text;
    }
}

}  // namespace
}  // namespace baton::http
