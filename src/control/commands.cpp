// SPDX-License-Identifier: Apache-2.0
// The operators' commands, on the active node.
#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"
#include "baton/topology/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration command_limit = 3s;
constexpr WallMs maintenance_ms =
    600'000;  // by the API always ten minutes, as orchestrator's clients expect
constexpr WallMs candidate_ms = 3600'000;  // registrations are renewed by cron
constexpr Duration forget_pause = 10s;

/// Runs a command on the core's executor and resumes the caller on its own.
template <class T>
Task<Result<T>> on(asio::any_io_executor core, Task<Result<T>> command) {
    auto result = co_await asio::co_spawn(
        core, detail::boxed<Result<T>>(std::move(command)), asio::use_awaitable
    );
    co_return std::move(*result);
}

}  // namespace

Result<void> Engine::Impl::must_lead() const {
    if (!active || !lease.may_act()) {
        return fail(Errc::not_leader, "this node is not the active one");
    }
    return {};
}

/// Writes one document, and takes it into memory when it is written.
Task<Result<void>> Engine::Impl::store_change(ports::Document document) {
    std::vector<ports::Document> documents{document};
    auto written = co_await commit(std::move(documents), command_limit);
    if (!written) {
        co_return written.error().in("the change was not stored");
    }
    State::Touched touched;
    state.apply(document, touched);
    if (touched.overlay) {
        builder.set_overlay(state.overlay);
    }
    publish_soon(true);
    publish();
    co_return Result<void>{};
}

Task<Result<InstanceId>> Engine::Impl::discover(InstanceId id, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    forgotten.erase(id);
    const bool fresh = builder.add(id) || !slots.contains(id);
    if (fresh) {
        if (ignored(id)) {
            builder.remove(id);
            co_return fail(
                Errc::refused, fmt::format("{} matches discovery.ignore_hosts", id.text())
            );
        }
        start_watching(id, 0ms);
    }
    const bool seen = co_await observe_afresh(id, now() + settings.probe_timeout * 2 + 1s);
    publish();
    const auto* instance = topology->find(id);
    const auto slot = slots.find(id);
    if (instance != nullptr && instance->health.valid) {
        if (fresh) {
            audit("discover", id, "", "discovered", by);
        }
        co_return id;
    }
    if (instance == nullptr && seen) {
        // It answered under another name, which was known already.
        for (const auto& known : topology->instances()) {
            if (known->health.valid && known->id.port == id.port &&
                known->state.identity.hostname == id.host) {
                co_return known->id;
            }
        }
    }
    const std::string why = slot != slots.end() && !slot->second->error.empty()
                                ? slot->second->error
                                : "no answer in time";
    if (fresh && instance != nullptr && !instance->ever_seen) {
        remove_instance(id);
        publish_soon(false);
    }
    co_return fail(Errc::unreachable, fmt::format("{} cannot be reached: {}", id.text(), why));
}

Task<Result<InstanceId>> Engine::Impl::refresh(InstanceId id) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (!slots.contains(id)) {
        co_return fail(
            Errc::not_found, fmt::format("{} is not known; discover it first", id.text())
        );
    }
    if (!co_await observe_afresh(id, now() + settings.probe_timeout * 2)) {
        co_return fail(Errc::timeout, fmt::format("{} gave no answer in time", id.text()));
    }
    publish();
    const auto* instance = topology->find(id);
    if (instance == nullptr || !instance->health.valid) {
        co_return fail(
            Errc::unreachable,
            fmt::format(
                "{} cannot be reached: {}",
                id.text(),
                instance == nullptr ? "gone" : instance->health.error
            )
        );
    }
    co_return id;
}

Task<Result<void>> Engine::Impl::forget(InstanceId id, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (topology->find(id) == nullptr && !slots.contains(id)) {
        co_return fail(Errc::not_found, fmt::format("{} is not known", id.text()));
    }
    forgotten[id] = now() + std::max(forget_pause, settings.poll_interval * 3);
    std::vector<ports::Document> documents;
    documents.emplace_back("instance", id.text(), "");
    documents.emplace_back("progress", id.text(), "");
    auto written = co_await commit(std::move(documents), command_limit);
    if (!written) {
        co_return written.error().in("the change was not stored");
    }
    audit("forget", id, "", "forgotten", by);
    remove_instance(id);
    publish();
    co_return Result<void>{};
}

Task<Result<void>> Engine::Impl::forget_cluster(std::string cluster_id, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto* cluster = topology->cluster_by_id(cluster_id);
    if (cluster == nullptr) {
        co_return fail(Errc::not_found, fmt::format("no cluster '{}'", cluster_id));
    }
    const auto members = cluster->members;
    for (const auto& id : members) {
        if (auto done = co_await forget(id, by); !done && done.error().code != Errc::not_found) {
            co_return done;
        }
    }
    co_return Result<void>{};
}

