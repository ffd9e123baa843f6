// SPDX-License-Identifier: Apache-2.0
#include "client_policy.hpp"

#include "baton/base/text.hpp"
#include "baton/config/config.hpp"
#include "baton/http/url.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>

namespace baton::app {

namespace {

/// The document of a YAML or JSON file as JSON; nothing after the reason was printed.
std::optional<std::string> read_document(const std::string& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) {
        fmt::print(stderr, "baton: cannot read '{}'\n", file);
        return std::nullopt;
    }
    auto json = config::json_of_yaml(text.str(), file);
    if (!json) {
        fmt::print(stderr, "baton: {}\n", json.error().what);
        return std::nullopt;
    }
    return *json;
}

/// The same, checked without asking a node.
std::optional<std::string> good_document(const std::string& file) {
    auto json = read_document(file);
    if (!json) {
        return std::nullopt;
    }
    const auto parsed = policy::parse(*json);
    if (!parsed.good()) {
        for (const auto& fault : parsed.faults) {
            fmt::print(
                stderr,
                "{}: {}{}\n",
                file,
                fault.path.empty() ? "" : shown(fault.path) + ": ",
                shown(fault.text)
            );
        }
        return std::nullopt;
    }
    return parsed.document.text();
}

void print_document(const Json& document) {
    unsigned number = 0;
    for (const auto& rule : list_of(document, "rules")) {
        const auto name = text_of(rule, "name");
        fmt::print("rule {}{}\n", ++number, name.empty() ? "" : " (" + name + ")");
        const Json match = rule.value("match", Json::object());
        for (const char* key : {"clusters", "except"}) {
            std::vector<std::string> patterns;
            for (const auto& pattern : list_of(match, key)) {
                patterns.push_back(shown(pattern.get<std::string>()));
            }
            if (!patterns.empty()) {
                fmt::print("  {}: {}\n", key, join(patterns, ", "));
            }
        }
        const Json values = rule.value("set", Json::object());
        for (const auto& [key, value] : values.items()) {
            fmt::print(
                "  {} = {}\n",
                shown(key),
                value.is_string() ? shown(value.get<std::string>()) : value.dump()
            );
        }
    }
    if (number == 0) {
        fmt::print("no rules: every cluster is as configured\n");
    }
}

int show(Client& client, std::optional<std::uint64_t> version) {
    int code = 0;
    const auto answer = client.ask(
        http::Method::get,
        "/api/v1/policy" + (version ? "?version=" + std::to_string(*version) : ""),
        code
    );
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    fmt::print(
        "version {} ({}){}{}\n",
        text_of(*answer, "version"),
        text_of(*answer, "source"),
        text_of(*answer, "by").empty()
            ? ""
            : fmt::format(" by {} at {}", text_of(*answer, "by"), text_of(*answer, "at")),
        text_of(*answer, "comment").empty() ? "" : ": " + text_of(*answer, "comment")
    );
    print_document(answer->value("document", Json::object()));
    return 0;
}

/// Version, and the comparison of two documents line by line.
int diff(Client& client, const std::string& file) {
    const auto document = good_document(file);
    if (!document) {
        return 1;
    }
    int code = 0;
    const auto answer = client.ask(http::Method::get, "/api/v1/policy", code);
    if (!answer) {
        return code;
    }
    const auto lines = [](const Json& json) { return split(json.dump(2), '\n'); };
    const auto before = lines(answer->value("document", Json::object()));
    const auto after = lines(Json::parse(*document));
    // Longest common subsequence; documents have at most some thousand lines.
    std::vector<std::vector<unsigned>> common(
        before.size() + 1, std::vector<unsigned>(after.size() + 1)
    );
    for (std::size_t i = before.size(); i-- > 0;) {
        for (std::size_t j = after.size(); j-- > 0;) {
            common[i][j] = before[i] == after[j] ? common[i + 1][j + 1] + 1
                                                 : std::max(common[i + 1][j], common[i][j + 1]);
        }
    }
    bool differ = false;
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < before.size() || j < after.size()) {
        if (i < before.size() && j < after.size() && before[i] == after[j]) {
            fmt::print("  {}\n", shown(before[i++]));
            ++j;
        } else if (j == after.size() || (i < before.size() && common[i + 1][j] >= common[i][j + 1])) {
            fmt::print("- {}\n", shown(before[i++]));
            differ = true;
        } else {
            fmt::print("+ {}\n", shown(after[j++]));
            differ = true;
        }
    }
    if (!differ) {
        fmt::print("the same as version {}\n", text_of(*answer, "version"));
    }
    return 0;
}

