// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page's assets, embedded in the binary by another module and given to the server by the
// composition root.

#include <functional>
#include <string_view>

namespace baton::http {

struct StaticFile {
    std::string_view path;  // "/web/app.js"
    std::string_view content_type;
    std::string_view body;
    std::string_view etag;  // with quotes; changes with the body
};

/// Finds the asset of a path, null if there is none. The memory lives as long as the program.
/// Thread-safe.
using StaticLookup = std::function<const StaticFile*(std::string_view path)>;

}  // namespace baton::http
