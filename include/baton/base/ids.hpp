// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names of things as strong types: InstanceId is an address as the operator knows it; ServerUuid
// says which server answered there.

#include "baton/base/result.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace baton {

using Port = std::uint16_t;

/// Host and port of a server. An empty host means "none".
struct InstanceId {
    InstanceId() = default;

    InstanceId(std::string h, Port p) : host(std::move(h)), port(p) {}

    std::string host;
    Port port = 0;

    [[nodiscard]] bool empty() const { return host.empty(); }

    /// "host:port"; IPv6 addresses in brackets.
    [[nodiscard]] std::string text() const;
    friend auto operator<=>(const InstanceId&, const InstanceId&) = default;
    friend bool operator==(const InstanceId&, const InstanceId&) = default;
};

/// Reads "host", "host:port", "[v6]:port". Errors: invalid_argument.
Result<InstanceId> parse_instance_id(std::string_view text, Port default_port = 3306);
Result<Port> parse_port(std::string_view text);

}  // namespace baton

template <>
struct std::hash<baton::InstanceId> {
    std::size_t operator()(const baton::InstanceId& id) const noexcept {
        return std::hash<std::string>{}(id.host) * 31 + id.port;
    }
};
