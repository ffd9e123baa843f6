// SPDX-License-Identifier: Apache-2.0

// The policy and the timeline under /api/v1.

#include "json_policy.hpp"
#include "lookup.hpp"
#include "paging.hpp"
#include "reply.hpp"
#include "route.hpp"
#include "timeline.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::api {

namespace {

constexpr std::size_t usual_entries = 200;
constexpr std::size_t most_entries = 2000;

http::Response unknown(const Error& error) {
    return failure(error.code, error.what, "null", 404);
}

http::Response policy_now(const Call& call) {
    JsonWriter json;
    if (!call.request.has_query("version")) {
        v1::write_policy(json, *call.view);
        return plain(json);
    }
    const auto asked = call.request.query_value("version");
    const auto number = parsed_number(asked);
    for (const auto& version : call.view->policy_versions) {
        if (number && version->number == *number) {
            json.begin_object();
            v1::write_policy_version(json, *version, true);
            json.end_object();
            return plain(json);
        }
    }
    return unknown(Error(
        Errc::not_found,
        fmt::format("No version '{}' of the policy is stored; see its history", clipped(asked, 40))
    ));
}

http::Response history(const Call& call) {
    JsonWriter json;
    json.begin_array();
    for (auto at = call.view->policy_versions.rbegin(); at != call.view->policy_versions.rend();
         ++at) {
        json.begin_object();
        v1::write_policy_version(json, **at, false);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

http::Response settings(const Call& /*call*/) {
    JsonWriter json;
    json.begin_array();
    for (const auto& row : policy::settings()) {
        json.begin_object();
        json.member("key", row.key);
        json.member("allowed", row.allowed);
        json.member("meaning", row.sentence);
        json.end_object();
    }
    json.end_array();
    return plain(json);
}

http::Response of_cluster(const Call& call) {
    const auto found = find_cluster(call, call.parameter(0));
    if (!found) {
        return unknown(found.error());
    }
    JsonWriter json;
    v1::write_cluster_policy(json, **found, *call.view);
    return plain(json);
}

http::Response timeline(const Call& call) {
    const auto found = find_cluster(call, call.parameter(0));
    if (!found) {
        return unknown(found.error());
    }
    const auto limit = parsed_number(call.request.query_value("limit")).value_or(usual_entries);
    const auto before = parsed_number(call.request.query_value("before")).value_or(0);
    JsonWriter json;
    v1::write_timeline(
        json,
        **found,
        call.moment(),
        static_cast<std::size_t>(std::clamp<std::uint64_t>(limit, 1, most_entries)),
        static_cast<WallMs>(std::min<std::uint64_t>(before, INT64_MAX))
    );
    return plain(json);
}

Task<http::Response> validate(std::shared_ptr<const Call> call) {
    JsonWriter json;
    v1::write_faults(json, policy::parse(call->request.body));
    co_return plain(json);
}

Task<http::Response> dry_run(std::shared_ptr<const Call> call) {
    auto document = call->request.body;
    const auto trials = co_await call->commands->try_policy(std::move(document));
    if (!trials) {
        co_return failure(trials.error().code, trials.error().what, "null", 400);
    }
    JsonWriter json;
    v1::write_trials(json, *trials, call->topology().clusters().size());
    co_return plain(json);
}

/// What went wrong by a status that programs know: 409 for a version that is not the present one.
http::Response not_set(const Error& error) {
    switch (error.code) {
        case Errc::conflict:
            return failure(error.code, error.what, "null", 409);
        case Errc::invalid_argument:
            return failure(error.code, error.what, "null", 400);
        case Errc::not_found:
            return unknown(error);
        default:
            return failure(error);
    }
}

http::Response stored(std::uint64_t version) {
    return ok(fmt::format("Version {} of the policy holds now", version), std::to_string(version));
}

/// The version from which the change was made; without it nobody could tell that two changed it at
/// once.
Result<std::uint64_t> expected_version(const Call& call) {
    const auto number = parsed_number(call.request.query_value("expected"));
    if (!number && call.request.has_query("expected")) {
        return fail(Errc::invalid_argument, "?expected= is not the number of a version");
    }
    return number.value_or(call.view->policy_version);
}

Task<http::Response> set(std::shared_ptr<const Call> call) {
    const auto expected = expected_version(*call);
    if (!expected) {
        co_return not_set(expected.error());
    }
    auto document = call->request.body;
    if (document.empty()) {
        document = R"({"rules":[]})";
    }
    auto comment = call->request.query_value("comment");
    const auto done = co_await call->commands->set_policy(
        std::move(document), *expected, std::move(comment), call->by()
    );
    co_return done ? stored(*done) : not_set(done.error());
}

Task<http::Response> roll_back(std::shared_ptr<const Call> call) {
    const auto expected = expected_version(*call);
    if (!expected) {
        co_return not_set(expected.error());
    }
    const auto to = parsed_number(call->request.query_value("to"));
    if (!to && call->request.has_query("to")) {
        co_return failure(
            Errc::invalid_argument, "?to= is not the number of a version", "null", 400
        );
    }
    auto comment = call->request.query_value("comment");
    const auto done = co_await call->commands->roll_back_policy(
        to.value_or(0), *expected, std::move(comment), call->by()
    );
    co_return done ? stored(*done) : not_set(done.error());
}

constexpr auto here = Runs::anywhere;
constexpr auto read = Access::read;
constexpr auto act = Access::operate;

constexpr std::array rows{
    Route{
        "/api/v1/clusters/{cluster}/policy",
        read,
        here,
        of_cluster,
        "Every setting that holds for the cluster, with the rule that made it"},
    Route{
        "/api/v1/clusters/{cluster}/timeline",
        read,
        here,
        timeline,
        "What was seen, decided and done, newest first: ?limit= entries, older than ?before="
        "milliseconds"},
    Route{
        "/api/v1/policy",
        read,
        here,
        policy_now,
        "The policy that holds, with its version; ?version= an older one"},
    Route{"/api/v1/policy/history", read, here, history, "The stored versions, newest first"},
    Route{"/api/v1/policy/settings", read, here, settings, "What a rule can set"},
    Route{
        "/api/v1/policy/validate",
        act,
        here,
        validate,
        "Check the document in the body; answers each fault with its place. Changes nothing"},
    Route{
        "/api/v1/policy/dry-run",
        act,
        here,
        dry_run,
        "What the document in the body would change for each cluster: settings, successor, "
        "blockers, loss. An empty body stands for the rules of the configuration file. Changes "
        "nothing",
        Limit::long_running},
    Route{
        "/api/v1/policy/document",
        act,
        Runs::on_leader,
        set,
        "Make the document in the body the policy (POST or PUT), if version ?expected= holds; else "
        "409. ?comment= for the history"},
    Route{
        "/api/v1/policy/rollback",
        act,
        Runs::on_leader,
        roll_back,
        "Make version ?to= hold again, 0 for the rules of the configuration file, if version "
        "?expected= holds; else 409"},
};

}  // namespace

std::span<const Route> policy_routes() {
    return rows;
}

}  // namespace baton::api
