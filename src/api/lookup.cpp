// SPDX-License-Identifier: Apache-2.0
#include "lookup.hpp"

#include "forward.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <arpa/inet.h>

namespace baton::api {

namespace {

bool is_ip_address(const std::string& host) {
    in6_addr address{};
    return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// The only known server on the port whose host contains the text; null if there is none or more.
const topology::Instance* similar(const topology::Topology& topology, const InstanceId& id) {
    if (is_ip_address(id.host)) {
        return nullptr;
    }
    const topology::Instance* found = nullptr;
    for (const auto& instance : topology.instances()) {
        if (instance->id.port == id.port && contains_ignoring_case(instance->id.host, id.host)) {
            if (found != nullptr) {
                return nullptr;
            }
            found = instance.get();
        }
    }
    return found;
}

const topology::Instance* exact_or_similar(
    const topology::Topology& topology, const InstanceId& id
) {
    const auto* const exact = topology.find(id);
    return exact != nullptr ? exact : similar(topology, id);
}

}  // namespace

std::string Call::by() const {
    constexpr std::size_t longest = 80;
    if (!user.empty()) {
        return clipped(valid_utf8(user), longest);
    }
    const auto via = request.headers.get(forwarded_by);
    if (via.empty()) {
        return request.remote_address;
    }
    return fmt::format(
        "{} via {}",
        clipped(valid_utf8(request.headers.get(forwarded_for)), longest),
        clipped(valid_utf8(via), longest)
    );
}

Result<InstanceId> instance_id(const Call& call, std::size_t at) {
    const auto port = parse_port(call.parameter(at + 1));
    if (!port) {
        return fail(
            Errc::invalid_argument,
            fmt::format("Invalid port: {}", clipped(call.parameter(at + 1), 100))
        );
    }
    constexpr std::size_t longest_host = 255;
    if (call.parameter(at).size() > longest_host) {
        return fail(Errc::invalid_argument, "Host name too long");
    }
    return InstanceId(call.parameter(at), *port);
}

Result<const topology::Instance*> find_instance(const Call& call, std::size_t at) {
    const auto id = instance_id(call, at);
    if (!id) {
        return id.error();
    }
    const auto* const found = exact_or_similar(call.topology(), *id);
    if (found == nullptr) {
        return fail(Errc::not_found, fmt::format("Cannot read instance: {}", id->text()));
    }
    return found;
}

Result<InstanceId> known_instance(const Call& call, std::size_t at) {
    const auto id = instance_id(call, at);
    if (!id) {
        return id.error();
    }
    if (call.topology().find(*id) != nullptr) {
        return *id;
    }
    const auto* const other = similar(call.topology(), *id);
    return fail(
        Errc::not_found,
        other == nullptr
            ? fmt::format("Unknown instance: {}", id->text())
            : fmt::format("Unknown instance: {}. Did you mean {}?", id->text(), other->id.text())
    );
}

Result<InstanceId> resolved_instance_id(const Call& call, std::size_t at) {
    const auto id = instance_id(call, at);
    if (!id) {
        return id.error();
    }
    const auto* const found = exact_or_similar(call.topology(), *id);
    return found == nullptr ? *id : found->id;
}

Result<const topology::Cluster*> find_cluster(const Call& call, std::string_view hint, bool fuzzy) {
    const auto& topology = call.topology();
    if (const auto* const found = topology.find_cluster(hint)) {
        return found;
    }
    if (const auto* const found = topology.cluster_by_id(hint)) {
        return found;
    }
    if (const auto id = parse_instance_id(hint, call.options->default_port)) {
        const auto* const instance = fuzzy ? exact_or_similar(topology, *id) : topology.find(*id);
        if (instance != nullptr) {
            if (const auto* const found = topology.cluster_of(instance->id)) {
                return found;
            }
        }
    }
    return fail(
        Errc::not_found, fmt::format("Unable to determine cluster name for {}", clipped(hint, 200))
    );
}

Result<const topology::Cluster*> find_alias(const Call& call, std::string_view alias) {
    const auto& clusters = call.topology().clusters();
    const auto found = std::find_if(clusters.begin(), clusters.end(), [&](const auto& cluster) {
        return cluster.alias == alias;
    });
    if (found == clusters.end()) {
        return fail(
            Errc::not_found, fmt::format("No cluster found for alias {}", clipped(alias, 200))
        );
    }
    return &*found;
}

}  // namespace baton::api
