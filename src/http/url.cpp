// SPDX-License-Identifier: Apache-2.0
#include "baton/http/url.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

namespace baton::http {

namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

}  // namespace

std::string percent_decoded(std::string_view text, bool plus_is_space) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
            hex_value(text[i + 2]) >= 0) {
            result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            result += c == '+' && plus_is_space ? ' ' : c;
        }
    }
    return result;
}

std::string percent_encoded(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (is_unreserved(c)) {
            result += c;
        } else {
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return result;
}

std::vector<std::string> path_segments(std::string_view path) {
    if (path.starts_with('/')) {
        path.remove_prefix(1);
    }
    if (path.ends_with('/')) {
        path.remove_suffix(1);
    }
    std::vector<std::string> segments;
    if (path.empty()) {
        return segments;
    }
    for (const auto& part : split(path, '/')) {
        segments.push_back(percent_decoded(part));
    }
    return segments;
}

std::vector<std::pair<std::string, std::string>> parsed_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> result;
    if (query.empty()) {
        return result;
    }
    for (const auto& part : split(query, '&')) {
        if (part.empty()) {
            continue;
        }
        const auto equals = part.find('=');
        const std::string_view text = part;
        result.emplace_back(
            percent_decoded(text.substr(0, equals), true),
            equals == std::string::npos ? std::string{}
                                        : percent_decoded(text.substr(equals + 1), true)
        );
    }
    return result;
}

std::string Url::authority() const {
    const auto shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    const bool is_default = port == (tls ? 443 : 80);
    return is_default ? shown : fmt::format("{}:{}", shown, port);
}

Result<Url> parse_url(std::string_view text) {
    const auto bad = [&](std::string_view why) {
        return fail(
            Errc::invalid_argument, fmt::format("'{}' is not a URL: {}", clipped(text, 200), why)
        );
    };
    Url url;
    std::string_view rest = text;
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
        url.tls = true;
        url.port = 443;
    } else {
        return bad("it must begin with http:// or https://");
    }
    for (const char c : rest) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
            return bad("it contains a blank or a control character");
        }
    }
    const auto path_at = rest.find_first_of("/?");
    auto authority = rest.substr(0, path_at);
    if (path_at != std::string_view::npos) {
        url.path = rest[path_at] == '?' ? "/" + std::string(rest.substr(path_at))
                                        : std::string(rest.substr(path_at));
    }
    if (authority.find('@') != std::string_view::npos) {
        return bad("a user name is not supported here");
    }
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) {
            return bad("the ']' of the address is missing");
        }
        url.host = authority.substr(1, end - 1);
        authority.remove_prefix(end + 1);
        if (!authority.empty() && !authority.starts_with(':')) {
            return bad("after the ']' only a port may follow");
        }
        port = authority.empty() ? authority : authority.substr(1);
    } else {
        const auto colon = authority.find(':');
        url.host = authority.substr(0, colon);
        port = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon + 1);
    }
    if (url.host.empty()) {
        return bad("the host is missing");
    }
    if (!port.empty()) {
        const auto number = parse_port(port);
        if (!number) {
            return bad(number.error().what);
        }
        url.port = *number;
    }
    return url;
}

}  // namespace baton::http
