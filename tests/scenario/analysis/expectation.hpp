// SPDX-License-Identifier: Apache-2.0
#pragma once

// The section `expect` of an analysis scenario, compared with what the analysis says.
//
//   expect:                     # each server with a code, no others; {} = nothing is wrong
//     p1:
//       code: DeadMaster        # orchestrator's name, or ours ("deposed primary writable")
//       recovery: dead_primary  # default none
//       severity: critical      # the others are compared when given:
//       witness: [r1, r2]       # who is asked to reconnect
//       reprobe: [r1]           # who is observed again
//       veto: still heard by r1     # each a part of a sentence, or a list of such parts
//       evidence: refuses connections
//       summary: is dead
//       structure: [ErrantGTIDStructureWarning]
//       downtimed: yes
//       replicas_downtimed: yes
//       counts: {replicas: 2, valid: 2, replicating: 0, failing: 1, hearing: 0, silent: 0, lagging:
//       0, delayed: 0}
//   policy: {replace_cut_off: no}  # what differs from the defaults
//   expect_structure: {p1: [NoWriteableMasterStructureWarning]}    # whatever the codes

#include "scenario/scenario_reader.hpp"

#include "baton/analysis/analyze.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace baton::analysis {

inline std::string recovery_name(RecoveryKind kind) {
    switch (kind) {
        case RecoveryKind::none:
            return "none";
        case RecoveryKind::dead_primary:
            return "dead_primary";
        case RecoveryKind::dead_intermediate:
            return "dead_intermediate";
        case RecoveryKind::contain_deposed:
            return "contain_deposed";
        case RecoveryKind::switchover:
            return "switchover";
        case RecoveryKind::rejoin:
            return "rejoin";
        case RecoveryKind::repair_semi_sync:
            return "repair_semi_sync";
        case RecoveryKind::make_writable:
            return "make_writable";
        case RecoveryKind::restart_receiver:
            break;
    }
    return "restart_receiver";
}

/// The section `policy`: what differs from the defaults.
inline Policy policy_of(const YAML::Node& node) {
    Policy policy;
    for (const auto& entry : node) {
        const auto key = entry.first.as<std::string>();
        const auto& value = entry.second;
        if (key == "enforce_exact_semi_sync") {
            policy.enforce_exact_semi_sync = value.as<bool>();
        } else if (key == "replace_hanging") {
            policy.replace_hanging = value.as<bool>();
        } else if (key == "replace_cut_off") {
            policy.replace_cut_off = value.as<bool>();
        } else if (key == "timeouts") {
            policy.timeouts_before_unreachable = value.as<unsigned>();
        } else {
            throw scenario::BadScenario("policy has no '" + key + "'");
        }
    }
    return policy;
}

class Comparison {
public:
    explicit Comparison(const scenario::Scenario& scenario)
        : scenario_(scenario),
          topology_(scenario.topology()),
          findings_(analyze(*topology_, policy_of(scenario.document["policy"]))) {}

    /// One line for each difference.
    std::vector<std::string> differences() {
        const YAML::Node expected = scenario_.document["expect"];
        std::set<std::string> listed;
        for (const auto& entry : expected) {
            const auto name = entry.first.as<std::string>();
            listed.insert(name);
            const auto* finding = find(name);
            if (finding == nullptr) {
                differ(name, "has no finding");
            } else {
                compare(name, *finding, entry.second);
            }
        }
        for (const auto& finding : findings_) {
            const auto name = scenario::name_of(finding.subject);
            if (finding.code != Code::no_problem && listed.count(name) == 0) {
                differ(name, "is not expected: " + text(finding));
            }
        }
        for (const auto& entry : scenario_.document["expect_structure"]) {
            const auto name = entry.first.as<std::string>();
            const auto* finding = find(name);
            compare_structure(
                name,
                finding == nullptr ? std::set<std::string>{} : structure(*finding),
                entry.second
            );
        }
        return differences_;
    }

    [[nodiscard]] const Finding* find(const std::string& name) const {
        for (const auto& finding : findings_) {
            if (finding.subject == scenario::id_of(name)) {
                return &finding;
            }
        }
        return nullptr;
    }

    [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }

    [[nodiscard]] const topology::Topology& topology() const { return *topology_; }

private:
    void differ(const std::string& name, const std::string& what) {
        differences_.push_back(name + " " + what);
    }

    static std::string code_name(const Finding& finding, const std::string& expected) {
        return expected == to_string(finding.code) ? expected : std::string(api_name(finding.code));
    }

    static std::string joined(const std::vector<std::string>& sentences) {
        std::string out;
        for (const auto& sentence : sentences) {
            out += sentence + "; ";
        }
        return out;
    }

    static std::string text(const Finding& finding) {
        return std::string(to_string(finding.code)) + ", recovery " +
               recovery_name(finding.recovery) + ": " + finding.summary + " | " +
               joined(finding.evidence) + "| " + joined(finding.vetoes);
    }