Task<Result<void>> Engine::Impl::begin_downtime(
    InstanceId id,
    std::string owner,
    std::string reason,
    std::chrono::seconds length,
    std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    topology::Downtime downtime;
    downtime.owner = owner;
    downtime.reason = reason;
    downtime.begin_ms = wall();
    downtime.end_ms = downtime.begin_ms + to_ms(length);
    State scratch;
    auto document = scratch.put_downtime(id, &downtime);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit(
            "begin-downtime",
            id,
            "",
            fmt::format(
                "owner: {}, reason: {}, until {}", owner, reason, wall_text(downtime.end_ms)
            ),
            by
        );
    }
    co_return stored;
}

Task<Result<void>> Engine::Impl::end_downtime(InstanceId id, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const bool there = state.overlay.downtimes.contains(id);
    if (!there) {
        co_return Result<void>{};  // a repetition
    }
    State scratch;
    auto document = scratch.put_downtime(id, nullptr);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit("end-downtime", id, "", "ended", by);
    }
    co_return stored;
}

Task<Result<std::uint64_t>> Engine::Impl::begin_maintenance(
    InstanceId id, std::string owner, std::string reason, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (const auto known = state.overlay.maintenances.find(id);
        known != state.overlay.maintenances.end()) {
        if (known->second.owner == owner && known->second.reason == reason) {
            co_return known->second.id;  // a repetition
        }
        co_return fail(
            Errc::conflict,
            fmt::format(
                "{} is under maintenance by {} ({}) until {}",
                id.text(),
                known->second.owner,
                known->second.reason,
                wall_text(known->second.end_ms)
            )
        );
    }
    topology::Maintenance maintenance;
    maintenance.begin_ms = wall();
    maintenance.id = static_cast<std::uint64_t>(maintenance.begin_ms);
    maintenance.owner = owner;
    maintenance.reason = reason;
    maintenance.end_ms = maintenance.begin_ms + maintenance_ms;
    State scratch;
    auto document = scratch.put_maintenance(id, &maintenance);
    auto stored = co_await store_change(std::move(document));
    if (!stored) {
        co_return stored.error();
    }
    audit("begin-maintenance", id, "", fmt::format("owner: {}, reason: {}", owner, reason), by);
    co_return maintenance.id;
}

Task<Result<void>> Engine::Impl::end_maintenance(InstanceId id, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (!state.overlay.maintenances.contains(id)) {
        co_return Result<void>{};
    }
    State scratch;
    auto document = scratch.put_maintenance(id, nullptr);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit("end-maintenance", id, "", "ended", by);
    }
    co_return stored;
}

Task<Result<void>> Engine::Impl::register_candidate(
    InstanceId id, topology::PromotionRule rule, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    topology::CandidateRule value;
    value.rule = rule;
    value.set_ms = wall();
    value.expires_ms = value.set_ms + candidate_ms;
    State scratch;
    auto document =
        scratch.put_candidate(id, rule == topology::PromotionRule::neutral ? nullptr : &value);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit("register-candidate", id, "", std::string(topology::to_string(rule)), by);
    }
    co_return stored;
}

Task<Result<void>> Engine::Impl::set_tag(
    InstanceId id, std::string name, std::string value, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    auto tags = state.overlay.tags[id];
    tags[name] = value;
    State scratch;
    auto document = scratch.put_tags(id, tags);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit("tag", id, "", fmt::format("{}={}", name, value), by);
    }
    co_return stored;
}

Task<Result<std::vector<InstanceId>>> Engine::Impl::remove_tag(
    std::optional<InstanceId> id, std::string name, std::optional<std::string> value, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    std::vector<InstanceId> changed;
    const auto all = state.overlay.tags;
    for (const auto& [tagged, tags] : all) {
        const auto tag = tags.find(name);
        if ((id && *id != tagged) || tag == tags.end() || (value && tag->second != *value)) {
            continue;
        }
        auto rest = tags;
        rest.erase(name);
        State scratch;
        auto document = scratch.put_tags(tagged, rest);
        auto stored = co_await store_change(std::move(document));
        if (!stored) {
            co_return stored.error();
        }
        audit("delete-instance-tag", tagged, "", name, by);
        changed.push_back(tagged);
    }
    co_return changed;
}

Task<Result<void>> Engine::Impl::set_cluster_alias(
    std::string cluster_id, std::string alias, std::string by
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto known = state.overlay.clusters.find(cluster_id);
    if (known == state.overlay.clusters.end()) {
        co_return fail(Errc::not_found, fmt::format("no cluster '{}'", cluster_id));
    }
    for (const auto& [other, record] : state.overlay.clusters) {
        if (other != cluster_id && !alias.empty() && record.alias == alias) {
            co_return fail(
                Errc::conflict,
                fmt::format("cluster {} has the alias '{}' already", record.primary.text(), alias)
            );
        }
    }
    auto record = known->second;
    record.alias = alias;
    State scratch;
    auto document = scratch.put_cluster(record);
    auto stored = co_await store_change(std::move(document));
    if (stored) {
        audit("set-cluster-alias", record.primary, "", alias, by);
    }
    co_return stored;
}

