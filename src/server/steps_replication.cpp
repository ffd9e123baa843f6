// SPDX-License-Identifier: Apache-2.0
#include "performer.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::server {

using dialect::Threads;
using recovery::Step;
using topology::Channel;
using topology::ThreadState;

namespace {

constexpr Duration stop_patience = 100ms;
/// STOP has set the receiver's abort flag well before this, once the server says that it is at it.
constexpr Duration certain_after = 100ms;
constexpr Duration poll_pause = 20ms;
/// A server that answers no question for so long is not waited for, whatever the step's limit.
constexpr Duration answer_limit = 10s;

std::string count_text(const gtid::GtidSet& set) {
    return fmt::format("{} ({})", set.count(), clipped(set.text(), 200));
}

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

/// Whether the server is at our STOP, or at that of a witness test for which ours waits and after
/// which no START comes any more: the session says so in the process list. MySQL 8 and 9 write
/// "Killing replica", older ones and MariaDB "Killing slave".
Task<Result<bool>> is_stopping(std::shared_ptr<Target> target, Deadline deadline) {
    const std::uint64_t session = target->stop->connection->connection_id();
    const std::uint64_t before =
        target->cancelled != nullptr ? target->cancelled->connection->connection_id() : session;
    Result<dialect::ResultRows> list =
        co_await target->session.ask(dialect::process_list(), deadline);
    if (!list) {
        co_return list.error();
    }
    for (std::size_t row = 0; row < list->rows.size(); ++row) {
        const auto id = dialect::number_or(list->text(row, "ID"), 0);
        if ((id == session || id == before) &&
            contains_ignoring_case(list->text(row, "STATE"), "Killing")) {
            co_return true;
        }
    }
    co_return false;
}

/// Ends the second half of a witness test that is under way: its START must not follow our STOP.
Task<Result<void>> cancel_restart(std::shared_ptr<Target> target, Deadline deadline) {
    Session& session = target->session;
    auto& restarts = session.common().restarts;
    const auto found = restarts.find(session.id());
    if (found == restarts.end()) {
        co_return Result<void>();
    }
    const Background restart = found->second.lock();
    if (restart == nullptr || restart->done()) {
        co_return Result<void>();
    }
    const Result<void> killed = co_await session.change(
        dialect::kill_connection(restart->connection->connection_id()), deadline
    );
    if (!killed && killed.error().mysql_errno != dialect::no_such_thread) {
        co_return killed.error();
    }
    target->cancelled = restart;
    co_return Result<void>();
}

/// Sends the STOP, and does not wait for its end: of a receiver that is inside an attempt to
/// connect to a silent source that takes seconds on MySQL, and up to slave_net_timeout on
/// MariaDB 11.8, where not even a KILL ends it (tried; 10.5 and 10.11 stop it at once).
Task<Result<void>> send_stop(
    std::shared_ptr<Target> target, std::string channel, Deadline deadline
) {
    Session& session = target->session;
    std::string sql = dialect::stop_replication(session.words(), Threads::receiver, channel);
    Result<Background> sent = co_await session.change_in_background(std::move(sql), deadline);
    if (!sent) {
        co_return sent.error();
    }
    target->stop = *sent;
    co_return Result<void>();
}

/// MariaDB drops the relay logs when an applier is started under GTID while the receiver is stopped
/// too. By file and position it keeps them: so what was received is applied like that, and the end
/// of the drain goes back to GTID.
Task<Result<void>> start_applier_of_stopped_mariadb(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    log::info(
        "{}: applies its relay logs from {}:{} by file and position",
        session.id().text(),
        channel.relay.file,
        channel.relay.pos
    );
    const Result<void> changed = co_await session.change(
        fmt::format(
            "CHANGE MASTER {} TO MASTER_USE_GTID=no,RELAY_LOG_FILE={},RELAY_LOG_POS={}{}",
            dialect::literal(channel.name),
            dialect::literal(channel.relay.file),
            channel.relay.pos,
            dialect::kept_heartbeat(session.words(), channel)
        ),
        deadline
    );
    if (!changed) {
        co_return changed.error();
    }
    co_return co_await session.change(
        dialect::start_replication(session.words(), Threads::applier, channel.name), deadline
    );
}

Task<Result<void>> start_applier(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    if (session.words().mariadb() && channel.receiver == ThreadState::stopped &&
        channel.uses_gtid() && !channel.relay.file.empty()) {
        co_return co_await start_applier_of_stopped_mariadb(target, std::move(channel), deadline);
    }
    co_return co_await session.change(
        dialect::start_replication(session.words(), Threads::applier, channel.name), deadline
    );
}

}  // namespace

