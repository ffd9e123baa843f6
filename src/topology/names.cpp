// SPDX-License-Identifier: Apache-2.0
#include "names.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <cstdlib>

namespace baton::topology {
namespace {

constexpr std::size_t host_limit = 255;
// Uptime counts whole seconds and the two probes are not simultaneous.
constexpr WallMs start_time_tolerance_ms = 5'000;

std::string key_of(std::string_view host, Port port) {
    return to_lower(host) + '/' + std::to_string(port);
}

bool contradicts(const Instance& instance, const NameHint& hint) {
    const auto& identity = instance.state.identity;
    return (!hint.uuid.empty() && !identity.uuid.empty() && identity.uuid != hint.uuid) ||
           (hint.server_id != 0 && identity.server_id != 0 && identity.server_id != hint.server_id);
}

WallMs started_ms(const Instance& instance) {
    return instance.health.last_seen_ms - static_cast<WallMs>(instance.state.uptime_seconds) * 1000;
}

}  // namespace

void NameIndex::add(const Instance& instance) {
    exact_.emplace(instance.id, &instance);
    if (!instance.ever_seen) {
        return;
    }
    const auto& identity = instance.state.identity;
    if (!identity.uuid.empty()) {
        by_uuid_[identity.uuid].push_back(&instance);
    }
    const auto port = identity.report_port != 0 ? identity.report_port : instance.id.port;
    const auto report = key_of(identity.report_host, port);
    const auto host = key_of(identity.hostname, instance.id.port);
    const auto host_and_report_port = key_of(identity.hostname, port);
    if (!identity.report_host.empty()) {
        by_report_[report].push_back(&instance);
    }
    if (!identity.hostname.empty()) {
        if (host != report) {
            by_report_[host].push_back(&instance);
        }
        if (host_and_report_port != report && host_and_report_port != host) {
            by_report_[host_and_report_port].push_back(&instance);
        }
    }
}

void NameIndex::add_alias(const InstanceId& address, const std::string& uuid) {
    aliases_.emplace(address, uuid);
}

const Instance* NameIndex::with_uuid(std::string_view uuid) const {
    if (uuid.empty()) {
        return nullptr;
    }
    const auto found = by_uuid_.find(std::string(uuid));
    return found != by_uuid_.end() && found->second.size() == 1 ? found->second.front() : nullptr;
}

const Instance* NameIndex::find(const InstanceId& address, const NameHint& hint) const {
    const auto* by_uuid = with_uuid(hint.uuid);
    if (const auto exact = exact_.find(address); exact != exact_.end()) {
        const auto& at_address = *exact->second;
        // "127.0.0.1" in one replica's configuration is not the same host as in another's.
        return by_uuid != nullptr && at_address.ever_seen && contradicts(at_address, hint)
                   ? by_uuid
                   : &at_address;
    }
    if (by_uuid != nullptr) {
        return by_uuid;
    }
    if (const auto alias = aliases_.find(address); alias != aliases_.end()) {
        if (const auto* server = with_uuid(alias->second);
            server != nullptr && !contradicts(*server, hint)) {
            return server;
        }
    }
    const auto reported = by_report_.find(key_of(address.host, address.port));
    if (reported == by_report_.end()) {
        return nullptr;
    }
    const Instance* only = nullptr;
    for (const auto* candidate : reported->second) {
        if (contradicts(*candidate, hint)) {
            continue;
        }
        if (only != nullptr) {
            return nullptr;  // several servers call themselves so: containers with one host name
        }
        only = candidate;
    }
    return only;
}

bool is_plausible_address(const InstanceId& address) {
    if (address.host.empty() || address.port == 0 || address.host.size() > host_limit ||
        address.host == "_" || address.host.rfind("//", 0) == 0) {
        return false;
    }
    return std::all_of(address.host.begin(), address.host.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > ' ' && byte != 0x7f && c != '/' && c != ',' && c != '\\' && c != '"' &&
               c != '\'';
    });
}

bool is_same_server(const Instance& a, const Instance& b) {
    const auto& x = a.state.identity;
    const auto& y = b.state.identity;
    return !x.uuid.empty() && x.uuid == y.uuid && x.server_id == y.server_id &&
           x.hostname == y.hostname && x.report_host == y.report_host &&
           x.report_port == y.report_port &&
           std::abs(started_ms(a) - started_ms(b)) <= start_time_tolerance_ms;
}

}  // namespace baton::topology
