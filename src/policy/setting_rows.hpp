// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the rows of the table read and write their settings: checked texts to members of the modules'
// policies, and back. Included by settings.cpp alone.

#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace baton::policy::rows {

inline constexpr std::string_view hosts_allowed = "regular expressions on host:port";
inline constexpr std::string_view commands_allowed = "command lines";

inline Error wrong(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

inline Result<std::string> one_text(const Value& value) {
    if (value.is_list || value.texts.size() != 1) {
        return wrong("must be one value, not a list");
    }
    return value.texts.front();
}

inline Value scalar(std::string text) {
    return Value{false, {std::move(text)}};
}

// ---- booleans

inline Result<bool> parse_switch(const Value& value) {
    const auto text = one_text(value);
    if (!text) {
        return text.error();
    }
    const auto word = to_lower(*text);
    if (word == "on" || word == "true" || word == "yes") {
        return true;
    }
    if (word == "off" || word == "false" || word == "no") {
        return false;
    }
    return wrong(fmt::format("'{}' is neither on nor off", clipped(*text, 60)));
}

inline Value switch_text(bool on) {
    return scalar(on ? "on" : "off");
}

template <auto Group, auto Member>
Result<void> set_bool(Effective& target, const Value& value) {
    const auto parsed = parse_switch(value);
    if (!parsed) {
        return parsed.error();
    }
    target.*Group.*Member = *parsed;
    return {};
}

template <auto Group, auto Member>
Value get_bool(const Effective& source) {
    return switch_text(source.*Group.*Member);
}

// ---- kinds of recovery

/// The clusters' lists of the configuration decide where no rule does; the resolver has put their
/// answer into the switches.
template <std::size_t N>
struct Name {
    constexpr Name(const char (&text)[N]) {  // NOLINT: a literal as template argument
        std::copy_n(text, N, value);
    }

    char value[N];  // NOLINT: must be structural

    [[nodiscard]] std::string text() const { return std::string(value, N - 1); }
};

template <Name Kind>
Result<void> set_kind(Effective& target, const Value& value) {
    const auto parsed = parse_switch(value);
    if (!parsed) {
        return parsed.error();
    }
    target.recovery.switches[Kind.text()].on = *parsed;
    return {};
}

template <Name Kind>
Value get_kind(const Effective& source) {
    const auto found = source.recovery.switches.find(Kind.text());
    return switch_text(found == source.recovery.switches.end() || found->second.on);
}

/// A kind that an option of its own decides where no rule does.
template <Name Kind, auto Member>
Result<void> set_repair(Effective& target, const Value& value) {
    auto set = set_kind<Kind>(target, value);
    if (set) {
        target.recovery.*Member = target.recovery.switches[Kind.text()].on;
    }
    return set;
}

template <auto Member>
Value get_repair(const Effective& source) {
    return switch_text(source.recovery.*Member);
}

// ---- times

inline Result<Duration> parse_within(const Value& value, Duration least, Duration most) {
    const auto text = one_text(value);
    if (!text) {
        return text.error();
    }
    auto parsed = parse_duration(*text);
    if (parsed && (*parsed < least || *parsed > most)) {
        return wrong(fmt::format(
            "{} is outside of {} to {}", *text, duration_text(least), duration_text(most)
        ));
    }
    return parsed;
}

template <auto Group, auto Member, std::int64_t LeastMs, std::int64_t MostMs>
Result<void> set_time(Effective& target, const Value& value) {
    const auto parsed =
        parse_within(value, std::chrono::milliseconds(LeastMs), std::chrono::milliseconds(MostMs));
    if (!parsed) {
        return parsed.error();
    }
    target.*Group.*Member = *parsed;
    return {};
}

template <auto Group, auto Member>
Value get_time(const Effective& source) {
    return scalar(duration_text(source.*Group.*Member));
}

// ---- numbers

template <auto Group, auto Member, std::uint64_t Least, std::uint64_t Most>
Result<void> set_number(Effective& target, const Value& value) {
    const auto text = one_text(value);
    if (!text) {
        return text.error();
    }
    std::uint64_t number = 0;
    const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (status != std::errc{} || end != text->data() + text->size() || number < Least ||
        number > Most) {
        return wrong(fmt::format("'{}' is no number from {} to {}", clipped(*text, 60), Least, Most)
        );
    }
    auto& member = target.*Group.*Member;
    member = static_cast<std::remove_reference_t<decltype(member)>>(number);
    return {};
}

template <auto Group, auto Member>
Value get_number(const Effective& source) {
    return scalar(std::to_string(source.*Group.*Member));
}

// ---- lists

template <auto Group, auto Member>
Result<void> set_patterns(Effective& target, const Value& value) {
    for (const auto& pattern : value.texts) {
        try {
            const std::regex compiled(pattern);
        } catch (const std::regex_error& failure) {
            return wrong(fmt::format(
                "'{}' is not a regular expression: {}", clipped(pattern, 100), failure.what()
            ));
        }
        if (pattern.empty()) {
            return wrong("an empty pattern would match every server; leave it out");
        }
    }
    target.*Group.*Member = value.texts;
    return {};
}

template <auto Group, auto Member>
Result<void> set_words(Effective& target, const Value& value) {
    if (std::any_of(value.texts.begin(), value.texts.end(), [](const auto& word) {
            return trim(word).empty();
        })) {
        return wrong("an empty name stands in the list; leave it out");
    }
    target.*Group.*Member = value.texts;
    return {};
}

template <auto Group, auto Member>
Value get_list(const Effective& source) {
    return Value{true, source.*Group.*Member};
}

inline Result<void> set_unwanted_advice(Effective& target, const Value& value) {
    for (const auto& code : value.texts) {
        if (code != "*" && !analysis::is_advice_code(code)) {
            return wrong(fmt::format(
                "'{}' is no code of an advice; docs/operations.md lists them, and \"*\" is all",
                clipped(code, 60)
            ));
        }
    }
    target.advice.ignore = value.texts;
    return {};
}

/// What the planner asks of hook lists is only whether there are any.
inline void note_hooks(Effective& target) {
    const auto has = [&](const char* list) {
        const auto found = target.hooks.find(list);
        return found != target.hooks.end() && !found->second.empty();
    };
    target.recovery.has_pre_hooks = has("pre_failover");
    target.recovery.has_post_hooks =
        has("post_primary_failover") || has("post_intermediate_failover") || has("post_failover");
    target.recovery.has_failed_hooks = has("post_unsuccessful_failover");
    target.recovery.has_pre_graceful_hooks = has("pre_graceful_takeover");
    target.recovery.has_post_graceful_hooks = has("post_graceful_takeover");
    target.recovery.has_fence_hooks = has("fence");
    target.recovery.has_reclone_hooks = has("reclone");
}

template <Name List>
Result<void> set_hooks(Effective& target, const Value& value) {
    if (std::any_of(value.texts.begin(), value.texts.end(), [](const auto& command) {
            return trim(command).empty();
        })) {
        return wrong("a command is empty; leave it out");
    }
    target.hooks[List.text()] = value.texts;
    note_hooks(target);
    return {};
}

template <Name List>
Value get_hooks(const Effective& source) {
    const auto found = source.hooks.find(List.text());
    return Value{true, found == source.hooks.end() ? std::vector<std::string>{} : found->second};
}

// ---- the rest

inline Result<void> set_mode(Effective& target, const Value& value) {
    const auto text = one_text(value);
    if (!text) {
        return text.error();
    }
    if (*text != "active" && *text != "shadow") {
        return wrong(fmt::format("'{}' is neither active nor shadow", clipped(*text, 60)));
    }
    // A service in shadow mode as a whole is not switched on by a rule.
    target.shadow = target.shadow || *text == "shadow";
    return {};
}

inline Value get_mode(const Effective& source) {
    return scalar(source.shadow ? "shadow" : "active");
}

inline Result<void> set_exact(Effective& target, const Value& value) {
    const auto parsed = parse_switch(value);
    if (!parsed) {
        return parsed.error();
    }
    target.analysis.enforce_exact_semi_sync = *parsed;
    target.recovery.exact_semi_sync = *parsed;
    return {};
}

inline Result<void> set_lagging(Effective& target, const Value& value) {
    const auto parsed = parse_within(value, 1s, 24h * 30);
    if (!parsed) {
        return parsed.error();
    }
    target.analysis.lagging_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(*parsed).count();
    return {};
}

inline Value get_lagging(const Effective& source) {
    return scalar(duration_text(std::chrono::seconds(source.analysis.lagging_seconds)));
}

inline constexpr auto analysis_of = &Effective::analysis;
inline constexpr auto recovery_of = &Effective::recovery;
inline constexpr auto advice_of = &Effective::advice;
using A = analysis::Policy;
using R = recovery::Policy;

inline constexpr std::int64_t second = 1000, minute = 60 * second, hour = 60 * minute,
                              day = 24 * hour;

inline Result<void> set_hook_limit(Effective& target, const Value& value) {
    const auto parsed = parse_within(value, 1s, 1h);
    if (!parsed) {
        return parsed.error();
    }
    target.hook_limit = *parsed;
    target.recovery.hook_limit = *parsed;
    return {};
}

inline Value get_hook_limit(const Effective& source) {
    return scalar(duration_text(source.hook_limit));
}

template <auto Member, std::int64_t LeastMs, std::int64_t MostMs>
Setting time_row(std::string_view key, std::string_view allowed, std::string_view sentence) {
    return Setting{
        key,
        allowed,
        sentence,
        set_time<recovery_of, Member, LeastMs, MostMs>,
        get_time<recovery_of, Member>};
}

template <auto Member>
Setting bool_row(std::string_view key, std::string_view sentence) {
    return Setting{
        key, "on or off", sentence, set_bool<recovery_of, Member>, get_bool<recovery_of, Member>};
}

template <Name Kind>
Setting kind_row(std::string_view key, std::string_view sentence) {
    return Setting{key, "on or off", sentence, set_kind<Kind>, get_kind<Kind>};
}

template <Name Kind, auto Member>
Setting repair_row(std::string_view key, std::string_view sentence) {
    return Setting{key, "on or off", sentence, set_repair<Kind, Member>, get_repair<Member>};
}

template <auto Member, std::uint64_t Least, std::uint64_t Most>
Setting number_row(std::string_view key, std::string_view allowed, std::string_view sentence) {
    return Setting{
        key,
        allowed,
        sentence,
        set_number<recovery_of, Member, Least, Most>,
        get_number<recovery_of, Member>};
}

template <Name List>
Setting hook_row(std::string_view key, std::string_view sentence) {
    return Setting{key, commands_allowed, sentence, set_hooks<List>, get_hooks<List>};
}

template <auto Member>
Setting patterns_row(std::string_view key, std::string_view sentence) {
    return Setting{
        key,
        hosts_allowed,
        sentence,
        set_patterns<recovery_of, Member>,
        get_list<recovery_of, Member>};
}

}  // namespace baton::policy::rows