Task<Result<topology::Observation>> Engine::probe(InstanceId id) {
    return on(impl_->core, impl_->probe(std::move(id)));
}

Task<Result<InstanceId>> Engine::discover(InstanceId id, std::string by) {
    return on(impl_->core, impl_->discover(std::move(id), std::move(by)));
}

Task<Result<InstanceId>> Engine::refresh(InstanceId id) {
    return on(impl_->core, impl_->refresh(std::move(id)));
}

Task<Result<void>> Engine::forget(InstanceId id, std::string by) {
    return on(impl_->core, impl_->forget(std::move(id), std::move(by)));
}

Task<Result<void>> Engine::forget_cluster(std::string cluster_id, std::string by) {
    return on(impl_->core, impl_->forget_cluster(std::move(cluster_id), std::move(by)));
}

Task<Result<void>> Engine::begin_downtime(
    InstanceId id,
    std::string owner,
    std::string reason,
    std::chrono::seconds length,
    std::string by
) {
    return on(
        impl_->core,
        impl_->begin_downtime(
            std::move(id), std::move(owner), std::move(reason), length, std::move(by)
        )
    );
}

Task<Result<void>> Engine::end_downtime(InstanceId id, std::string by) {
    return on(impl_->core, impl_->end_downtime(std::move(id), std::move(by)));
}

Task<Result<std::uint64_t>> Engine::begin_maintenance(
    InstanceId id, std::string owner, std::string reason, std::string by
) {
    return on(
        impl_->core,
        impl_->begin_maintenance(std::move(id), std::move(owner), std::move(reason), std::move(by))
    );
}

Task<Result<void>> Engine::end_maintenance(InstanceId id, std::string by) {
    return on(impl_->core, impl_->end_maintenance(std::move(id), std::move(by)));
}

Task<Result<void>> Engine::register_candidate(
    InstanceId id, topology::PromotionRule rule, std::string by
) {
    return on(impl_->core, impl_->register_candidate(std::move(id), rule, std::move(by)));
}

Task<Result<void>> Engine::set_tag(
    InstanceId id, std::string name, std::string value, std::string by
) {
    return on(
        impl_->core, impl_->set_tag(std::move(id), std::move(name), std::move(value), std::move(by))
    );
}

Task<Result<std::vector<InstanceId>>> Engine::remove_tag(
    std::optional<InstanceId> id, std::string name, std::optional<std::string> value, std::string by
) {
    return on(
        impl_->core,
        impl_->remove_tag(std::move(id), std::move(name), std::move(value), std::move(by))
    );
}

Task<Result<void>> Engine::set_cluster_alias(
    std::string cluster_id, std::string alias, std::string by
) {
    return on(
        impl_->core,
        impl_->set_cluster_alias(std::move(cluster_id), std::move(alias), std::move(by))
    );
}

Task<Result<std::vector<std::uint64_t>>> Engine::acknowledge(
    AckScope scope, std::string comment, std::string by
) {
    return on(impl_->core, impl_->acknowledge(std::move(scope), std::move(comment), std::move(by)));
}

Task<Result<void>> Engine::set_recoveries_enabled(bool enabled, std::string by) {
    return on(impl_->core, impl_->set_recoveries_enabled(enabled, std::move(by)));
}

Task<Result<recovery::Record>> Engine::recover(
    InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
) {
    return on(
        impl_->core, impl_->recover(std::move(id), std::move(candidate), skip_hooks, std::move(by))
    );
}

Task<Result<void>> Engine::reload_configuration(std::string by) {
    return on(impl_->core, impl_->reload_configuration(std::move(by)));
}

/// Anybody may ask, so it is limited: ten at once, then one every 100 ms. In a row of hand-overs a
/// node is told that there is a new holder, and right after that that there is none again.
void Engine::look_now() {
    constexpr Duration::rep pause = std::chrono::nanoseconds(100ms).count();
    constexpr Duration::rep at_once = 10;
    const auto at = now().time_since_epoch().count();
    auto paid_until = impl_->last_look.load();
    const auto next = std::max(paid_until, at) + pause;
    if (next - at <= at_once * pause &&
        impl_->last_look.compare_exchange_strong(paid_until, next)) {
        impl_->lease.look_now();
    }
}

void Engine::stand_back() {
    impl_->lease.stand_back(1s);
}

Task<Result<void>> Engine::hand_over(std::string to, std::string by) {
    return on(impl_->core, impl_->hand_over(std::move(to), std::move(by)));
}

}  // namespace baton::control
