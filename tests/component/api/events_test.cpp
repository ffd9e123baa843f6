// SPDX-License-Identifier: Apache-2.0
#include "component/api/node.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace baton::api {
namespace {

constexpr std::string_view listen =
    "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";

ServerOptions quick() {
    auto options = some_options();
    options.heartbeat = std::chrono::milliseconds(50);
    return options;
}

template <class Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 500; ++i) {
        if (condition()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

bool metric_is(Node& node, const std::string& line) {
    return node.get("/metrics").body.find("\n" + line + "\n") != std::string::npos;
}

TEST(Events, ReachTheClient) {
    Node node("n1", quick());
    test::RawClient client(node.server.port());
    client.send(listen);
    const auto head = client.read_until("hello");
    EXPECT_NE(head.find("Content-Type: text/event-stream"), std::string::npos) << head;

    node.core.emit("recovery", R"({"number":17})");
    node.core.emit("topology", "line\nbreak");

    const auto text = client.read_until("data: line break\n\n");
    EXPECT_NE(text.find("id: 1\nevent: recovery\ndata: {\"number\":17}\n\n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("id: 2\nevent: topology\n"), std::string::npos) << text;
}

TEST(Events, HeartbeatsComeWhileNothingHappens) {
    Node node("n1", quick());
    test::RawClient client(node.server.port());
    client.send(listen);

    EXPECT_NE(client.read_until(": heartbeat\n\n").find("heartbeat"), std::string::npos);
    EXPECT_NE(client.read_until(": heartbeat\n\n").find("heartbeat"), std::string::npos);
}

TEST(Events, ASlowClientIsDroppedAndTheOthersAreNot) {
    auto options = quick();
    options.event_queue = 50;
    options.limits.write_timeout = std::chrono::milliseconds(300);
    Node node("n1", options);
    test::RawClient slow(node.server.port());
    slow.send(listen);
    slow.read_until("hello");
    ASSERT_TRUE(eventually([&] { return metric_is(node, "baton_event_clients 1"); }));

    // It reads no more; what the sockets buffer is soon full.
    const std::string much(100'000, 'x');
    for (int i = 0; i < 400; ++i) {
        node.core.emit("topology", much);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

    EXPECT_TRUE(eventually([&] { return metric_is(node, "baton_event_clients 0"); }));
    EXPECT_TRUE(metric_is(node, "baton_event_clients_dropped_total 1"));
    test::RawClient other(node.server.port());
    other.send(listen);
    other.read_until("hello");
    node.core.emit("audit", "{}");
    EXPECT_NE(other.read_until("event: audit").find("event: audit"), std::string::npos);
}

TEST(Events, ThereAreNotMoreClientsThanAllowed) {
    auto options = quick();
    options.event_clients = 2;
    Node node("n1", options);
    test::RawClient one(node.server.port());
    test::RawClient two(node.server.port());
    for (auto* client : {&one, &two}) {
        client->send(listen);
        client->read_until("hello");
    }

    const auto third = node.get("/api/v1/events");

    EXPECT_EQ(third.status, 503U);
    EXPECT_EQ(third.headers.at("retry-after"), "1");
}

TEST(Events, AClientThatHasGoneFreesItsPlace) {
    auto options = quick();
    options.event_clients = 1;
    Node node("n1", options);
    {
        test::RawClient client(node.server.port());
        client.send(listen);
        client.read_until("hello");
    }

    EXPECT_TRUE(eventually([&] {
        test::RawClient next(node.server.port());
        next.send(listen);
        return next.read_until("\r\n").find("200 OK") != std::string::npos;
    }));
}

TEST(Events, StreamsEndWhenTheServerStops) {
    Node node("n1", some_options());  // ten seconds between heartbeats
    test::RawClient client(node.server.port());
    client.send(listen);
    client.read_until("hello");

    const auto begin = std::chrono::steady_clock::now();
    node.server.stop();

    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    client.read_until("whatever: all that is left");
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(node.core.listeners(), 0U);
    node.core.emit("topology", "{}");  // reaches nobody
}

}  // namespace
}  // namespace baton::api
