// SPDX-License-Identifier: Apache-2.0
#pragma once

// What watches and performers share.

#include "baton/async/task_group.hpp"
#include "baton/server/servers.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace baton::server {

class BackgroundStatement;

struct Common {
    Common(asio::any_io_executor e, mysql::Connector& c, Options o, std::function<bool()> allowed)
        : executor(std::move(e)),
          connector(c),
          options(std::move(o)),
          may_act(std::move(allowed)),
          background(executor) {}

    asio::any_io_executor executor;
    mysql::Connector& connector;
    Options options;
    std::function<bool()> may_act;
    TaskGroup background;  // statements that outlive the step that sent them
    /// Where else a server lets administrators in when all its connections are taken, as it said
    /// itself when it was observed last.
    std::map<InstanceId, InstanceId> admin_addresses;
    /// Changed by a step; the next probe reads all settings, which are otherwise read seldom. A
    /// plan that did not see what it did would do it again.
    std::set<InstanceId> changed;
    /// Restarts of receivers for witness tests, as long as the server is at them.
    std::map<InstanceId, std::weak_ptr<BackgroundStatement>> restarts;

    /// Null when there is none, or when the error is not that all connections are taken.
    [[nodiscard]] const InstanceId* other_way_in(const InstanceId& id, const Error& error) const;

    [[nodiscard]] TimePoint now() const { return std::chrono::steady_clock::now(); }
};

mysql::ConnectOptions connect_options(const Options& options, const InstanceId& id);

}  // namespace baton::server
