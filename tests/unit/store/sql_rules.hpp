// SPDX-License-Identifier: Apache-2.0
#pragma once

// What NDB Cluster, Galera and Group Replication allow of SQL (docs/internals/lease.md, "Backends";
// MySQL 8.0 manual 25.2.7, "Known Limitations of NDB Cluster"), as a check of texts. No server is
// needed, and none was ever asked: docs/backends.md says so.

#include <string>
#include <string_view>
#include <vector>

namespace baton::store::test {

/// Each breach of a rule as a sentence; none when the statement is allowed everywhere.
std::vector<std::string> breaches(const std::string& statement);

/// The same of CREATE TABLE, which is to name this engine.
std::vector<std::string> table_breaches(const std::string& statement, const std::string& engine);

/// Bytes that a row may have at most, as NDB counts: each column at its full length in the widest
/// character of its character set, rounded up to words.
std::size_t widest_row(const std::string& create_table);

/// The string literals of a C++ source, adjacent ones joined.
std::vector<std::string> literals_of(std::string_view source);

/// Whether a literal is SQL, or begins as SQL does.
bool looks_like_sql(const std::string& literal);

}  // namespace baton::store::test
