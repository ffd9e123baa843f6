// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"

#include <fmt/format.h>

namespace baton::server {

namespace {

constexpr Duration session_idle_limit = 60s;

dialect::ResultRows rows_of(mysql::ResultSet set) {
    return dialect::ResultRows(std::move(set.columns), std::move(set.rows));
}

/// Held by the second session. Whoever takes the lock ends its holder too.
std::string second_lock(const std::string& name) {
    return name + ".second";
}

/// For tests/fault. `asked` is a moment before may_act() was asked: a process that is stopped right
/// after the answer has not acted at a moment at which it was not allowed to.
void trace_act(
    const mysql::Connection& connection, const InstanceId& id, TimePoint asked, std::string_view sql
) {
    log::debug(
        "trace: act server={} connection={} asked={} sql={}",
        id.text(),
        connection.connection_id(),
        asked.time_since_epoch().count(),
        clipped(sql, 60)
    );
}

Task<void> run_background(Background statement, std::string sql) {
    const Deadline deadline = statement->sent + background_limit;
    mysql::Reply reply = co_await statement->connection->query(std::move(sql), deadline);
    if (!statement->error.has_value()) {
        statement->error = std::move(reply.error);
    }
    statement->ended.set();
}

/// Its answer is nobody's concern when this node may not act any more.
Task<void> leave_when_deposed(Common* common, Background statement) {
    while (!statement->done()) {
        if (!common->may_act()) {
            statement->error =
                fail(Errc::not_leader, "this node may not act any more; the outcome is not known");
            statement->connection->drop();
            co_return;
        }
        co_await statement->ended.wait(common->now() + 100ms);
    }
}

}  // namespace

const topology::Channel* Look::channel(const std::string& name) const {
    for (const auto& channel : channels) {
        if (channel.name == name) {
            return &channel;
        }
    }
    return nullptr;
}

Result<gtid::GtidSet> Look::received(const topology::Channel& channel) const {
    const auto waiting = gtid::GtidSet::parse(
        channel.gtid_io_pos.empty() ? channel.retrieved_gtid_set : channel.gtid_io_pos
    );
    if (!waiting) {
        return waiting.error().in("received transactions");
    }
    return executed.united(*waiting);
}

Result<gtid::GtidSet> Look::backlog(const topology::Channel& channel) const {
    const auto waiting = gtid::GtidSet::parse(
        channel.gtid_io_pos.empty() ? channel.retrieved_gtid_set : channel.gtid_io_pos
    );
    if (!waiting) {
        return waiting.error().in("received transactions");
    }
    if (waiting->empty()) {
        return gtid::GtidSet();
    }
    if (const auto* mysql = waiting->mysql(); mysql != nullptr) {
        return gtid::GtidSet(applied.mysql() != nullptr ? mysql->minus(*applied.mysql()) : *mysql);
    }
    const auto* mariadb = waiting->mariadb();
    // Under current_pos the receiver starts from the server's own transactions as well.
    const auto& reached = channel.using_gtid == "Current_Pos" ? executed : applied;
    return gtid::GtidSet(
        reached.mariadb() != nullptr ? mariadb->ahead_of(*reached.mariadb()) : *mariadb
    );
}

Result<recovery::ReplicaPosition> Look::position(const topology::Channel* channel) const {
    recovery::ReplicaPosition position;
    position.executed_gtid_set = executed.text();
    position.received_gtid_set = position.executed_gtid_set;
    if (channel == nullptr) {
        return position;
    }
    const auto all = received(*channel);
    if (!all) {
        return all.error();
    }
    position.received_gtid_set = all->text();
    position.read = channel->read;
    position.executed = channel->executed;
    position.applier_broken =
        channel->applier == topology::ThreadState::stopped && channel->applier_errno != 0;
    position.applier_error = position.applier_broken ? channel->applier_error : std::string{};
    return position;
}

Session::Session(Common& common, InstanceId id)
    : common_(common), id_(std::move(id)), connection_(common.executor, common.connector) {}

Error Session::explain(const Error& error, std::string_view what) const {
    return error.in(fmt::format("{}: {}", id_.text(), what));
}

Task<Result<void>> Session::open(std::string lock_name, Deadline deadline) {
    close();
    mysql::ConnectOptions options = connect_options(common_.options, id_);
    options.multi_statements = false;
    options.init_sql = dialect::session_sql(session_idle_limit, Duration::zero());
    mysql::ConnectOptions other_options = options;
    Result<void> connected = co_await connection_.connect(std::move(options), deadline, false);
    if (!connected) {
        if (const InstanceId* other = common_.other_way_in(id_, connected.error())) {
            other_options.host = other->host;
            other_options.port = other->port;
            connected = co_await connection_.connect(std::move(other_options), deadline, false);
        }
    }
    if (!connected) {
        co_return explain(connected.error(), "connect");
    }
    Result<dialect::ResultRows> variables = co_await ask(dialect::variables_sql(), deadline);
    if (!variables) {
        connection_.drop();
        co_return variables.error();
    }
    statics_ = dialect::read_variables(*variables);
    if (lock_name.empty()) {
        co_return Result<void>();
    }
    Result<void> taken = co_await take_lock(std::move(lock_name), deadline);
    if (!taken) {
        connection_.drop();
    }
    co_return taken;
}

void Session::close() {
    connection_.drop();
    if (second_ != nullptr && (last_ == nullptr || last_->done())) {
        second_->drop();  // else the statement in it goes on, see run_background()
    }
    second_.reset();
    last_.reset();
    locked_ = false;
}

Task<bool> Session::is_usable() {
    if (!connection_.is_open()) {
        co_return false;
    }
    const mysql::IdleEvent event = co_await connection_.idle_event(common_.now());
    // Unasked data are the last words of a server that ends the session.
    co_return event == mysql::IdleEvent::quiet;
}

Task<Result<bool>> Session::try_lock(std::string name, unsigned seconds, Deadline deadline) {
    Result<dialect::ResultRows> answer = co_await ask(dialect::take_lock(name, seconds), deadline);
    if (!answer) {
        co_return answer.error();
    }
    co_return answer->at(0, 0) == "1";
}

Task<Result<void>> Session::end_older_holder(std::string name, Deadline deadline) {
    Result<dialect::ResultRows> holder = co_await ask(dialect::lock_holder(name), deadline);
    if (!holder) {
        co_return holder.error();
    }
    const std::uint64_t session = dialect::number_or(holder->at(0, 0), 0);
    if (session == 0) {
        co_return Result<void>();
    }
    log::info("{}: ends session {}, which holds {}", id_.text(), session, name);
    const Result<void> killed = co_await change(dialect::kill_connection(session), deadline);
    if (!killed && killed.error().mysql_errno != dialect::no_such_thread) {
        co_return killed.error();
    }
    co_return Result<void>();
}

Task<Result<void>> Session::take_lock(std::string name, Deadline deadline) {
    constexpr int attempts = 3;
    const bool again = lock_ == name;  // it was ours and got lost: now it may be a successor's
    const unsigned wait_seconds = again ? 1 : 0;
    Result<bool> taken = co_await try_lock(name, wait_seconds, deadline);
    if (!taken && taken.error().code == Errc::server_error) {
        // Galera in strict mode forbids locks; the lease guards the step, alone.
        log::warning("{}: no lock, guarded by the lease alone: {}", id_.text(), taken.error().what);
        co_return Result<void>();
    }
    for (int attempt = 0; attempt < attempts && !again && taken && !*taken; ++attempt) {
        const Result<void> ended = co_await end_older_holder(name, deadline);
        if (!ended) {
            co_return ended.error();
        }
        taken = co_await try_lock(name, 1, deadline);
    }
    if (!taken) {
        co_return taken.error();
    }
    if (!*taken) {
        co_return fail(
            Errc::conflict, fmt::format("{}: another session keeps the lock {}", id_.text(), name)
        );
    }
    if (!again) {
        const Result<void> ended = co_await end_older_holder(second_lock(name), deadline);
        if (!ended) {
            co_return ended.error();
        }
    }
    lock_ = std::move(name);
    locked_ = true;
    co_return Result<void>();
}

Task<Result<dialect::ResultRows>> Session::ask(std::string sql, Deadline deadline) {
    const std::string text = sql;
    mysql::Reply reply = co_await connection_.query(std::move(sql), deadline);
    if (!reply.ok()) {
        co_return explain(*reply.error, text.substr(0, 60));
    }
    if (reply.sets.empty()) {
        co_return dialect::ResultRows();
    }
    co_return rows_of(std::move(reply.sets.front()));
}

Task<Result<void>> Session::change(std::string sql, Deadline deadline) {
    const auto asked = common_.now();
    if (!common_.may_act()) {
        co_return fail(
            Errc::not_leader, fmt::format("{}: this node may not act any more", id_.text())
        );
    }
    trace_act(connection_, id_, asked, sql);
    Result<dialect::ResultRows> done = co_await ask(std::move(sql), deadline);
    common_.changed.insert(id_);  // also when it is not known whether it was done
    if (!done) {
        co_return done.error();
    }
    co_return Result<void>();
}

Task<Result<Background>> Session::change_in_background(std::string sql, Deadline connect_deadline) {
    bool ready = second_ != nullptr && second_->is_open() && (last_ == nullptr || last_->done());
    if (ready) {
        const mysql::IdleEvent event = co_await second_->idle_event(common_.now());
        ready = event == mysql::IdleEvent::quiet;
    }
    if (!ready) {
        auto fresh = std::make_shared<mysql::Connection>(common_.executor, common_.connector);
        // Several statements in one packet, for restart_receiver().
        mysql::ConnectOptions options = connect_options(common_.options, id_);
        options.init_sql = dialect::session_sql(background_limit, Duration::zero());
        if (locked_) {
            // Not needed to go on, but to be found by a successor; so nobody waits for it.
            options.init_sql += dialect::and_take_lock(second_lock(lock_));
        }
        const Result<void> connected =
            co_await fresh->connect(std::move(options), connect_deadline, false);
        if (!connected) {
            co_return explain(connected.error(), "connect");
        }
        second_ = std::move(fresh);
    }
    // Connecting takes time, in which a successor may have ended our session and not seen this one.
    const bool ours = co_await is_usable();
    if (!ours) {
        co_return fail(Errc::unreachable, fmt::format("{}: the session is lost", id_.text()));
    }
    const auto asked = common_.now();
    if (!common_.may_act()) {
        co_return fail(
            Errc::not_leader, fmt::format("{}: this node may not act any more", id_.text())
        );
    }
    trace_act(*second_, id_, asked, sql);
    auto statement = std::make_shared<BackgroundStatement>(common_, second_);
    last_ = statement;
    statement->sent = common_.now();
    std::string name = fmt::format("{}: {}", id_.text(), sql);
    common_.background.spawn(name, run_background(statement, std::move(sql)));
    common_.background.spawn(std::move(name), leave_when_deposed(&common_, statement));
    co_return statement;
}

Task<Result<Look>> Session::look(Deadline deadline) {
    Look look;
    Result<dialect::ResultRows> status =
        co_await ask(dialect::replication_status(words()), deadline);
    if (!status) {
        co_return status.error();
    }
    look.channels = replication_.channels(*status);
    const auto flavour = words().mariadb() ? gtid::Flavour::mariadb : gtid::Flavour::mysql;
    std::string executed, logged;
    if (!words().mariadb() && !status->rows.empty() && status->find("Executed_Gtid_Set")) {
        executed = status->text(0, "Executed_Gtid_Set");
    } else {
        Result<dialect::ResultRows> positions =
            co_await ask(dialect::executed_positions(words()), deadline);
        if (!positions) {
            co_return positions.error();
        }
        executed = positions->at(0, 0);
        logged = positions->at(0, 1);
    }
    auto applied = gtid::GtidSet::parse(executed, flavour);
    if (!applied) {
        co_return explain(applied.error(), "executed transactions");
    }
    look.applied = *applied;
    look.executed = *applied;
    if (words().mariadb()) {
        auto in_log = gtid::GtidSet::parse(logged, flavour);
        if (!in_log) {
            co_return explain(in_log.error(), "logged transactions");
        }
        look.executed = applied->united(*in_log);
    }
    co_return look;
}

Task<Result<topology::LogPosition>> Session::binary_log(Deadline deadline) {
    if (!words().log_bin) {
        co_return topology::LogPosition();
    }
    Result<dialect::ResultRows> rows = co_await ask(dialect::binary_log_status(words()), deadline);
    if (!rows && rows.error().mysql_errno == dialect::syntax_error) {
        statics_.words.binary_log_status = !statics_.words.binary_log_status;
        rows = co_await ask(dialect::binary_log_status(words()), deadline);
    }
    if (!rows) {
        co_return rows.error();
    }
    co_return dialect::binary_log_position(*rows);
}

}  // namespace baton::server
