// SPDX-License-Identifier: Apache-2.0
#include "baton/recovery/record.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

namespace baton::recovery {
namespace {

using Json = nlohmann::json;

constexpr std::array recovery_kinds{
    std::pair{analysis::RecoveryKind::none, std::string_view{"none"}},
    std::pair{analysis::RecoveryKind::dead_primary, std::string_view{"dead_primary"}},
    std::pair{analysis::RecoveryKind::dead_intermediate, std::string_view{"dead_intermediate"}},
    std::pair{analysis::RecoveryKind::contain_deposed, std::string_view{"contain_deposed"}},
    std::pair{analysis::RecoveryKind::switchover, std::string_view{"switchover"}},
    std::pair{analysis::RecoveryKind::rejoin, std::string_view{"rejoin"}},
    std::pair{analysis::RecoveryKind::repair_semi_sync, std::string_view{"repair_semi_sync"}},
    std::pair{analysis::RecoveryKind::make_writable, std::string_view{"make_writable"}},
    std::pair{analysis::RecoveryKind::restart_receiver, std::string_view{"restart_receiver"}},
};

std::string name_of(analysis::RecoveryKind kind) {
    const auto* found =
        std::find_if(recovery_kinds.begin(), recovery_kinds.end(), [&](const auto& entry) {
            return entry.first == kind;
        });
    return std::string(found != recovery_kinds.end() ? found->second : "none");
}

analysis::RecoveryKind kind_named(std::string_view name) {
    const auto* found =
        std::find_if(recovery_kinds.begin(), recovery_kinds.end(), [&](const auto& entry) {
            return entry.second == name;
        });
    return found != recovery_kinds.end() ? found->first : analysis::RecoveryKind::none;
}

// By our own words, since several codes share a name in the API.
analysis::Code code_named(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(analysis::last_code); ++i) {
        const auto code = static_cast<analysis::Code>(i);
        if (analysis::to_string(code) == name) {
            return code;
        }
    }
    return analysis::Code::no_problem;
}

StepState step_state_named(std::string_view name) {
    for (const auto state :
         {StepState::intended,
          StepState::done,
          StepState::failed,
          StepState::skipped,
          StepState::interrupted}) {
        if (to_string(state) == name) {
            return state;
        }
    }
    return StepState::intended;
}

// ASCII only, and never throws on the bytes a server sent: what is no UTF-8 is replaced.
std::string dump(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Json to_json(const InstanceId& id) {
    return id.empty() ? Json("") : Json(id.text());
}

Json to_json(const std::vector<InstanceId>& ids) {
    Json out = Json::array();
    for (const auto& id : ids) {
        out.push_back(to_json(id));
    }
    return out;
}

Json to_json(const topology::LogPosition& position) {
    return Json{{"file", position.file}, {"pos", position.pos}};
}

Json to_json(const ReplicaPosition& position) {
    return Json{
        {"executed", position.executed_gtid_set},
        {"received", position.received_gtid_set},
        {"read", to_json(position.read)},
        {"done", to_json(position.executed)},
        {"broken", position.applier_broken},
        {"error", position.applier_error},
    };
}

Json to_json(const std::map<InstanceId, std::string>& texts) {
    Json out = Json::object();
    for (const auto& [id, text] : texts) {
        out[id.text()] = text;
    }
    return out;
}

// Reads members of an object; whatever is missing or of another type leaves the default. So records
// of older and newer versions can be read.
class Reader {
public:
    explicit Reader(const Json& json) : json_(json) {}

    [[nodiscard]] const Json* member(const char* name) const {
        if (!json_.is_object()) {
            return nullptr;
        }
        const auto found = json_.find(name);
        return found != json_.end() ? &*found : nullptr;
    }

    [[nodiscard]] std::string text(const char* name) const {
        const Json* value = member(name);
        return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{};
    }

    template <class Integer>
    [[nodiscard]] Integer number(const char* name, Integer otherwise = 0) const {
        const Json* value = member(name);
        return value != nullptr && value->is_number_integer() ? value->get<Integer>() : otherwise;
    }

    [[nodiscard]] bool flag(const char* name) const {
        const Json* value = member(name);
        return value != nullptr && value->is_boolean() && value->get<bool>();
    }

    [[nodiscard]] InstanceId id(const char* name) const { return id_from(text(name)); }

    [[nodiscard]] std::vector<std::string> texts(const char* name) const {
        std::vector<std::string> out;
        each(name, [&](const Json& value) {
            if (value.is_string()) {
                out.push_back(value.get<std::string>());
            }
        });
        return out;
    }

    [[nodiscard]] std::vector<InstanceId> ids(const char* name) const {
        std::vector<InstanceId> out;
        for (const auto& text : texts(name)) {
            if (auto id = id_from(text); !id.empty()) {
                out.push_back(std::move(id));
            }
        }
        return out;
    }

    [[nodiscard]] std::map<std::string, std::string> pairs(const char* name) const {
        std::map<std::string, std::string> out;
        const Json* value = member(name);
        if (value != nullptr && value->is_object()) {
            for (const auto& [key, text] : value->items()) {
                if (text.is_string()) {
                    out.emplace(key, text.get<std::string>());
                }
            }
        }
        return out;
    }

    [[nodiscard]] std::map<InstanceId, std::string> texts_by_id(const char* name) const {
        std::map<InstanceId, std::string> out;
        for (auto& [key, text] : pairs(name)) {
            if (auto id = id_from(key); !id.empty()) {
                out.emplace(std::move(id), std::move(text));
            }
        }
        return out;
    }

    [[nodiscard]] topology::LogPosition log_position(const char* name) const {
        const Json* value = member(name);
        if (value == nullptr) {
            return {};
        }
        const Reader reader(*value);
        return {reader.text("file"), reader.number<std::uint64_t>("pos")};
    }

    template <class Action>
    void each(const char* name, Action action) const {
        const Json* value = member(name);
        if (value != nullptr && value->is_array()) {
            for (const auto& element : *value) {
                action(element);
            }
        }
    }

    static InstanceId id_from(const std::string& text) {
        // Not parse_instance_id, which refuses host names that only a hostile server reports: the
        // journal keeps even those.
        const auto colon = text.rfind(':');
        if (colon == std::string::npos) {
            return {};
        }
        Port port = 0;
        const auto [end, status] =
            std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
        if (status != std::errc{} || end != text.data() + text.size()) {
            return {};
        }
        std::string host = text.substr(0, colon);
        if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
            host = host.substr(1, host.size() - 2);
        }
        return {std::move(host), port};
    }

private:
    const Json& json_;
};

ReplicaPosition position_from(const Json& json) {
    const Reader reader(json);
    ReplicaPosition out;
    out.executed_gtid_set = reader.text("executed");
    out.received_gtid_set = reader.text("received");
    out.read = reader.log_position("read");
    out.executed = reader.log_position("done");
    out.applier_broken = reader.flag("broken");
    out.applier_error = reader.text("error");
    return out;
}

Json candidates_json(const std::vector<CandidateVerdict>& candidates) {
    Json out = Json::array();
    for (const auto& verdict : candidates) {
        out.push_back(Json{
            {"id", to_json(verdict.id)},
            {"rank", verdict.rank},
            {"reason", verdict.reason},
            {"missing", verdict.missing_transactions},
        });
    }
    return out;
}

std::vector<CandidateVerdict> candidates_from(const Reader& reader) {
    std::vector<CandidateVerdict> out;
    reader.each("candidates", [&](const Json& element) {
        const Reader verdict(element);
        CandidateVerdict& added = out.emplace_back();
        added.id = verdict.id("id");
        added.rank = verdict.number<int>("rank");
        added.reason = verdict.text("reason");
        added.missing_transactions = verdict.number<std::uint64_t>("missing");
    });
    return out;
}

Result<Json> parsed(std::string_view text, std::string_view what) {
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object()) {
        return fail(Errc::protocol, "a stored " + std::string(what) + " is no JSON object");
    }
    return json;
}