Task<Result<bool>> quiesce(
    std::shared_ptr<Target> target, std::string channel, bool until_ended, Deadline deadline
) {
    Session& session = target->session;
    const Result<void> cancelled = co_await cancel_restart(target, deadline);
    if (!cancelled) {
        co_return cancelled.error();
    }
    bool sent = target->stop != nullptr && !target->stop->done();
    for (;;) {  // until the deadline, which every question in it heeds
        Result<Look> look =
            co_await session.look(std::min(deadline, session.common().now() + answer_limit));
        if (!look) {
            co_return look.error();
        }
        const Channel* state = look->channel(channel);
        if (state == nullptr || state->receiver == ThreadState::stopped) {
            co_return true;
        }
        if (!sent) {
            const Result<void> stop = co_await send_stop(target, channel, deadline);
            if (!stop) {
                co_return stop.error();
            }
            sent = true;
            if (target->stop != nullptr) {
                const Deadline patience =
                    std::min(deadline, session.common().now() + stop_patience);
                co_await target->stop->ended.wait(patience);
            }
            continue;
        }
        const Background stop = target->stop;
        if (stop != nullptr && stop->done()) {
            target->stop.reset();
            if (stop->error.has_value()) {
                co_return session.explain(*stop->error, "stop the receiver");
            }
            sent = false;  // ended, and it runs again: somebody has started it
        } else if (stop != nullptr && !until_ended && session.common().now() - stop->sent >= certain_after) {
            Result<bool> stopping = co_await is_stopping(target, deadline);
            if (!stopping) {
                co_return stopping.error();
            }
            // Looked at once more after the server said that it is stopping it: a receiver that is
            // still connecting then has its abort flag set, and will look at it before it asks for
            // the first event.
            Result<Look> again = co_await session.look(deadline);
            if (!again) {
                co_return again.error();
            }
            const Channel* now = again->channel(channel);
            if (*stopping && now != nullptr && now->receiver == ThreadState::connecting) {
                co_return false;
            }
        }
        if (session.common().now() >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: the receiver has not ended: {}", session.id().text(), receiver_text(*state)
                )
            );
        }
        co_await sleep_for(poll_pause);
    }
}

namespace {

/// After what start_applier_of_stopped_mariadb() began: a replica left at file and position could
/// neither be promoted nor be told where it stands. The relay logs that this drops are applied.
Task<Result<void>> back_to_gtid(
    std::shared_ptr<Target> target, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    const Result<void> stopped = co_await session.change(
        dialect::stop_replication(session.words(), Threads::applier, channel.name), deadline
    );
    if (!stopped) {
        co_return stopped.error();
    }
    co_return co_await session.change(
        fmt::format(
            "CHANGE MASTER {} TO MASTER_USE_GTID=slave_pos{}",
            dialect::literal(channel.name),
            dialect::kept_heartbeat(session.words(), channel)
        ),
        deadline
    );
}

/// The source may be silent, which must not hold up the STOP.
Task<Result<void>> hurry(std::shared_ptr<Target> target, std::string channel, Deadline deadline) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* state = look->channel(channel);
    if (state == nullptr) {
        co_return Result<void>();
    }
    Result<std::string> first = co_await before_stop(target, *state, deadline);
    if (!first) {
        co_return first.error();
    }
    if (first->empty()) {
        co_return Result<void>();
    }
    co_return co_await session.change(std::move(*first), deadline);
}

}  // namespace

Task<StepResult> stop_receiver(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    const Result<void> hurried = co_await hurry(target, step.channel, deadline);
    if (!hurried) {
        co_return hurried.error();
    }
    Result<bool> ended = co_await quiesce(target, step.channel, false, deadline);
    if (!ended) {
        co_return ended.error();
    }
    Result<Look> look = co_await target->session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* channel = look->channel(step.channel);
    Result<recovery::ReplicaPosition> position = look->position(channel);
    if (!position) {
        co_return target->session.explain(position.error(), "positions");
    }
    recovery::StepReport report;
    report.stop_pending = !*ended;
    report.text = channel == nullptr ? "has no such channel"
                  : *ended           ? "receiver stopped"
                                     : "receiver is ending and receives nothing more";
    report.text += fmt::format("; received {}", clipped(position->received_gtid_set, 300));
    report.position = std::move(*position);
    co_return report;
}

