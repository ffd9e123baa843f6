// SPDX-License-Identifier: Apache-2.0
#include "baton/control/engine.hpp"

#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"
#include "baton/topology/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::control {

namespace {

constexpr std::size_t read_batch = 5000;
constexpr std::size_t history_shown = 1000;

std::vector<std::regex> compiled(const std::vector<std::string>& patterns) {
    std::vector<std::regex> list;
    for (const auto& pattern : patterns) {
        try {
            list.emplace_back(pattern);
        } catch (const std::regex_error& failure) {
            log::error(
                "'{}' is not a regular expression and matches nothing: {}", pattern, failure.what()
            );
        }
    }
    return list;
}

template <class Map>
auto newest_first(const Map& map) {
    std::vector<typename Map::mapped_type> list;
    list.reserve(std::min(map.size(), history_shown));
    for (auto at = map.rbegin(); at != map.rend() && list.size() < history_shown; ++at) {
        list.push_back(at->second);
    }
    return list;
}

}  // namespace

Engine::Impl::Impl(
    asio::any_io_executor core_executor,
    Identity identity_of_node,
    Settings first_settings,
    ports::Servers& servers_port,
    ports::Store& store_port,
    ports::Lease& lease_port,
    ports::Hooks& hooks_port,
    ports::Peers& peers_port,
    std::function<Result<Settings>()> reload_function,
    WallClock clock
)
    : core(std::move(core_executor)),
      identity(std::move(identity_of_node)),
      settings(std::move(first_settings)),
      ignore_patterns(compiled(settings.ignore_hosts)),
      servers(servers_port),
      store(store_port),
      lease(lease_port),
      hooks(hooks_port),
      peers(peers_port),
      reload(std::move(reload_function)),
      wall(std::move(clock)),
      started_ms(wall()),
      role_signal(core),
      publish_signal(core),
      flush_signal(core),
      self_check_signal(core),
      interruption(identity.interruption) {}

Task<void> Engine::Impl::run() {
    TaskGroup all(core);
    all.spawn("roles", play_roles());
    all.spawn("self-check", self_check_loop());
    co_await all.join();
}

Task<void> Engine::Impl::play_roles() {
    renew_policy();
    publish_view();
    for (;;) {
        if (lease.may_act()) {
            co_await lead();
        } else {
            co_await follow_step();
        }
    }
}

/// Everything the backend has, so that nothing is decided on an older state. False when that is not
/// to be had.
Task<bool> Engine::Impl::catch_up() {
    for (;;) {
        if (!lease.may_act()) {
            co_return false;
        }
        auto changes = co_await store.changes(cursor, read_batch, now() + 2s);
        if (!changes) {
            if (follow_error != changes.error().what) {
                follow_error = changes.error().what;
                log::warning(
                    "the backend cannot be read, so this node does not act yet: {}", follow_error
                );
            }
            co_await sleep_for(100ms);
            continue;
        }
        if (store.history_id() != history_id) {
            history_id = store.history_id();
            if (cursor != 0) {
                log::warning(
                    "the backend is another or an older copy than before: everything is read anew"
                );
                cursor = 0;
                state = State();
                builder = topology::Builder();
                continue;
            }
        }
        follow_error.clear();
        cursor = changes->cursor;
        apply_documents(changes->documents);
        if (!changes->more) {
            co_return true;
        }
    }
}

