// SPDX-License-Identifier: Apache-2.0
#include "client_explain.hpp"

#include "baton/base/text.hpp"
#include "baton/http/url.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace baton::app {

namespace {

constexpr std::int64_t old_ms = 3000;  // from here on the age of what is shown is said

constexpr std::array<const char*, 4> compared{"severity", "code", "statements", "config"};

/// The same advice for several servers.
struct SharedAdvice {
    Json advice;
    std::vector<std::string> others;
};

std::vector<SharedAdvice> shared(const Json& advices) {
    std::vector<SharedAdvice> out;
    for (const auto& advice : advices) {
        const auto alike = std::find_if(out.begin(), out.end(), [&](const SharedAdvice& known) {
            return std::all_of(compared.begin(), compared.end(), [&](const char* key) {
                return known.advice.value(key, Json()) == advice.value(key, Json());
            });
        });
        if (alike == out.end()) {
            out.push_back({advice, {}});
        } else {
            alike->others.push_back(text_of(advice, "server"));
        }
    }
    return out;
}

/// What should be changed in the settings of the servers, the statements ready to be copied.
void print_advices(const Json& advices) {
    if (!advices.empty()) {
        fmt::print("settings:\n");
    }
    for (const auto& [a, others] : shared(advices)) {
        fmt::print(
            "  {}: {} ({}): {}\n",
            text_of(a, "severity"),
            text_of(a, "server"),
            text_of(a, "code"),
            text_of(a, "sentence")
        );
        if (!others.empty()) {
            fmt::print("      the same on {}\n", join(others, ", "));
        }
        for (const auto& statement : list_of(a, "statements")) {
            fmt::print("      {};\n", shown(statement.get<std::string>()));
        }
        for (const auto& line : split(a.value("config", ""), '\n')) {
            if (!line.empty()) {
                fmt::print("      [mysqld] {}\n", shown(line));
            }
        }
    }
}

void print_finding(const Json& f) {
    if (text_of(f, "code") == "NoProblem") {  // said for what is odd in its structure
        fmt::print("\n{}:\n", text_of(f, "subject"));
        print_list("  structure:", list_of(f, "structure"));
        return;
    }
    fmt::print(
        "\n{}: {}\n  {}\n", text_of(f, "subject"), text_of(f, "title"), text_of(f, "summary")
    );
    print_list("  evidence:", list_of(f, "evidence"));
    print_list("  what keeps Baton from acting:", list_of(f, "vetoes"));
    if (!text_of(f, "refusal").empty()) {
        fmt::print("  no recovery: {}\n", text_of(f, "refusal"));
    }
    if (f.value("waits_ms", std::int64_t{0}) > 0) {
        fmt::print("  acted upon in: {} ms\n", text_of(f, "waits_ms"));
    }
    print_list("  structure:", list_of(f, "structure"));
}

/// The same long sentence is not said twice.
std::string once(const std::string& sentence, const std::set<std::string>& said) {
    return said.contains(sentence) ? "as said above" : sentence;
}

/// `failing`: its primary is to be replaced already. `said`: reasons that were told before.
void print_forecast(
    const Json& forecast, bool failing, bool shadow, const std::set<std::string>& said
) {
    const auto successor = text_of(forecast, "successor");
    auto blockers = list_of(forecast, "blockers");
    for (auto& blocker : blockers) {
        blocker = once(blocker.get<std::string>(), said);
    }
    const bool by_itself = blockers.empty() && !successor.empty();
    fmt::print(
        "{}: {}{}\n",
        failing ? "as things are" : "if the primary died now",
        by_itself ? "" : "nothing would be done by itself",
        successor.empty() ? ", and nobody could be promoted"
        : by_itself       ? successor + " would be promoted"
        : shadow          ? "; in active mode " + successor + " would be promoted"
                          : "; by order " + successor + " would be promoted"
    );
    print_list("what blocks it:", blockers);
    if (!text_of(forecast, "loss").empty()) {
        fmt::print("possible loss: {}\n", text_of(forecast, "loss"));
    }
    for (const auto& lost : list_of(forecast, "lost")) {
        fmt::print("would be lost: {}: {}\n", text_of(lost, "id"), text_of(lost, "reason"));
    }
    const auto parts = list_of(forecast, "duration");
    if (!parts.empty()) {
        fmt::print("it would take about {} ms:\n", text_of(forecast, "duration_ms"));
        for (const auto& part : parts) {
            fmt::print(
                "  {:>6} ms {}: {}\n",
                text_of(part, "ms"),
                text_of(part, "what"),
                text_of(part, "basis")
            );
        }
    }
    const auto candidates = list_of(forecast, "candidates");
    if (!candidates.empty()) {
        fmt::print("candidates:\n");
        for (const auto& c : candidates) {
            const auto rank = text_of(c, "rank");
            fmt::print(
                "  {} {}: {}\n",
                rank == "0" ? "-" : rank + ".",
                text_of(c, "id"),
                text_of(c, "reason")
            );
        }
    }
}

void print_policy(const Json& explanation) {
    const Json policy = explanation.value("policy", Json::object());
    fmt::print(
        "mode: {}; policy version {} ({})\n",
        text_of(explanation, "mode"),
        text_of(policy, "version"),
        text_of(policy, "source")
    );
    for (const auto& s : list_of(policy, "settings")) {
        fmt::print(
            "  {} = {} by {} (configured: {})\n",
            text_of(s, "key"),
            text_of(s, "value"),
            text_of(s, "set_by"),
            text_of(s, "configured")
        );
    }
}

}  // namespace

int explain(Client& client, const std::string& cluster, bool with_settings) {
    int code = 0;
    const auto e = client.ask(
        http::Method::get, "/api/v1/clusters/" + http::percent_encoded(cluster) + "/explain", code
    );
    if (!e) {
        return code;
    }
    if (client.json()) {
        return print_json(*e);
    }
    const auto summary = text_of(*e, "summary");
    const auto state = text_of(*e, "state");
    fmt::print("state: {}{}\n", state, summary.empty() ? "" : ": " + summary);
    if (const auto age = e->value("age_ms", std::int64_t{0}); age > old_ms) {
        fmt::print("as it was {} s ago: nothing newer is known to this node\n", age / 1000);
    }
    print_list("evidence:", list_of(*e, "evidence"));
    const auto findings = list_of(*e, "findings");
    std::set<std::string> said;
    for (const auto& finding : findings) {
        print_finding(finding);
        said.insert(finding.value("refusal", ""));
    }
    const auto why = e->value("why", "");
    const bool now = e->value("would_fail_over_now", false);
    fmt::print(
        "\nwould fail over now: {}{}\n",
        now ? "yes" : "no",
        why.empty() ? "" : " (" + shown(once(why, said)) + ")"
    );
    const bool failing = std::any_of(findings.begin(), findings.end(), [&](const Json& finding) {
        return text_of(finding, "subject") == text_of(*e, "primary") &&
               (finding.value("actionable", false) || !list_of(finding, "vetoes").empty());
    });
    print_forecast(
        e->value("forecast", Json::object()), failing, text_of(*e, "mode") == "shadow", said
    );
    print_policy(*e);
    const auto advices = list_of(*e, "settings");
    if ((state == "critical" || failing) && !with_settings && !advices.empty()) {
        fmt::print(
            "settings: {} to be mended; `baton explain --settings` shows them also while "
            "something fails\n",
            advices.size()
        );
    } else {
        print_advices(advices);
    }
    return 0;
}

}  // namespace baton::app
