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
/// STOP that takes its time (up to 60 s on MySQL when half a transaction is in the relay log, up to
/// slave_net_timeout on MariaDB 11.8 while the receiver tries to connect) delays nobody: what does
/// not end soon is finished in the background. Returns what to report.
Task<Result<std::string>> leave_source(
    std::shared_ptr<Target> target, Step step, Channel channel, Deadline deadline
) {
    constexpr Duration patience = 500ms;
    Session& session = target->session;
    const bool waiting = target->stop != nullptr && !target->stop->done();
    Result<Background> sent = co_await session.change_in_background(
        dialect::stop_replication(session.words(), Threads::both, step.channel), deadline
    );
    if (!sent) {
        co_return sent.error();
    }
    const Background stop = *sent;
    target->stop.reset();
    const Duration wait = waiting ? Duration(20ms) : patience;  // it queues behind the first STOP
    const bool ended = co_await stop->ended.wait(std::min(deadline, session.common().now() + wait));
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
    const Result<void> forgotten =
        co_await session.change(dialect::forget_source(session.words(), step.channel), deadline);
    if (!forgotten) {
        co_return forgotten.error();
    }
    co_return std::string("; old source forgotten");
}

/// As a replica it must not wait for acknowledgements of its own.
Task<void> take_semi_sync_back(std::shared_ptr<Target> target) {
    Session& session = target->session;
    const auto off = dialect::semi_sync_source(session.words(), false);
    if (!off.has_value()) {
        co_return;
    }
    const Result<void> done = co_await session.change(*off, session.common().now() + 1s);
    if (!done) {
        log::warning("{}: semi-sync stays on: {}", session.id().text(), done.error().what);
    }
}

