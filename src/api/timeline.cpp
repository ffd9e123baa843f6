// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace baton::api::v1 {

namespace {

struct Entry {
    WallMs at_ms = 0;
    std::string kind, text, rule, subject, successor, by, node, plan;
    std::uint64_t epoch = 0, number = 0;
    std::vector<std::string> evidence;
    const control::RecoveryView* recovery = nullptr;
    bool with_steps = false;
    std::string state;  // "", "ok", "warning", "critical"
};

std::string text_or_empty(const InstanceId& id) {
    return id.empty() ? std::string() : id.text();
}

std::string_view state_of(control::Decision::Kind kind) {
    using Kind = control::Decision::Kind;
    switch (kind) {
        case Kind::taken:
        case Kind::blocked:
            return "critical";
        case Kind::refused:
        case Kind::waiting:
        case Kind::shadowed:
            return "warning";
        case Kind::cleared:
        case Kind::role:
            return "ok";
        case Kind::policy:
            break;
    }
    return "";
}

void add_decisions(std::vector<Entry>& out, const std::string& id, const Moment& moment) {
    if (moment.view->decisions == nullptr) {
        return;
    }
    const auto found = moment.view->decisions->find(id);
    if (found == moment.view->decisions->end()) {
        return;
    }
    for (const auto& decision : found->second) {
        auto& entry = out.emplace_back();
        entry.at_ms = decision->at_ms;
        entry.kind = to_string(decision->kind);
        entry.text = decision->text;
        entry.rule = decision->rule;
        entry.subject = text_or_empty(decision->subject);
        entry.successor = text_or_empty(decision->successor);
        entry.by = decision->by;
        entry.node = decision->node;
        entry.plan = decision->plan;
        entry.epoch = decision->epoch;
        entry.number = decision->number;
        entry.evidence = decision->evidence;
        entry.state = state_of(decision->kind);
        for (const auto& recovery : moment.view->recoveries) {
            if (!decision->recovery_id.empty() && recovery->record.id == decision->recovery_id) {
                entry.recovery = recovery.get();
            }
        }
    }
}

void add_detections(std::vector<Entry>& out, const std::string& id, const Moment& moment) {
    for (const auto& detection : moment.view->detections) {
        if (detection->cluster_id != id) {
            continue;
        }
        auto& begun = out.emplace_back();
        begun.at_ms = detection->begin_ms;
        begun.kind = "detected";
        begun.text = fmt::format(
            "{} {}: {}",
            analysis::to_string(detection->code),
            detection->failed.text(),
            detection->summary
        );
        begun.rule = analysis::to_string(detection->code);
        begun.subject = detection->failed.text();
        begun.node = detection->node;
        begun.epoch = detection->epoch;
        begun.evidence = detection->evidence;
        for (const auto& veto : detection->vetoes) {
            begun.evidence.push_back("not acted upon: " + veto);
        }
        begun.state = detection->actionable ? "critical" : "warning";
        if (detection->end_ms != 0) {
            auto& ended = out.emplace_back();
            ended.at_ms = detection->end_ms;
            ended.kind = "over";
            ended.text = fmt::format(
                "over: {} {}", analysis::to_string(detection->code), detection->failed.text()
            );
            ended.rule = analysis::to_string(detection->code);
            ended.subject = detection->failed.text();
            ended.state = "ok";
        }
    }
}

void add_recoveries(std::vector<Entry>& out, const std::string& id, const Moment& moment) {
    std::set<std::string> begun;
    for (const auto& entry : out) {
        if (entry.recovery != nullptr && entry.kind == "taken") {
            begun.insert(entry.recovery->record.id);
        }
    }
    for (const auto& recovery : moment.view->recoveries) {
        const auto& record = recovery->record;
        if (record.cluster_id != id) {
            continue;
        }
        const auto add = [&](WallMs at, std::string_view kind, std::string text) -> Entry& {
            auto& entry = out.emplace_back();
            entry.at_ms = at;
            entry.kind = kind;
            entry.text = std::move(text);
            entry.rule = recovery::kind_key(record.kind);
            entry.subject = text_or_empty(record.failed);
            entry.successor = text_or_empty(record.successor);
            entry.by = record.requested_by;
            entry.node = record.node;
            entry.epoch = record.epoch;
            entry.recovery = recovery.get();
            return entry;
        };
        if (!begun.contains(record.id)) {  // of a version that kept no decisions
            add(record.started_ms,
                "taken",
                fmt::format(
                    "recovery {} begins: {} {}",
                    record.number,
                    analysis::to_string(record.code),
                    record.failed.text()
                ))
                .evidence = record.evidence;
            out.back().state = "critical";
        }
        if (!record.running()) {
            auto& ended =
                add(record.ended_ms,
                    recovery::to_string(record.state),
                    fmt::format(
                        "recovery {} after {} ms: {}",
                        record.number,
                        record.total_us / 1000,
                        record.outcome
                    ));
            ended.with_steps = true;
            ended.state = record.state == recovery::State::done     ? "ok"
                          : record.state == recovery::State::failed ? "critical"
                                                                    : "warning";
            if (!record.loss.empty()) {
                ended.evidence.push_back("loss: " + record.loss);
            }
            for (const auto& error : record.errors) {
                ended.evidence.push_back(error);
            }
        } else {
            auto& now =
                add(moment.wall_ms, "running", fmt::format("recovery {} is running", record.number)
                );
            now.with_steps = true;
            now.state = "critical";
        }
    }
}

/// What the decisions do not tell already.
void add_commands(std::vector<Entry>& out, const topology::Cluster& cluster, const Moment& moment) {
    constexpr std::array<std::string_view, 3> told{"recover", "recover-failed", "set-policy"};
    constexpr std::array<std::string_view, 4> of_all{
        "become-active", "hand-over", "disable-global-recoveries", "enable-global-recoveries"};
    for (const auto& audit : moment.view->audit) {
        // Entries of an older version name only the server.
        const bool here = audit->cluster_id == cluster.id ||
                          (audit->cluster_id.empty() &&
                           ((!audit->cluster_name.empty() && audit->cluster_name == cluster.name) ||
                            (!audit->instance.empty() &&
                             moment.view->topology->cluster_of(audit->instance) == &cluster)));
        const bool everywhere =
            std::find(of_all.begin(), of_all.end(), audit->type) != of_all.end();
        if ((!here && !everywhere) ||
            std::find(told.begin(), told.end(), audit->type) != told.end()) {
            continue;
        }
        auto& entry = out.emplace_back();
        entry.at_ms = audit->at_ms;
        entry.kind = everywhere ? "node" : audit->by.empty() ? "noted" : "command";
        entry.text = audit->type;
        entry.text += audit->instance.empty() ? "" : " " + audit->instance.text();
        entry.text += audit->message.empty() ? "" : ": " + audit->message;
        entry.rule = audit->type;
        entry.subject = text_or_empty(audit->instance);
        entry.by = audit->by;
        entry.node = audit->node;
        entry.epoch = audit->epoch;
    }
}

/// What comes first of the same millisecond: a recovery begins before it ends.
int place_in(const Entry& entry) {
    if (entry.kind == "over") {
        return 0;
    }
    if (entry.kind == "detected") {
        return 1;
    }
    return entry.kind == "role" ? 3 : entry.with_steps ? 4 : 2;
}

void write_entry(JsonWriter& json, const Entry& entry) {
    json.begin_object();
    json.member("at_ms", entry.at_ms);
    json.member("at", fmt::format("{}.{:03}", wall_text(entry.at_ms), entry.at_ms % 1000));
    json.member("kind", entry.kind);
    json.member("state", entry.state);
    json.member("text", entry.text);
    json.member("rule", entry.rule);
    json.member("subject", entry.subject);
    json.member("successor", entry.successor);
    json.member("plan", entry.plan);
    json.member("evidence", entry.evidence);
    json.member("by", entry.by);
    json.member("node", entry.node);
    json.member("epoch", entry.epoch);
    json.member("recovery", entry.recovery == nullptr ? std::string() : entry.recovery->record.id);
    json.member(
        "recovery_number",
        entry.recovery == nullptr ? std::uint64_t{0} : entry.recovery->record.number
    );
    json.key("steps").begin_array();
    if (entry.with_steps) {
        for (const auto& step : entry.recovery->steps) {
            json.begin_object();
            json.member("number", step.number);
            json.member("at_ms", step.started_ms);
            json.member("text", step.text);
            json.member("state", recovery::to_string(step.state));
            json.member("outcome", step.outcome);
            json.member("duration_ms", static_cast<double>(step.duration_us) / 1000);
            json.member("epoch", step.epoch);
            json.end_object();
        }
    }
    json.end_array();
    json.end_object();
}

}  // namespace

void write_timeline(
    JsonWriter& json,
    const topology::Cluster& cluster,
    const Moment& moment,
    std::size_t limit,
    WallMs before_ms
) {
    std::vector<Entry> entries;
    add_decisions(entries, cluster.id, moment);
    add_decisions(entries, "", moment);
    add_detections(entries, cluster.id, moment);
    add_recoveries(entries, cluster.id, moment);
    add_commands(entries, cluster, moment);
    std::erase_if(entries, [&](const Entry& entry) {
        return before_ms != 0 && entry.at_ms >= before_ms;
    });
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tuple(a.at_ms, place_in(a), a.number) >
               std::tuple(b.at_ms, place_in(b), b.number);
    });
    json.begin_object();
    json.member("cluster", cluster.name);
    json.member("alias", cluster.alias);
    json.member("more", entries.size() > limit);
    json.key("entries").begin_array();
    for (std::size_t at = 0; at < std::min(limit, entries.size()); ++at) {
        write_entry(json, entries[at]);
    }
    json.end_array();
    json.end_object();
}

}  // namespace baton::api::v1