Task<Result<Look>> drain(std::shared_ptr<Target> target, std::string channel, Deadline deadline) {
    Session& session = target->session;
    int starts = 0;
    bool by_position = false;
    gtid::GtidSet received;  // when the applier was started by position
    Duration pause = 2ms;
    for (;;) {  // until the deadline
        Result<Look> look = co_await session.look(deadline);
        if (!look) {
            co_return look.error();
        }
        const Channel* state = look->channel(channel);
        if (state == nullptr) {
            co_return look;
        }
        Result<gtid::GtidSet> backlog = look->backlog(*state);
        if (!backlog) {
            co_return session.explain(backlog.error(), "backlog");
        }
        if (backlog->empty() && gtid::missing_from(received, look->executed) == 0) {
            if (by_position && state->receiver == ThreadState::stopped) {
                const Result<void> back = co_await back_to_gtid(target, *state, deadline);
                if (!back) {
                    co_return back.error();
                }
                co_return co_await session.look(deadline);
            }
            co_return look;
        }
        if (state->applier == ThreadState::stopped) {
            if (state->applier_errno != 0 || starts >= 3) {
                co_return fail(
                    Errc::refused,
                    fmt::format(
                        "{}: the applier is broken ({}: {}); not applied: {}",
                        session.id().text(),
                        state->applier_errno,
                        clipped(state->applier_error, 300),
                        count_text(*backlog)
                    )
                );
            }
            ++starts;
            if (session.words().mariadb() && state->uses_gtid() &&
                state->receiver == ThreadState::stopped) {
                Result<gtid::GtidSet> all = look->received(*state);
                if (!all) {
                    co_return session.explain(all.error(), "received transactions");
                }
                received = std::move(*all);
                by_position = true;
            }
            const Result<void> started = co_await start_applier(target, *state, deadline);
            if (!started) {
                co_return started.error();
            }
        }
        if (session.common().now() + pause >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: received and not applied yet: {}",
                    session.id().text(),
                    count_text(*backlog)
                )
            );
        }
        co_await sleep_for(pause);
        pause = std::min<Duration>(2 * pause, 50ms);
    }
}

Task<StepResult> wait_applied(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    const auto required = gtid::GtidSet::parse(step.required_gtid_set);
    if (!required) {
        co_return required.error().in("required transactions");
    }
    if (step.skip_delay) {
        const Result<void> ended = co_await end_delay(target, step.channel, deadline);
        if (!ended) {
            co_return ended.error();
        }
    }
    for (;;) {  // until the deadline
        Result<Look> look = co_await drain(target, step.channel, deadline);
        if (!look) {
            co_return look.error();
        }
        const Channel* channel = look->channel(step.channel);
        const auto missing = gtid::missing_from(*required, look->executed);
        if (missing == 0) {
            Result<recovery::ReplicaPosition> position = look->position(channel);
            if (!position) {
                co_return session.explain(position.error(), "positions");
            }
            if (step.skip_delay && session.words().mariadb() && channel != nullptr &&
                channel->receiver == ThreadState::stopped && !channel->uses_gtid()) {
                const Result<void> back = co_await back_to_gtid(target, *channel, deadline);
                if (!back) {
                    co_return back.error();
                }
            }
            recovery::StepReport report;
            report.text = fmt::format("has applied {}", clipped(position->executed_gtid_set, 300));
            report.position = std::move(*position);
            co_return report;
        }
        // More can come only through a receiver that runs.
        if (channel == nullptr || channel->receiver == ThreadState::stopped) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "{}: {} required transactions were never received here",
                    session.id().text(),
                    missing
                )
            );
        }
        if (session.common().now() + poll_pause >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: {} required transactions are still to come", session.id().text(), missing
                )
            );
        }
        co_await sleep_for(poll_pause);
    }
}

