// SPDX-License-Identifier: Apache-2.0
#include "performer.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

// What is done to a receiver that has to go on running, and to an applier that waits on purpose.

namespace baton::server {

using dialect::Threads;
using recovery::Step;
using topology::Channel;
using topology::ThreadState;

namespace {

constexpr Duration poll_pause = 20ms;

Error no_channel(const Session& session, const std::string& channel) {
    return fail(
        Errc::refused,
        fmt::format("{}: has no replication channel '{}'", session.id().text(), channel)
    );
}

std::string receiver_text(const Channel& channel) {
    if (!channel.receiver_error.empty()) {
        return clipped(channel.receiver_error, 300);
    }
    return channel.receiver_text.empty() ? "stopped" : clipped(channel.receiver_text, 300);
}

}  // namespace

Task<Result<std::string>> before_stop(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    if (!session.words().mariadb() || !session.semi_sync().replica_enabled ||
        channel.receiver != ThreadState::running) {
        co_return std::string();
    }
    Result<dialect::ResultRows> list = co_await session.ask(dialect::process_list(), deadline);
    if (!list) {
        co_return list.error();
    }
    const std::uint64_t receiver = dialect::only_receiver(*list);
    co_return receiver == 0 ? std::string()
                            : dialect::end_receiver_early(session.words(), receiver);
}

namespace {

/// By one packet, so that the receiver runs even if this node dies in between.
Task<Result<void>> stop_and_start(
    std::shared_ptr<Target> target,
    std::string channel,
    std::string first,
    std::string start,
    Deadline deadline
) {
    Session& session = target->session;
    std::string sql = first.empty() ? std::string{} : first + ";";
    sql += dialect::stop_replication(session.words(), Threads::receiver, channel) + ";" + start;
    Result<Background> sent = co_await session.change_in_background(std::move(sql), deadline);
    if (!sent) {
        co_return sent.error();
    }
    const Background restart = *sent;
    const bool ended = co_await restart->ended.wait(deadline);
    if (!ended) {
        co_return fail(
            Errc::timeout,
            fmt::format(
                "{}: its receiver does not stop; it starts again by itself when it has",
                session.id().text()
            )
        );
    }
    if (restart->error.has_value()) {
        co_return session.explain(*restart->error, "restart the receiver");
    }
    co_return Result<void>();
}

}  // namespace

Task<Result<void>> restart_receiver(
    std::shared_ptr<Target> target, std::string channel, std::string first, Deadline deadline
) {
    std::string start =
        dialect::start_replication(target->session.words(), Threads::receiver, channel);
    co_return co_await stop_and_start(
        std::move(target), std::move(channel), std::move(first), std::move(start), deadline
    );
}

namespace {

/// The attempt must not outlast the question by much: nobody can stop it.
constexpr unsigned brief_attempt_seconds = 2;

/// A recovery has to stop the receivers of a silent source, and must not wait for
/// slave_net_timeout.
Task<Result<void>> restart_as_witness(
    std::shared_ptr<Target> target, std::string channel, std::string first, Deadline deadline
) {
    const auto& words = target->session.words();
    std::string start = words.stop_waits_for_attempt
                            ? dialect::start_receiver_briefly(words, channel, brief_attempt_seconds)
                            : dialect::start_replication(words, Threads::receiver, channel);
    co_return co_await stop_and_start(
        std::move(target), std::move(channel), std::move(first), std::move(start), deadline
    );
}

/// A connection that came of a brief attempt would be made again after each quiet moment.
Task<void> with_its_own_patience(std::shared_ptr<Target> target, Channel channel) {
    Session& session = target->session;
    if (!session.words().stop_waits_for_attempt) {
        co_return;
    }
    const Deadline deadline = session.common().now() + 2s;
    Result<std::string> first = co_await before_stop(target, channel, deadline);
    if (first) {
        const Result<void> restarted =
            co_await restart_receiver(target, channel.name, std::move(*first), deadline);
        // What is asked next shall not find it on its way.
        while (restarted && session.common().now() < deadline) {
            Result<Look> look = co_await session.look(deadline);
            const Channel* now = look ? look->channel(channel.name) : nullptr;
            if (now == nullptr || now->receiver != ThreadState::connecting) {
                co_return;
            }
            co_await sleep_for(poll_pause);
        }
        if (restarted) {
            co_return;
        }
        first = restarted.error();
    }
    // It restarts by itself the first time that its source is quiet for two seconds.
    log::info("{}: {}", session.id().text(), first.error().what);
}

/// MySQL interrupts a receiver when a STOP begins, and then every two seconds; inside an attempt to
/// connect only the second time counts (tried on 9.7). So a recovery, which has to stop receivers
/// that wait for a silent source, would wait for two seconds, and semi-synchronous writes with it.
/// The STOP of a second restart, during the attempt, makes that time begin now. It takes nothing
/// from the attempt: one that succeeds is made again by the START.
Task<Result<Background>> restart_once_more(
    std::shared_ptr<Target> target, std::string channel, Deadline deadline
) {
    Session& session = target->session;
    std::string sql = dialect::stop_replication(session.words(), Threads::receiver, channel) + ";" +
                      dialect::start_replication(session.words(), Threads::receiver, channel);
    Result<Background> sent = co_await session.change_in_background(std::move(sql), deadline);
    if (sent) {
        session.common().restarts[session.id()] = *sent;
    }
    co_return sent;
}

}  // namespace

Task<StepResult> witness(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    constexpr Duration enough = 1s;
    constexpr Duration at_once = 100ms;  // a source that lives and is near is connected by then
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* channel = look->channel(step.channel);
    if (channel == nullptr) {
        co_return no_channel(session, step.channel);
    }
    if (channel->applier == ThreadState::stopped || channel->receiver == ThreadState::stopped) {
        // A stopped receiver was stopped by somebody; and without an applier MariaDB would drop
        // what it has received.
        co_return fail(
            Errc::refused,
            fmt::format("{}: replication does not run, it is no witness", session.id().text())
        );
    }
    // One that is inside an attempt is asking already, and MySQL would let us wait for its end.
    const bool attempting = channel->receiver == ThreadState::connecting &&
                            contains_ignoring_case(channel->receiver_text, "Connecting to");
    if (!attempting) {
        Result<std::string> first = co_await before_stop(target, *channel, deadline);
        if (!first) {
            co_return first.error();
        }
        const Result<void> restarted =
            co_await restart_as_witness(target, step.channel, std::move(*first), deadline);
        if (!restarted) {
            co_return restarted.error();
        }
    }
    TimePoint asked = session.common().now();
    Background second;
    bool once_more = !session.words().mariadb();
    recovery::StepReport report;
    for (;;) {  // until the deadline
        Result<Look> after = co_await session.look(deadline);
        if (!after) {
            co_return after.error();
        }
        channel = after->channel(step.channel);
        if (channel == nullptr) {
            co_return no_channel(session, step.channel);
        }
        const TimePoint now = session.common().now();
        if (second != nullptr && second->done()) {
            if (second->error.has_value()) {
                co_return session.explain(*second->error, "restart the receiver");
            }
            second.reset();  // the attempt has ended, and is made again
            asked = now;
        }
        const bool failed = channel->receiver_errno != 0 && now - asked >= 2 * poll_pause;
        report.heard = channel->receiver == ThreadState::running && second == nullptr;
        report.text = receiver_text(*channel);
        if (report.heard || failed || now - asked >= enough || now + poll_pause >= deadline) {
            if (report.heard && !attempting) {
                co_await with_its_own_patience(target, *channel);
            }
            co_return report;
        }
        if (once_more && now - asked >= at_once && channel->receiver == ThreadState::connecting) {
            once_more = false;
            Result<Background> sent = co_await restart_once_more(target, step.channel, deadline);
            if (!sent) {
                co_return sent.error();
            }
            second = *sent;
        }
        co_await sleep_for(poll_pause);
    }
}

namespace {

/// MySQL keeps the relay logs only while one of the threads runs. So the receiver tries to connect
/// in the meantime; what it gets from a source that is back is seen by the next look.
Task<Result<void>> end_delay_of_mysql(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    const auto& words = session.words();
    if (channel.receiver == ThreadState::stopped) {
        const Result<void> started = co_await session.change(
            dialect::start_replication(words, Threads::receiver, channel.name), deadline
        );
        if (!started) {
            co_return started.error();
        }
        Result<Look> look = co_await session.look(deadline);
        if (!look) {
            co_return look.error();
        }
        const Channel* now = look->channel(channel.name);
        if (now == nullptr || now->receiver == ThreadState::stopped) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "{}: its receiver does not run, so its relay logs would be dropped",
                    session.id().text()
                )
            );
        }
    }
    const Result<void> stopped = co_await session.change(
        dialect::stop_replication(words, Threads::applier, channel.name), deadline
    );
    if (!stopped) {
        co_return stopped.error();
    }
    const Result<void> changed =
        co_await session.change(dialect::end_delay(words, channel), deadline);
    if (!changed) {
        co_return changed.error();
    }
    co_return co_await session.change(
        dialect::start_replication(words, Threads::applier, channel.name), deadline
    );
}

