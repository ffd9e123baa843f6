// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "baton/config/config.hpp"

#include <functional>
#include <string>
#include <vector>

namespace baton::config {

/// One row of the table.
struct Option {
    std::string key;  // "discovery.poll_interval"
    enum class Kind {
        text,
        integer,
        number,
        boolean,
        duration,
        list,
        secret,
        document  // any YAML; handed on as JSON
    } kind = Kind::text;
    std::string fallback;  // default as written in the file; for lists "[]"
    std::string allowed;   // "100ms to 1h"
    std::string sentence;
    bool reloadable = false;
    /// Puts a checked value in place. Text of the scalar, or the list.
    std::function<Result<void>(Config&, const std::string&, const std::vector<std::string>&)> set;
    /// The present value, normalised, for comparing two configurations. Never of a secret.
    std::function<std::string(const Config&)> get;
};

const std::vector<Option>& options();

}  // namespace baton::config
