// SPDX-License-Identifier: Apache-2.0

// Recoveries ordered and acknowledged, automatic recovery switched off and on, in orchestrator's
// forms.

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

Task<http::Response> recovered(std::shared_ptr<const Call> call, bool skip_hooks) {
    const auto id = known_instance(*call, 0);
    if (!id) {
        co_return failure(id.error());
    }
    InstanceId candidate;
    if (call->parameters.size() == 4) {
        const auto wanted = known_instance(*call, 2);
        if (!wanted) {
            co_return failure(wanted.error(), key_json(*id));
        }
        candidate = *wanted;
    }
    const auto record = co_await call->commands->recover(*id, candidate, skip_hooks, call->by());
    if (!record) {
        co_return failure(record.error(), key_json(*id));
    }
    if (record->successor.empty()) {
        co_return ok(
            fmt::format("Recovery {} of {} ended: {}", record->number, id->text(), record->outcome),
            *id
        );
    }
    co_return ok(
        fmt::format(
            "Recovery {} of {}: successor is {}",
            record->number,
            id->text(),
            record->successor.text()
        ),
        record->successor
    );
}

Task<http::Response> recover(std::shared_ptr<const Call> call) {
    const bool skip = call->request.query_value("skipProcesses") == "true";
    return recovered(std::move(call), skip);
}

Task<http::Response> recover_lite(std::shared_ptr<const Call> call) {
    return recovered(std::move(call), true);
}

/// Details tells what was acknowledged, in the words it was asked for.
Task<http::Response> acknowledged(
    std::shared_ptr<const Call> call, control::AckScope scope, std::string details
) {
    const auto comment = std::string(trim(call->request.query_value("comment")));
    if (comment.empty()) {
        co_return failure(Errc::invalid_argument, "No acknowledge comment given: add ?comment=...");
    }
    const auto numbers =
        co_await call->commands->acknowledge(std::move(scope), comment, call->by());
    if (!numbers) {
        co_return failure(numbers.error());
    }
    co_return ok(fmt::format("Acknowledged {} recoveries", numbers->size()), details);
}

control::AckScope scope_of(control::AckScope::Kind kind, std::string text) {
    control::AckScope scope;
    scope.kind = kind;
    scope.text = std::move(text);
    return scope;
}

Task<http::Response> refused(Error error) {
    co_return failure(error);
}

Task<http::Response> ack_cluster(std::shared_ptr<const Call> call) {
    const auto cluster = find_cluster(*call, call->parameter(0), false);
    if (!cluster) {
        return refused(cluster.error());
    }
    const auto name = (*cluster)->name;
    return acknowledged(
        std::move(call), scope_of(control::AckScope::Kind::cluster, name), text_json(name)
    );
}

Task<http::Response> ack_cluster_alias(std::shared_ptr<const Call> call) {
    const auto cluster = find_alias(*call, call->parameter(0));
    if (!cluster) {
        return refused(cluster.error());
    }
    const auto name = (*cluster)->name;
    return acknowledged(
        std::move(call), scope_of(control::AckScope::Kind::cluster, name), text_json(name)
    );
}

Task<http::Response> ack_instance(std::shared_ptr<const Call> call) {
    const auto id = instance_id(*call, 0);
    if (!id) {
        return refused(id.error());
    }
    return acknowledged(
        std::move(call), scope_of(control::AckScope::Kind::instance, id->text()), key_json(*id)
    );
}

Task<http::Response> ack_number(std::shared_ptr<const Call> call) {
    auto text = call->parameter(0);
    if (!parsed_number(text)) {
        return refused(Error(
            Errc::invalid_argument, fmt::format("Invalid recovery id: {}", clipped(text, 100))
        ));
    }
    return acknowledged(
        std::move(call), scope_of(control::AckScope::Kind::number, text), text_json(text)
    );
}

Task<http::Response> ack_uid(std::shared_ptr<const Call> call) {
    auto text = call->parameter(0);
    return acknowledged(
        std::move(call), scope_of(control::AckScope::Kind::uid, text), text_json(text)
    );
}

Task<http::Response> ack_all(std::shared_ptr<const Call> call) {
    const auto comment = text_json(trim(call->request.query_value("comment")));
    return acknowledged(std::move(call), scope_of(control::AckScope::Kind::all, ""), comment);
}

Task<http::Response> switched(std::shared_ptr<const Call> call, bool enabled) {
    const auto done = co_await call->commands->set_recoveries_enabled(enabled, call->by());
    if (!done) {
        co_return failure(done.error());
    }
    co_return ok(
        enabled ? "Globally enabled recoveries" : "Globally disabled recoveries",
        text_json(enabled ? "enabled" : "disabled")
    );
}

Task<http::Response> disable_recoveries(std::shared_ptr<const Call> call) {
    return switched(std::move(call), false);
}

Task<http::Response> enable_recoveries(std::shared_ptr<const Call> call) {
    return switched(std::move(call), true);
}

http::Response check_recoveries(const Call& call) {
    const std::string_view word = call.view->recoveries_disabled ? "disabled" : "enabled";
    return ok(fmt::format("Global recoveries are {}", word), text_json(word));
}

constexpr auto here = Runs::anywhere;
constexpr auto active = Runs::on_leader;
constexpr auto read = Access::read;
constexpr auto act = Access::operate;

constexpr std::array rows{
    Route{
        "/api/recover/{host}/{port}",
        act,
        active,
        recover,
        "Recover this failed server now, whatever filters, downtime and anti-flapping say; answers "
        "when it has ended. Asked again within 60 s of a success it answers the same",
        Limit::long_running},
    Route{
        "/api/recover/{host}/{port}/{candidate_host}/{candidate_port}",
        act,
        active,
        recover,
        "The same, promoting a certain replica",
        Limit::long_running},
    Route{
        "/api/recover-lite/{host}/{port}",
        act,
        active,
        recover_lite,
        "As recover, without hooks",
        Limit::long_running},
    Route{
        "/api/recover-lite/{host}/{port}/{candidate_host}/{candidate_port}",
        act,
        active,
        recover_lite,
        "As recover, without hooks",
        Limit::long_running},
    Route{
        "/api/ack-recovery/cluster/{cluster}",
        act,
        active,
        ack_cluster,
        "Acknowledge the recoveries of a cluster; ?comment= is compulsory"},
    Route{
        "/api/ack-recovery/cluster/alias/{alias}",
        act,
        active,
        ack_cluster_alias,
        "The same by alias alone"},
    Route{
        "/api/ack-recovery/instance/{host}/{port}",
        act,
        active,
        ack_instance,
        "Acknowledge the recoveries of a failed server"},
    Route{"/api/ack-recovery/{id}", act, active, ack_number, "Acknowledge one by number"},
    Route{"/api/ack-recovery/uid/{uid}", act, active, ack_uid, "Acknowledge one by its uid"},
    Route{"/api/ack-all-recoveries", act, active, ack_all, "Acknowledge all"},
    Route{
        "/api/disable-global-recoveries",
        act,
        active,
        disable_recoveries,
        "Stop all automatic recovery, on all nodes"},
    Route{"/api/enable-global-recoveries", act, active, enable_recoveries, "Allow it again"},
    Route{
        "/api/check-global-recoveries",
        read,
        here,
        check_recoveries,
        "\"enabled\" or \"disabled\""},
};

}  // namespace

std::span<const Route> recover_routes() {
    return rows;
}

}  // namespace baton::api
