// SPDX-License-Identifier: Apache-2.0
#include "baton/store/backend_url.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace baton::store {

namespace {

constexpr std::string_view shape =
    "mysql://user@host:port,host2:port/database?engine=InnoDB or sqlite:/path/to/file";
constexpr std::size_t address_limit = 32;

Result<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned byte = 0;
        const char* const first = text.data() + i + 1;
        const bool whole = i + 2 < text.size();
        if (!whole || std::from_chars(first, first + 2, byte, 16).ptr != first + 2 || byte == 0) {
            return fail(
                Errc::invalid_argument,
                fmt::format("backend URL: '{}' has a '%' without two hexadecimal digits", text)
            );
        }
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

// The name goes into CREATE DATABASE and GRANT texts between back-ticks.
bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '$';
           });
}

Result<void> read_options(std::string_view text, BackendUrl& url) {
    for (const auto& option : split(text, '&')) {
        const auto equal = option.find('=');
        const auto name = option.substr(0, equal);
        const auto value = equal == std::string::npos ? std::string() : option.substr(equal + 1);
        if (name != "engine") {
            return fail(
                Errc::invalid_argument,
                fmt::format("backend URL: unknown option '{}'; allowed is 'engine'", name)
            );
        }
        if (!is_plain_name(value)) {
            return fail(
                Errc::invalid_argument,
                fmt::format(
                    "backend URL: engine '{}' is not a storage engine; use InnoDB (default) or "
                    "NDBCLUSTER",
                    value
                )
            );
        }
        url.engine = value;
    }
    return {};
}

Result<BackendUrl> parse_mysql(std::string_view rest) {
    BackendUrl url;
    url.kind = BackendUrl::Kind::mysql;
    const auto question = rest.find('?');
    if (question != std::string_view::npos) {
        if (auto options = read_options(rest.substr(question + 1), url); !options) {
            return options.error();
        }
        rest = rest.substr(0, question);
    }
    const auto slash = rest.find('/');
    const auto authority = rest.substr(0, slash);
    url.database = slash == std::string_view::npos ? std::string() : rest.substr(slash + 1);
    if (!is_plain_name(url.database)) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "backend URL: the database name '{}' after '/' must be 1 to 64 letters, digits, "
                "'_', '-' or '$'; write {}",
                url.database,
                shape
            )
        );
    }
    const auto at = authority.rfind('@');
    if (at == std::string_view::npos || at == 0) {
        return fail(
            Errc::invalid_argument, fmt::format("backend URL: no user before '@'; write {}", shape)
        );
    }
    const auto user = authority.substr(0, at);
    if (user.find(':') != std::string_view::npos) {
        return fail(
            Errc::invalid_argument,
            "backend URL: a password does not belong into the URL, which is logged and shown; "
            "give it with backend.password (${ENV} or a file)"
        );
    }
    auto decoded = percent_decoded(user);
    if (!decoded) {
        return decoded.error();
    }
    url.user = *decoded;
    for (const auto& part : split(authority.substr(at + 1), ',')) {
        auto address = parse_instance_id(trim(part));
        if (!address) {
            return address.error().in("backend URL");
        }
        if (std::find(url.addresses.begin(), url.addresses.end(), *address) !=
            url.addresses.end()) {
            return fail(
                Errc::invalid_argument,
                fmt::format("backend URL: address {} is given twice", address->text())
            );
        }
        url.addresses.push_back(*address);
    }
    if (url.addresses.size() > address_limit) {
        return fail(
            Errc::invalid_argument,
            fmt::format("backend URL: at most {} addresses are allowed", address_limit)
        );
    }
    return url;
}

Result<BackendUrl> parse_sqlite(std::string_view rest) {
    BackendUrl url;
    if (rest.starts_with("///")) {
        rest.remove_prefix(2);
    }
    if (rest.empty() || rest.ends_with('/')) {
        return fail(
            Errc::invalid_argument,
            "backend URL: sqlite: needs a file name, for example sqlite:/var/lib/baton/baton.db"
        );
    }
    if (rest.starts_with(':') || rest.find('?') != std::string_view::npos) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "backend URL: '{}' is not a plain file name; write sqlite:/path/to/file", rest
            )
        );
    }
    url.path = rest;
    return url;
}

}  // namespace

std::string BackendUrl::text() const {
    if (kind == Kind::sqlite) {
        return "sqlite:" + path;
    }
    std::vector<std::string> hosts;
    for (const auto& address : addresses) {
        hosts.push_back(address.text());
    }
    return fmt::format("mysql://{}@{}/{}", user, join(hosts, ","), database);
}

Result<BackendUrl> parse_backend_url(std::string_view text) {
    text = trim(text);
    constexpr std::string_view mysql = "mysql://";
    constexpr std::string_view mariadb = "mariadb://";
    constexpr std::string_view sqlite = "sqlite:";
    if (text.starts_with(mysql)) {
        return parse_mysql(text.substr(mysql.size()));
    }
    if (text.starts_with(mariadb)) {
        return parse_mysql(text.substr(mariadb.size()));
    }
    if (text.starts_with(sqlite)) {
        return parse_sqlite(text.substr(sqlite.size()));
    }
    return fail(
        Errc::invalid_argument, fmt::format("backend URL '{}': write {}", clipped(text, 200), shape)
    );
}

}  // namespace baton::store
