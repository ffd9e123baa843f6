// SPDX-License-Identifier: Apache-2.0
#pragma once

// Log front over spdlog. error = an operator must look; warning = may have to; info = state
// changed; debug = the rest. Sentences with fields; never passwords. Thread-safe.

#include "baton/base/result.hpp"

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

namespace baton::log {

template <class... Args>
void error(spdlog::format_string_t<Args...> format, Args&&... args) {
    spdlog::default_logger_raw()->error(format, std::forward<Args>(args)...);
}

template <class... Args>
void warning(spdlog::format_string_t<Args...> format, Args&&... args) {
    spdlog::default_logger_raw()->warn(format, std::forward<Args>(args)...);
}

template <class... Args>
void info(spdlog::format_string_t<Args...> format, Args&&... args) {
    spdlog::default_logger_raw()->info(format, std::forward<Args>(args)...);
}

template <class... Args>
void debug(spdlog::format_string_t<Args...> format, Args&&... args) {
    spdlog::default_logger_raw()->debug(format, std::forward<Args>(args)...);
}

/// Sets level ("error", "warning", "info", "debug") and target ("" = standard error, else a file,
/// appended to). Control characters in messages are escaped, so that a hostile server name cannot
/// forge lines.
Result<void> configure(std::string_view level, const std::string& file);

}  // namespace baton::log
