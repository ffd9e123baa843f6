// SPDX-License-Identifier: Apache-2.0
#include "baton/analysis/analyze.hpp"

#include "sick.hpp"
#include "structure.hpp"
#include "verdict.hpp"
#include "view.hpp"
#include "words.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace baton::analysis {
namespace {

std::optional<Finding> finding_of(
    const Topology& topology, const Instance& subject, const Policy& policy, bool all
) {
    const auto view = view_of(topology, subject, policy);
    if (view.place == Place::leaf && view.sight != Sight::living && !all) {
        return std::nullopt;  // its source's finding speaks of it
    }
    Finding out;
    out.code = code_of(view);
    out.structure = structure_of(view);
    out.inquiries = inquiries_of(view, out.code);
    if (out.code == Code::no_problem && out.structure.empty() && out.inquiries.empty() && !all) {
        return std::nullopt;
    }
    out.subject = subject.id;
    out.cluster_id = subject.cluster_id;
    out.cluster_name = subject.cluster_name;
    out.severity = severity_of(out.code);
    if (out.severity != Severity::none && (is_pending(view) || is_recent(view, out.code))) {
        // The transition to the real verdict is no news of its own.
        out.severity = Severity::notice;
    } else if (out.code == Code::primary_refuses_us && view.replicas.empty()) {
        out.severity = Severity::notice;
    }
    out.summary = summary_of(view, out.code);
    out.evidence = evidence_of(view, out.code);
    out.recovery = recovery_of(view, out.code, out.vetoes);
    out.counts = view.counts;
    out.is_primary = view.place == Place::primary ||
                     (view.place == Place::group_member && !subject.is_replica() &&
                      subject.state.group.member_role == "PRIMARY");
    out.is_co_primary = view.place == Place::co_primary;
    for (const auto* replica : view.replicas) {
        out.replicas.push_back(replica->id);
    }
    out.downtimed = topology.downtime(subject.id) != nullptr;
    out.replicas_downtimed = view.counts.replicas > 0 &&
                             view.counts.downtimed == view.counts.replicas &&
                             is_about_replicas(out.code);
    return out;
}

void sort(std::vector<Finding>& findings) {
    using Key =
        std::tuple<bool, bool, const std::string&, const std::string&, unsigned, const InstanceId&>;
    const auto key = [](const Finding& finding) {
        return Key(
            !finding.is_primary,
            !finding.is_co_primary,
            finding.cluster_name,
            finding.cluster_id,
            ~finding.counts.replicas,  // most replicas first
            finding.subject
        );
    };
    std::sort(findings.begin(), findings.end(), [&](const Finding& a, const Finding& b) {
        return key(a) < key(b);
    });
}

}  // namespace

std::vector<Finding> analyze(const topology::Topology& topology, const Policy& policy, bool all) {
    std::vector<Finding> out;
    for (const auto& instance : topology.instances()) {
        if (auto finding = finding_of(topology, *instance, policy, all)) {
            out.push_back(std::move(*finding));
        }
    }
    sort(out);
    return out;
}

std::vector<Finding> analyze(
    const topology::Topology& topology, const PolicyOf& policy_of, bool all
) {
    std::vector<Finding> out;
    for (const auto& instance : topology.instances()) {
        const Policy& policy = policy_of(instance->cluster_id);
        if (auto finding = finding_of(topology, *instance, policy, all)) {
            out.push_back(std::move(*finding));
        }
    }
    sort(out);
    return out;
}

std::vector<Finding> analyze_cluster(
    const topology::Topology& topology,
    const topology::Cluster& cluster,
    const Policy& policy,
    bool all
) {
    std::vector<Finding> out;
    for (const auto& id : cluster.members) {
        const auto* instance = topology.find(id);
        if (instance == nullptr) {
            continue;
        }
        if (auto finding = finding_of(topology, *instance, policy, all)) {
            out.push_back(std::move(*finding));
        }
    }
    sort(out);
    return out;
}

}  // namespace baton::analysis
