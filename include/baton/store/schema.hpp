// SPDX-License-Identifier: Apache-2.0
#pragma once

// Creates what is missing in the backend. Additive; several nodes may do it at once on an empty
// database.

#include "baton/store/database.hpp"

namespace baton::store {

constexpr unsigned schema_version = 1;

/// Creates the missing tables and rows; sends no DDL when nothing is missing (DDL from two members
/// of a multi-primary group at once is a hazard). Safe to repeat after any error. Errors: what the
/// server says.
Result<void> prepare_schema(Database& database, Deadline deadline, const std::string& engine);

}  // namespace baton::store
