// SPDX-License-Identifier: Apache-2.0
// A server without a channel becomes a replica: with which user, and, when its data does not fit,
// with whose data.
#include "performer.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"

#include <fmt/format.h>

namespace baton::server {

using dialect::Threads;
using recovery::Step;
using topology::Channel;

namespace {

constexpr unsigned restart_failed = 3707;  // ER_RESTART_SERVER_FAILED: nobody starts it again

Error nobody_tells(const InstanceId& id, const std::string& why) {
    return fail(
        Errc::refused,
        fmt::format(
            "{}: not known with which user a replica connects to its source{}; set "
            "topology.replication_user and topology.replication_password_file",
            id.text(),
            why.empty() ? std::string{} : " (" + why + ")"
        )
    );
}

Task<Result<ChannelSecret>> secret_of(Session* session, std::string channel, Deadline deadline) {
    if (session->words().mariadb()) {
        co_return nobody_tells(session->id(), "MariaDB shows a channel's password to nobody");
    }
    Result<dialect::ResultRows> row = co_await session->ask(
        fmt::format(
            "SELECT User_name,User_password,Enabled_ssl FROM mysql.slave_master_info "
            "WHERE Channel_name={}",
            dialect::literal(channel)
        ),
        deadline
    );
    if (!row) {
        co_return nobody_tells(session->id(), clipped(row.error().what, 200));
    }
    ChannelSecret secret;
    secret.user = std::string(row->at(0, 0));
    secret.password = std::string(row->at(0, 1));
    secret.tls = dialect::is_on(row->at(0, 2));
    if (secret.user.empty() || secret.password.empty()) {
        co_return nobody_tells(session->id(), "its channel has none stored");
    }
    co_return secret;
}

/// From the first of the servers that tells.
Task<Result<ChannelSecret>> secret_of_others(
    Common* common, std::vector<InstanceId> servers, Deadline deadline
) {
    std::string why;
    for (const auto& id : servers) {
        Session other(*common, id);
        const Result<void> opened = co_await other.open("", deadline);
        if (!opened) {
            why = opened.error().what;
            continue;
        }
        Result<ChannelSecret> secret = co_await secret_of(&other, "", deadline);
        other.close();
        if (secret) {
            co_return secret;
        }
        why = secret.error().what;
    }
    co_return fail(
        Errc::refused,
        why.empty() ? "nobody tells with which user a replica connects; set "
                      "topology.replication_user and topology.replication_password_file"
                    : why
    );
}

/// Whether the channels of these servers are encrypted; false when nobody can be asked.
Task<bool> others_use_tls(Common* common, std::vector<InstanceId> servers, Deadline deadline) {
    for (const auto& id : servers) {
        Session other(*common, id);
        const Result<void> opened = co_await other.open("", deadline);
        if (!opened) {
            continue;
        }
        Result<Look> look = co_await other.look(deadline);
        other.close();
        if (look && !look->channels.empty()) {
            co_return look->channels.front().tls.allowed;
        }
    }
    co_return false;
}

Task<Result<ChannelSecret>> secret_for(
    std::shared_ptr<Target> target,
    std::shared_ptr<ChannelSecret> known,
    Step step,
    Deadline deadline
) {
    Common& common = target->session.common();
    ChannelSecret secret = *known;
    if (!common.options.replication_user.empty()) {
        secret.user = common.options.replication_user;
        secret.password = common.options.replication_password;
        if (!known->asked) {
            secret.tls = co_await others_use_tls(&common, step.credentials_from, deadline);
        }
        co_return secret;
    }
    if (!secret.user.empty()) {
        co_return secret;
    }
    co_return co_await secret_of_others(&common, step.credentials_from, deadline);
}

}  // namespace

Task<StepResult> read_credentials(
    std::shared_ptr<Target> target,
    std::shared_ptr<ChannelSecret> known,
    Step step,
    Deadline deadline
) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    if (const Channel* channel = look->channel(step.channel); channel != nullptr) {
        known->asked = true;
        known->tls = channel->tls.allowed;
    }
    recovery::StepReport report;
    const Options& options = session.common().options;
    if (!options.replication_user.empty()) {
        report.text = fmt::format(
            "replicas connect as {}{}", options.replication_user, known->tls ? ", encrypted" : ""
        );
        co_return report;
    }
    Result<ChannelSecret> secret = co_await secret_of(&session, step.channel, deadline);
    if (!secret) {
        const bool tls = known->tls;
        secret = co_await secret_of_others(&session.common(), step.credentials_from, deadline);
        if (!secret) {
            co_return secret.error();
        }
        secret->tls = tls;
    }
    secret->asked = true;
    *known = *secret;
    report.text = fmt::format("replicas connect as {}", clipped(known->user, 100));
    co_return report;
}

