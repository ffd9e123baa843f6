// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two families of answers: plain JSON, and the envelope {"Code","Message","Details"} with 200
// or 500.

#include "json_writer.hpp"

#include "baton/base/ids.hpp"
#include "baton/base/result.hpp"
#include "baton/http/message.hpp"

#include <string>
#include <string_view>

namespace baton::api {

http::Response plain(std::string json);
http::Response plain(JsonWriter& json);

http::Response ok(std::string_view message, std::string_view details_json = "null");
http::Response ok(std::string_view message, const InstanceId& details);
/// 500 is what old clients know; the header X-Baton-Reason carries the code for new ones.
http::Response failure(
    Errc reason,
    std::string_view message,
    std::string_view details_json = "null",
    unsigned status = 500
);
/// Status 503 with Retry-After for what a repetition may cure, else 500.
http::Response failure(const Error& error, std::string_view details_json = "null");

/// {"Hostname":...,"Port":...}
void write_key(JsonWriter& json, const InstanceId& id);
std::string key_json(const InstanceId& id);
std::string text_json(std::string_view text);

}  // namespace baton::api
