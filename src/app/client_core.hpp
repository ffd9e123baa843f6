// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the command line's commands share: asking a node, and printing to a terminal. Everything a
// server is named reaches the terminal as harmless text.

#include "baton/async/task.hpp"
#include "baton/base/time.hpp"
#include "baton/http/client.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace baton::app {

using Json = nlohmann::ordered_json;

struct ClientOptions {
    std::string url;
    bool json = false;
    std::string user, password_file, ca_file;
};

/// What a server is named must not reach the terminal as control codes.
std::string shown(const std::string& text);
/// "" when there is none; no text: as JSON.
std::string text_of(const Json& json, const char* key);
Json list_of(const Json& json, const char* key);
/// Columns as wide as their widest cell.
void print_table(std::vector<std::vector<std::string>> rows);
void print_list(const char* title, const Json& items);
int print_json(const Json& json);

class Client {
public:
    explicit Client(ClientOptions options) : options_(std::move(options)) {}

    /// Asks and gives the parsed body; nothing after the reason was printed and `code` set.
    std::optional<Json> ask(
        http::Method method,
        const std::string& path,
        int& code,
        Duration limit = std::chrono::seconds(10),
        std::string body = {}
    );

    [[nodiscard]] bool json() const { return options_.json; }

private:
    ClientOptions options_;
};

}  // namespace baton::app
