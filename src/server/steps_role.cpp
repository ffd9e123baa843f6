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

Task<Result<bool>> is_read_only(std::shared_ptr<Target> target, Deadline deadline) {
    std::string sql = target->session.words().has_super_read_only
                          ? "SELECT @@global.read_only,@@global.super_read_only"
                          : "SELECT @@global.read_only,0";
    Result<dialect::ResultRows> flags = co_await target->session.ask(std::move(sql), deadline);
    if (!flags) {
        co_return flags.error();
    }
    co_return dialect::is_on(flags->at(0, 0)) || dialect::is_on(flags->at(0, 1));
}

/// Forgets the source when the STOP has ended; on the way it stops doing so when this node may not
/// act any more, or the channel is no longer what it was.
Task<void> finish_forgetting(
    Common* common, InstanceId id, Background stop, std::string channel, InstanceId source
) {
    while (!stop->done()) {
        if (!common->may_act()) {
            stop->connection->drop();
            co_return;
        }
        co_await stop->ended.wait(common->now() + 200ms);
    }
    Session session(*common, id);
    const Deadline deadline = common->now() + 5s;
    const Result<void> opened = co_await session.open("", deadline);
    if (!opened) {
        log::warning("{}: its old source is not forgotten: {}", id.text(), opened.error().what);
        co_return;
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        log::warning("{}: its old source is not forgotten: {}", id.text(), look.error().what);
        co_return;
    }
    const Channel* now = look->channel(channel);
    if (now == nullptr || now->source != source || now->receiver != ThreadState::stopped ||
        now->applier != ThreadState::stopped) {
        co_return;
    }
    const Result<void> forgotten =
        co_await session.change(dialect::forget_source(session.words(), channel), deadline);
    if (forgotten) {
        log::info("{}: has forgotten its old source {}", id.text(), source.text());
    } else {
        log::warning("{}: its old source is not forgotten: {}", id.text(), forgotten.error().what);
    }
}

/// Stops what is left of replication and forgets the source. The server is writable already, so a
/// STOP that takes its time (up to 60 s on MySQL when half a transaction is in the relay log)
/// delays nobody: what does not end soon is finished in the background. Returns what to report.
Task<Result<std::string>> leave_source(
    std::shared_ptr<Target> target, Step step, Channel channel, Deadline deadline
) {
    constexpr Duration patience = 500ms;
    Session& session = target->session;
    const bool waiting = target->stop != nullptr && !target->stop->done();
    if (session.words().mariadb()) {
        const Result<void> stopped = co_await session.change(
            dialect::stop_replication(session.words(), Threads::both, step.channel), deadline
        );
        if (!stopped) {
            co_return stopped.error();
        }
    } else {
        Result<Background> sent = co_await session.change_in_background(
            dialect::stop_replication(session.words(), Threads::both, step.channel), deadline
        );
        if (!sent) {
            co_return sent.error();
        }
        const Background stop = *sent;
        target->stop.reset();
        const Duration wait =
            waiting ? Duration(20ms) : patience;  // it queues behind the first STOP
        const bool ended =
            co_await stop->ended.wait(std::min(deadline, session.common().now() + wait));
        if (!ended) {
            Common& common = session.common();
            common.background.spawn(
                "forget source of " + session.id().text(),
                finish_forgetting(&common, session.id(), stop, step.channel, channel.source)
            );
            co_return std::string("; its old source is forgotten when the STOP has ended");
        }
        if (stop->error.has_value()) {
            co_return session.explain(*stop->error, "stop replication");
        }
    }
    const Result<void> forgotten =
        co_await session.change(dialect::forget_source(session.words(), step.channel), deadline);
    if (!forgotten) {
        co_return forgotten.error();
    }
    co_return std::string("; old source forgotten");
}

/// Everything received is applied and nothing more can come; executed covers what is required.
Task<Result<Look>> ready_to_promote(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    const auto required = gtid::GtidSet::parse(step.required_gtid_set);
    if (!required) {
        co_return required.error().in("required transactions");
    }
    Result<bool> quiet = co_await quiesce(target, step.channel, false, deadline);
    if (!quiet) {
        co_return quiet.error();
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    if (const Channel* channel = look->channel(step.channel); channel != nullptr) {
        Result<gtid::GtidSet> backlog = look->backlog(*channel);
        if (!backlog) {
            co_return session.explain(backlog.error(), "backlog");
        }
        if (!backlog->empty()) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "{}: {} received transactions are not applied ({})",
                    session.id().text(),
                    backlog->count(),
                    clipped(backlog->text(), 200)
                )
            );
        }
    }
    if (const auto missing = gtid::missing_from(*required, look->executed); missing != 0) {
        co_return fail(
            Errc::refused,
            fmt::format(
                "{}: {} required transactions are missing here", session.id().text(), missing
            )
        );
    }
    co_return look;
}

}  // namespace

