// SPDX-License-Identifier: Apache-2.0
#pragma once

// The other nodes, asked over their HTTP API (ports::Peers). They are taken to be configured like
// this one: the same user and password, or the same proxy header.

#include "baton/api/server.hpp"
#include "baton/http/client.hpp"
#include "baton/ports/peers.hpp"

#include <string>

namespace baton::api {

class HttpPeers final : public ports::Peers {
public:
    /// `node`: name of this one, for the others' logs.
    HttpPeers(http::ClientOptions client, AuthOptions auth, std::string node);

    /// Runs on the caller's executor, which must be a one-thread context.
    Task<std::vector<ports::Opinion>> ask(
        std::vector<ports::NodeRow> nodes, InstanceId server, Deadline deadline
    ) override;
    Task<void> look(std::vector<ports::NodeRow> nodes, Deadline deadline) override;
    Task<void> stand_back(std::vector<ports::NodeRow> nodes, Deadline deadline) override;
    /// True when one of the nodes says that it holds a valid lease.
    Task<bool> anyone_leads(std::vector<ports::NodeRow> nodes, Deadline deadline);

private:
    /// Status of each node's answer, 0 without one.
    Task<std::vector<unsigned>> get_all(
        std::vector<ports::NodeRow> nodes, std::string path, Deadline deadline
    );
    Task<void> get_one(ports::NodeRow node, std::string path, Deadline deadline, unsigned* status);
    Task<void> ask_one(
        ports::NodeRow node, InstanceId server, Deadline deadline, ports::Opinion* opinion
    );

    http::Client client_;
    AuthOptions auth_;
    std::string node_;
};

}  // namespace baton::api
