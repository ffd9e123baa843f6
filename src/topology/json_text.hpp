// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shared by the writers and readers of the stored forms: ASCII output, and reading that is tolerant
// of missing members and of members of another type, so that versions can be mixed.

#include "baton/base/ids.hpp"
#include "baton/base/result.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <type_traits>

namespace baton::topology {

using Json = nlohmann::json;

/// Bytes that are no UTF-8 (servers' names and errors are untrusted) become U+FFFD.
inline std::string ascii(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// Errors: protocol.
inline Result<Json> parse_object(std::string_view text, std::string_view what) {
    auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return fail(Errc::protocol, "stored " + std::string(what) + " is not a JSON object");
    }
    return json;
}

/// Leaves `out` as it is when the member is missing or of another type.
inline void read(const Json& json, const char* key, std::string& out) {
    if (const auto found = json.find(key); found != json.end() && found->is_string()) {
        out = found->get<std::string>();
    }
}

inline void read(const Json& json, const char* key, bool& out) {
    if (const auto found = json.find(key); found != json.end() && found->is_boolean()) {
        out = found->get<bool>();
    }
}

inline void read(const Json& json, const char* key, double& out) {
    if (const auto found = json.find(key); found != json.end() && found->is_number()) {
        out = found->get<double>();
    }
}

template <class T>
requires std::is_integral_v<T>

void read(const Json& json, const char* key, T& out) {
    if (const auto found = json.find(key); found != json.end() && found->is_number_integer()) {
        out = found->get<T>();
    }
}

/// By its name; `all` lists the values in question.
template <class T, std::size_t N>
void read_named(const Json& json, const char* key, const T (&all)[N], T& out) {
    std::string name;
    read(json, key, name);
    for (const T value : all) {
        if (name == to_string(value)) {
            out = value;
        }
    }
}

inline Json id_json(const InstanceId& id) {
    return Json{{"host", id.host}, {"port", id.port}};
}

inline InstanceId id_from(const Json& json) {
    InstanceId id;
    if (json.is_object()) {
        read(json, "host", id.host);
        read(json, "port", id.port);
    }
    return id;
}

inline void read(const Json& json, const char* key, InstanceId& out) {
    if (const auto found = json.find(key); found != json.end()) {
        out = id_from(*found);
    }
}

}  // namespace baton::topology
