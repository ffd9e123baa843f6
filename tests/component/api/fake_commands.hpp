// SPDX-License-Identifier: Apache-2.0
#pragma once

// A core that remembers what it was told to do, and does nothing.

#include "baton/control/commands.hpp"

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace baton::fake {

class Commands final : public control::Commands {
public:
    explicit Commands(std::string name) : name_(std::move(name)) {}

    // What the test sets before or while the server runs.
    std::atomic<bool> active{true};
    std::atomic<bool> backend_ok{true};
    std::atomic<int> delay_ms{0};  // of each command
    std::atomic<unsigned> looks{0}, stood_back{0};
    std::atomic<topology::ProbeFailure> probe_failure{topology::ProbeFailure::none};

    void set_view(std::shared_ptr<const control::View> view) {
        const std::scoped_lock lock(mutex_);
        view_ = std::move(view);
    }

    void set_error(std::optional<Error> error) {
        const std::scoped_lock lock(mutex_);
        error_ = std::move(error);
    }

    void set_active_node(std::string name, std::string url) {
        const std::scoped_lock lock(mutex_);
        other_name_ = std::move(name);
        other_url_ = std::move(url);
    }

    std::vector<std::string> calls() const {
        const std::scoped_lock lock(mutex_);
        return calls_;
    }

    void emit(const std::string& type, const std::string& data) {
        control::Event event;
        event.id = ++events_;
        event.type = type;
        event.data = data;
        std::vector<std::function<void(const control::Event&)>> listeners;
        {
            const std::scoped_lock lock(mutex_);
            for (const auto& [handle, listener] : listeners_) {
                listeners.push_back(listener);
            }
        }
        for (const auto& listener : listeners) {
            listener(event);
        }
    }

    std::size_t listeners() const {
        const std::scoped_lock lock(mutex_);
        return listeners_.size();
    }

    [[nodiscard]] control::ViewPtr view() const override {
        const std::scoped_lock lock(mutex_);
        // Always fresh, as of a node that follows at once.
        auto fresh = std::make_shared<control::View>(*view_);
        fresh->fresh_at = std::chrono::steady_clock::now();
        return fresh;
    }

    [[nodiscard]] control::NodeStatus status() const override {
        const std::scoped_lock lock(mutex_);
        control::NodeStatus status;
        status.name = name_;
        status.token = "token-" + name_;
        status.version = "1.2.3";
        status.lease.token = status.token;
        status.lease.may_act = active;
        status.lease.epoch = 7;
        status.lease.backend_ok = backend_ok;
        status.lease.backend_error = backend_ok ? "" : "gone";
        if (active) {
            status.active_name = name_;
            status.active_token = status.token;
        } else if (!other_url_.empty()) {
            status.active_name = other_name_;
            status.active_token = "token-" + other_name_;
            status.active_url = other_url_;
        }
        return status;
    }

    std::uint64_t subscribe(std::function<void(const control::Event&)> listener) override {
        const std::scoped_lock lock(mutex_);
        listeners_[++handles_] = std::move(listener);
        return handles_;
    }

    void unsubscribe(std::uint64_t handle) override {
        const std::scoped_lock lock(mutex_);
        listeners_.erase(handle);
    }

    Task<Result<topology::Observation>> probe(InstanceId id) override {
        topology::Observation seen;
        seen.id = id;
        seen.ended = seen.started + std::chrono::milliseconds(3);
        seen.failure = probe_failure;
        seen.error = seen.failure == topology::ProbeFailure::none ? "" : "connection refused";
        return with(std::move(seen), fmt::format("probe {}", id.text()));
    }

    Task<Result<InstanceId>> discover(InstanceId id, std::string by) override {
        return with(id, fmt::format("discover {} by {}", id.text(), by));
    }

    Task<Result<InstanceId>> refresh(InstanceId id) override {
        return with(id, fmt::format("refresh {}", id.text()));
    }

    Task<Result<void>> forget(InstanceId id, std::string by) override {
        return plain(fmt::format("forget {} by {}", id.text(), by));
    }

    Task<Result<void>> forget_cluster(std::string cluster_id, std::string by) override {
        return plain(fmt::format("forget-cluster {} by {}", cluster_id, by));
    }

    Task<Result<void>> begin_downtime(
        InstanceId id,
        std::string owner,
        std::string reason,
        std::chrono::seconds length,
        std::string by
    ) override {
        return plain(fmt::format(
            "begin-downtime {} {} {} {}s by {}", id.text(), owner, reason, length.count(), by
        ));
    }

    Task<Result<void>> end_downtime(InstanceId id, std::string by) override {
        return plain(fmt::format("end-downtime {} by {}", id.text(), by));
    }

    Task<Result<std::uint64_t>> begin_maintenance(
        InstanceId id, std::string owner, std::string reason, std::string by
    ) override {
        return with(
            std::uint64_t{12},
            fmt::format("begin-maintenance {} {} {} by {}", id.text(), owner, reason, by)
        );
    }

    Task<Result<void>> end_maintenance(InstanceId id, std::string by) override {
        return plain(fmt::format("end-maintenance {} by {}", id.text(), by));
    }

    Task<Result<void>> register_candidate(
        InstanceId id, topology::PromotionRule rule, std::string by
    ) override {
        return plain(
            fmt::format("register-candidate {} {} by {}", id.text(), topology::to_string(rule), by)
        );
    }

    Task<Result<void>> set_tag(InstanceId id, std::string name, std::string value, std::string by)
        override {
        return plain(fmt::format("tag {} {}={} by {}", id.text(), name, value, by));
    }

    Task<Result<std::vector<InstanceId>>> remove_tag(
        std::optional<InstanceId> id,
        std::string name,
        std::optional<std::string> value,
        std::string by
    ) override {
        std::vector<InstanceId> changed;
        if (id) {
            changed.push_back(*id);
        }
        return with(
            changed,
            fmt::format(
                "untag {} {}={} by {}", id ? id->text() : "all", name, value.value_or("(any)"), by
            )
        );
    }

    Task<Result<void>> set_cluster_alias(std::string cluster_id, std::string alias, std::string by)
        override {
        return plain(fmt::format("set-cluster-alias {} {} by {}", cluster_id, alias, by));
    }

    Task<Result<std::vector<std::uint64_t>>> acknowledge(
        control::AckScope scope, std::string comment, std::string by
    ) override {
        return with(
            std::vector<std::uint64_t>{17},
            fmt::format("ack {} {} {} by {}", static_cast<int>(scope.kind), scope.text, comment, by)
        );
    }

    Task<Result<void>> set_recoveries_enabled(bool enabled, std::string by) override {
        return plain(fmt::format("{}-global-recoveries by {}", enabled ? "enable" : "disable", by));
    }

    Task<Result<recovery::Record>> recover(
        InstanceId id, InstanceId candidate, bool skip_hooks, std::string by
    ) override {
        recovery::Record record;
        record.number = 18;
        record.successor = candidate.empty() ? InstanceId("127.0.0.1", 20721) : candidate;
        return with(
            record,
            fmt::format(
                "recover {} {} {} by {}",
                id.text(),
                candidate.empty() ? "-" : candidate.text(),
                skip_hooks ? "without hooks" : "with hooks",
                by
            )
        );
    }

    Task<Result<recovery::Record>> switchover(std::string cluster_id, recovery::Order order)
        override {
        return ordered("switchover", cluster_id, std::move(order));
    }

    Task<Result<recovery::Record>> force_failover(std::string cluster_id, recovery::Order order)
        override {
        return ordered("force-failover", cluster_id, std::move(order));
    }

    Task<Result<recovery::Record>> rejoin(InstanceId id, recovery::Order order, Duration /*wait*/)
        override {
        recovery::Record record;
        record.number = 20;
        record.failed = id;
        record.method = order.method;
        record.donor = order.candidate;
        return with(
            record,
            fmt::format(
                "rejoin {} {} from {} by {}",
                id.text(),
                order.method.empty() ? "-" : order.method,
                order.candidate.empty() ? "-" : order.candidate.text(),
                order.by
            )
        );
    }

    Task<Result<void>> reload_configuration(std::string by) override {
        return plain(fmt::format("reload by {}", by));
    }

    Task<Result<std::uint64_t>> set_policy(
        std::string document, std::uint64_t expected, std::string comment, std::string by
    ) override {
        return with(
            expected + 1, fmt::format("set-policy {} {} {} by {}", document, expected, comment, by)
        );
    }

    Task<Result<std::uint64_t>> roll_back_policy(
        std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
    ) override {
        return with(
            expected + 1, fmt::format("roll-back-policy {} {} {} by {}", to, expected, comment, by)
        );
    }

    Task<Result<std::vector<control::PolicyTrial>>> try_policy(std::string document) override {
        return with(std::vector<control::PolicyTrial>(1), fmt::format("try-policy {}", document));
    }

    Task<Result<recovery::Record>> ordered(
        const char* what, const std::string& cluster_id, recovery::Order order
    ) {
        recovery::Record record;
        record.number = 19;
        record.state = recovery::State::done;
        record.outcome = "done";
        record.successor =
            order.candidate.empty() ? InstanceId("127.0.0.1", 20721) : order.candidate;
        return with(
            record,
            fmt::format(
                "{} {} {} to {}{}{}{} by {}",
                what,
                cluster_id,
                order.command,
                order.candidate.empty() ? "-" : order.candidate.text(),
                order.skip_hooks ? " without hooks" : "",
                order.accept_loss ? " accepting loss" : "",
                order.start_old ? "" : " leaving the old one stopped",
                order.by
            )
        );
    }

    void look_now() override { ++looks; }

    void stand_back() override { ++stood_back; }

    Task<Result<void>> hand_over(std::string to, std::string by) override {
        return plain(fmt::format("hand-over {} by {}", to, by));
    }

private:
    template <class T>
    Task<Result<T>> with(T value, std::string call) {
        const auto error = note(std::move(call));
        if (delay_ms > 0) {
            co_await sleep_for(std::chrono::milliseconds(delay_ms));
        }
        if (error) {
            co_return *error;
        }
        co_return Result<T>(std::move(value));
    }

    Task<Result<void>> plain(std::string call) {
        const auto error = note(std::move(call));
        if (delay_ms > 0) {
            co_await sleep_for(std::chrono::milliseconds(delay_ms));
        }
        if (error) {
            co_return *error;
        }
        co_return Result<void>{};
    }

    std::optional<Error> note(std::string call) {
        const std::scoped_lock lock(mutex_);
        calls_.push_back(std::move(call));
        return error_;
    }

    const std::string name_;
    mutable std::mutex mutex_;
    std::shared_ptr<const control::View> view_ = std::make_shared<const control::View>();
    std::optional<Error> error_;
    std::string other_name_, other_url_;
    std::vector<std::string> calls_;
    std::map<std::uint64_t, std::function<void(const control::Event&)>> listeners_;
    std::uint64_t handles_ = 0;
    std::atomic<std::uint64_t> events_{0};
};

}  // namespace baton::fake