namespace {

/// What waited for acknowledgements as a primary gives them as a replica. It must not go on
/// waiting: nobody replicates from it any more, and with log_replica_updates each transaction that
/// its applier commits would wait for the whole time-out (seen on MySQL 9.7).
Task<Result<void>> acknowledge_instead(Session* session, Deadline deadline) {
    const auto off = dialect::semi_sync_source(session->words(), false);
    const auto on = dialect::semi_sync_replica(session->words(), true);
    if (!off) {
        co_return Result<void>();
    }
    Result<dialect::ResultRows> enabled =
        co_await session->ask(dialect::semi_sync_source_enabled(session->words()), deadline);
    if (!enabled) {
        co_return enabled.error();
    }
    if (!dialect::is_on(enabled->at(0, 0))) {
        co_return Result<void>();
    }
    if (on) {
        const Result<void> acknowledges = co_await session->change(*on, deadline);
        if (!acknowledges) {
            co_return acknowledges.error();
        }
    }
    // Last, for it is what a repetition goes by.
    co_return co_await session->change(*off, deadline);
}

}  // namespace

Task<StepResult> become_replica(
    std::shared_ptr<Target> target,
    std::shared_ptr<ChannelSecret> known,
    Step step,
    Deadline deadline
) {
    Session& session = target->session;
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    const Result<void> acknowledges = co_await acknowledge_instead(&session, deadline);
    if (!acknowledges) {
        co_return acknowledges.error();
    }
    if (look->channel(step.channel) != nullptr) {
        co_return co_await repoint(target, std::move(step), deadline);  // it has one already
    }
    if (!session.words().mariadb() && !session.words().gtid_on) {
        co_return fail(
            Errc::refused,
            fmt::format("{}: GTIDs are off, it cannot become a replica", session.id().text())
        );
    }
    Result<ChannelSecret> secret = co_await secret_for(target, known, step, deadline);
    if (!secret) {
        co_return secret.error();
    }
    Channel channel;
    channel.name = step.channel;
    channel.tls.allowed = secret->tls;
    if (session.words().mariadb()) {
        // Its own transactions are in its binary log only, so where a replica goes on is set to all
        // that it has. current_pos would do the same now, and stay a trap: whatever is written here
        // by mistake later would count as received.
        const Result<void> placed = co_await session.change(
            fmt::format("SET GLOBAL gtid_slave_pos={}", dialect::literal(look->executed.text())),
            deadline
        );
        if (!placed) {
            co_return placed.error();
        }
        channel.using_gtid = "Slave_Pos";
    }
    std::optional<dialect::Credentials> credentials;
    credentials.emplace(secret->user, secret->password);
    const Result<void> changed = co_await session.change(
        dialect::change_source(session.words(), channel, step.source, credentials), deadline
    );
    if (!changed) {
        co_return changed.error();
    }
    if (!step.start) {
        recovery::StepReport report;
        report.text = fmt::format("points to {} and is stopped", step.source.text());
        co_return report;
    }
    const Result<void> started = co_await session.change(
        dialect::start_replication(session.words(), Threads::both, step.channel), deadline
    );
    if (!started) {
        co_return started.error();
    }
    co_return co_await see_it_connect(target, std::move(step), deadline);
}

