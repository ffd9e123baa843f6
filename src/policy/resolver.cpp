// SPDX-License-Identifier: Apache-2.0
#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace baton::policy {

namespace {

std::string name_of(const Rule& rule, std::size_t at) {
    return rule.name.empty() ? fmt::format("rule {}", at + 1)
                             : fmt::format("rule {} ({})", at + 1, rule.name);
}

/// Puts one rule's values over what held before.
void put(Effective& target, const Effective& base, const Values& values, const std::string& by) {
    for (const auto& [key, value] : values) {
        const auto* row = find_setting(key);
        if (row == nullptr) {
            continue;  // of another version; the parser refuses it
        }
        if (auto good = row->set(target, value); !good) {
            continue;  // the same: checked when it was stored
        }
        if (row->get(target) == row->get(base)) {
            target.set_by.erase(key);
        } else {
            target.set_by[key] = by;
        }
        constexpr std::string_view kinds = "recovery.";
        if (key.starts_with(kinds)) {
            const auto decided = target.recovery.switches.find(key.substr(kinds.size()));
            if (decided != target.recovery.switches.end()) {
                decided->second.by = by;
            }
        }
    }
}

}  // namespace

std::vector<Resolver::Pattern> Resolver::compiled(const std::vector<std::string>& patterns) {
    std::vector<Pattern> out;
    for (const auto& text : patterns) {
        Pattern pattern;
        if (text == "*") {
            pattern.kind = Pattern::Kind::all;
        } else if (text.starts_with("alias=")) {
            pattern.kind = Pattern::Kind::alias;
            pattern.text = text.substr(6);
        } else {
            pattern.kind = Pattern::Kind::expression;
            try {
                pattern.expression = std::regex(text);
            } catch (const std::regex_error&) {
                continue;  // refused when the document was read; a bad one matches nothing
            }
        }
        out.push_back(std::move(pattern));
    }
    return out;
}

bool Resolver::matches(
    const std::vector<Pattern>& patterns, const std::string& name, const std::string& alias
) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
        switch (pattern.kind) {
            case Pattern::Kind::all:
                return true;
            case Pattern::Kind::alias:
                return !alias.empty() && pattern.text == alias;
            case Pattern::Kind::expression:
                return std::regex_search(name, pattern.expression) ||
                       (!alias.empty() && std::regex_search(alias, pattern.expression));
        }
        return false;
    });
}

Resolver::Resolver(Effective base, Document document, std::uint64_t version)
    : document_(std::move(document)), version_(version) {
    for (const auto& rule : document_.rules) {
        compiled_.push_back({compiled(rule.clusters), compiled(rule.except)});
    }
    primary_ = compiled(base.recovery.primary_clusters);
    intermediate_ = compiled(base.recovery.intermediate_clusters);
    base.version = version;
    base_ = std::make_shared<const Effective>(std::move(base));
}

std::shared_ptr<const Effective> Resolver::of(
    const std::string& cluster_id, const std::string& name, const std::string& alias
) {
    auto& known = known_[cluster_id];
    if (known.effective != nullptr && known.name == name && known.alias == alias) {
        return known.effective;
    }
    std::vector<bool> which;
    which.push_back(matches(primary_, name, alias));
    which.push_back(matches(intermediate_, name, alias));
    for (const auto& rule : compiled_) {
        which.push_back(matches(rule.clusters, name, alias) && !matches(rule.except, name, alias));
    }
    auto& shared = shared_[which];
    if (shared == nullptr) {
        Effective base = *base_;
        base.recovery.switches["primary"] = {which[0], ""};
        base.recovery.switches["intermediate"] = {which[1], ""};
        base.recovery.switches["contain"] = {true, ""};
        Effective effective = base;
        for (std::size_t at = 0; at < document_.rules.size(); ++at) {
            if (which[at + 2]) {
                put(effective, base, document_.rules[at].set, name_of(document_.rules[at], at));
            }
        }
        shared = std::make_shared<const Effective>(std::move(effective));
    }
    known = {name, alias, shared};
    return shared;
}

void Resolver::keep_only(const std::vector<std::string>& cluster_ids) {
    const std::set<std::string> kept(cluster_ids.begin(), cluster_ids.end());
    std::erase_if(known_, [&](const auto& entry) { return !kept.contains(entry.first); });
}

Effective with_values(Effective base, const Values& values, const std::string& by) {
    const Effective before = base;
    put(base, before, values, by);
    return base;
}

std::vector<Difference> differences(const Effective& before, const Effective& after) {
    std::vector<Difference> out;
    for (const auto& row : settings()) {
        const auto was = row.get(before);
        const auto is = row.get(after);
        if (was != is) {
            const auto by = after.set_by.find(std::string(row.key));
            out.push_back(
                {std::string(row.key),
                 was.text(),
                 is.text(),
                 by == after.set_by.end() ? std::string() : by->second}
            );
        }
    }
    return out;
}

}  // namespace baton::policy