Task<void> Engine::Impl::lead() {
    const auto epoch = lease.status().epoch;
    log::info("this node holds the lease with epoch {}: reading the shared state", epoch);
    if (!co_await catch_up()) {
        co_return;
    }
    renew_policy();
    held_since.clear();
    kept_policies.clear();
    policy_writing = false;
    active = true;
    active_since_ms = wall();
    open_detections.clear();
    for (const auto& [number, detection] : state.detections()) {
        if (detection->end_ms == 0) {
            open_detections[detection->failed] = {detection->code, number};
        }
    }
    cluster_health.clear();
    shared_health.reset();
    followed.reset();
    brake = Brake();
    lost_lately.clear();
    looked = TimePoint{};
    looking = false;
    written_findings.clear();
    for (const auto& [cluster, list] : state.findings) {
        written_findings[cluster] = false;  // of the predecessor: to be replaced or removed
    }
    co_await throw_if_cancelled();  // join() must be reached
    TaskGroup own(core);
    group = &own;
    log::info("active node now: {} servers known, observing all of them", state.instances.size());
    emit("lease", fmt::format(R"({{"active":true,"epoch":{}}})", epoch));
    audit(
        "become-active",
        {},
        "",
        fmt::format("node {} became active with epoch {}", identity.name, epoch),
        ""
    );

    std::size_t index = 0;
    for (const auto& [id, stored] : state.instances) {
        // All at once when they are few; else spread, so that answers are not late by our own
        // doing.
        start_watching(id, std::chrono::milliseconds(index++ / first_looks_per_ms));
    }
    for (const auto& seed : settings.seeds) {
        if (builder.add(seed) || !slots.contains(seed)) {
            start_watching(seed, std::chrono::milliseconds(index++ / first_looks_per_ms));
        }
    }
    // Orders wait for the view of an active node, and the publisher may have nothing new for 1 s.
    publish_view();
    own.spawn("tell nodes", tell_others_to_look());
    own.spawn("publisher", publisher());
    own.spawn("writer", flush_loop());
    own.spawn("nodes", nodes_loop());
    own.spawn("janitor", janitor());
    own.spawn("loop lag", lag_loop());
    take_over_recoveries();
    own.spawn("role", watch_role(own));
    co_await own.join();

    group = nullptr;
    active = false;
    fresh_at = last_look_at_servers();
    brake = Brake();
    active_since_ms = 0;
    slots.clear();
    running.clear();
    recovery_ended.clear();
    outbox.clear();  // fenced: the next holder writes what it sees
    cursor = 0;      // what was only in memory here is not the truth any more
    state = State();
    builder = topology::Builder();
    log::info(
        "not the active node any more: all observation and all recoveries of this node have stopped"
    );
    emit("lease", R"({"active":false})");
}

/// How old what this node observed itself is: not the present, it may have been frozen.
TimePoint Engine::Impl::last_look_at_servers() const {
    TimePoint last{};
    for (const auto& instance : topology->instances()) {
        last = std::max(last, instance->health.last_attempt);
    }
    return last == TimePoint{} ? now() : last;
}

/// Ends the leadership's tasks when the lease is gone.
Task<void> Engine::Impl::watch_role(TaskGroup& leadership) {
    while (lease.may_act()) {
        co_await role_signal.wait(now() + 50ms);
    }
    leadership.cancel();
}

Task<void> Engine::Impl::follow_step() {
    const auto asked = now();
    auto changes = co_await store.changes(cursor, read_batch, asked + 1500ms);
    bool more = false;
    if (!changes) {
        if (follow_error != changes.error().what) {
            follow_error = changes.error().what;
            log::warning(
                "the backend cannot be read; serving what was read before: {}", follow_error
            );
        }
    } else if (store.history_id() != history_id) {
        const bool first = history_id == 0;
        history_id = store.history_id();
        if (!first && cursor != 0) {
            log::warning(
                "the backend is another or an older copy than before: everything is read anew"
            );
            cursor = 0;
            state = State();
            builder = topology::Builder();
            co_return;
        }
        cursor = changes->cursor;
        apply_documents(changes->documents);
        fresh_at = asked;
        more = changes->more;
    } else {
        if (!follow_error.empty()) {
            log::info("the backend can be read again");
            follow_error.clear();
        }
        cursor = changes->cursor;
        apply_documents(changes->documents);
        fresh_at = asked;
        more = changes->more;
    }
    if (lease.may_act()) {
        co_return;
    }
    const auto stored = state.policy_version();
    if (changes && !more && resolver.version() != (stored == nullptr ? 0 : stored->number)) {
        renew_policy();  // the backend is another one, or was read anew, and has none
    }
    if (auto rows = co_await store.nodes(now() + 1s); rows) {
        nodes = std::move(*rows);
    }
    publish_view();
    if (!more && !lease.may_act()) {
        co_await role_signal.wait(now() + 400ms);
    }
}

void Engine::Impl::apply_documents(const std::vector<ports::Document>& documents) {
    State::Touched touched;
    for (const auto& document : documents) {
        state.apply(document, touched);
    }
    rebuild_followed(touched);
}

