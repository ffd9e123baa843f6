// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which known server is meant by an address that another server mentions. A server has many names
// (localhost, an IP address, a virtual address, report_host, @@hostname); it must appear once.

#include "baton/base/ids.hpp"
#include "baton/topology/instance.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::topology {

/// What is known of the server meant, beside the address.
struct NameHint {
    std::string_view uuid;        // "" = not known
    std::uint64_t server_id = 0;  // 0 = not known
};

class NameIndex {
public:
    /// The instance must outlive the index.
    void add(const Instance& instance);
    /// `address` was found out to be another name of the server with this uuid.
    void add_alias(const InstanceId& address, const std::string& uuid);

    /// The known server meant, or null. In this order: the exact address, unless another known
    /// server has the uuid of the hint and the one at the address has a different one; the uuid;
    /// an alias; report_host:report_port or hostname:port, if one server only has it and no hint
    /// contradicts.
    [[nodiscard]] const Instance* find(const InstanceId& address, const NameHint& hint) const;

private:
    [[nodiscard]] const Instance* with_uuid(std::string_view uuid) const;

    std::unordered_map<InstanceId, const Instance*> exact_;
    std::unordered_map<std::string, std::vector<const Instance*>> by_uuid_;
    std::unordered_map<std::string, std::vector<const Instance*>> by_report_;
    std::unordered_map<InstanceId, std::string> aliases_;
};

/// False for what cannot be the address of a server to be probed: no host, port 0, a detached
/// ("//host") or placeholder ("_") source, blanks and control characters, absurd length.
bool is_plausible_address(const InstanceId& address);

/// True when two addresses lead to one server, judged by what it said at both: uuid, server id,
/// reported names, start time (clones share the first, and often more of them).
bool is_same_server(const Instance& a, const Instance& b);

}  // namespace baton::topology
