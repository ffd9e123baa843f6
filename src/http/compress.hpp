// SPDX-License-Identifier: Apache-2.0
#pragma once

// gzip of whole bodies.

#include <string>
#include <string_view>

namespace baton::http {

/// True when an Accept-Encoding header allows gzip ("gzip;q=0" does not).
bool accepts_gzip(std::string_view accept_encoding);
/// The text as a gzip member; "" when zlib fails (out of memory).
std::string gzip(std::string_view text);
/// Types that are worth compressing.
bool is_compressible(std::string_view content_type);

}  // namespace baton::http
