// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the backend remembers, in memory and typed: on the active node the truth of which the
// documents are copies, on the others a replica of it. Documents come in by apply(); changes made
// here go out as the documents they return.

#include "baton/control/view.hpp"
#include "baton/ports/store.hpp"
#include "baton/topology/overlay.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace baton::control {

class State {
public:
    /// What a document, or a batch of them, changed.
    struct Touched {
        bool overlay = false, history = false, findings = false, policy = false;
        std::vector<InstanceId> instances;
        std::vector<InstanceId> removed;
        std::vector<std::string> recoveries;  // ids
    };

    /// Folds in one document as read from the backend. One that cannot be read is logged and left
    /// out.
    void apply(const ports::Document& document, Touched& touched);

    topology::Overlay overlay;
    std::map<std::string, std::vector<analysis::Finding>>
        findings;  // by cluster id; of the active node
    std::map<InstanceId, std::pair<std::string, std::string>>
        instances;  // stable and progress JSON
    bool recoveries_disabled = false;
    std::string recoveries_disabled_by;

    [[nodiscard]] const std::map<std::uint64_t, std::shared_ptr<const Detection>>& detections(
    ) const {
        return detections_;
    }

    [[nodiscard]] const std::map<std::uint64_t, std::shared_ptr<const AuditEntry>>& audit() const {
        return audit_;
    }

    [[nodiscard]] const std::map<std::uint64_t, std::shared_ptr<const RecoveryView>>& recoveries(
    ) const {
        return recoveries_;
    }

    [[nodiscard]] const std::map<InstanceId, Blocked>& blocked() const { return blocked_; }

    using Decisions = std::map<std::string, std::vector<std::shared_ptr<const Decision>>>;
    /// By cluster id, oldest first; made anew only after a change.
    [[nodiscard]] std::shared_ptr<const Decisions> decisions();

    [[nodiscard]] const std::map<std::uint64_t, std::shared_ptr<const policy::Version>>&
    policy_versions() const {
        return policy_versions_;
    }

    /// The one that holds; null: none was ever stored.
    [[nodiscard]] std::shared_ptr<const policy::Version> policy_version() const {
        return policy_versions_.empty() ? nullptr : policy_versions_.rbegin()->second;
    }

    [[nodiscard]] std::shared_ptr<const RecoveryView> recovery(const std::string& id) const;

    // Changes made by the active node: put into memory, and returned as the documents to be
    // written.
    ports::Document put(Detection detection);
    ports::Document put(AuditEntry entry);
    ports::Document put(Blocked blocked);
    ports::Document put(Decision decision);
    ports::Document put(policy::Version version);
    ports::Document unblock(const InstanceId& id);
    ports::Document put(const recovery::Record& record);
    ports::Document put(const std::string& recovery_id, const recovery::StepRecord& step);
    ports::Document put_downtime(
        const InstanceId& id, const topology::Downtime* downtime
    );  // null = end
    ports::Document put_maintenance(const InstanceId& id, const topology::Maintenance* maintenance);
    ports::Document put_candidate(const InstanceId& id, const topology::CandidateRule* rule);
    ports::Document put_tags(
        const InstanceId& id, const std::map<std::string, std::string>& tags
    );  // empty = none
    ports::Document put_deposed(const InstanceId& id, const topology::Deposed* deposed);
    ports::Document put_left_stopped(
        const InstanceId& id, const topology::LeftStopped* left_stopped
    );  // null = it runs again
    ports::Document put_cluster(const topology::ClusterRecord& record);
    ports::Document put_member(const InstanceId& id, const std::string& cluster_id);  // "" = none
    ports::Document put_recoveries_disabled(bool disabled, const std::string& by);

    [[nodiscard]] std::uint64_t next_detection() const {
        return detections_.empty() ? 1 : detections_.rbegin()->first + 1;
    }

    [[nodiscard]] std::uint64_t next_audit() const {
        return audit_.empty() ? 1 : audit_.rbegin()->first + 1;
    }

    [[nodiscard]] std::uint64_t next_recovery() const {
        return recoveries_.empty() ? 1 : recoveries_.rbegin()->first + 1;
    }

    [[nodiscard]] std::uint64_t next_decision() const {
        return decisions_.empty() ? 1 : decisions_.rbegin()->first + 1;
    }

    /// The same for decisions: beyond their number, older than a time, and of one cluster so many
    /// that they would drive out those of the others.
    std::vector<ports::Document> trim_decisions(
        std::size_t limit, std::size_t limit_of_one, WallMs oldest_ms
    );
    std::vector<ports::Document> trim_policies(std::size_t limit);
    /// Documents that delete what is beyond the bounds of history.
    std::vector<ports::Document> trim(
        std::size_t audit_limit, std::size_t detection_limit, std::size_t recovery_limit
    );

private:
    void apply_history(const ports::Document& document, Touched& touched);
    void apply_overlay(const ports::Document& document, const InstanceId& id, Touched& touched);

    std::map<std::uint64_t, std::shared_ptr<const Detection>> detections_;
    std::map<std::uint64_t, std::shared_ptr<const AuditEntry>> audit_;
    std::map<std::uint64_t, std::shared_ptr<const RecoveryView>> recoveries_;
    std::map<std::string, std::uint64_t> recovery_numbers_;  // id -> number
    std::map<std::string, std::map<unsigned, recovery::StepRecord>>
        early_steps_;  // steps read before their record
    std::map<InstanceId, Blocked> blocked_;
    std::map<std::uint64_t, std::shared_ptr<const Decision>> decisions_;
    std::shared_ptr<const Decisions> decisions_by_cluster_;
    std::map<std::uint64_t, std::shared_ptr<const policy::Version>> policy_versions_;
};

}  // namespace baton::control
