// SPDX-License-Identifier: Apache-2.0

// Downtime, maintenance, tags and promotion rules, in orchestrator's forms.

#include "json_instance.hpp"
#include "lookup.hpp"
#include "paging.hpp"
#include "reply.hpp"
#include "route.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::api {

namespace {

constexpr std::chrono::seconds usual_downtime = std::chrono::minutes(10);

/// "90s", "10m", "2h", "3d", "1w". Errors: invalid_argument.
Result<std::chrono::seconds> parsed_duration(std::string_view text) {
    constexpr std::uint64_t most = 10UL * 365 * 86400;
    const auto bad = [&] {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "Invalid duration: {} (a number with one of s, m, h, d, w)", clipped(text, 100)
            )
        );
    };
    if (text.size() < 2) {
        return bad();
    }
    std::uint64_t unit = 0;
    switch (text.back()) {
        case 's':
            unit = 1;
            break;
        case 'm':
            unit = 60;
            break;
        case 'h':
            unit = 3600;
            break;
        case 'd':
            unit = 86400;
            break;
        case 'w':
            unit = 604800;
            break;
        default:
            return bad();
    }
    const auto number = parsed_number(text.substr(0, text.size() - 1));
    if (!number || *number > most / unit) {
        return bad();
    }
    return std::chrono::seconds(*number * unit);
}

http::Response done(const Result<void>& result, const std::string& message, const InstanceId& id) {
    return result ? ok(message, id) : failure(result.error());
}

/// Known, or named by what operators said of it.
template <class Map>
Result<InstanceId> known_or_in(const Call& call, const Map& map) {
    const auto id = instance_id(call, 0);
    if (id && map.contains(*id)) {
        return id;
    }
    return known_instance(call, 0);
}

Task<http::Response> begin_downtime(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    auto length = usual_downtime;
    if (call->parameters.size() > 4) {
        const auto wanted = parsed_duration(call->parameter(4));
        if (!wanted) {
            co_return failure(wanted.error());
        }
        length = *wanted;
    }
    const auto result = co_await call->commands->begin_downtime(
        *id, call->parameter(2), call->parameter(3), length, call->by()
    );
    co_return done(result, fmt::format("Downtime begun: {}", id->text()), *id);
}

Task<http::Response> end_downtime(std::shared_ptr<const Call> call) {
    const auto id = known_or_in(*call, call->topology().overlay().downtimes);
    if (!id) {
        co_return failure(id.error());
    }
    const auto result = co_await call->commands->end_downtime(*id, call->by());
    co_return done(result, fmt::format("Downtime ended: {}", id->text()), *id);
}

const topology::Maintenance* lasting_maintenance(const Call& call, const InstanceId& id) {
    const auto& all = call.topology().overlay().maintenances;
    const auto found = all.find(id);
    return found == all.end() || found->second.end_ms <= call.wall_ms ? nullptr : &found->second;
}

