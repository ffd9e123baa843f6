// SPDX-License-Identifier: Apache-2.0

// The explanation of a cluster: its state and what that rests on, would it fail over, and what
// then.

#include "instance_facts.hpp"
#include "json_advice.hpp"
#include "json_policy.hpp"
#include "json_v1.hpp"
#include "json_v1_parts.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::api::v1 {

using namespace parts;

namespace {

struct Answer {
    bool yes = false;
    std::string why;
};

Answer would_fail_over(const Cluster& cluster, const Moment& moment) {
    const auto& view = *moment.view;
    if (const auto* const record = running_recovery(cluster, moment)) {
        return Answer{true, fmt::format("recovery {} is running", record->number)};
    }
    const Finding* worst = nullptr;
    for (const auto* finding : findings_of(cluster, moment)) {
        if (finding->actionable() && (worst == nullptr || finding->is_primary)) {
            worst = finding;
        }
    }
    if (worst == nullptr) {
        for (const auto* finding : findings_of(cluster, moment)) {
            // What keeps a replaced primary that is back from following is another matter.
            if (!finding->vetoes.empty() && finding->severity >= analysis::Severity::warning) {
                return Answer{false, join(finding->vetoes, "; ")};
            }
        }
        return Answer{false, "no failure is seen that a recovery would cure"};
    }
    const auto* own = effective_policy(view, cluster.id);
    if (view.shadow || (own != nullptr && own->shadow)) {
        const auto* const said = blocked(*worst, moment);
        if (said != nullptr && said->kind == recovery::to_string(recovery::Refusal::Kind::shadow)) {
            return Answer{false, said->reason};  // with what would be done
        }
        return Answer{
            false,
            view.shadow
                ? "this service runs in shadow mode and changes nothing"
                : "the policy puts this cluster into shadow mode: nothing of it is changed"};
    }
    if (const auto* const refusal = blocked(*worst, moment)) {
        return Answer{false, refusal->reason};
    }
    if (view.recoveries_disabled) {
        return Answer{
            false,
            fmt::format("automatic recovery is disabled by {}", view.recoveries_disabled_by)};
    }
    return Answer{true, worst->summary};
}

/// What the state rests on when nothing is wrong, too.
std::vector<std::string> state_evidence(const Cluster& cluster, const Moment& moment) {
    const auto& topology = *moment.view->topology;
    std::vector<std::string> out;
    const auto* primary = topology.find(cluster.primary);
    if (primary == nullptr) {
        out.emplace_back("no server of the cluster is known to be its primary");
    } else if (!freshness_of(*primary, moment).valid) {
        out.push_back(primary->id.text() + " " + unreachable_text(*primary));
    } else {
        out.push_back(fmt::format(
            "{} answers in {} ms and is {}",
            primary->id.text(),
            std::max<std::int64_t>(1, to_ms(primary->health.latency)),
            primary->state.read_only ? "read-only" : "writable"
        ));
    }
    std::size_t replicas = 0;
    std::size_t replicating = 0;
    std::int64_t lag = 0;
    for (const auto* member : topology.members(cluster)) {
        if (member->id == cluster.primary || !member->is_replica()) {
            continue;
        }
        ++replicas;
        const auto* channel = member->channel();
        if (freshness_of(*member, moment).valid && channel != nullptr && channel->replicating()) {
            ++replicating;
            lag = std::max(lag, member->lag_seconds().value_or(0));
        }
    }
    out.push_back(fmt::format(
        "{} of {} replica{} replicate{}{}",
        replicating,
        replicas,
        replicas == 1 ? "" : "s",
        replicating == 1 ? "s" : "",
        replicating > 0 ? fmt::format(", at most {} s behind", lag) : ""
    ));
    if (primary != nullptr && primary->state.semi_sync.source_enabled) {
        const auto& semi_sync = primary->state.semi_sync;
        out.push_back(fmt::format(
            "semi-synchronous: {} acknowledging, waits for {}{}",
            semi_sync.clients,
            semi_sync.wait_for_replica_count,
            semi_sync.source_status ? "" : "; it does not wait at the moment"
        ));
    }
    return out;
}

}  // namespace

void write_forecast(JsonWriter& json, const recovery::Forecast& forecast) {
    json.begin_object();
    json.member("successor", text_or_empty(forecast.successor));
    json.member("loss", forecast.loss);
    json.member("blockers", forecast.blockers);
    write_candidates(json, forecast.candidates);
    write_ids(json, "would_be_lost", forecast.would_be_lost);
    json.key("lost").begin_array();
    for (const auto& lost : forecast.lost) {
        json.begin_object();
        json.member("id", lost.id.text());
        json.member("reason", lost.reason);
        json.end_object();
    }
    json.end_array();
    json.member("duration_ms", forecast.duration_ms());
    json.key("duration").begin_array();
    for (const auto& part : forecast.duration) {
        json.begin_object();
        json.member("what", part.what);
        json.member("ms", part.ms);
        json.member("basis", part.basis);
        json.end_object();
    }
    json.end_array();
    json.member("successor_lag_seconds", forecast.successor_lag_seconds);
    json.end_object();
}

void write_explanation(JsonWriter& json, const Cluster& cluster, const Moment& moment) {
    json.begin_object();
    write_head(json, cluster, verdict_of(cluster, moment));
    // Of what is shown and of what the forecast rests on, which are one: 0 when seen by itself.
    json.member(
        "age_ms",
        moment.view->active ? std::int64_t{0}
                            : std::max<std::int64_t>(0, to_ms(moment.now - moment.view->fresh_at))
    );
    json.member("evidence", state_evidence(cluster, moment));
    const auto* own = effective_policy(*moment.view, cluster.id);
    json.member(
        "mode", moment.view->shadow || (own != nullptr && own->shadow) ? "shadow" : "active"
    );
    write_policy_summary(json, cluster, *moment.view);
    write_findings(json, cluster, moment);
    const auto answer = would_fail_over(cluster, moment);
    json.member("would_fail_over_now", answer.yes);
    json.member("why", answer.why);
    json.key("forecast");
    write_forecast(json, control::forecast_of(*moment.view, cluster, moment.now, moment.wall_ms));
    json.key("settings");
    write_advices(json, cluster, moment);
    json.end_object();
}

}  // namespace baton::api::v1