namespace {

Task<Result<void>> ensure_plugin(Session* session, Deadline deadline) {
    Result<dialect::ResultRows> status = co_await session->ask(
        "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME='clone'", deadline
    );
    if (!status) {
        co_return status.error();
    }
    if (status->at(0, 0) == "ACTIVE") {
        co_return Result<void>();
    }
    const Result<void> installed =
        co_await session->change("INSTALL PLUGIN clone SONAME 'mysql_clone.so'", deadline);
    if (!installed) {
        co_return installed.error().in(
            "the clone plugin is not there; put plugin-load-add=mysql_clone.so into the server's "
            "configuration"
        );
    }
    co_return Result<void>();
}

/// "" = none ever, else "Not Started", "In Progress", "Completed", "Failed", with the error.
Task<Result<std::pair<std::string, std::string>>> clone_status(
    Session* session, Deadline deadline
) {
    Result<dialect::ResultRows> row = co_await session->ask(
        "SELECT STATE,ERROR_MESSAGE FROM performance_schema.clone_status", deadline
    );
    if (!row) {
        co_return row.error();
    }
    std::pair<std::string, std::string> status(row->at(0, 0), row->at(0, 1));
    co_return status;
}

/// The statement itself, on a session of its own: it lasts as long as the data is large, and its
/// text has a password in it, which no log may show.
Task<mysql::Reply> run_clone(
    Common* common, InstanceId target, InstanceId donor, Deadline deadline
) {
    mysql::Connection connection(common->executor, common->connector);
    mysql::ConnectOptions options = connect_options(common->options, target);
    options.multi_statements = false;
    options.init_sql = dialect::session_sql(24h, Duration::zero());
    const Deadline patience = std::min(deadline, common->now() + 10s);
    const Result<void> connected = co_await connection.connect(std::move(options), patience, false);
    mysql::Reply reply;
    if (!connected) {
        reply.error = connected.error();
        co_return reply;
    }
    if (!common->may_act()) {
        reply.error = fail(Errc::not_leader, "this node may not act any more");
        co_return reply;
    }
    std::string sql = fmt::format(
        "CLONE INSTANCE FROM {}@{}:{} IDENTIFIED BY {}",
        dialect::literal(common->options.user),
        dialect::literal(donor.host),
        donor.port,
        dialect::literal(common->options.password)
    );
    log::info("{}: clones {}", target.text(), donor.text());
    co_return co_await connection.query(std::move(sql), deadline);
}

/// The server restarts when it has the data. Returns when it answers again.
Task<Result<void>> await_restart(std::shared_ptr<Target> target, Deadline deadline) {
    Session& session = target->session;
    session.close();
    target->prepared = false;
    std::string last = "it was not started again";
    while (session.common().now() < deadline) {
        if (!session.common().may_act()) {
            co_return fail(Errc::not_leader, "this node may not act any more");
        }
        co_await sleep_for(500ms);
        Session other(session.common(), session.id());
        const Deadline patience = std::min(deadline, session.common().now() + 2s);
        const Result<void> opened = co_await other.open("", patience);
        if (!opened) {
            last = opened.error().what;
            continue;
        }
        Result<std::pair<std::string, std::string>> status =
            co_await clone_status(&other, patience);
        other.close();
        if (status && status->first == "Completed") {
            co_return Result<void>();
        }
        if (status && status->first == "Failed") {
            co_return fail(
                Errc::server_error,
                fmt::format("{}: the copy failed: {}", session.id().text(), status->second)
            );
        }
    }
    co_return fail(
        Errc::timeout,
        fmt::format(
            "{}: has the data and does not answer yet ({}); start it", session.id().text(), last
        )
    );
}

/// A server with the data of another one must not take writes for a moment when it restarts,
/// however it is configured. False: that was so before, and is left as it was.
Task<Result<bool>> persist_read_only(Session* session, Deadline deadline) {
    Result<dialect::ResultRows> before = co_await session->ask(
        "SELECT VARIABLE_NAME FROM performance_schema.persisted_variables "
        "WHERE VARIABLE_NAME='super_read_only'",
        deadline
    );
    if (!before) {
        co_return before.error();
    }
    if (!before->rows.empty()) {
        co_return false;
    }
    const Result<void> set = co_await session->change("SET PERSIST super_read_only=1", deadline);
    if (!set) {
        co_return set.error();
    }
    co_return true;
}

/// From here on the server's role decides again, not a setting that outlives a restart.
Task<Result<void>> end_read_only_persistence(
    std::shared_ptr<Target> target, bool persisted, Deadline deadline
) {
    Session other(target->session.common(), target->session.id());
    const Result<void> opened = co_await other.open("", deadline);
    if (!opened) {
        co_return opened.error();
    }
    const Result<void> read_only =
        co_await other.change(dialect::make_read_only(other.words()), deadline);
    if (!read_only) {
        co_return read_only.error();
    }
    if (persisted) {
        const Result<void> reset =
            co_await other.change("RESET PERSIST IF EXISTS super_read_only", deadline);
        if (!reset) {
            co_return reset.error();
        }
    }
    other.close();
    co_return Result<void>();
}

/// The server refuses to be cloned onto, or to install the plugin, with super_read_only. Ordinary
/// clients are kept out by read_only meanwhile.
Task<Result<void>> prepare_clone(Session* session, InstanceId donor, Deadline deadline) {
    const Result<void> opened = co_await session->change("SET GLOBAL super_read_only=0", deadline);
    if (!opened) {
        co_return opened.error();
    }
    const Result<void> ready = co_await ensure_plugin(session, deadline);
    if (!ready) {
        co_return ready.error();
    }
    std::string sql =
        fmt::format("SET GLOBAL clone_valid_donor_list={}", dialect::literal(donor.text()));
    co_return co_await session->change(std::move(sql), deadline);
}

/// Nothing came of it: read-only as before, and without a setting of ours that outlives a restart.
Task<void> close_again(Session* session, bool persisted) {
    const Deadline deadline = session->common().now() + 5s;
    Result<void> done = co_await session->change("SET GLOBAL super_read_only=1", deadline);
    if (done && persisted) {
        done = co_await session->change("RESET PERSIST IF EXISTS super_read_only", deadline);
    }
    if (!done) {
        log::warning("{}: after a copy that failed: {}", session->id().text(), done.error().what);
    }
}

}  // namespace

