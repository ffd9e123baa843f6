// SPDX-License-Identifier: Apache-2.0
#include "baton/server/servers.hpp"

#include "common.hpp"
#include "performer.hpp"
#include "watch.hpp"

#include "baton/dialect/error_codes.hpp"

namespace baton::server {

mysql::ConnectOptions connect_options(const Options& options, const InstanceId& id) {
    mysql::ConnectOptions connect(id.host, id.port, options.user, options.password);
    connect.tls = options.tls;
    connect.ca_file = options.ca_file;
    connect.cert_file = options.cert_file;
    connect.key_file = options.key_file;
    return connect;
}

const InstanceId* Common::other_way_in(const InstanceId& id, const Error& error) const {
    if (dialect::classify(error) != topology::ProbeFailure::too_many_connections) {
        return nullptr;
    }
    const auto found = admin_addresses.find(id);
    return found == admin_addresses.end() ? nullptr : &found->second;
}

struct ManagedServers::Impl : Common {
    using Common::Common;
};

ManagedServers::ManagedServers(
    asio::any_io_executor executor,
    mysql::Connector& connector,
    Options options,
    std::function<bool()> may_act
)
    : impl_(std::make_shared<Impl>(
          std::move(executor), connector, std::move(options), std::move(may_act)
      )) {}

ManagedServers::~ManagedServers() = default;

std::unique_ptr<ports::Watch> ManagedServers::watch(InstanceId id) {
    return std::make_unique<ServerWatch>(*impl_, std::move(id));
}

std::unique_ptr<ports::Performer> ManagedServers::performer(std::string lock_name) {
    return std::make_unique<ServerPerformer>(*impl_, std::move(lock_name));
}

std::size_t ManagedServers::background_work() const {
    return impl_->background.size();
}

}  // namespace baton::server
