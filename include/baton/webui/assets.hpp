// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page's files, embedded in the binary at build time.

#include "baton/http/static_files.hpp"

#include <string_view>

namespace baton::webui {

/// The asset served under the path ("/", "/web", "/web/..." all give the page itself;
/// "/assets/app.js" a file); null if there is none. Thread-safe.
const http::StaticFile* find_asset(std::string_view path);

}  // namespace baton::webui
