// SPDX-License-Identifier: Apache-2.0
#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace baton::policy {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t largest_document_bytes = 256UL * 1024;
constexpr std::size_t rules_limit = 1000;
constexpr std::size_t list_limit = 1000;
constexpr std::size_t text_limit = 4096;
constexpr std::size_t faults_limit = 100;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// Edit distance, for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

template <class Names>
std::string nearest(const std::string& name, const Names& names) {
    std::string best;
    std::size_t best_distance = 4;
    for (const auto& known : names) {
        if (const auto d = distance(name, known); d < best_distance) {
            best_distance = d;
            best = known;
        }
    }
    return best;
}

std::vector<std::string> setting_names() {
    std::vector<std::string> names;
    for (const auto& row : settings()) {
        names.emplace_back(row.key);
    }
    return names;
}

bool is_group(const std::string& key) {
    return std::any_of(settings().begin(), settings().end(), [&](const auto& row) {
        return row.key.starts_with(key + ".");
    });
}

class Reader {
public:
    Parsed run(std::string_view text);

private:
    void fault(const std::string& path, std::string text);
    void read_rules(const Json& json);
    void read_rule(const Json& json, const std::string& path);
    void read_match(const Json& json, const std::string& path, Rule& rule);
    void read_set(const Json& json, const std::string& path, const std::string& prefix, Rule& rule);
    std::vector<std::string> patterns(const Json& json, const std::string& path);
    std::optional<Value> value_of(const Json& json, const std::string& path);
    std::optional<std::string> scalar_of(const Json& json, const std::string& path);
    void unknown(
        const std::string& path, const std::string& key, const std::vector<std::string>& names
    );

    Parsed out_;
};

void Reader::fault(const std::string& path, std::string text) {
    if (out_.faults.size() < faults_limit) {
        out_.faults.push_back(Fault{path, std::move(text)});
    }
}

void Reader::unknown(
    const std::string& path, const std::string& key, const std::vector<std::string>& names
) {
    const auto best = nearest(key, names);
    fault(
        path,
        best.empty() ? fmt::format(
                           "unknown key '{}'; known are {}",
                           clipped(key, 60),
                           names.size() > 12 ? "those of docs/policy.md" : join(names, ", ")
                       )
                     : fmt::format("unknown key '{}'; did you mean '{}'?", clipped(key, 60), best)
    );
}

std::optional<std::string> Reader::scalar_of(const Json& json, const std::string& path) {
    if (json.is_string()) {
        const auto& text = json.get_ref<const std::string&>();
        if (text.size() > text_limit) {
            fault(path, fmt::format("longer than {} characters", text_limit));
            return std::nullopt;
        }
        return text;
    }
    if (json.is_boolean()) {
        return json.get<bool>() ? "on" : "off";
    }
    if (json.is_number()) {
        return json.dump();
    }
    fault(path, "must be a text, a number, or on/off");
    return std::nullopt;
}

std::optional<Value> Reader::value_of(const Json& json, const std::string& path) {
    Value value;
    if (!json.is_array()) {
        auto text = scalar_of(json, path);
        if (!text) {
            return std::nullopt;
        }
        value.texts.push_back(std::move(*text));
        return value;
    }
    value.is_list = true;
    if (json.size() > list_limit) {
        fault(path, fmt::format("more than {} entries", list_limit));
        return std::nullopt;
    }
    for (std::size_t at = 0; at < json.size(); ++at) {
        auto text = scalar_of(json[at], fmt::format("{}[{}]", path, at));
        if (!text) {
            return std::nullopt;
        }
        value.texts.push_back(std::move(*text));
    }
    return value;
}

std::vector<std::string> Reader::patterns(const Json& json, const std::string& path) {
    auto value = value_of(json, path);
    if (!value) {
        return {};
    }
    for (std::size_t at = 0; at < value->texts.size(); ++at) {
        const auto& pattern = value->texts[at];
        const auto place = value->is_list ? fmt::format("{}[{}]", path, at) : path;
        if (pattern.empty() || pattern == "alias=") {
            fault(place, "an empty pattern; write \"*\" for all clusters");
        } else if (pattern != "*" && !pattern.starts_with("alias=")) {
            try {
                const std::regex compiled(pattern);
            } catch (const std::regex_error& failure) {
                fault(
                    place,
                    fmt::format(
                        "'{}' is not a regular expression: {}. Write alias=NAME for one cluster, "
                        "\"*\" for all",
                        clipped(pattern, 100),
                        failure.what()
                    )
                );
            }
        }
    }
    return value->texts;
}

void Reader::read_match(const Json& json, const std::string& path, Rule& rule) {
    if (!json.is_object()) {
        fault(path, "must be a mapping, as {clusters: [alias=orders]}");
        return;
    }
    for (const auto& [key, content] : json.items()) {
        const auto place = path + "." + key;
        if (key == "clusters") {
            rule.clusters = patterns(content, place);
        } else if (key == "except") {
            rule.except = patterns(content, place);
        } else {
            unknown(place, key, {"clusters", "except"});
        }
    }
    if (rule.clusters.empty()) {
        fault(path, "names no clusters, so the rule is for none; write clusters: [\"*\"] for all");
    }
}

