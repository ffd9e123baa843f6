// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace baton::webui {

struct Embedded {
    const char* name;
    const unsigned char* data;
    std::size_t size;
    const char* etag;
};

std::span<const Embedded> embedded();

}  // namespace baton::webui