void read_cause(Record& out, const Reader& reader) {
    out.id = reader.text("id");
    out.number = reader.number<std::uint64_t>("number");
    out.kind = kind_named(reader.text("kind"));
    out.state = parse_state(reader.text("state")).value_or(State::running);
    out.phase = parse_phase(reader.text("phase")).value_or(Phase::started);
    out.cluster_id = reader.text("cluster_id");
    out.cluster_name = reader.text("cluster_name");
    out.cluster_alias = reader.text("cluster_alias");
    out.code = code_named(reader.text("code"));
    out.failed = reader.id("failed");
    out.failed_uuid = reader.text("failed_uuid");
    out.evidence = reader.texts("evidence");
    out.replicas = reader.ids("replicas");
    out.forced = reader.flag("forced");
    out.requested_by = reader.text("requested_by");
    out.requested_candidate = reader.id("requested_candidate");
    out.skip_hooks = reader.flag("skip_hooks");
    out.policy_version = reader.number<std::uint64_t>("policy_version");
    out.policy = reader.text("policy");
    out.epoch = reader.number<std::uint64_t>("epoch");
    out.holder = reader.text("holder");
    out.node = reader.text("node");
}

void read_course(Record& out, const Reader& reader) {
    if (const Json* positions = reader.member("positions");
        positions != nullptr && positions->is_object()) {
        for (const auto& [key, value] : positions->items()) {
            if (auto id = Reader::id_from(key); !id.empty()) {
                out.positions.emplace(std::move(id), position_from(value));
            }
        }
    }
    out.candidates = candidates_from(reader);
    out.successor = reader.id("successor");
    out.successor_uuid = reader.text("successor_uuid");
    out.successor_binlog = reader.log_position("successor_binlog");
    out.repointed = reader.ids("repointed");
    out.lost = reader.ids("lost");
    out.loss = reader.text("loss");
    out.semi_sync = reader.flag("semi_sync");
    out.errors = reader.texts("errors");
    out.outcome = reader.text("outcome");
    out.next_step = reader.number<unsigned>("next_step", 1);
    out.hooks = reader.pairs("hooks");
}