http::Response maintenance(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (const auto& [id, entry] : call.topology().overlay().maintenances) {
        if (entry.end_ms <= call.wall_ms) {
            continue;
        }
        json.begin_object();
        json.member("MaintenanceId", entry.id);
        json.key("Key");
        write_key(json, id);
        json.member("BeginTimestamp", wall_text(entry.begin_ms));
        json.member("SecondsElapsed", std::max<WallMs>(call.wall_ms - entry.begin_ms, 0) / 1000);
        json.member("IsActive", true);
        json.member("Owner", entry.owner);
        json.member("Reason", entry.reason);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

http::Response in_maintenance(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    const bool is = lasting_maintenance(call, *id) != nullptr;
    return ok(is ? "true" : "false", text_json(is ? id->text() : ""));
}

Task<http::Response> begin_maintenance(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto number = co_await call->commands->begin_maintenance(
        *id, call->parameter(2), call->parameter(3), call->by()
    );
    if (!number) {
        co_return failure(number.error(), "0");
    }
    co_return ok(fmt::format("Maintenance begun: {}", id->text()), *id);
}

Task<http::Response> end_maintenance(std::shared_ptr<const Call> call) {
    const auto id = known_or_in(*call, call->topology().overlay().maintenances);
    if (!id) {
        co_return failure(id.error());
    }
    const auto result = co_await call->commands->end_maintenance(*id, call->by());
    co_return done(result, fmt::format("Maintenance ended: {}", id->text()), *id);
}

Task<http::Response> end_maintenance_by_number(std::shared_ptr<const Call> call) {
    const auto number = parsed_number(call->parameter(0));
    if (!number) {
        co_return failure(
            Errc::invalid_argument,
            fmt::format("Invalid maintenance key: {}", clipped(call->parameter(0), 100))
        );
    }
    for (const auto& [id, entry] : call->topology().overlay().maintenances) {
        if (entry.id == *number) {
            const auto result = co_await call->commands->end_maintenance(id, call->by());
            if (!result) {
                co_return failure(result.error());
            }
            break;
        }
    }
    // None of that number: it has ended already, perhaps by the same request before.
    co_return ok(fmt::format("Maintenance ended: {}", *number), std::to_string(*number));
}

// ---- tags

struct Tag {
    std::string name;
    std::optional<std::string> value;
    bool not_there = false;  // "~name", "!name"
};

Result<Tag> parsed_tag(std::string_view text) {
    Tag tag;
    text = trim(text);
    if (text.starts_with('~') || text.starts_with('!')) {
        tag.not_there = true;
        text.remove_prefix(1);
    }
    const auto equals = text.find('=');
    tag.name = std::string(trim(text.substr(0, equals)));
    if (equals != std::string_view::npos) {
        tag.value = std::string(trim(text.substr(equals + 1)));
    }
    if (tag.name.empty() || tag.name.size() > 128) {
        return fail(Errc::invalid_argument, "Unable to parse tag: give it as name or name=value");
    }
    return tag;
}

/// From path parameters `at` (name) and `at`+1 (value), else from ?tag=.
Result<Tag> asked_tag(const Call& call, std::size_t at) {
    if (call.parameters.size() <= at) {
        return parsed_tag(call.request.query_value("tag"));
    }
    Tag tag;
    tag.name = call.parameter(at);
    if (call.parameters.size() > at + 1) {
        tag.value = call.parameter(at + 1);
    }
    return tag;
}

const std::map<std::string, std::string>& tags_of(const Call& call, const InstanceId& id) {
    static const std::map<std::string, std::string> none;
    const auto& all = call.topology().overlay().tags;
    const auto found = all.find(id);
    return found == all.end() ? none : found->second;
}

http::Response tags(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    JsonWriter json;
    json.begin_array();
    for (const auto& [name, value] : tags_of(call, *id)) {
        json.value(name + "=" + value);
    }
    json.end_array();
    return plain(json);
}

http::Response tag_value(const Call& call) {
    const auto id = resolved_instance_id(call, 0);
    if (!id) {
        return failure(id.error());
    }
    const auto tag = asked_tag(call, 2);
    if (!tag) {
        return failure(tag.error());
    }
    const auto& all = tags_of(call, *id);
    const auto found = all.find(tag->name);
    if (found == all.end()) {
        return failure(
            Errc::not_found, fmt::format("tag {} not found for {}", tag->name, id->text())
        );
    }
    return plain(text_json(found->second));
}

bool has(const Call& call, const InstanceId& id, const Tag& tag) {
    const auto& all = tags_of(call, id);
    const auto found = all.find(tag.name);
    const bool there = found != all.end() && (!tag.value || found->second == *tag.value);
    return there != tag.not_there;
}

http::Response tagged(const Call& call) {
    std::vector<Tag> wanted;
    for (const auto& part : split(call.request.query_value("tag"), ',')) {
        const auto tag = parsed_tag(part);
        if (!tag) {
            return failure(tag.error());
        }
        wanted.push_back(*tag);
    }
    JsonWriter json;
    json.begin_array();
    for (const auto& instance : call.topology().instances()) {
        const bool all = std::all_of(wanted.begin(), wanted.end(), [&](const Tag& tag) {
            return has(call, instance->id, tag);
        });
        if (all) {
            write_key(json, instance->id);
        }
    }
    json.end_array();
    return plain(json);
}

Task<http::Response> set_tag(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto tag = asked_tag(*call, 2);
    if (!tag) {
        co_return failure(tag.error());
    }
    const auto result =
        co_await call->commands->set_tag(*id, tag->name, tag->value.value_or(""), call->by());
    co_return done(result, fmt::format("{} tagged with {}", id->text(), tag->name), *id);
}

http::Response removed(const Result<std::vector<InstanceId>>& ids, const std::string& name) {
    return ids ? ok(fmt::format("{} removed from {} instances", name, ids->size()), keys_json(*ids))
               : failure(ids.error());
}

Task<http::Response> untag(std::shared_ptr<const Call> call) {
    const auto id = known_or_in(*call, call->topology().overlay().tags);
    if (!id) {
        co_return failure(id.error());
    }
    const auto tag = asked_tag(*call, 2);
    if (!tag) {
        co_return failure(tag.error());
    }
    std::optional<InstanceId> one(*id);
    const auto ids = co_await call->commands->remove_tag(one, tag->name, tag->value, call->by());
    co_return removed(ids, tag->name);
}

Task<http::Response> untag_all(std::shared_ptr<const Call> call) {
    const auto tag = asked_tag(*call, 0);
    if (!tag) {
        co_return failure(tag.error());
    }
    if (!tag->value) {
        co_return failure(
            Errc::invalid_argument, "untag-all needs a value as well: ?tag=name=value"
        );
    }
    std::optional<InstanceId> everywhere;
    const auto ids =
        co_await call->commands->remove_tag(everywhere, tag->name, tag->value, call->by());
    co_return removed(ids, tag->name);
}

Task<http::Response> register_candidate(std::shared_ptr<const Call> call) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    const auto rule = topology::parse_promotion_rule(call->parameter(2));
    if (!rule || *rule == topology::PromotionRule::must) {
        co_return failure(
            Errc::invalid_argument,
            fmt::format(
                "Invalid promotion rule: {} (allowed: prefer, neutral, prefer_not, must_not)",
                clipped(call->parameter(2), 100)
            )
        );
    }
    const auto result = co_await call->commands->register_candidate(*id, *rule, call->by());
    co_return done(result, fmt::format("Registered candidate {}", id->text()), *id);
}

constexpr auto here = Runs::anywhere;
constexpr auto active = Runs::on_leader;
constexpr auto read = Access::read;
constexpr auto act = Access::operate;

constexpr std::array rows{
    Route{
        "/api/begin-downtime/{host}/{port}/{owner}/{reason}",
        act,
        active,
        begin_downtime,
        "Ten minutes of downtime: no automatic recovery of this server. Asked again it begins "
        "anew"},
    Route{
        "/api/begin-downtime/{host}/{port}/{owner}/{reason}/{duration}",
        act,
        active,
        begin_downtime,
        "The same with a duration such as 30s, 10m, 2h, 1d, 1w"},
    Route{"/api/end-downtime/{host}/{port}", act, active, end_downtime, "End it"},
    Route{"/api/maintenance", read, here, maintenance, "Servers under maintenance"},
    Route{
        "/api/in-maintenance/{host}/{port}",
        read,
        here,
        in_maintenance,
        "Whether this one is; the message is true or false"},
    Route{
        "/api/begin-maintenance/{host}/{port}/{owner}/{reason}",
        act,
        active,
        begin_maintenance,
        "Ten minutes of maintenance: an exclusive lock of one owner"},
    Route{"/api/end-maintenance/{host}/{port}", act, active, end_maintenance, "End it"},
    Route{
        "/api/end-maintenance/{id}",
        act,
        active,
        end_maintenance_by_number,
        "End it by its number"},
    Route{"/api/tags/{host}/{port}", read, here, tags, "Tags of a server as name=value"},
    Route{"/api/tag-value/{host}/{port}", read, here, tag_value, "Value of ?tag="},
    Route{"/api/tag-value/{host}/{port}/{name}", read, here, tag_value, "Value of a tag"},
    Route{"/api/tagged", read, here, tagged, "Servers with all of ?tag=a,b=c,~d (~ or !: without)"},
    Route{
        "/api/tagged/{host}/{port}",
        read,
        here,
        tagged,
        "The same; orchestrator-client sends a server it does not mean"},
    Route{"/api/tag/{host}/{port}", act, active, set_tag, "Set ?tag=name=value"},
    Route{"/api/tag/{host}/{port}/{name}/{value}", act, active, set_tag, "Set a tag"},
    Route{
        "/api/untag/{host}/{port}",
        act,
        active,
        untag,
        "Remove ?tag=name, or only if it is name=value"},
    Route{"/api/untag/{host}/{port}/{name}", act, active, untag, "Remove a tag"},
    Route{"/api/untag-all", act, active, untag_all, "Remove ?tag=name=value from all servers"},
    Route{"/api/untag-all/{name}/{value}", act, active, untag_all, "The same"},
    Route{
        "/api/register-candidate/{host}/{port}/{rule}",
        act,
        active,
        register_candidate,
        "Promotion rule for an hour: prefer, neutral, prefer_not or must_not"},
};

}  // namespace

std::span<const Route> maintenance_routes() {
    return rows;
}

}  // namespace baton::api
