// SPDX-License-Identifier: Apache-2.0
#pragma once

// How servers and clusters are named in a path.

#include "call.hpp"

#include <cstddef>
#include <string_view>

namespace baton::api {

/// Host and port from two path parameters. Errors: invalid_argument.
Result<InstanceId> instance_id(const Call& call, std::size_t at);

/// A known server for a read: exactly that one, else the only one on that port whose host name
/// contains the text (not for IP addresses). Errors: invalid_argument, not_found.
Result<const topology::Instance*> find_instance(const Call& call, std::size_t at);

/// A known server for a change: exactly that one; a similar name is only suggested. (Orchestrator
/// takes db10 for an unknown db1 here.) Errors: invalid_argument, not_found.
Result<InstanceId> known_instance(const Call& call, std::size_t at);

/// The key that a read shall use: the known server's, else as given.
Result<InstanceId> resolved_instance_id(const Call& call, std::size_t at);

/// By name, alias, member as host[:port], the same fuzzily (for reads), or our id. Errors:
/// not_found.
Result<const topology::Cluster*> find_cluster(
    const Call& call, std::string_view hint, bool fuzzy = true
);
/// By alias alone.
Result<const topology::Cluster*> find_alias(const Call& call, std::string_view alias);

}  // namespace baton::api
