// SPDX-License-Identifier: Apache-2.0
#include "baton/base/ids.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton {

std::string InstanceId::text() const {
    if (host.find(':') != std::string::npos) {
        return fmt::format("[{}]:{}", host, port);
    }
    return fmt::format("{}:{}", host, port);
}

Result<Port> parse_port(std::string_view text) {
    Port value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end != text.data() + text.size() || value == 0) {
        return fail(Errc::invalid_argument, fmt::format("'{}' is not a TCP port (1-65535)", text));
    }
    return value;
}

Result<InstanceId> parse_instance_id(std::string_view text, Port default_port) {
    std::string_view host = text;
    std::string_view port;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) {
            return fail(
                Errc::invalid_argument,
                fmt::format("'{}' lacks the closing ']' of an IPv6 address", text)
            );
        }
        host = text.substr(1, close - 1);
        if (close + 1 < text.size()) {
            if (text[close + 1] != ':') {
                return fail(Errc::invalid_argument, fmt::format("'{}' is not host:port", text));
            }
            port = text.substr(close + 2);
            if (port.empty()) {
                return fail(
                    Errc::invalid_argument, fmt::format("'{}' lacks a port after ':'", text)
                );
            }
        }
    } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos) {
            host = text;  // a bare IPv6 address
        } else {
            host = text.substr(0, colon);
            port = text.substr(colon + 1);
            if (port.empty()) {
                return fail(
                    Errc::invalid_argument, fmt::format("'{}' lacks a port after ':'", text)
                );
            }
        }
    }
    if (host.empty() || host.size() > 255) {
        return fail(Errc::invalid_argument, fmt::format("'{}' is not host:port", text));
    }
    for (const char c : host) {
        const bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_' || c == ':' ||
                          c == '%';
        if (!good) {
            return fail(
                Errc::invalid_argument,
                fmt::format("host name '{}' has a character that host names have not", host)
            );
        }
    }
    if (port.empty()) {
        return InstanceId{std::string(host), default_port};
    }
    auto number = parse_port(port);
    if (!number) {
        return number.error();
    }
    return InstanceId{std::string(host), *number};
}

}  // namespace baton
