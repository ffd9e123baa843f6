// SPDX-License-Identifier: Apache-2.0
#include "baton/base/error.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace baton {

std::string_view to_string(Errc code) {
    switch (code) {
        case Errc::timeout:
            return "timeout";
        case Errc::cancelled:
            return "cancelled";
        case Errc::unreachable:
            return "unreachable";
        case Errc::access_denied:
            return "access denied";
        case Errc::server_error:
            return "server error";
        case Errc::protocol:
            return "protocol error";
        case Errc::invalid_argument:
            return "invalid argument";
        case Errc::not_found:
            return "not found";
        case Errc::conflict:
            return "conflict";
        case Errc::refused:
            return "refused";
        case Errc::not_leader:
            return "not the active node";
        case Errc::unavailable:
            return "unavailable";
        case Errc::io:
            return "input/output error";
    }
    return "unknown";
}

Error Error::in(std::string_view context) const {
    Error wrapped = *this;
    wrapped.what = fmt::format("{}: {}", context, what);
    return wrapped;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
    throw std::logic_error(fmt::format(
        "value() of a failed result at {}:{}: {}", where.file_name(), where.line(), error.what
    ));
}

}  // namespace baton
