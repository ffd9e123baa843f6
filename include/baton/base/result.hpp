// SPDX-License-Identifier: Apache-2.0
#pragma once

// Failures are values: whatever the outside world can cause is returned as Result<T>; `fail(code,
// sentence)` makes the error side. Use only `bool`, `*`, `->`, `error()`, which std::expected has
// as well.

#include "baton/base/error.hpp"

#include <boost/system/result.hpp>

#include <string>
#include <utility>

namespace baton {

template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
public:
    using boost::system::result<T, Error>::result;
};

[[nodiscard]] inline Error fail(Errc code, std::string what) {
    return Error{code, std::move(what)};
}

/// Says, in the reader's language, that a result may be dropped, and why.
template <class T>
void ignore(const Result<T>& /*result*/, const char* /*why it does not matter*/) {}

}  // namespace baton