Task<StepResult> clone(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    Session& session = target->session;
    if (session.words().mariadb()) {
        co_return fail(
            Errc::refused, fmt::format("{}: MariaDB has no clone plugin", session.id().text())
        );
    }
    const Deadline soon = std::min(deadline, session.common().now() + 10s);
    Session donor(session.common(), step.source);
    const Result<void> opened = co_await donor.open("", soon);
    if (!opened) {
        co_return opened.error();
    }
    const Result<void> ready_there = co_await ensure_plugin(&donor, soon);
    donor.close();
    if (!ready_there) {
        co_return ready_there.error();
    }
    Result<std::pair<std::string, std::string>> status = co_await clone_status(&session, soon);
    if (!status) {
        co_return status.error();
    }
    // One that a predecessor has begun is waited for, not begun anew.
    bool persisted = status->first == "In Progress";
    if (status->first != "In Progress") {
        const Result<bool> kept = co_await persist_read_only(&session, soon);
        if (!kept) {
            co_return kept.error();
        }
        persisted = *kept;
        const Result<void> ready = co_await prepare_clone(&session, step.source, soon);
        if (!ready) {
            co_await close_again(&session, persisted);
            co_return ready.error();
        }
        const mysql::Reply reply =
            co_await run_clone(&session.common(), session.id(), step.source, deadline);
        const bool left = reply.ok() || reply.error->mysql_errno == restart_failed ||
                          reply.error->code == Errc::unreachable;
        if (!left) {
            co_await close_again(&session, persisted);
            co_return session.explain(*reply.error, "CLONE INSTANCE");
        }
    }
    const Result<void> back = co_await await_restart(target, deadline);
    if (!back) {
        co_return back.error();
    }
    const Result<void> ended =
        co_await end_read_only_persistence(target, persisted, session.common().now() + 10s);
    if (!ended) {
        co_return ended.error();
    }
    recovery::StepReport report;
    report.text = fmt::format("has a copy of the data of {}", step.source.text());
    co_return report;
}

}  // namespace baton::server