/// The statement is dated: when the server is frozen before it carries it out, it must not become
/// writable when it wakes up, long after this was given up.
Task<Result<void>> make_writable(std::shared_ptr<Target> target, Deadline deadline) {
    constexpr Duration longest = 3s;
    Session& session = target->session;
    const Duration limit = std::min<Duration>(longest, deadline - session.common().now());
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();
    Result<dialect::ResultRows> answer = co_await session.ask(dialect::time_limit(us), deadline);
    if (!answer) {
        co_return answer.error();
    }
    const std::string_view not_after = answer->at(0, 0);
    if (not_after.empty()) {
        co_return fail(
            Errc::server_error, fmt::format("{}: does not tell its time", session.id().text())
        );
    }
    const std::string sql = dialect::make_writable(not_after);
    const Result<void> done = co_await session.change(sql, deadline);
    if (!done && done.error().mysql_errno == dialect::subquery_rows) {
        co_return fail(
            Errc::timeout,
            fmt::format(
                "{}: came to be made writable too late, and was left read-only", session.id().text()
            )
        );
    }
    co_return done;
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

Task<StepResult> promote(
    std::shared_ptr<Target> target, std::shared_ptr<Target> guard, Step step, Deadline deadline
) {
    Session& session = target->session;
    if (step.await_required) {
        const Result<void> applied = co_await await_required(target, step, deadline);
        if (!applied) {
            co_return applied.error();
        }
    }
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
    Result<void> writable;
    if (guard != nullptr) {
        writable = co_await guard_holds(guard, step, deadline);
    }
    if (writable) {
        writable = co_await make_writable(target, deadline);
    }
    if (!writable) {
        if (step.enable_semi_sync && writable.error().code != Errc::unreachable) {
            co_await take_semi_sync_back(target);
        }
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
    const Result<void> done = co_await make_writable(target, deadline);
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

/// In the order of ending them. On MariaDB one session waits for the acknowledgement of its whole
/// group of commits, and when it is killed, the others of the group are told "ok" (seen on 10.11:
/// an acknowledged transaction that no replica had). So those that wait for an acknowledgement come
/// last: then nobody is left to be told.
std::vector<std::uint64_t> writers(const dialect::ResultRows& list, Session& session) {
    std::vector<std::uint64_t> out, waiting;
    for (std::size_t row = 0; row < list.rows.size(); ++row) {
        const std::uint64_t id = dialect::number_or(list.text(row, "ID"), 0);
        if (id == 0 || id == session.connection_id() ||
            !is_writer(list, row, session.common().options.user)) {
            continue;
        }
        const auto state = list.text(row, "STATE");
        const bool waits = contains_ignoring_case(state, "semi-sync") ||
                           contains_ignoring_case(state, "acknowledg");
        (waits ? waiting : out).push_back(id);
    }
    out.insert(out.end(), waiting.begin(), waiting.end());
    return out;
}

Task<Result<std::size_t>> kill_writers(std::shared_ptr<Target> target, Deadline deadline) {
    Session& session = target->session;
    Result<dialect::ResultRows> list = co_await session.ask(dialect::process_list(), deadline);
    if (!list) {
        co_return list.error();
    }
    std::size_t killed = 0;
    const std::vector<std::uint64_t> order = writers(*list, session);
    for (const std::uint64_t id : order) {
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

/// MySQL lets a commit that waits for an acknowledgement wait on when its session is killed (tried
/// on 9.7): the client is gone, and the session keeps read_only from being set for as long as the
/// time-out of semi-synchronous replication, which is often endless. Switching that off ends the
/// waiting. Nobody is told "ok" by it: the sessions in question have been ended, and new ones wait
/// for the lock that read_only has asked for. Afterwards it is switched on again, so that a primary
/// that becomes writable once more acknowledges nothing without its replicas.
Task<Result<bool>> release_commits(
    std::shared_ptr<Target> target, Background setting, Deadline deadline
) {
    Session& session = target->session;
    const auto off = dialect::semi_sync_source(session.words(), false);
    const auto on = dialect::semi_sync_source(session.words(), true);
    if (session.words().mariadb() || !off || !on) {
        co_return false;
    }
    Result<dialect::ResultRows> enabled =
        co_await session.ask(dialect::semi_sync_source_enabled(session.words()), deadline);
    if (!enabled) {
        co_return enabled.error();
    }
    if (!dialect::is_on(enabled->at(0, 0))) {
        co_return false;
    }
    const Result<void> released = co_await session.change(*off, deadline);
    if (!released) {
        co_return released.error();
    }
    co_await setting->ended.wait(deadline);
    const Result<void> restored = co_await session.change(*on, session.common().now() + 2s);
    if (!restored) {
        log::warning(
            "{}: semi-synchronous replication stays off: {}",
            session.id().text(),
            restored.error().what
        );
    }
    co_return true;
}

}  // namespace

Task<StepResult> set_read_only(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    constexpr Duration patience = 300ms;
    Session& session = target->session;
    if (step.grace > Duration::zero()) {
        const Result<void> waited = co_await await_transactions(target, step.grace, deadline);
        if (!waited) {
            co_return waited.error();
        }
    }
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
    bool all_writers = step.kill_writers;
    if (step.end_transactions && !all_writers && !setting->done()) {
        Result<std::size_t> killed = co_await end_transactions(target, deadline);
        if (!killed) {
            co_return killed.error();
        }
        report.text += fmt::format("; ended {} transactions that it waited for", *killed);
        co_await setting->ended.wait(std::min(deadline, session.common().now() + patience));
        all_writers = !setting->done();  // then it waits for locks, or for commits
    }
    if (all_writers) {
        Result<std::size_t> killed = co_await kill_writers(target, deadline);
        if (!killed) {
            co_return killed.error();
        }
        report.text += fmt::format("; ended {} sessions", *killed);
    }
    const Deadline soon =
        all_writers ? std::min(deadline, session.common().now() + patience) : deadline;
    bool ended = co_await setting->ended.wait(soon);
    if (!ended && all_writers) {
        Result<bool> released = co_await release_commits(target, setting, deadline);
        if (!released) {
            co_return released.error();
        }
        if (*released) {
            report.text += "; ended commits that waited for an acknowledgement";
        }
        ended = co_await setting->ended.wait(deadline);
    }
    if (!ended) {
        // It must not come true later, when the server is meant to be writable again.
        const auto waiting = dialect::kill_connection(setting->connection->connection_id());
        const Result<void> taken_back =
            co_await session.change(waiting, session.common().now() + 1s);
        if (!taken_back) {
            log::warning("{}: {}", session.id().text(), taken_back.error().what);
        }
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
    if (step.end_transactions && !all_writers) {
        // They cannot commit any more, and their locks would stop the applier later.
        Result<std::size_t> killed = co_await end_transactions(target, deadline);
        if (!killed) {
            co_return killed.error();
        }
        report.text += fmt::format("; ended {} open transactions", *killed);
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    Result<recovery::ReplicaPosition> position = look->position(nullptr);
    if (!position) {
        co_return session.explain(position.error(), "positions");
    }
    report.text += fmt::format(" at {}", clipped(position->executed_gtid_set, 300));
    report.position = std::move(*position);
    co_return report;
}

}  // namespace baton::server