Task<Result<void>> end_delay_of_mariadb(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    const auto& words = session.words();
    const Result<void> stopped = co_await session.change(
        dialect::stop_replication(words, Threads::both, channel.name), deadline
    );
    if (!stopped) {
        co_return stopped.error();
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* now = look->channel(channel.name);
    if (now == nullptr || now->relay.file.empty()) {
        co_return no_channel(session, channel.name);
    }
    const Result<void> changed = co_await session.change(dialect::end_delay(words, *now), deadline);
    if (!changed) {
        co_return changed.error();
    }
    co_return co_await session.change(
        dialect::start_replication(words, Threads::applier, channel.name), deadline
    );
}

}  // namespace

Task<Result<void>> end_delay(
    std::shared_ptr<Target> target, std::string channel_name, Deadline deadline
) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* found = look->channel(channel_name);
    if (found == nullptr || found->delay_seconds == 0) {
        co_return Result<void>();
    }
    const Channel channel = *found;
    log::warning(
        "{}: ends its delay of {} s, to be promoted", session.id().text(), channel.delay_seconds
    );
    if (session.words().mariadb()) {
        co_return co_await end_delay_of_mariadb(target, channel, deadline);
    }
    const Result<void> ended = co_await end_delay_of_mysql(target, channel, deadline);
    if (!ended || channel.receiver != ThreadState::stopped) {
        co_return ended;
    }
    const Result<bool> quiet = co_await quiesce(target, channel_name, false, deadline);
    if (!quiet) {
        co_return quiet.error();
    }
    co_return Result<void>();
}

}  // namespace baton::server
