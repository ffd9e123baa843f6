// SPDX-License-Identifier: Apache-2.0
#pragma once

// What in the settings of a cluster's servers makes a failure noticed late, a failover lose
// something or a promoted server misbehave; each with the statements that mend it in the words of
// that server. Pure; nothing is ever changed by it. One table (advice_rules) has every rule.

#include "baton/analysis/finding.hpp"
#include "baton/topology/topology.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::analysis {

struct AdvicePolicy {
    /// Codes that are not wanted. The tag `advice.ignore` of a server does the same for it alone:
    /// codes separated by commas or blanks, or "*".
    std::vector<std::string> ignore;
    /// With which a server that has no channel follows another one; "" = none is configured.
    std::string replication_user;
    friend bool operator==(const AdvicePolicy&, const AdvicePolicy&) = default;
};

struct Advice {
    std::string code;  // of a rule
    InstanceId server;
    Severity severity = Severity::notice;
    std::string sentence;                 // what is so, and what it does
    std::vector<std::string> statements;  // to be run on the server, in this order; {} = none can
    std::string config;  // lines for its configuration file, to keep it after a restart; "" = none
    friend bool operator==(const Advice&, const Advice&) = default;
};

struct AdviceRule {
    std::string_view code;
    Severity severity;         // the worst it can have
    std::string_view summary;  // when it is given, and why it matters
};

/// In the order of the page docs/operations.md.
const std::vector<AdviceRule>& advice_rules();
[[nodiscard]] bool is_advice_code(std::string_view code);

/// The worst first, then by server. Of servers seen at least once; those in downtime too.
std::vector<Advice> advise(
    const topology::Topology& topology, const topology::Cluster& cluster, const AdvicePolicy& policy
);

}  // namespace baton::analysis