void print_change(const char* what, const Json& change) {
    const auto before = text_of(change, "before");
    const auto after = text_of(change, "after");
    if (before != after) {
        fmt::print(
            "  {}: {} -> {}\n",
            what,
            before.empty() ? "nobody" : before,
            after.empty() ? "nobody" : after
        );
    }
}

int dry_run(Client& client, const std::string& file) {
    const auto document = good_document(file);
    if (!document) {
        return 1;
    }
    int code = 0;
    const auto answer =
        client.ask(http::Method::post, "/api/v1/policy/dry-run", code, 30s, *document);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    for (const auto& c : list_of(*answer, "clusters")) {
        const auto alias = text_of(c, "alias");
        fmt::print("{}\n", alias.empty() ? text_of(c, "name") : alias);
        for (const auto& s : list_of(c, "settings")) {
            fmt::print(
                "  {}: {} -> {}{}\n",
                text_of(s, "key"),
                text_of(s, "before"),
                text_of(s, "after"),
                text_of(s, "set_by").empty() ? "" : " by " + text_of(s, "set_by")
            );
        }
        print_change("would be promoted", c.value("successor", Json::object()));
        print_change("what may be lost", c.value("loss", Json::object()));
        print_list("  blockers that come:", list_of(c, "blockers_added"));
        print_list("  blockers that go:", list_of(c, "blockers_removed"));
    }
    fmt::print("{} clusters stay as they are\n", text_of(*answer, "unchanged"));
    return 0;
}

/// Changes the policy; the version from which it is made defaults to the present one.
int change(
    Client& client,
    const std::string& path,
    std::optional<std::uint64_t> expected,
    const std::string& comment,
    std::string body
) {
    int code = 0;
    if (!expected) {
        const auto present = client.ask(http::Method::get, "/api/v1/policy", code);
        if (!present) {
            return code;
        }
        expected = present->value("version", std::uint64_t{0});
    }
    const auto answer = client.ask(
        http::Method::post,
        fmt::format(
            "{}{}expected={}&comment={}",
            path,
            path.find('?') == std::string::npos ? '?' : '&',
            *expected,
            http::percent_encoded(comment)
        ),
        code,
        10s,
        std::move(body)
    );
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    fmt::print("{}\n", text_of(*answer, "Message"));
    return 0;
}

int validate(Client& /*client*/, const std::string& file) {
    const auto document = good_document(file);
    if (!document) {
        return 1;
    }
    fmt::print("{}: good, {} rules\n", file, policy::parse(*document).document.rules.size());
    return 0;
}

int history(Client& client) {
    int code = 0;
    const auto answer = client.ask(http::Method::get, "/api/v1/policy/history", code);
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    std::vector<std::vector<std::string>> rows{{"VERSION", "WHEN (UTC)", "BY", "RULES", "COMMENT"}};
    for (const auto& v : *answer) {
        const auto back = text_of(v, "rolled_back_to");
        rows.push_back(
            {text_of(v, "version"),
             text_of(v, "at"),
             text_of(v, "by"),
             v.value("cleared", false) ? "configuration" : text_of(v, "rules"),
             (back == "0" ? "" : "as version " + back + " ") + text_of(v, "comment")}
        );
    }
    print_table(std::move(rows));
    return 0;
}

int list_settings() {
    std::vector<std::vector<std::string>> rows{{"SETTING", "ALLOWED", "MEANING"}};
    for (const auto& row : policy::settings()) {
        rows.push_back({std::string(row.key), std::string(row.allowed), std::string(row.sentence)});
    }
    print_table(std::move(rows));
    return 0;
}

}  // namespace