void Engine::Impl::rebuild_followed(const State::Touched& touched) {
    for (const auto& id : touched.instances) {
        const auto& [stable, progress] = state.instances[id];
        if (stable.empty()) {
            continue;  // its other half comes with the next batch
        }
        auto instance = topology::instance_from_json(stable, progress);
        if (instance) {
            instance->id = id;
            builder.restore(std::move(*instance));
        } else {
            log::warning(
                "the stored state of {} is left out: {}", id.text(), instance.error().what
            );
        }
    }
    for (const auto& id : touched.removed) {
        builder.remove(id);
    }
    if (touched.overlay) {
        builder.set_overlay(state.overlay);
    }
    if (active) {
        return;
    }
    if (touched.policy) {
        renew_policy();
    }
    const bool topology_changed =
        touched.overlay || !touched.instances.empty() || !touched.removed.empty();
    if (topology_changed) {
        topology = builder.build(now(), wall());
        static_cast<void>(builder.take_recorded());  // only the active node records
        refresh_policies();
    }
    if (touched.findings || topology_changed) {
        findings.clear();
        for (const auto& [cluster, list] : state.findings) {
            findings.insert(findings.end(), list.begin(), list.end());
        }
    }
    if (topology_changed) {
        emit("topology", "{}");
    }
    if (touched.findings) {
        emit("finding", "{}");
    }
    for (const auto& id : touched.recoveries) {
        if (const auto recovery = state.recovery(id)) {
            emit(
                "recovery",
                fmt::format(
                    R"({{"number":{},"state":"{}","phase":"{}"}})",
                    recovery->record.number,
                    recovery::to_string(recovery->record.state),
                    recovery::to_string(recovery->record.phase)
                )
            );
        }
    }
}

Task<void> Engine::Impl::nodes_loop() {
    for (;;) {
        if (auto rows = co_await store.nodes(now() + 1s); rows) {
            nodes = std::move(*rows);
        }
        co_await sleep_for(1s);
    }
}

/// Measures how late this loop runs its timers: often enough to meet each long turn of it.
Task<void> Engine::Impl::lag_loop() {
    constexpr Duration slice = 10s;
    std::array<std::uint64_t, 6> longest{};  // of the slices of the last minute
    std::size_t present = 0;
    auto slice_ends = now() + slice;
    for (;;) {
        const auto due = now() + 20ms;
        co_await sleep_until(due);
        const auto ended = now();
        const auto late = static_cast<std::uint64_t>(std::max<std::int64_t>(
            0, std::chrono::duration_cast<std::chrono::microseconds>(ended - due).count()
        ));
        if (ended >= slice_ends) {
            slice_ends = ended + slice;
            present = (present + 1) % longest.size();
            longest[present] = 0;
        }
        longest[present] = std::max(longest[present], late);
        counters.loop_lag_us_max = *std::max_element(longest.begin(), longest.end());
        counters.loop_lag_us_sum += late;
        const auto& bounds = Counters::loop_lag_bounds_us;
        const auto place = std::lower_bound(bounds.begin(), bounds.end(), late) - bounds.begin();
        ++counters.loop_lags[static_cast<std::size_t>(place)];
    }
}

void Engine::Impl::publish_view() {
    auto fresh = std::make_shared<View>();
    fresh->topology = topology;
    fresh->findings = findings;
    fresh->recoveries = newest_first(state.recoveries());
    fresh->detections = newest_first(state.detections());
    fresh->audit = newest_first(state.audit());
    for (const auto& [id, blocked] : state.blocked()) {
        fresh->blocked.push_back(blocked);
    }
    fresh->nodes = nodes;
    if (active && shared_health == nullptr) {
        shared_health =
            std::make_shared<const std::map<std::string, ClusterHealth>>(cluster_health);
    }
    fresh->health = active ? shared_health : nullptr;
    fresh->recoveries_disabled = state.recoveries_disabled;
    fresh->recoveries_disabled_by = state.recoveries_disabled_by;
    if (brake.on) {
        fresh->brake = brake.judgement.why.empty()
                           ? brake.text + ": the other nodes are being asked"
                           : brake.text + "; " + brake.judgement.why;
    }
    fresh->shadow = settings.shadow;
    fresh->active = active;
    fresh->source = active                 ? "own observations"
                    : follow_error.empty() ? "backend"
                                           : "memory: " + follow_error;
    fresh->fresh_at = active ? now() : fresh_at;
    fresh->generation = ++generation;
    fresh->counters = counters;
    fresh->policy = settings.recovery;
    fresh->policies = policies;
    fresh->policy_document = policy_document;
    fresh->policy_version = resolver.version();
    for (const auto& [number, version] : state.policy_versions()) {
        fresh->policy_versions.push_back(version);
    }
    fresh->decisions = state.decisions();
    fresh->advice = settings.advice;
    fresh->reasonable_lag_seconds = settings.analysis.lagging_seconds;
    fresh->poll_interval = settings.poll_interval;
    fresh->probe_timeout = settings.probe_timeout;
    view.store(std::move(fresh));
}

