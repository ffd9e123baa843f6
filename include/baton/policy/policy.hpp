// SPDX-License-Identifier: Apache-2.0
#pragma once

// Policy as data: one document, an ordered list of rules, each with the clusters it is for and the
// settings it makes there. Later rules win over earlier ones; what none sets is as the daemon is
// configured. Pure: text to rules, rules to what holds for one cluster. One table (settings.cpp)
// has every setting with its check and sentence; parser, error messages and docs/policy.md are made
// from it.

#include "baton/analysis/advice.hpp"
#include "baton/analysis/analyze.hpp"
#include "baton/base/result.hpp"
#include "baton/base/time.hpp"
#include "baton/recovery/planner.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace baton::policy {

/// What holds for one cluster.
struct Effective {
    bool shadow = false;  // reports what it would do, and changes nothing
    analysis::Policy analysis;
    recovery::Policy recovery;
    analysis::AdvicePolicy advice;
    Duration hook_limit = std::chrono::seconds(30);
    std::map<std::string, std::vector<std::string>> hooks;  // list name -> commands
    /// By setting: the rule that made it differ from the daemon's configuration.
    std::map<std::string, std::string> set_by;
    std::uint64_t version = 0;  // of the document; 0: of the configuration file
};

/// Text of a setting as it stands in a document; a list, or one text.
struct Value {
    bool is_list = false;
    std::vector<std::string> texts;

    /// As JSON.
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Value&, const Value&) = default;
};

using Values = std::map<std::string, Value>;  // by key of the setting, e.g. "candidates.max_lag"

struct Setting {
    std::string_view key;       // with dots
    std::string_view allowed;   // in words
    std::string_view sentence;  // what it is for
    Result<void> (*set)(Effective&, const Value&);
    Value (*get)(const Effective&);
};

/// In the order of the reference page.
const std::vector<Setting>& settings();
const Setting* find_setting(std::string_view key);

struct Rule {
    std::string name;  // "" = none
    std::vector<std::string>
        clusters;                     // patterns on name or alias, as of recovery::cluster_matches
    std::vector<std::string> except;  // taken out again
    Values set;
};

/// Something wrong in a document: where, what, and how to mend it.
struct Fault {
    std::string path;  // "rules[2].set.candidates.max_lag"
    std::string text;
    friend bool operator==(const Fault&, const Fault&) = default;
};

struct Document {
    std::vector<Rule> rules;

    /// Canonical form: what parse() reads, ASCII JSON.
    [[nodiscard]] std::string text() const;
};

struct Parsed {
    Document document;
    std::vector<Fault> faults;  // empty: the document is good

    [[nodiscard]] bool good() const { return faults.empty(); }

    /// All faults, one a line.
    [[nodiscard]] Error error() const;
};

/// From JSON. Reads on after a fault, so that all are told at once.
Parsed parse(std::string_view json);

/// One stored version.
struct Version {
    std::uint64_t number = 0;  // rises by one; 0 = the configuration file
    WallMs at_ms = 0;
    std::string by, comment;
    std::string document;  // canonical
    std::uint64_t rolled_back_to = 0;
    bool cleared = false;  // from here on the configuration file's rules hold again
};

/// What holds for each cluster. Rules are compiled once and answers kept: asked for thousands of
/// clusters at each look, it compares two texts for each.
class Resolver {
public:
    Resolver() : Resolver(Effective{}, Document{}, 0) {}

    Resolver(Effective base, Document document, std::uint64_t version);

    /// Never null.
    std::shared_ptr<const Effective> of(
        const std::string& cluster_id, const std::string& name, const std::string& alias
    );

    /// For what is in no cluster.
    [[nodiscard]] const std::shared_ptr<const Effective>& base() const { return base_; }

    [[nodiscard]] const Document& document() const { return document_; }

    [[nodiscard]] std::uint64_t version() const { return version_; }

    /// Drops what is remembered of clusters that are gone.
    void keep_only(const std::vector<std::string>& cluster_ids);

private:
    struct Pattern {
        enum class Kind { all, alias, expression } kind = Kind::all;
        std::string text;
        std::regex expression;
    };

    struct Compiled {
        std::vector<Pattern> clusters, except;
    };

    struct Known {
        std::string name, alias;
        std::shared_ptr<const Effective> effective;
    };

    static std::vector<Pattern> compiled(const std::vector<std::string>& patterns);
    static bool matches(
        const std::vector<Pattern>& patterns, const std::string& name, const std::string& alias
    );

    Document document_;
    std::uint64_t version_ = 0;
    std::shared_ptr<const Effective> base_;
    std::vector<Compiled> compiled_;
    std::vector<Pattern> primary_, intermediate_;  // of the configuration's lists of clusters
    std::unordered_map<std::string, Known> known_;
    /// Clusters with the same rules share one value.
    std::map<std::vector<bool>, std::shared_ptr<const Effective>> shared_;
};

/// The same with given values instead of rules: for a recovery that goes on as it began.
Effective with_values(Effective base, const Values& values, const std::string& by);
/// The settings that a rule made, as a recovery's journal keeps them. JSON.
std::string values_text(const Effective& effective);
/// Empty when it cannot be read.
Values values_from_text(std::string_view json);

struct Difference {
    std::string key, before, after, set_by;
    friend bool operator==(const Difference&, const Difference&) = default;
};

/// Settings in which the two differ.
std::vector<Difference> differences(const Effective& before, const Effective& after);

/// "1500ms", "2s", "5m", "1h", "1d", "1.5s". Errors: invalid_argument.
Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration duration);

/// docs/policy.md, the list of settings in it generated.
std::string reference_table();

}  // namespace baton::policy
