// SPDX-License-Identifier: Apache-2.0
#include "reply.hpp"

namespace baton::api {

namespace {

std::string envelope(std::string_view code, std::string_view message, std::string_view details) {
    JsonWriter json;
    json.begin_object();
    json.member("Code", code);
    json.member("Message", message);
    json.key("Details").raw(details);
    json.end_object();
    return json.take();
}

/// For programs; to_string() is for people.
std::string_view reason_word(Errc code) {
    switch (code) {
        case Errc::timeout:
            return "timeout";
        case Errc::cancelled:
            return "cancelled";
        case Errc::unreachable:
            return "unreachable";
        case Errc::access_denied:
            return "access_denied";
        case Errc::server_error:
            return "server_error";
        case Errc::protocol:
            return "protocol";
        case Errc::invalid_argument:
            return "invalid_argument";
        case Errc::not_found:
            return "not_found";
        case Errc::conflict:
            return "conflict";
        case Errc::refused:
            return "refused";
        case Errc::not_leader:
            return "not_leader";
        case Errc::unavailable:
            return "unavailable";
        case Errc::io:
            return "io";
    }
    return "";
}

}  // namespace

http::Response plain(std::string json) {
    http::Response response;
    response.body = std::move(json);
    return response;
}

http::Response plain(JsonWriter& json) {
    return plain(json.take());
}

http::Response ok(std::string_view message, std::string_view details_json) {
    return plain(envelope("OK", message, details_json));
}

http::Response ok(std::string_view message, const InstanceId& details) {
    return ok(message, key_json(details));
}

http::Response failure(
    Errc reason, std::string_view message, std::string_view details_json, unsigned status
) {
    auto response = plain(envelope("ERROR", message, details_json));
    response.status = status;
    response.headers.add("X-Baton-Reason", std::string(reason_word(reason)));
    return response;
}

http::Response failure(const Error& error, std::string_view details_json) {
    const bool again = error.code == Errc::not_leader || error.code == Errc::unavailable;
    auto response = failure(error.code, error.what, details_json, again ? 503 : 500);
    if (again) {
        response.headers.add("Retry-After", "1");
    }
    return response;
}

void write_key(JsonWriter& json, const InstanceId& id) {
    json.begin_object();
    json.member("Hostname", id.host);
    json.member("Port", id.port);
    json.end_object();
}

std::string key_json(const InstanceId& id) {
    JsonWriter json;
    write_key(json, id);
    return json.take();
}

std::string text_json(std::string_view text) {
    JsonWriter json;
    json.value(text);
    return json.take();
}

}  // namespace baton::api
