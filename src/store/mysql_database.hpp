// SPDX-License-Identifier: Apache-2.0
#pragma once

// The backend over the MySQL protocol: blocking connections with the session settings that lease.md
// asks for.

#include "baton/store/database.hpp"

namespace baton::store {

/// Errors: invalid_argument (TLS setting).
Result<std::shared_ptr<Backend>> open_mysql_backend(BackendOptions options);

}  // namespace baton::store