void Reader::read_set(
    const Json& json, const std::string& path, const std::string& prefix, Rule& rule
) {
    static const auto names = setting_names();
    for (const auto& [name, content] : json.items()) {
        const auto key = prefix.empty() ? name : prefix + "." + name;
        const auto place = path + "." + name;
        if (const auto* row = find_setting(key)) {
            auto value = value_of(content, place);
            if (!value) {
                continue;
            }
            if (Effective probe; row->get(probe).is_list) {
                value->is_list = true;  // one text is a list of one
            }
            Effective scratch;
            if (auto good = row->set(scratch, *value); !good) {
                fault(place, fmt::format("{} (allowed: {})", good.error().what, row->allowed));
            } else if (!rule.set.emplace(key, std::move(*value)).second) {
                fault(place, fmt::format("'{}' is set twice in this rule", key));
            }
        } else if (is_group(key)) {
            if (content.is_object()) {
                read_set(content, place, key, rule);
            } else {
                fault(place, fmt::format("'{}' is a group of settings, not a value", key));
            }
        } else {
            unknown(place, key, names);
        }
    }
}

void Reader::read_rule(const Json& json, const std::string& path) {
    Rule rule;
    if (!json.is_object()) {
        fault(path, "a rule is a mapping with match and set");
        return;
    }
    for (const auto& [key, content] : json.items()) {
        const auto place = path + "." + key;
        if (key == "name") {
            rule.name = scalar_of(content, place).value_or("");
        } else if (key == "match") {
            read_match(content, place, rule);
        } else if (key == "set") {
            if (content.is_object()) {
                read_set(content, place, "", rule);
            } else {
                fault(place, "must be a mapping of settings, as {wait_before_acting: 5s}");
            }
        } else {
            unknown(place, key, {"name", "match", "set"});
        }
    }
    if (!json.contains("match")) {
        fault(path, "has no match; write match: {clusters: [\"*\"]} for all clusters");
    }
    if (!json.contains("set")) {
        fault(path, "has no set, so it changes nothing; leave it out or say what it sets");
    }
    out_.document.rules.push_back(std::move(rule));
}

void Reader::read_rules(const Json& json) {
    if (!json.is_array()) {
        fault("rules", "must be a list of rules");
        return;
    }
    if (json.size() > rules_limit) {
        fault("rules", fmt::format("more than {} rules", rules_limit));
        return;
    }
    for (std::size_t at = 0; at < json.size(); ++at) {
        read_rule(json[at], fmt::format("rules[{}]", at));
    }
    std::set<std::string> names;
    for (std::size_t at = 0; at < out_.document.rules.size(); ++at) {
        const auto& name = out_.document.rules[at].name;
        if (!name.empty() && !names.insert(name).second) {
            fault(
                fmt::format("rules[{}].name", at),
                fmt::format("another rule is named '{}' already; names tell rules apart", name)
            );
        }
    }
}

Parsed Reader::run(std::string_view text) {
    if (text.size() > largest_document_bytes) {
        fault("", fmt::format("the document is larger than {} KiB", largest_document_bytes / 1024));
        return std::move(out_);
    }
    Json json;
    try {
        json = Json::parse(text);
    } catch (const Json::exception& failure) {
        fault("", fmt::format("not valid JSON: {}", failure.what()));
        return std::move(out_);
    }
    if (json.is_null()) {
        return std::move(out_);
    }
    if (json.is_array()) {
        read_rules(json);
        return std::move(out_);
    }
    if (!json.is_object()) {
        fault("", "must be a mapping with rules, or the list of rules itself");
        return std::move(out_);
    }
    for (const auto& [key, content] : json.items()) {
        if (key == "rules") {
            read_rules(content);
        } else {
            unknown(key, key, {"rules"});
        }
    }
    return std::move(out_);
}

Json json_of(const Value& value) {
    if (!value.is_list) {
        return value.texts.empty() ? Json("") : Json(value.texts.front());
    }
    Json list = Json::array();
    for (const auto& text : value.texts) {
        list.push_back(text);
    }
    return list;
}

Json json_of(const Values& values) {
    Json json = Json::object();
    for (const auto& [key, value] : values) {
        json[key] = json_of(value);
    }
    return json;
}

}  // namespace

std::string Value::text() const {
    return dump(json_of(*this));
}

std::string Document::text() const {
    Json list = Json::array();
    for (const auto& rule : rules) {
        Json json = Json::object();
        if (!rule.name.empty()) {
            json["name"] = rule.name;
        }
        json["match"] = Json::object();
        json["match"]["clusters"] = rule.clusters;
        if (!rule.except.empty()) {
            json["match"]["except"] = rule.except;
        }
        json["set"] = json_of(rule.set);
        list.push_back(std::move(json));
    }
    Json document = Json::object();
    document["rules"] = std::move(list);
    return dump(document);
}

Error Parsed::error() const {
    std::vector<std::string> lines;
    for (const auto& fault : faults) {
        lines.push_back(
            fault.path.empty() ? fault.text : fmt::format("{}: {}", fault.path, fault.text)
        );
    }
    return fail(Errc::invalid_argument, join(lines, "\n"));
}

Parsed parse(std::string_view json) {
    return Reader().run(json);
}

std::string values_text(const Effective& effective) {
    Values values;
    for (const auto& [key, rule] : effective.set_by) {
        if (const auto* row = find_setting(key)) {
            values[key] = row->get(effective);
        }
    }
    return dump(json_of(values));
}

Values values_from_text(std::string_view text) {
    const auto json = Json::parse(text, nullptr, false);
    Values values;
    if (!json.is_object()) {
        return values;
    }
    for (const auto& [key, content] : json.items()) {
        Value value;
        value.is_list = content.is_array();
        if (content.is_string()) {
            value.texts.push_back(content.get<std::string>());
        } else if (content.is_array()) {
            for (const auto& item : content) {
                if (item.is_string()) {
                    value.texts.push_back(item.get<std::string>());
                }
            }
        } else {
            continue;
        }
        values[key] = std::move(value);
    }
    return values;
}

}  // namespace baton::policy
