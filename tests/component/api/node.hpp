// SPDX-License-Identifier: Apache-2.0
#pragma once

// An API server over a fake core, and ways to speak to it.

#include "component/api/fake_commands.hpp"
#include "component/http/raw_client.hpp"
#include "unit/api/fixture.hpp"

#include "baton/api/server.hpp"

#include <stdexcept>
#include <string>

namespace baton::api {

inline ServerOptions some_options() {
    ServerOptions options;
    http::ListenAddress listen;
    listen.address = "127.0.0.1";
    listen.port = 0;
    options.listen.push_back(listen);
    options.limits.grace = std::chrono::milliseconds(500);
    options.forward_limit = std::chrono::seconds(2);
    options.recover_limit = std::chrono::seconds(5);
    return options;
}

class Node {
public:
    explicit Node(
        const std::string& name = "n1",
        ServerOptions options = some_options(),
        http::StaticLookup page = {}
    )
        : core(name), server(std::move(options), core, std::move(page)) {
        core.set_view(a_view());
        const auto started = server.start();
        if (!started) {
            throw std::runtime_error(started.error().what);
        }
    }

    [[nodiscard]] std::string url() const {
        return fmt::format("http://127.0.0.1:{}", server.port());
    }

    test::RawAnswer ask(
        std::string_view method, std::string_view target, std::string_view headers = ""
    ) {
        test::RawClient client(server.port());
        return client.request(method, target, headers);
    }

    test::RawAnswer get(std::string_view target, std::string_view headers = "") {
        return ask("GET", target, headers);
    }

    Json json(std::string_view target) { return Json::parse(get(target).body); }

    fake::Commands core;
    Server server;
};

}  // namespace baton::api
