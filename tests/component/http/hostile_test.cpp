// SPDX-License-Identifier: Apache-2.0

// What an HTTP port on a network meets: noise, half requests, floods. Nothing of it may hurt the
// others.

#include "component/http/raw_client.hpp"
#include "component/http/some_server.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace baton::http {
namespace {

using namespace std::chrono_literals;
using test::http_get;
using test::RawClient;
using test::some_limits;
using test::SomeServer;

TEST(HostileHttp, AnswersMalformedRequestsWith400) {
    SomeServer server;
    for (const auto* bytes :
         {"hello\r\n\r\n",
          "GET\r\n\r\n",
          "GET / HTTP/9.9\r\n\r\n",
          "GET /\x01 HTTP/1.1\r\n\r\n",
          "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
          "GET / HTTP/1.1\r\n: x\r\n\r\n",
          "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
          "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
          "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
          "\r\n\r\n\r\n\r\nx\r\n"}) {
        RawClient client(server.port());
        client.send(bytes);
        client.end_output();
        auto answer = client.read_answer();
        EXPECT_EQ(answer.status, 400U) << bytes;
        EXPECT_EQ(answer.headers["content-type"], "application/json; charset=UTF-8");
        EXPECT_TRUE(answer.body.starts_with(R"({"Code":"ERROR","Message":"malformed request)"))
            << answer.body;
        EXPECT_TRUE(client.ended());
    }
    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HostileHttp, LimitsTargetHeaderAndBody) {
    SomeServer server;

    EXPECT_EQ(http_get(server.port(), "/" + std::string(10000, 'a')).status, 414U);
    EXPECT_EQ(
        http_get(server.port(), "/echo", "X-Big: " + std::string(100000, 'a') + "\r\n").status, 431U
    );
    EXPECT_EQ(http_get(server.port(), "/echo", "Content-Length: 99999999\r\n").status, 413U);
    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HostileHttp, SurvivesRandomBytes) {
    SomeServer server;
    std::mt19937 random(20260101);
    for (int round = 0; round < 300; ++round) {
        std::string bytes = round % 3 == 0   ? "GET /echo HTTP/1.1\r\n"
                            : round % 3 == 1 ? "POST "
                                             : "";
        const auto size = random() % 3000;
        for (std::size_t i = 0; i < size; ++i) {
            bytes += static_cast<char>(random());
        }
        RawClient client(server.port());
        ASSERT_TRUE(client.connected());
        client.send(bytes);
        client.end_output();
        const auto answer = client.read_answer();
        EXPECT_TRUE(
            answer.status == 400 || answer.status == 414 || answer.status == 431 || bytes.empty()
        ) << round
          << ": " << answer.status;
    }
    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HostileHttp, SurvivesChangedAndTruncatedRequests) {
    SomeServer server;
    const std::string good =
        "POST /echo/a%2Fb?x=%zz&&= HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Name: "
        "y\r\n\r\nhello";
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
        auto bytes = good.substr(0, random() % (good.size() + 1));
        for (auto changes = random() % 4; changes > 0 && !bytes.empty(); --changes) {
            bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        RawClient client(server.port());
        client.send(bytes);
        if (round % 2 == 0) {
            client.end_output();
            client.read_answer();
        } else {
            client.reset();
        }
    }
    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HostileHttp, TakesARequestByteByByte) {
    SomeServer server;
    RawClient client(server.port());
    for (const char c :
         std::string("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")) {
        ASSERT_TRUE(client.send(std::string_view(&c, 1)));
    }

    EXPECT_TRUE(client.read_answer().body.ends_with("hello"));
}

TEST(HostileHttp, EndsSlowHeadersAndIdleConnections) {
    auto limits = some_limits();
    limits.header_timeout = 100ms;
    limits.body_timeout = 100ms;
    limits.idle_timeout = 200ms;
    SomeServer server(limits);
    RawClient slow(server.port());
    RawClient without_body(server.port());
    RawClient idle(server.port());

    slow.send("GET /echo HTTP/1.1\r\nX");
    without_body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");

    EXPECT_TRUE(slow.ended());
    EXPECT_TRUE(without_body.ended());
    EXPECT_TRUE(idle.ended());
}

TEST(HostileHttp, DropsAClientThatDoesNotRead) {
    auto limits = some_limits();
    limits.write_timeout = 200ms;
    SomeServer server(limits);
    RawClient stuck(server.port());
    stuck.send("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");

    while (server.statistics().timed_out == 0) {
        std::this_thread::yield();
    }

    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);
}

TEST(HostileHttp, AnswersWhileThousandsAreIdle) {
    SomeServer server;
    std::vector<RawClient> idle;
    for (int i = 0; i < 2000; ++i) {
        idle.emplace_back(server.port());
        ASSERT_TRUE(idle.back().connected()) << i;
        if (i % 3 == 0) {
            idle.back().send("GET /echo HTTP/1.1\r\nX-Half: ");
        }
    }

    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(http_get(server.port(), "/echo").status, 200U);
    }

    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    EXPECT_EQ(idle[1].request("GET", "/echo").status, 200U);
}

TEST(HostileHttp, ClosesTheOldestIdleConnectionForANewOne) {
    auto limits = some_limits();
    limits.connections = 3;
    SomeServer server(limits, 1);
    std::vector<RawClient> clients;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back(server.port());
        ASSERT_EQ(clients.back().request("GET", "/echo").status, 200U);
    }

    EXPECT_EQ(http_get(server.port(), "/echo").status, 200U);

    EXPECT_TRUE(clients[0].ended());
    EXPECT_EQ(clients[2].request("GET", "/echo").status, 200U);
}

TEST(HostileHttp, RefusesWhenAllConnectionsAreBusy) {
    auto limits = some_limits();
    limits.connections = 2;
    SomeServer server(limits, 1);
    RawClient first(server.port());
    RawClient second(server.port());
    first.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    second.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    server.wait_for_requests(2);

    RawClient third(server.port());
    const auto answer = third.read_answer();

    EXPECT_EQ(answer.status, 503U);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
}

}  // namespace
}  // namespace baton::http