Task<StepResult> promote(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    Result<Look> look = co_await ready_to_promote(target, step, deadline);
    if (!look) {
        co_return look.error();
    }
    const Channel* found = look->channel(step.channel);
    // The end of what the old primary wrote, before the first write of the new one.
    Result<recovery::ReplicaPosition> position = look->position(found);
    if (!position) {
        co_return session.explain(position.error(), "positions");
    }
    Result<topology::LogPosition> binlog = co_await session.binary_log(deadline);
    if (!binlog) {
        co_return binlog.error();
    }
    if (step.enable_semi_sync) {
        const auto on = dialect::semi_sync_source(session.words(), true);
        if (!on.has_value()) {
            co_return fail(
                Errc::refused,
                fmt::format("{}: semi-sync is asked for and not installed", session.id().text())
            );
        }
        const Result<void> enabled = co_await session.change(*on, deadline);
        if (!enabled) {
            co_return enabled.error();
        }
    }
    const Result<void> writable =
        co_await session.change(dialect::make_writable(session.words()), deadline);
    if (!writable) {
        co_return writable.error();
    }
    recovery::StepReport report;
    report.text = fmt::format("writable at {}", clipped(position->executed_gtid_set, 300));
    report.binlog = std::move(*binlog);
    if (found != nullptr) {
        Result<std::string> left = co_await leave_source(target, step, *found, deadline);
        // The server serves; what is left is repeated by repeating the step.
        report.text += left ? *left : "; old source not forgotten: " + left.error().what;
        if (!left) {
            log::warning("{}: after promotion: {}", session.id().text(), left.error().what);
        }
    }
    if (step.enable_semi_sync) {
        const auto off = dialect::semi_sync_replica(session.words(), false);
        if (off.has_value()) {
            const Result<void> disabled = co_await session.change(*off, deadline);
            if (!disabled) {
                log::warning("{}: {}", session.id().text(), disabled.error().what);
            }
        }
    }
    report.position = std::move(*position);
    co_return report;
}

Task<StepResult> set_writable(std::shared_ptr<Target> target, Step /*step*/, Deadline deadline) {
    Session& session = target->session;
    const Result<void> done =
        co_await session.change(dialect::make_writable(session.words()), deadline);
    if (!done) {
        co_return done.error();
    }
    recovery::StepReport report;
    report.text = "writable";
    co_return report;
}

namespace {

/// A session of a user who might write: not replication, not the server's own threads, not Baton's.
bool is_writer(const dialect::ResultRows& list, std::size_t row, const std::string& own_user) {
    const std::string_view user = list.text(row, "USER");
    const std::string_view command = list.text(row, "COMMAND");
    if (user.empty() || user == own_user || user == "system user" || user == "event_scheduler" ||
        user.starts_with("mysql.") || user == "unauthenticated user") {
        return false;
    }
    return !command.starts_with("Binlog Dump") && command != "Daemon" && command != "Connect" &&
           !command.starts_with("Slave");
}

Task<Result<std::size_t>> kill_writers(std::shared_ptr<Target> target, Deadline deadline) {
    Session& session = target->session;
    Result<dialect::ResultRows> list = co_await session.ask(dialect::process_list(), deadline);
    if (!list) {
        co_return list.error();
    }
    std::size_t killed = 0;
    for (std::size_t row = 0; row < list->rows.size(); ++row) {
        const std::uint64_t id = dialect::number_or(list->text(row, "ID"), 0);
        if (id == 0 || id == session.connection_id() ||
            !is_writer(*list, row, session.common().options.user)) {
            continue;
        }
        const Result<void> done = co_await session.change(dialect::kill_connection(id), deadline);
        if (done) {
            ++killed;
        } else if (done.error().code == Errc::server_error || done.error().code == Errc::access_denied) {
            log::info("{}: {}", session.id().text(), done.error().what);  // gone, or out of reach
        } else {
            co_return done.error();
        }
    }
    co_return killed;
}

}  // namespace

Task<StepResult> set_read_only(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    constexpr Duration patience = 300ms;
    Session& session = target->session;
    // On a session of its own: the server lets it wait for commits in progress, for instance those
    // that wait for an acknowledgement of a semi-sync replica which will never come. Ending these
    // sessions ends the waiting, and their clients do not get an "ok" for what may be lost.
    std::string sql = dialect::make_read_only(session.words());
    Result<Background> sent = co_await session.change_in_background(std::move(sql), deadline);
    if (!sent) {
        co_return sent.error();
    }
    const Background setting = *sent;
    co_await setting->ended.wait(std::min(deadline, session.common().now() + patience));
    recovery::StepReport report;
    report.text = "read-only";
    if (step.kill_writers) {
        Result<std::size_t> killed = co_await kill_writers(target, deadline);
        if (!killed) {
            co_return killed.error();
        }
        report.text += fmt::format("; ended {} sessions", *killed);
    }
    const bool ended = co_await setting->ended.wait(deadline);
    if (!ended) {
        setting->connection->drop();
        co_return fail(
            Errc::timeout,
            fmt::format("{}: SET GLOBAL read_only waits for commits or locks", session.id().text())
        );
    }
    if (setting->error.has_value()) {
        co_return session.explain(*setting->error, "set read-only");
    }
    Result<bool> set = co_await is_read_only(target, deadline);
    if (!set) {
        co_return set.error();
    }
    if (!*set) {
        co_return fail(
            Errc::server_error,
            fmt::format("{}: is writable in spite of read_only=1", session.id().text())
        );
    }
    co_return report;
}

}  // namespace baton::server
