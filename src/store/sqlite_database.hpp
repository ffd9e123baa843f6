// SPDX-License-Identifier: Apache-2.0
#pragma once

// The embedded backend of a single node: one file in WAL mode, synchronous=FULL, and a lock file
// beside it that keeps a second daemon out.

#include "baton/store/database.hpp"

namespace baton::store {

/// Errors: conflict (locked by another process), io.
Result<std::shared_ptr<Backend>> open_sqlite_backend(BackendOptions options);

}  // namespace baton::store
