// SPDX-License-Identifier: Apache-2.0
#include "component/http/some_server.hpp"
#include "unit/async/run.hpp"

#include "baton/http/client.hpp"
#include "baton/http/server.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace baton::http {
namespace {

using namespace std::chrono_literals;

/// A fresh self-signed certificate for 127.0.0.1 in a folder of its own.
class TlsServer : public testing::Test {
protected:
    void SetUp() override {
        folder_ =
            std::filesystem::path(testing::TempDir()) / ("baton-tls-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
        const auto command =
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
            "-addext subjectAltName=IP:127.0.0.1 -keyout " +
            key() + " -out " + certificate() + " 2>/dev/null";
        ASSERT_EQ(std::system(command.c_str()), 0);
    }

    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string key() const { return folder_ / "key.pem"; }

    [[nodiscard]] std::string certificate() const { return folder_ / "certificate.pem"; }

    [[nodiscard]] ServerOptions options() const {
        ServerOptions result;
        result.listen.push_back(ListenAddress{.address = "127.0.0.1", .port = 0});
        result.tls =
            TlsFiles{.certificate_chain = certificate(), .private_key = key(), .client_ca = ""};
        return result;
    }

    std::filesystem::path folder_;
};

Task<void> fetch_into(Client& client, std::string url, Result<ClientResponse>& result) {
    ClientRequest request;
    request.url = std::move(url);
    result = co_await client.fetch(std::move(request), std::chrono::steady_clock::now() + 10s);
}

Result<ClientResponse> fetch(ClientOptions options, std::uint16_t port, std::string_view path) {
    asio::io_context loop;
    Client client(std::move(options));
    Result<ClientResponse> result = fail(Errc::cancelled, "not run");
    auto url = "https://127.0.0.1:" + std::to_string(port) + std::string(path);
    test::run(loop, fetch_into(client, std::move(url), result));
    return result;
}

TEST_F(TlsServer, ServesClientsThatTrustIt) {
    Server server(options(), test::some_handler);
    ASSERT_TRUE(server.start());
    ClientOptions trusting;
    trusting.ca_file = certificate();

    const auto small = fetch(trusting, server.port(), "/echo");
    const auto big = fetch(trusting, server.port(), "/huge");

    ASSERT_TRUE(small) << small.error().what;
    EXPECT_EQ(small->status, 200U);
    ASSERT_TRUE(big) << big.error().what;
    EXPECT_EQ(big->body.size(), 64UL * 1024 * 1024);
}

TEST_F(TlsServer, IsRefusedByClientsThatDoNot) {
    Server server(options(), test::some_handler);
    ASSERT_TRUE(server.start());
    ClientOptions careless;
    careless.verify_certificate = false;

    const auto refused = fetch(ClientOptions{}, server.port(), "/echo");
    const auto accepted = fetch(careless, server.port(), "/echo");

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unreachable);
    EXPECT_NE(refused.error().what.find("TLS"), std::string::npos);
    ASSERT_TRUE(accepted) << accepted.error().what;
}

TEST_F(TlsServer, SaysWhichFileItCannotUse) {
    auto wrong = options();
    wrong.tls->certificate_chain = "/nonexistent.pem";
    Server server(wrong, test::some_handler);

    const auto started = server.start();

    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Errc::invalid_argument);
    EXPECT_NE(started.error().what.find("/nonexistent.pem"), std::string::npos);
}

}  // namespace
}  // namespace baton::http