Task<StepResult> start_replication(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    if (target->stop != nullptr) {
        Result<bool> ended = co_await quiesce(target, step.channel, true, deadline);
        if (!ended) {
            co_return ended.error();
        }
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* state = look->channel(step.channel);
    if (state == nullptr) {
        co_return no_channel(session, step.channel);
    }
    Channel channel = *state;
    recovery::StepReport report;
    if (channel.receiver != ThreadState::stopped && channel.applier != ThreadState::stopped) {
        report.text = "replication runs already";
        co_return report;
    }
    if (session.words().mariadb()) {
        if (channel.receiver == ThreadState::stopped && channel.applier == ThreadState::stopped &&
            channel.applier_errno == 0) {
            // Starting both would drop the relay logs; they may be all that is left of something.
            Result<Look> drained = co_await drain(target, step.channel, deadline);
            if (!drained) {
                co_return drained.error();
            }
        }
        // Drained by file and position, now or by a predecessor.
        if (!channel.uses_gtid() || channel.applier == ThreadState::stopped) {
            Result<Look> drained_look = co_await session.look(deadline);
            if (!drained_look) {
                co_return drained_look.error();
            }
            state = drained_look->channel(step.channel);
            if (state != nullptr && !state->uses_gtid() && channel.uses_gtid()) {
                const Result<void> stopped = co_await session.change(
                    dialect::stop_replication(session.words(), Threads::both, step.channel),
                    deadline
                );
                if (!stopped) {
                    co_return stopped.error();
                }
                const Result<void> back = co_await session.change(
                    fmt::format(
                        "CHANGE MASTER {} TO MASTER_USE_GTID=slave_pos{}",
                        dialect::literal(step.channel),
                        dialect::kept_heartbeat(session.words(), channel)
                    ),
                    deadline
                );
                if (!back) {
                    co_return back.error();
                }
            }
        }
    }
    const Result<void> started = co_await session.change(
        dialect::start_replication(session.words(), Threads::both, step.channel), deadline
    );
    if (!started) {
        co_return started.error();
    }
    report.text = "replication started";
    co_return report;
}

namespace {

/// Whether the new source has all that this replica has received, so that dropping its relay logs
/// loses nothing. False when it cannot be asked.
Task<bool> source_has(
    std::shared_ptr<Target> target, InstanceId source, std::string received, Deadline deadline
) {
    Session other(target->session.common(), std::move(source));
    const Result<void> opened = co_await other.open("", deadline);
    if (!opened) {
        co_return false;
    }
    Result<Look> look = co_await other.look(deadline);
    const auto wanted = gtid::GtidSet::parse(received);
    other.close();
    co_return look&& wanted&& gtid::missing_from(*wanted, look->executed) == 0;
}

/// Before both threads are stopped and the relay logs go: everything in them is applied, or is
/// known to be on the new source.
Task<Result<void>> secure_backlog(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    const TimePoint now = session.common().now();
    const Deadline patience = now + (deadline - now) / 2;
    Result<Look> drained = co_await drain(target, step.channel, patience);
    if (drained) {
        co_return Result<void>();
    }
    const Errc code = drained.error().code;
    if (code != Errc::timeout && code != Errc::refused) {
        co_return drained.error();
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* channel = look->channel(step.channel);
    if (channel == nullptr) {
        co_return Result<void>();
    }
    Result<gtid::GtidSet> received = look->received(*channel);
    if (!received) {
        co_return received.error();
    }
    const bool there = co_await source_has(target, step.source, received->text(), deadline);
    if (!there) {
        co_return drained.error().in("its relay logs would be dropped");
    }
    log::info("{}: drops relay logs that {} has", session.id().text(), step.source.text());
    co_return Result<void>();
}

/// An operator stopped the applier, and it stays so: its relay logs go when the source is changed.
Task<Result<void>> secure_stopped(
    std::shared_ptr<Target> target, Step step, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    Result<gtid::GtidSet> backlog = look->backlog(channel);
    if (!backlog) {
        co_return backlog.error();
    }
    if (!backlog->empty()) {
        Result<gtid::GtidSet> received = look->received(channel);
        if (!received) {
            co_return received.error();
        }
        const bool there = co_await source_has(target, step.source, received->text(), deadline);
        if (!there) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "{}: its applier is stopped, and its relay logs, which would be dropped, have "
                    "transactions that {} lacks",
                    session.id().text(),
                    step.source.text()
                )
            );
        }
    }
    if (dialect::change_needs_applier_stopped(session.words(), channel)) {
        co_return co_await session.change(
            dialect::stop_replication(session.words(), Threads::both, step.channel), deadline
        );
    }
    co_return Result<void>();
}

Task<Result<void>> stop_applier_if(
    std::shared_ptr<Target> target, Step step, Channel channel, Deadline deadline
) {
    Session& session = target->session;
    if (!step.start_applier && channel.applier == ThreadState::stopped) {
        co_return co_await secure_stopped(target, std::move(step), std::move(channel), deadline);
    }
    if (dialect::change_needs_applier_stopped(session.words(), channel)) {
        const Result<void> secured = co_await secure_backlog(target, step, deadline);
        if (!secured) {
            co_return secured.error();
        }
        co_return co_await session.change(
            dialect::stop_replication(session.words(), Threads::both, step.channel), deadline
        );
    }
    if (channel.applier == ThreadState::stopped && channel.applier_errno == 0) {
        // The change keeps the relay logs only while the applier runs.
        co_return co_await session.change(
            dialect::start_replication(session.words(), Threads::applier, step.channel), deadline
        );
    }
    co_return Result<void>();
}

}  // namespace