    static std::set<std::string> structure(const Finding& finding) {
        std::set<std::string> out;
        for (const auto& [warning, sentence] : finding.structure) {
            out.emplace(api_name(warning));
        }
        return out;
    }

    void compare_structure(
        const std::string& name, const std::set<std::string>& given, const YAML::Node& node
    ) {
        std::set<std::string> expected;
        for (const auto& entry : node) {
            expected.insert(entry.as<std::string>());
        }
        if (given != expected) {
            differ(name, "has warnings " + joined({given.begin(), given.end()}));
        }
    }

    void compare_text(const std::string& name, const std::string& given, const YAML::Node& node) {
        std::vector<std::string> parts;
        if (node.IsSequence()) {
            for (const auto& part : node) {
                parts.push_back(part.as<std::string>());
            }
        } else {
            parts.push_back(node.as<std::string>());
        }
        for (const auto& part : parts) {
            if (given.find(part) == std::string::npos) {
                differ(name, "does not say '" + part + "' but: " + given);
            }
        }
    }

    void compare_inquiries(
        const std::string& name, const Finding& finding, Inquiry::Kind kind, const YAML::Node& node
    ) {
        std::set<std::string> expected;
        std::set<std::string> given;
        for (const auto& entry : node) {
            expected.insert(entry.as<std::string>());
        }
        for (const auto& inquiry : finding.inquiries) {
            if (inquiry.kind == kind) {
                given.insert(scenario::name_of(inquiry.target));
            }
        }
        if (given != expected) {
            differ(
                name,
                std::string(
                    kind == Inquiry::Kind::witness ? "asks to reconnect: " : "asks to observe: "
                ) + joined({given.begin(), given.end()})
            );
        }
    }

    void compare_counts(const std::string& name, const Counts& counts, const YAML::Node& node) {
        const std::map<std::string, unsigned> given{
            {"replicas", counts.replicas},
            {"valid", counts.valid},
            {"replicating", counts.replicating},
            {"failing", counts.failing_to_connect},
            {"downtimed", counts.downtimed},
            {"delayed", counts.delayed},
            {"lagging", counts.lagging},
            {"hearing", counts.hearing},
            {"silent", counts.silent},
            {"logging", counts.logging},
            {"statement", counts.statement},
            {"mixed", counts.mixed},
            {"row", counts.row},
            {"major_versions", counts.major_versions},
        };
        for (const auto& entry : node) {
            const auto what = entry.first.as<std::string>();
            if (given.at(what) != entry.second.as<unsigned>()) {
                differ(name, "counts " + what + ": " + std::to_string(given.at(what)));
            }
        }
    }

    void compare(const std::string& name, const Finding& finding, const YAML::Node& expected) {
        for (const auto& entry : expected) {
            const auto key = entry.first.as<std::string>();
            const auto& node = entry.second;
            if (key == "code") {
                const auto wanted = node.as<std::string>();
                if (code_name(finding, wanted) != wanted) {
                    differ(name, "is " + text(finding));
                }
            } else if (key == "severity") {
                if (to_string(finding.severity) != node.as<std::string>()) {
                    differ(name, "is of severity " + std::string(to_string(finding.severity)));
                }
            } else if (key == "witness") {
                compare_inquiries(name, finding, Inquiry::Kind::witness, node);
            } else if (key == "reprobe") {
                compare_inquiries(name, finding, Inquiry::Kind::reprobe, node);
            } else if (key == "veto") {
                compare_text(name, joined(finding.vetoes), node);
            } else if (key == "evidence") {
                compare_text(name, joined(finding.evidence), node);
            } else if (key == "summary") {
                compare_text(name, finding.summary, node);
            } else if (key == "structure") {
                compare_structure(name, structure(finding), node);
            } else if (key == "downtimed") {
                if (finding.downtimed != node.as<bool>()) {
                    differ(name, "has the wrong downtime flag");
                }
            } else if (key == "replicas_downtimed") {
                if (finding.replicas_downtimed != node.as<bool>()) {
                    differ(name, "has the wrong downtime flag of its replicas");
                }
            } else if (key == "counts") {
                compare_counts(name, finding.counts, node);
            } else if (key != "recovery") {
                differ(name, "cannot have '" + key + "' expected of it");
            }
        }
        const auto recovery = expected["recovery"].as<std::string>("none");
        if (recovery_name(finding.recovery) != recovery) {
            differ(
                name,
                "is to be recovered as " + recovery_name(finding.recovery) + ": " + text(finding)
            );
        }
    }

    const scenario::Scenario& scenario_;
    topology::TopologyPtr topology_;
    std::vector<Finding> findings_;
    std::vector<std::string> differences_;
};

}  // namespace baton::analysis
