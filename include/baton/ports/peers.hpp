// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the loops need of the other nodes: how they see a server from where they stand. Implemented
// by module api over HTTP, by a fake in tests.

#include "baton/async/task.hpp"
#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"
#include "baton/ports/store.hpp"
#include "baton/recovery/brake.hpp"

#include <vector>

namespace baton::ports {

using Opinion = recovery::Opinion;

class Peers {
public:
    virtual ~Peers() = default;
    /// Asks each of the nodes to try the server now, all at once. One opinion for each node, in
    /// their order; never fails, failure is in the opinion. Ends at the deadline at the latest.
    virtual Task<std::vector<Opinion>> ask(
        std::vector<NodeRow> nodes, InstanceId server, Deadline deadline
    ) = 0;
    /// Tells the nodes that the lease was given back, so that they need not wait for their next
    /// look at it. Nothing depends on it.
    virtual Task<void> look(std::vector<NodeRow> nodes, Deadline deadline) = 0;
    /// Asks the nodes to leave the lease that is about to be given back to another one. A hint,
    /// too.
    virtual Task<void> stand_back(std::vector<NodeRow> nodes, Deadline deadline) = 0;
};

}  // namespace baton::ports
