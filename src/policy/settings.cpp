// SPDX-License-Identifier: Apache-2.0
#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::policy {

namespace {

constexpr std::string_view hosts_allowed = "regular expressions on host:port";
constexpr std::string_view commands_allowed = "command lines";

Error wrong(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

Result<std::string> one_text(const Value& value) {
    if (value.is_list || value.texts.size() != 1) {
        return wrong("must be one value, not a list");
    }
    return value.texts.front();
}

Value scalar(std::string text) {
    return Value{false, {std::move(text)}};
}

// ---- booleans

Result<bool> parse_switch(const Value& value) {
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

Value switch_text(bool on) {
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

Result<Duration> parse_within(const Value& value, Duration least, Duration most) {
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

/// What the planner asks of hook lists is only whether there are any.
void note_hooks(Effective& target) {
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

Result<void> set_mode(Effective& target, const Value& value) {
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

Value get_mode(const Effective& source) {
    return scalar(source.shadow ? "shadow" : "active");
}

Result<void> set_exact(Effective& target, const Value& value) {
    const auto parsed = parse_switch(value);
    if (!parsed) {
        return parsed.error();
    }
    target.analysis.enforce_exact_semi_sync = *parsed;
    target.recovery.exact_semi_sync = *parsed;
    return {};
}

Result<void> set_lagging(Effective& target, const Value& value) {
    const auto parsed = parse_within(value, 1s, 24h * 30);
    if (!parsed) {
        return parsed.error();
    }
    target.analysis.lagging_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(*parsed).count();
    return {};
}

Value get_lagging(const Effective& source) {
    return scalar(duration_text(std::chrono::seconds(source.analysis.lagging_seconds)));
}

constexpr auto analysis_of = &Effective::analysis;
constexpr auto recovery_of = &Effective::recovery;
using A = analysis::Policy;
using R = recovery::Policy;

constexpr std::int64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;

Result<void> set_hook_limit(Effective& target, const Value& value) {
    const auto parsed = parse_within(value, 1s, 1h);
    if (!parsed) {
        return parsed.error();
    }
    target.hook_limit = *parsed;
    target.recovery.hook_limit = *parsed;
    return {};
}

Value get_hook_limit(const Effective& source) {
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

std::vector<Setting> table() {
    return {
        {"mode",
         "active or shadow",
         "shadow: report what would be done in the cluster, and change nothing there.",
         set_mode,
         get_mode},
        kind_row<"primary">("recovery.primary", "Replace a dead primary."),
        kind_row<"intermediate">(
            "recovery.intermediate", "Move the replicas of a dead intermediate source."
        ),
        kind_row<"contain">(
            "recovery.contain", "Make a replaced primary read-only when it comes back."
        ),
        kind_row<"co_primary">(
            "recovery.co_primary",
            "Act when one of two co-primaries dies. Only where recovery.primary is on."
        ),
        kind_row<"group_member">(
            "recovery.group_member",
            "Move the replicas of a dead member of a replication group. Only where "
            "recovery.primary is on."
        ),
        repair_row<"semi_sync", &R::repair_semi_sync>(
            "recovery.semi_sync", "Give a locked semi-synchronous primary further acknowledgers."
        ),
        repair_row<"writable", &R::make_primary_writable>(
            "recovery.writable", "Make a primary writable that is read-only."
        ),
        time_row<&R::make_writable_after, 0, hour>(
            "recovery.writable_after", "0s to 1h", "... when it was read-only for this long."
        ),
        bool_row<&R::rejoin_clean>(
            "recovery.rejoin",
            "A replaced primary that is back, and has nothing that its successor lacks, becomes a "
            "replica of it by itself."
        ),
        time_row<&R::wait_before_acting, 0, hour>(
            "wait_before_acting",
            "0s to 1h",
            "So long a finding must hold before it is acted upon. The containment of a replaced "
            "primary does not wait."
        ),
        {"lagging",
         "1s to 30d",
         "Replicas further behind count as lagging.",
         set_lagging,
         get_lagging},
        {"timeouts",
         "1 to 100",
         "Unanswered probes in a row after which a server counts as unreachable.",
         set_number<analysis_of, &A::timeouts_before_unreachable, 1, 100>,
         get_number<analysis_of, &A::timeouts_before_unreachable>},
        {"detection.cut_off_after",
         "2s to 1h",
         "So long no replica can have connected to a primary that Baton reaches, before it counts "
         "as cut off from them.",
         set_time<analysis_of, &A::cut_off_after, 2 * second, hour>,
         get_time<analysis_of, &A::cut_off_after>},
        {"detection.replace_cut_off",
         "on or off",
         "Such a primary is made read-only and replaced, when nothing that it has acknowledged is "
         "missing on its replicas.",
         set_bool<analysis_of, &A::replace_cut_off>,
         get_bool<analysis_of, &A::replace_cut_off>},
        {"detection.hanging_after",
         "2s to 1h",
         "So long commits, sessions that wait for a lock, or questions for the state of a server "
         "can hang, before it is said.",
         set_time<analysis_of, &A::hanging_after, 2 * second, hour>,
         get_time<analysis_of, &A::hanging_after>},
        {"detection.replace_hanging",
         "on or off",
         "A primary whose commits hang is replaced, if it can be made read-only.",
         set_bool<analysis_of, &A::replace_hanging>,
         get_bool<analysis_of, &A::replace_hanging>},
        {"detection.lock_pile_up",
         "1 to 100000",
         "So many sessions waiting for one kind of lock are reported.",
         set_number<analysis_of, &A::lock_pile_up, 1, 100'000>,
         get_number<analysis_of, &A::lock_pile_up>},
        {"detection.read_only_after",
         "0s to 1h",
         "A primary that is read-only for longer is a warning, and no notice any more.",
         set_time<analysis_of, &A::read_only_after, 0, hour>,
         get_time<analysis_of, &A::read_only_after>},
        {"semi_sync.locked_after",
         "1s to 1h",
         "A semi-synchronous primary with too few acknowledgers that commits nothing for so long "
         "counts as locked.",
         set_time<analysis_of, &A::locked_semi_sync_after, second, hour>,
         get_time<analysis_of, &A::locked_semi_sync_after>},
        {"semi_sync.exact",
         "on or off",
         "More acknowledgers than the primary waits for are a fault, too, and those beyond are "
         "switched off.",
         set_exact,
         get_bool<analysis_of, &A::enforce_exact_semi_sync>},
        number_row<&R::semi_sync_least_wait, 0, 1000>(
            "semi_sync.least_wait",
            "0 to 1000",
            "When there are too few replicas to acknowledge, the primary may be made to wait for "
            "fewer, but not for less than so many. 0: never."
        ),
        {"semi_sync.required",
         "on or off",
         "Promote by itself only when the primary waited for acknowledgements when it died, so "
         "that nothing acknowledged is lost.",
         set_bool<recovery_of, &R::require_semi_sync>,
         get_bool<recovery_of, &R::require_semi_sync>},
        patterns_row<&R::prefer_hosts>(
            "candidates.prefer", "Promoted before others, as if registered as prefer."
        ),
        patterns_row<&R::only_hosts>(
            "candidates.only", "Nobody else is promoted. Empty: anybody may be."
        ),
        patterns_row<&R::promotion_ignore_hosts>("candidates.never", "Never promoted."),
        {"candidates.data_centers",
         "names",
         "Nobody in another data centre is promoted; one whose data centre is not known is not, "
         "either. Empty: anywhere.",
         set_words<recovery_of, &R::data_centers>,
         get_list<recovery_of, &R::data_centers>},
        {"candidates.regions",
         "names",
         "The same with regions.",
         set_words<recovery_of, &R::regions>,
         get_list<recovery_of, &R::regions>},
        bool_row<&R::prevent_cross_data_center>(
            "candidates.same_data_center",
            "Never promote in another data centre than the dead primary's."
        ),
        bool_row<&R::prevent_cross_region>(
            "candidates.same_region", "Never promote in another region than the dead primary's."
        ),
        time_row<&R::max_candidate_lag, 0, 30 * day>(
            "candidates.max_lag",
            "0s to 30d",
            "Who is further behind is not promoted, unless it has caught up meanwhile. 0s: no "
            "limit."
        ),
        {"candidates.preferred_may_lack",
         "0 to 1000000000",
         "A preferred server that lacks at most so many transactions is caught up and promoted "
         "instead of the one that has them. 0: never.",
         set_number<recovery_of, &R::preferred_may_lack, 0, 1'000'000'000>,
         get_number<recovery_of, &R::preferred_may_lack>},
        {"loss.transactions",
         "0 to 1000000000",
         "Promote although so many transactions that a reachable replica has would be lost; more "
         "are refused.",
         set_number<recovery_of, &R::accept_lost_transactions, 0, 1'000'000'000>,
         get_number<recovery_of, &R::accept_lost_transactions>},
        bool_row<&R::promote_errant>(
            "candidates.errant",
            "A server with errant transactions may be promoted when nobody else can be."
        ),
        bool_row<&R::co_primary_must_take_over>(
            "candidates.co_primary_first",
            "When one of two co-primaries dies, only the other one is promoted while it answers."
        ),
        bool_row<&R::fence_required>(
            "fence_required",
            "Never promote while the old primary may live: it must be seen to be read-only, or "
            "refuse connections, or a hook of hooks.fence must have succeeded."
        ),
        bool_row<&R::accept_loss>("loss.any", "Promote whatever is lost by it."),
        bool_row<&R::require_all_acknowledgers>(
            "loss.require_all_acknowledgers",
            "With semi-sync: refuse to promote when a replica that cannot be reached may hold "
            "acknowledged transactions that no reachable one has."
        ),
        time_row<&R::drain_limit, second, day>(
            "drain_limit",
            "1s to 1d",
            "How long a candidate may take to apply what it has received, before the next one is "
            "looked at."
        ),
        time_row<&R::step_limit, second, 10 * minute>(
            "step_limit", "1s to 10m", "How long any other step may take."
        ),
        bool_row<&R::kill_writers_of_deposed>(
            "kill_writers",
            "When a replaced primary comes back: besides making it read-only, end its clients' "
            "connections."
        ),
        time_row<&R::anti_flapping_window, 0, 30 * day>(
            "anti_flapping.window",
            "0s to 30d",
            "A second failover within this time needs an acknowledgement, or that the cluster was "
            "healthy in between."
        ),
        time_row<&R::healthy_again, 0, day>(
            "anti_flapping.healthy_again",
            "0s to 1d",
            "So long a cluster must have been healthy to count as such."
        ),
        time_row<&R::retry_failed_after, second, day>(
            "anti_flapping.retry_failed_after",
            "1s to 1d",
            "After a failed recovery the same one is not tried again before this time."
        ),
        {"budget.recoveries",
         "0 to 100000",
         "So many automatic recoveries of the cluster may begin within the next time; more wait "
         "for an acknowledgement or an order. 0: only the budget of all clusters counts.",
         set_number<recovery_of, &R::cluster_budget, 0, 100'000>,
         get_number<recovery_of, &R::cluster_budget>},
        time_row<&R::cluster_budget_window, second, 30 * day>(
            "budget.window", "1s to 30d", "Time over which they are counted."
        ),
        {"hooks.limit",
         "1s to 1h",
         "A hook that runs longer is killed and counts as failed.",
         set_hook_limit,
         get_hook_limit},
        time_row<&R::switchover_lag_limit, second, day>(
            "switchover.lag_limit",
            "1s to 1d",
            "Planned switchover: a new primary that is more behind than this is refused."
        ),
        time_row<&R::switchover_grace, 0, 10 * minute>(
            "switchover.grace",
            "0s to 10m",
            "Planned switchover: so long open transactions that have written may go on to their "
            "end."
        ),
        time_row<&R::switchover_outage_limit, second, 10 * minute>(
            "switchover.outage_limit",
            "1s to 10m",
            "Planned switchover: when the new primary has not everything within this time after "
            "the old one was made read-only, the old one is made writable again."
        ),
        bool_row<&R::switchover_end_sessions>(
            "switchover.end_sessions",
            "Planned switchover: end all clients' sessions on the old primary."
        ),
        hook_row<"on_failure_detection">(
            "hooks.on_failure_detection", "Run when a failure is detected."
        ),
        hook_row<"pre_failover">(
            "hooks.pre_failover", "Run before a recovery changes anything; a failing one stops it."
        ),
        hook_row<"post_primary_failover">(
            "hooks.post_primary_failover", "Run after a primary was replaced."
        ),
        hook_row<"post_intermediate_failover">(
            "hooks.post_intermediate_failover",
            "Run after replicas of an intermediate source were moved."
        ),
        hook_row<"pre_graceful_takeover">(
            "hooks.pre_graceful_takeover",
            "Run before a planned switchover changes anything; a failing one stops it."
        ),
        hook_row<"post_graceful_takeover">(
            "hooks.post_graceful_takeover", "Run after a planned switchover."
        ),
        hook_row<"fence">(
            "hooks.fence",
            "Run before a promotion when the old primary cannot be reached, to cut it off."
        ),
        hook_row<"reclone">(
            "hooks.reclone", "Run by `baton rejoin --hook`: replaces the data of a server."
        ),
        hook_row<"post_failover">(
            "hooks.post_failover", "Run after any successful recovery, after the specific list."
        ),
        hook_row<"post_unsuccessful_failover">(
            "hooks.post_unsuccessful_failover", "Run after a recovery that failed."
        ),
    };
}

}  // namespace

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all = table();
    return all;
}

const Setting* find_setting(std::string_view key) {
    const auto found = std::find_if(settings().begin(), settings().end(), [&](const auto& row) {
        return row.key == key;
    });
    return found == settings().end() ? nullptr : &*found;
}

Result<Duration> parse_duration(std::string_view text) {
    double number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    double factor = 0;
    if (unit == "ms") {
        factor = 1e-3;
    } else if (unit == "s") {
        factor = 1;
    } else if (unit == "m") {
        factor = 60;
    } else if (unit == "h") {
        factor = 3600;
    } else if (unit == "d") {
        factor = 86400;
    }
    if (status != std::errc{} || factor == 0 || !(number >= 0) || number * factor > 1e9) {
        return wrong(fmt::format(
            "'{}' is not a time; write a number with its unit, as 500ms, 2s, 5m, 1h, 3d",
            clipped(text, 60)
        ));
    }
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(number * factor));
}

std::string duration_text(Duration duration) {
    const auto ms = to_ms(duration);
    constexpr std::pair<std::int64_t, const char*> units[] = {
        {day, "d"}, {hour, "h"}, {minute, "m"}, {second, "s"}};
    for (const auto& [length, unit] : units) {
        if (ms != 0 && ms % length == 0) {
            return fmt::format("{}{}", ms / length, unit);
        }
    }
    return ms == 0 ? "0s" : fmt::format("{}ms", ms);
}

std::string reference_table() {
    std::string text = "| setting | allowed | meaning |\n|---|---|---|\n";
    for (const auto& row : settings()) {
        text += fmt::format("| `{}` | {} | {} |\n", row.key, row.allowed, row.sentence);
    }
    return text;
}

}  // namespace baton::policy
