// SPDX-License-Identifier: Apache-2.0
#include "setting_rows.hpp"

#include "baton/base/text.hpp"
#include "baton/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::policy {

namespace {

using namespace rows;

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
        patterns_row<&R::ignore_hosts>(
            "ignore_hosts", "Servers whose death never starts a recovery."
        ),
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
        {"advice.ignore",
         "codes of advice, or \"*\"",
         "Advice about settings of the servers that is not wanted, instead of the configuration's "
         "advice.ignore.",
         set_unwanted_advice,
         get_list<advice_of, &analysis::AdvicePolicy::ignore>},
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
