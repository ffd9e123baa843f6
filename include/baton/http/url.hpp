// SPDX-License-Identifier: Apache-2.0
#pragma once

// URLs taken apart and put together. Decoding is tolerant: what is not a percent sequence stays as
// it is, since old clients send unencoded text.

#include "baton/base/ids.hpp"
#include "baton/base/result.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::http {

/// "%2F" becomes "/", "%zz" stays. `plus_is_space` as in queries.
std::string percent_decoded(std::string_view text, bool plus_is_space = false);
/// Everything but unreserved characters as %XX.
std::string percent_encoded(std::string_view text);

/// Decoded segments of a path; an encoded slash stays inside its segment. One trailing slash is
/// dropped:
/// "/a/b%2Fc/" has the segments "a", "b/c".
std::vector<std::string> path_segments(std::string_view path);
/// "a=1&b" -> (a,1), (b,""). The first '=' separates.
std::vector<std::pair<std::string, std::string>> parsed_query(std::string_view query);

struct Url {
    bool tls = false;
    std::string host;  // without brackets
    Port port = 80;
    std::string path = "/";  // with query

    /// Value of the Host header.
    [[nodiscard]] std::string authority() const;
};

/// Reads "http://host:port/path?query" or https; a missing path is "/". Errors: invalid_argument.
Result<Url> parse_url(std::string_view text);

}  // namespace baton::http
