// SPDX-License-Identifier: Apache-2.0
#include "baton/base/log.hpp"

#include "baton/base/check.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>

namespace baton {

namespace detail {

void check_failed(const char* condition, const char* why, const char* file, int line) {
    log::error("internal check failed at {}:{}: {} ({}); stopping", file, line, why, condition);
    spdlog::default_logger_raw()->flush();
    std::abort();
}

}  // namespace detail

namespace log {

namespace {

/// The message with control characters escaped.
class SafeText : public spdlog::custom_flag_formatter {
public:
    void format(
        const spdlog::details::log_msg& message, const std::tm& /*time*/, spdlog::memory_buf_t& out
    ) override {
        for (const char c : message.payload) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x20 || byte == 0x7F) {
                fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
            } else {
                out.push_back(c);
            }
        }
    }

    [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<SafeText>();
    }
};

}  // namespace

Result<void> configure(std::string_view level, const std::string& file) {
    spdlog::level::level_enum threshold = spdlog::level::info;
    if (level == "error") {
        threshold = spdlog::level::err;
    } else if (level == "warning") {
        threshold = spdlog::level::warn;
    } else if (level == "debug") {
        threshold = spdlog::level::debug;
    } else if (level != "info") {
        return fail(
            Errc::invalid_argument,
            fmt::format("log level '{}' is not one of error, warning, info, debug", level)
        );
    }
    try {
        spdlog::sink_ptr sink;
        if (file.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
        }
        auto logger = std::make_shared<spdlog::logger>("baton", std::move(sink));
        auto formatter =
            std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
        formatter->add_flag<SafeText>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %*");
        logger->set_formatter(std::move(formatter));
        logger->set_level(threshold);
        logger->flush_on(spdlog::level::info);
        spdlog::set_default_logger(std::move(logger));
    } catch (const spdlog::spdlog_ex& failure) {
        return fail(
            Errc::io, fmt::format("cannot open the log file '{}': {}", file, failure.what())
        );
    }
    return {};
}

}  // namespace log

}  // namespace baton
