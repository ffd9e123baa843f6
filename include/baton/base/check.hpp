// SPDX-License-Identifier: Apache-2.0
#pragma once

// Preconditions and impossible states. Stays on in release: logs and aborts.

namespace baton::detail {
[[noreturn]] void check_failed(const char* condition, const char* why, const char* file, int line);
}

#define BATON_CHECK(condition, why)                                             \
    do {                                                                        \
        if (!(condition)) {                                                     \
            ::baton::detail::check_failed(#condition, why, __FILE__, __LINE__); \
        }                                                                       \
    } while (false)