void Engine::Impl::emit(std::string type, std::string data) {
    control::Event event;
    event.id = next_event++;
    event.type = std::move(type);
    event.data = std::move(data);
    for (const auto& [handle, listener] : listeners) {
        listener(event);
    }
}

void Engine::Impl::apply_settings(Settings fresh) {
    settings = std::move(fresh);
    const auto before = policies;
    renew_policy();
    self_check_signal.set();
    ignore_patterns = compiled(settings.ignore_hosts);
    if (active) {
        for (const auto& seed : settings.seeds) {
            if (builder.add(seed)) {
                start_watching(seed, 0ms);
            }
        }
        decide_policy("configuration", "the configuration was read again", "", *before);
        take_over_recoveries();  // some may have been left alone in shadow mode
        publish_soon(true);
    }
}

Engine::Engine(
    asio::any_io_executor core,
    Identity identity,
    Settings settings,
    ports::Servers& servers,
    ports::Store& store,
    ports::Lease& lease,
    ports::Hooks& hooks,
    ports::Peers& peers,
    std::function<Result<Settings>()> reload,
    WallClock wall_clock
)
    : impl_(std::make_unique<Impl>(
          std::move(core),
          std::move(identity),
          std::move(settings),
          servers,
          store,
          lease,
          hooks,
          peers,
          std::move(reload),
          std::move(wall_clock)
      )) {}

Engine::~Engine() = default;

Task<void> Engine::run() {
    return impl_->run();
}

void Engine::role_changed() {
    asio::post(impl_->core, [impl = impl_.get()] { impl->role_signal.set(); });
}

void Engine::apply(Settings settings) {
    impl_->apply_settings(std::move(settings));
}

ViewPtr Engine::view() const {
    return impl_->view.load();
}

NodeStatus Engine::status() const {
    NodeStatus status;
    const auto seen = view();
    status.name = impl_->identity.name;
    status.api_url = impl_->identity.api_url;
    status.version = impl_->identity.version;
    const auto self = impl_->self.load();
    status.config_fingerprint = self->config_fingerprint.empty()
                                    ? impl_->identity.config_fingerprint
                                    : self->config_fingerprint;
    status.warnings = self->warnings;
    status.lease = impl_->lease.status();
    status.token = status.lease.token;
    status.started_ms = impl_->started_ms;
    status.active_since_ms = impl_->active_since_ms.load();
    status.state_age = seen->active ? Duration{} : now() - seen->fresh_at;
    if (status.lease.may_act) {
        status.active_name = status.name;
        status.active_token = status.token;
        status.active_url = status.api_url;
    } else if (!status.lease.holder_token.empty() && status.lease.holder_token != status.token) {
        for (const auto& node : seen->nodes) {
            if (node.token == status.lease.holder_token) {
                status.active_name = node.name;
                status.active_token = node.token;
                status.active_url = node.api_url;
            }
        }
    }
    return status;
}

std::uint64_t Engine::subscribe(std::function<void(const Event&)> listener) {
    // Handles are given out at once; the listener joins on the core thread.
    static std::atomic<std::uint64_t> handles{1};
    const auto handle = handles++;
    asio::post(impl_->core, [impl = impl_.get(), handle, listener = std::move(listener)]() mutable {
        impl->listeners[handle] = std::move(listener);
    });
    return handle;
}

void Engine::unsubscribe(std::uint64_t handle) {
    asio::post(impl_->core, [impl = impl_.get(), handle] { impl->listeners.erase(handle); });
}

}  // namespace baton::control
