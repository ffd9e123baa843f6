// SPDX-License-Identifier: Apache-2.0
#pragma once

// What operators and past recoveries say about servers and clusters, as opposed to what was
// observed. Kept in the backend; a value here.

#include "baton/base/ids.hpp"
#include "baton/base/time.hpp"
#include "baton/topology/instance.hpp"

#include <map>
#include <string>

namespace baton::topology {

struct Downtime {
    std::string owner, reason;
    WallMs begin_ms = 0, end_ms = 0;
    friend bool operator==(const Downtime&, const Downtime&) = default;
};

struct Maintenance {
    std::uint64_t id = 0;
    std::string owner, reason;
    WallMs begin_ms = 0, end_ms = 0;
    friend bool operator==(const Maintenance&, const Maintenance&) = default;
};

struct CandidateRule {
    PromotionRule rule = PromotionRule::neutral;
    WallMs set_ms = 0, expires_ms = 0;
    friend bool operator==(const CandidateRule&, const CandidateRule&) = default;
};

/// A former primary that was replaced while it could not be reached; it must be made read-only when
/// it returns.
struct Deposed {
    std::string uuid;  // of the server that was deposed; another server at the address is not meant
    std::string cluster_id;
    std::string recovery_id;
    InstanceId successor;
    WallMs since_ms = 0;
    bool contained = false;      // seen again and made read-only
    std::string classification;  // "", "clean", "extra transactions: ...", "diverged: ..."
    friend bool operator==(const Deposed&, const Deposed&) = default;
};

/// A receiver that a recovery stopped and could not start again. Forgotten when it is seen to run,
/// or when the server was restarted since: then it is stopped by somebody's will.
struct LeftStopped {
    std::string channel;
    std::string recovery_id;
    WallMs since_ms = 0;
    friend bool operator==(const LeftStopped&, const LeftStopped&) = default;
};

/// What is remembered of a cluster over failovers and restarts.
struct ClusterRecord {
    std::string id;          // stable, chosen when the cluster is first seen
    InstanceId primary;      // last one known
    std::uint64_t term = 0;  // rises with each change of primary by a recovery
    std::string alias;       // set by an operator; "" = none
    friend bool operator==(const ClusterRecord&, const ClusterRecord&) = default;
};

struct Overlay {
    std::map<InstanceId, Downtime> downtimes;
    std::map<InstanceId, Maintenance> maintenances;
    std::map<InstanceId, CandidateRule> candidates;
    std::map<InstanceId, std::map<std::string, std::string>> tags;
    std::map<InstanceId, Deposed> deposed;
    std::map<InstanceId, LeftStopped> left_stopped;
    std::map<std::string, ClusterRecord> clusters;  // by id
    std::map<InstanceId, std::string> membership;   // last known cluster id of a server
    friend bool operator==(const Overlay&, const Overlay&) = default;
};

}  // namespace baton::topology
