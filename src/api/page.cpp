// SPDX-License-Identifier: Apache-2.0
#include "page.hpp"

#include <string>

namespace baton::api {

http::Response page_response(const http::StaticFile& file, const http::Request& request) {
    http::Response response;
    response.content_type = file.content_type;
    response.headers.add("ETag", std::string(file.etag));
    // Asked again each time: another version of the program has another page.
    response.headers.add("Cache-Control", "no-cache");
    // A name that a hostile server gave itself must not become a script or a frame.
    response.headers.add(
        "Content-Security-Policy",
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    );
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.headers.add("Referrer-Policy", "same-origin");
    const auto known = request.headers.get("If-None-Match");
    if (!file.etag.empty() && known.find(file.etag) != std::string_view::npos) {
        response.status = 304;
    } else {
        response.body = file.body;
    }
    return response;
}

}  // namespace baton::api
