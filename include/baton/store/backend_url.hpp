// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the shared state lives, as the operator writes it:
//   mysql://user@host:port,host2:port/database?engine=InnoDB
//   sqlite:/path/to/file
// The password is never part of it.

#include "baton/base/ids.hpp"
#include "baton/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::store {

struct BackendUrl {
    enum class Kind { mysql, sqlite };

    Kind kind = Kind::sqlite;
    std::string user;                   // mysql only
    std::vector<InstanceId> addresses;  // mysql only: tried in this order, at least one
    std::string database;               // mysql only
    std::string engine = "InnoDB";      // mysql only: the table engine
    std::string path;                   // sqlite only: absolute or relative file name

    /// For messages; has no secret in it.
    [[nodiscard]] std::string text() const;
};

/// Errors: invalid_argument, with what is allowed.
Result<BackendUrl> parse_backend_url(std::string_view text);

}  // namespace baton::store