void read_memory(Record& out, const Reader& reader) {
    out.acknowledgers = reader.ids("acknowledgers");
    out.acknowledgements = reader.number<std::uint64_t>("acknowledgements");
    out.unknown_acknowledgers = reader.number<std::uint64_t>("unknown_acknowledgers");
    out.stopped_before = reader.ids("stopped_before");
    out.appliers_stopped_before = reader.ids("appliers_stopped_before");
    out.stopped_by_us = reader.ids("stopped_by_us");
    out.changes = reader.texts("changes");
    out.partner_writable = reader.flag("partner_writable");
    if (const Json* attempts = reader.member("attempts");
        attempts != nullptr && attempts->is_object()) {
        for (const auto& [key, value] : attempts->items()) {
            if (value.is_number_unsigned()) {
                out.attempts.emplace(key, value.get<unsigned>());
            }
        }
    }
    out.drains = reader.texts_by_id("drains");
    out.displaced = reader.texts_by_id("displaced");
    out.promoted_gtid_set = reader.text("promoted_gtid_set");
    out.reference_gtid_set = reader.text("reference_gtid_set");
    out.giving_up_as = parse_state(reader.text("giving_up_as")).value_or(State::running);
    out.giving_up = reader.text("giving_up");
    out.classification = reader.text("classification");
}

void read_order(Record& out, const Reader& reader) {
    out.command = reader.text("command");
    out.accept_loss = reader.flag("accept_loss");
    out.final_gtid_set = reader.text("final_gtid_set");
    out.writable_before =
        reader.member("writable_before") == nullptr || reader.flag("writable_before");
    out.start_old = reader.member("start_old") == nullptr || reader.flag("start_old");
    out.fencing = reader.text("fencing");
    out.writer_outage_us = reader.number<std::int64_t>("writer_outage_us");
    out.method = reader.text("method");
    out.donor = reader.id("donor");
}

void read_times(Record& out, const Reader& reader) {
    out.started_ms = reader.number<WallMs>("started_ms");
    out.ended_ms = reader.number<WallMs>("ended_ms");
    out.detection_to_promotion_us = reader.number<std::int64_t>("detection_to_promotion_us");
    out.total_us = reader.number<std::int64_t>("total_us");
    out.acknowledged = reader.flag("acknowledged");
    out.acknowledged_ms = reader.number<WallMs>("acknowledged_ms");
    out.acknowledged_by = reader.text("acknowledged_by");
    out.acknowledged_comment = reader.text("acknowledged_comment");
}

void write_cause(Json& json, const Record& record) {
    json["id"] = record.id;
    json["number"] = record.number;
    json["kind"] = name_of(record.kind);
    json["state"] = to_string(record.state);
    json["phase"] = to_string(record.phase);
    json["cluster_id"] = record.cluster_id;
    json["cluster_name"] = record.cluster_name;
    json["cluster_alias"] = record.cluster_alias;
    json["code"] = analysis::to_string(record.code);
    json["failed"] = to_json(record.failed);
    json["failed_uuid"] = record.failed_uuid;
    json["evidence"] = record.evidence;
    json["replicas"] = to_json(record.replicas);
    json["forced"] = record.forced;
    json["requested_by"] = record.requested_by;
    json["requested_candidate"] = to_json(record.requested_candidate);
    json["skip_hooks"] = record.skip_hooks;
    json["policy_version"] = record.policy_version;
    json["policy"] = record.policy;
    json["epoch"] = record.epoch;
    json["holder"] = record.holder;
    json["node"] = record.node;
}