Task<StepResult> see_it_connect(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    for (;;) {  // until the deadline
        Result<Look> look = co_await session.look(deadline);
        if (!look) {
            co_return look.error();
        }
        const Channel* channel = look->channel(step.channel);
        if (channel == nullptr) {
            co_return no_channel(session, step.channel);
        }
        if (channel->receiver == ThreadState::running) {
            recovery::StepReport report;
            report.text = "replicates from " + step.source.text();
            if (channel->applier == ThreadState::stopped) {
                report.text += fmt::format(
                    "; its applier is stopped: {}", clipped(channel->applier_error, 300)
                );
            }
            co_return report;
        }
        // A receiver that gave up says why; one that is connecting may still get there.
        if (channel->receiver == ThreadState::stopped && channel->receiver_errno != 0) {
            co_return Error(
                Errc::server_error,
                fmt::format("{}: receiver: {}", session.id().text(), receiver_text(*channel)),
                channel->receiver_errno,
                ""
            );
        }
        if (session.common().now() + poll_pause >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: points to {} but is not connected: {}",
                    session.id().text(),
                    step.source.text(),
                    receiver_text(*channel)
                )
            );
        }
        co_await sleep_for(poll_pause);
    }
}

Task<StepResult> repoint(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* found = look->channel(step.channel);
    Channel channel;
    channel.name = step.channel;
    std::optional<dialect::Credentials> credentials;
    const Options& options = session.common().options;
    if (found != nullptr) {
        channel = *found;
    } else if (!options.replication_user.empty()) {
        credentials.emplace(options.replication_user, options.replication_password);
    } else {
        co_return no_channel(session, step.channel);
    }
    if (!channel.uses_gtid() && !session.words().gtid_on) {
        co_return fail(
            Errc::refused,
            fmt::format("{}: GTIDs are off, it cannot change its source", session.id().text())
        );
    }
    const bool there = channel.source == step.source && channel.uses_gtid();
    if (there && channel.receiver != ThreadState::stopped && target->stop == nullptr &&
        (channel.applier != ThreadState::stopped || !step.start_applier)) {
        co_return co_await see_it_connect(target, std::move(step), deadline);
    }
    // What is pending cannot be hurried (send_stop), and given up it would have to be waited for
    // by somebody else.
    const bool pending = target->stop != nullptr && !target->stop->done();
    Deadline patience = deadline;
    if (pending) {
        patience = std::max(deadline, target->stop->sent + background_limit);
    }
    Result<bool> ended = co_await quiesce(target, step.channel, true, patience);
    if (!ended) {
        co_return ended.error();
    }
    if (pending) {
        deadline = std::max(deadline, session.common().now() + step.limit);
    }
    target->stop.reset();
    if (!there) {
        if (!session.words().mariadb() && session.words().performance_schema) {
            Result<dialect::ResultRows> period =
                co_await session.ask(dialect::heartbeat_period(step.channel), deadline);
            if (!period) {
                co_return period.error();
            }
            channel.heartbeat_period_seconds = dialect::fraction_or(period->at(0, 0), 0);
        }
        const Result<void> ready = co_await stop_applier_if(target, step, channel, deadline);
        if (!ready) {
            co_return ready.error();
        }
        const Result<void> changed = co_await session.change(
            dialect::change_source(session.words(), channel, step.source, credentials), deadline
        );
        if (!changed) {
            co_return changed.error();
        }
    }
    const bool start_applier =
        step.start_applier && (step.start || channel.applier != ThreadState::stopped);
    if (step.start || start_applier) {
        const Threads threads =
            step.start ? (start_applier ? Threads::both : Threads::receiver) : Threads::applier;
        const Result<void> started = co_await session.change(
            dialect::start_replication(session.words(), threads, step.channel), deadline
        );
        if (!started) {
            co_return started.error();
        }
    }
    if (!step.start) {
        recovery::StepReport report;
        report.text = "will replicate from " + step.source.text() + " when it is started";
        co_return report;
    }
    co_return co_await see_it_connect(target, std::move(step), deadline);
}

}  // namespace baton::server
