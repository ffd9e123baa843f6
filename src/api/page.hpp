// SPDX-License-Identifier: Apache-2.0
#pragma once

// The embedded page and its files.

#include "baton/http/message.hpp"
#include "baton/http/static_files.hpp"

#include <string_view>

namespace baton::api {

/// Status 304 when the browser has it already.
http::Response page_response(const http::StaticFile& file, const http::Request& request);

}  // namespace baton::api