int timeline(Client& client, const std::string& cluster, unsigned limit) {
    int code = 0;
    const auto answer = client.ask(
        http::Method::get,
        fmt::format("/api/v1/clusters/{}/timeline?limit={}", http::percent_encoded(cluster), limit),
        code
    );
    if (!answer) {
        return code;
    }
    if (client.json()) {
        return print_json(*answer);
    }
    const auto entries = list_of(*answer, "entries");
    for (auto at = entries.rbegin(); at != entries.rend(); ++at) {  // the newest at the end
        const auto& e = *at;
        fmt::print(
            "{}  {:<10} {}{}\n",
            text_of(e, "at"),
            text_of(e, "kind"),
            text_of(e, "text"),
            text_of(e, "by").empty() ? "" : " (by " + text_of(e, "by") + ")"
        );
        for (const auto& sentence : list_of(e, "evidence")) {
            fmt::print("{:>40}{}\n", "", shown(sentence.get<std::string>()));
        }
        for (const auto& s : list_of(e, "steps")) {
            fmt::print(
                "{:>40}{}: {} ({} ms)\n",
                "",
                text_of(s, "text"),
                text_of(s, "outcome"),
                text_of(s, "duration_ms")
            );
        }
        std::vector<std::string> facts;
        if (e.value("epoch", std::uint64_t{0}) > 0) {
            facts.push_back("epoch " + text_of(e, "epoch"));
        }
        for (const auto* fact : {"node", "rule"}) {
            if (!text_of(e, fact).empty()) {
                facts.push_back(fmt::format("{} {}", fact, text_of(e, fact)));
            }
        }
        fmt::print("{:>40}{}\n", "", join(facts, ", "));
    }
    return 0;
}

void add_policy_commands(
    CLI::App& policy,
    const std::function<void(CLI::App&)>& common,
    const std::function<Client()>& client,
    int& result
) {
    struct Arguments {
        std::string file, comment;
        std::uint64_t version = 0;
        std::optional<std::uint64_t> shown, expected;
    };

    const auto a = std::make_shared<Arguments>();
    const auto add = [&](const char* name, const char* what, auto run) {
        auto* command = policy.add_subcommand(name, what);
        common(*command);
        command->callback([client, a, run, &result] {
            auto c = client();
            result = run(c, *a);
        });
        return command;
    };
    const auto with_file = [&](CLI::App* command) {
        command->add_option("FILE", a->file, "YAML or JSON: a list of rules")->required();
        return command;
    };
    const auto that_changes = [&](CLI::App* command) {
        command->add_option("--expected", a->expected, "Only if this version holds (the present)");
        command->add_option("--comment", a->comment, "Why, for the history");
    };
    add("show", "Print the policy", [](Client& c, const Arguments& x) { return show(c, x.shown); }
    )->add_option("--version", a->shown, "An older version");
    with_file(add("validate", "Check a file", [](Client& c, const Arguments& x) {
        return validate(c, x.file);
    }));
    with_file(add("diff", "Compare a file with the policy", [](Client& c, const Arguments& x) {
        return diff(c, x.file);
    }));
    with_file(
        add("dry-run",
            "Print what a file would change, for each cluster",
            [](Client& c, const Arguments& x) { return dry_run(c, x.file); })
    );
    that_changes(with_file(add("set", "Make a file the policy", [](Client& c, const Arguments& x) {
        auto document = good_document(x.file);
        return document
                   ? change(
                         c, "/api/v1/policy/document", x.expected, x.comment, std::move(*document)
                     )
                   : 1;
    })));
    add("history", "List the stored versions", [](Client& c, const Arguments& /*x*/) {
        return history(c);
    });
    auto* rollback =
        add("rollback",
            "Make an older version hold again; 0: the configuration file's rules",
            [](Client& c, const Arguments& x) {
                return change(
                    c,
                    "/api/v1/policy/rollback?to=" + std::to_string(x.version),
                    x.expected,
                    x.comment,
                    ""
                );
            });
    rollback->add_option("VERSION", a->version, "Of the history")->required();
    that_changes(rollback);
    add("settings", "List what a rule can set", [](Client& /*c*/, const Arguments& /*x*/) {
        return list_settings();
    });
    policy.require_subcommand(1);
}

}  // namespace baton::app
