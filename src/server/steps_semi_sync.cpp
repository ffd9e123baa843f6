// SPDX-License-Identifier: Apache-2.0
#include "performer.hpp"

#include <fmt/format.h>

#include <algorithm>

// Who acknowledges. Nothing here is written to the option files of the server: after a restart its
// own configuration holds again, and the analysis says so if that is not enough.

namespace baton::server {

using recovery::Step;
using topology::Channel;
using topology::ThreadState;

namespace {

constexpr Duration poll_pause = 20ms;
/// MariaDB counts a new acknowledger a moment after that one knows it.
constexpr Duration counted_after = 200ms;

Error not_there(const Session& session, std::string_view what) {
    return fail(Errc::refused, fmt::format("{}: {}", session.id().text(), what));
}

/// The receiver is connected again, and acknowledges or does not, as asked.
Task<Result<void>> see_it_acknowledge(
    std::shared_ptr<Target> target, std::string channel_name, bool on, Deadline deadline
) {
    Session& session = target->session;
    for (;;) {  // until the deadline
        Result<Look> look = co_await session.look(deadline);
        if (!look) {
            co_return look.error();
        }
        Result<dialect::ResultRows> status =
            co_await session.ask(dialect::semi_sync_replica_status(session.words()), deadline);
        if (!status) {
            co_return status.error();
        }
        const Channel* channel = look->channel(channel_name);
        const bool runs = channel != nullptr && channel->receiver == ThreadState::running;
        if (runs && dialect::is_on(status->at(0, 1)) == on) {
            co_return Result<void>();
        }
        if (session.common().now() + poll_pause >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: {}",
                    session.id().text(),
                    runs ? (on ? "its source does not ask it to acknowledge"
                               : "it acknowledges still")
                         : "its receiver was restarted and is not connected yet"
                )
            );
        }
        co_await sleep_for(poll_pause);
    }
}

Task<StepResult> change_replica(
    std::shared_ptr<Target> target, Step step, bool on, Deadline deadline
) {
    Session& session = target->session;
    const auto setting = dialect::semi_sync_replica(session.words(), on);
    if (!setting.has_value()) {
        co_return not_there(session, "the plugin of semi-sync replicas is not installed");
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* channel = look->channel(step.channel);
    recovery::StepReport report;
    if (channel == nullptr || channel->receiver == ThreadState::stopped) {
        // Somebody has stopped it; it acknowledges, or not, when it is started.
        const Result<void> set = co_await session.change(*setting, deadline);
        if (!set) {
            co_return set.error();
        }
        report.text = "set; its receiver is stopped and stays so";
        co_return report;
    }
    Result<dialect::ResultRows> status =
        co_await session.ask(dialect::semi_sync_replica_status(session.words()), deadline);
    if (!status) {
        co_return status.error();
    }
    if (channel->receiver == ThreadState::running && dialect::is_on(status->at(0, 1)) == on) {
        // Another connection would be counted beside this one for a while (MySQL).
        const Result<void> set = co_await session.change(*setting, deadline);
        if (!set) {
            co_return set.error();
        }
        report.text = on ? "acknowledges already" : "does not acknowledge";
        co_return report;
    }
    // Without a new connection neither server takes notice.
    const Result<void> restarted =
        co_await restart_receiver(target, step.channel, *setting, deadline);
    if (!restarted) {
        co_return restarted.error();
    }
    const Result<void> seen = co_await see_it_acknowledge(target, step.channel, on, deadline);
    if (!seen) {
        co_return seen.error();
    }
    co_await sleep_for(counted_after);
    report.text = on ? "acknowledges" : "acknowledges no more";
    co_return report;
}

}  // namespace

Task<StepResult> set_semi_sync(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    recovery::StepReport report;
    if (step.wait_for_replicas.has_value()) {
        const auto setting = dialect::semi_sync_wait(session.words(), *step.wait_for_replicas);
        if (!setting.has_value()) {
            co_return not_there(session, "it cannot wait for another number of replicas");
        }
        const Result<void> set = co_await session.change(*setting, deadline);
        if (!set) {
            co_return set.error();
        }
        report.text = fmt::format("waits for {} acknowledgements", *step.wait_for_replicas);
    }
    if (step.semi_sync_source.has_value()) {
        const auto setting = dialect::semi_sync_source(session.words(), *step.semi_sync_source);
        if (!setting.has_value()) {
            co_return not_there(session, "the plugin of semi-sync sources is not installed");
        }
        const Result<void> set = co_await session.change(*setting, deadline);
        if (!set) {
            co_return set.error();
        }
        report.text = *step.semi_sync_source ? "waits for acknowledgements" : "waits for nobody";
    }
    if (step.semi_sync_replica.has_value()) {
        const bool on = *step.semi_sync_replica;
        co_return co_await change_replica(target, std::move(step), on, deadline);
    }
    co_return report;
}

}  // namespace baton::server