void write_course(Json& json, const Record& record) {
    Json positions = Json::object();
    for (const auto& [id, position] : record.positions) {
        positions[id.text()] = to_json(position);
    }
    json["positions"] = std::move(positions);
    json["candidates"] = candidates_json(record.candidates);
    json["successor"] = to_json(record.successor);
    json["successor_uuid"] = record.successor_uuid;
    json["successor_binlog"] = to_json(record.successor_binlog);
    json["repointed"] = to_json(record.repointed);
    json["lost"] = to_json(record.lost);
    json["loss"] = record.loss;
    json["semi_sync"] = record.semi_sync;
    json["errors"] = record.errors;
    json["outcome"] = record.outcome;
    json["next_step"] = record.next_step;
    json["hooks"] = record.hooks;
}

void write_memory(Json& json, const Record& record) {
    json["acknowledgers"] = to_json(record.acknowledgers);
    json["acknowledgements"] = record.acknowledgements;
    json["unknown_acknowledgers"] = record.unknown_acknowledgers;
    json["stopped_before"] = to_json(record.stopped_before);
    json["appliers_stopped_before"] = to_json(record.appliers_stopped_before);
    json["stopped_by_us"] = to_json(record.stopped_by_us);
    json["changes"] = record.changes;
    json["partner_writable"] = record.partner_writable;
    json["attempts"] = record.attempts;
    json["drains"] = to_json(record.drains);
    json["displaced"] = to_json(record.displaced);
    json["promoted_gtid_set"] = record.promoted_gtid_set;
    json["reference_gtid_set"] = record.reference_gtid_set;
    json["giving_up_as"] = to_string(record.giving_up_as);
    json["giving_up"] = record.giving_up;
    json["classification"] = record.classification;
}

void write_order(Json& json, const Record& record) {
    json["command"] = record.command;
    json["accept_loss"] = record.accept_loss;
    json["final_gtid_set"] = record.final_gtid_set;
    json["writable_before"] = record.writable_before;
    json["start_old"] = record.start_old;
    json["fencing"] = record.fencing;
    json["writer_outage_us"] = record.writer_outage_us;
    json["method"] = record.method;
    json["donor"] = to_json(record.donor);
}

void write_times(Json& json, const Record& record) {
    json["started_ms"] = record.started_ms;
    json["ended_ms"] = record.ended_ms;
    json["detection_to_promotion_us"] = record.detection_to_promotion_us;
    json["total_us"] = record.total_us;
    json["acknowledged"] = record.acknowledged;
    json["acknowledged_ms"] = record.acknowledged_ms;
    json["acknowledged_by"] = record.acknowledged_by;
    json["acknowledged_comment"] = record.acknowledged_comment;
}

}  // namespace

std::string to_json_text(const Record& record) {
    Json json = Json::object();
    write_cause(json, record);
    write_course(json, record);
    write_memory(json, record);
    write_order(json, record);
    write_times(json, record);
    return dump(json);
}

Result<Record> record_from_json(std::string_view text) {
    const auto json = parsed(text, "recovery");
    if (!json) {
        return json.error();
    }
    const Reader reader(*json);
    Record out;
    read_cause(out, reader);
    read_course(out, reader);
    read_memory(out, reader);
    read_order(out, reader);
    read_times(out, reader);
    return out;
}

std::string to_json_text(const StepRecord& step) {
    return dump(Json{
        {"number", step.number},
        {"epoch", step.epoch},
        {"phase", to_string(step.phase)},
        {"kind", to_string(step.kind)},
        {"target", to_json(step.target)},
        {"text", step.text},
        {"outcome", step.outcome},
        {"state", to_string(step.state)},
        {"started_ms", step.started_ms},
        {"ended_ms", step.ended_ms},
        {"duration_us", step.duration_us},
        {"hook", step.hook},
        {"commands", step.commands},
    });
}

Result<StepRecord> step_from_json(std::string_view text) {
    const auto json = parsed(text, "recovery step");
    if (!json) {
        return json.error();
    }
    const Reader reader(*json);
    StepRecord out;
    out.number = reader.number<unsigned>("number");
    out.epoch = reader.number<std::uint64_t>("epoch");
    out.phase = parse_phase(reader.text("phase")).value_or(Phase::started);
    out.kind = parse_step_kind(reader.text("kind")).value_or(StepKind::stop_receiver);
    out.target = reader.id("target");
    out.text = reader.text("text");
    out.outcome = reader.text("outcome");
    out.state = step_state_named(reader.text("state"));
    out.started_ms = reader.number<WallMs>("started_ms");
    out.ended_ms = reader.number<WallMs>("ended_ms");
    out.duration_us = reader.number<std::int64_t>("duration_us");
    out.hook = reader.text("hook");
    out.commands = reader.texts("commands");
    return out;
}

}  // namespace baton::recovery
