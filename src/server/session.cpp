// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include "baton/base/log.hpp"
#include "baton/dialect/error_codes.hpp"

#include <fmt/format.h>

namespace baton::server {

namespace {

constexpr Duration session_idle_limit = 60s;
constexpr Duration background_limit = 75s;  // STOP waits up to 60 s for half a transaction (MySQL)

dialect::ResultRows rows_of(mysql::ResultSet set) {
    return dialect::ResultRows(std::move(set.columns), std::move(set.rows));
}

Task<void> run_background(Background statement, std::string sql) {
    statement->sent = std::chrono::steady_clock::now();
    const Deadline deadline = statement->sent + background_limit;
    mysql::Reply reply = co_await statement->connection.query(std::move(sql), deadline);
    statement->error = std::move(reply.error);
    statement->connection.drop();
    statement->ended.set();
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
    mysql::ConnectOptions options = connect_options(common_.options, id_);
    options.multi_statements = false;
    options.init_sql = dialect::session_sql(session_idle_limit, Duration::zero());
    const Result<void> connected =
        co_await connection_.connect(std::move(options), deadline, false);
    if (!connected) {
        co_return explain(connected.error(), "connect");
    }
    Result<dialect::ResultRows> variables = co_await ask(dialect::variables_sql(), deadline);
    if (!variables) {
        co_return variables.error();
    }
    statics_ = dialect::read_variables(*variables);
    if (lock_name.empty()) {
        co_return Result<void>();
    }
    Result<void> locked = co_await take_lock(std::move(lock_name), deadline);
    if (!locked) {
        connection_.drop();
    }
    co_return locked;
}

Task<Result<bool>> Session::try_lock(std::string name, unsigned seconds, Deadline deadline) {
    Result<dialect::ResultRows> answer = co_await ask(dialect::take_lock(name, seconds), deadline);
    if (!answer) {
        co_return answer.error();
    }
    co_return answer->at(0, 0) == "1";
}

Task<Result<void>> Session::take_lock(std::string name, Deadline deadline) {
    constexpr int attempts = 3;
    Result<bool> taken = co_await try_lock(name, 0, deadline);
    if (!taken && taken.error().code == Errc::server_error) {
        // Galera in strict mode forbids locks; the lease guards the step, alone.
        log::warning("{}: no lock, guarded by the lease alone: {}", id_.text(), taken.error().what);
        co_return Result<void>();
    }
    for (int attempt = 0; attempt < attempts && taken && !*taken; ++attempt) {
        Result<dialect::ResultRows> holder = co_await ask(dialect::lock_holder(name), deadline);
        if (!holder) {
            co_return holder.error();
        }
        const std::uint64_t session = dialect::number_or(holder->at(0, 0), 0);
        if (session != 0) {
            log::info("{}: ends session {}, which holds {}", id_.text(), session, name);
            const Result<void> killed =
                co_await change(dialect::kill_connection(session), deadline);
            if (!killed && killed.error().mysql_errno != dialect::no_such_thread) {
                co_return killed.error();
            }
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
    if (!common_.may_act()) {
        co_return fail(
            Errc::not_leader, fmt::format("{}: this node may not act any more", id_.text())
        );
    }
    Result<dialect::ResultRows> done = co_await ask(std::move(sql), deadline);
    if (!done) {
        co_return done.error();
    }
    co_return Result<void>();
}

Task<Result<Background>> Session::change_in_background(std::string sql, Deadline connect_deadline) {
    auto statement = std::make_shared<BackgroundStatement>(common_);
    mysql::ConnectOptions options = connect_options(common_.options, id_);
    options.multi_statements = false;
    options.init_sql = dialect::session_sql(background_limit, Duration::zero());
    const Result<void> connected =
        co_await statement->connection.connect(std::move(options), connect_deadline, false);
    if (!connected) {
        co_return explain(connected.error(), "connect");
    }
    if (!common_.may_act()) {
        co_return fail(
            Errc::not_leader, fmt::format("{}: this node may not act any more", id_.text())
        );
    }
    std::string name = fmt::format("{}: {}", id_.text(), sql);
    common_.background.spawn(std::move(name), run_background(statement, std::move(sql)));
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
    Result<dialect::ResultRows> positions =
        co_await ask(dialect::executed_positions(words()), deadline);
    if (!positions) {
        co_return positions.error();
    }
    const auto flavour = words().mariadb() ? gtid::Flavour::mariadb : gtid::Flavour::mysql;
    auto applied = gtid::GtidSet::parse(positions->at(0, 0), flavour);
    if (!applied) {
        co_return explain(applied.error(), "executed transactions");
    }
    look.applied = *applied;
    look.executed = *applied;
    if (words().mariadb()) {
        auto logged = gtid::GtidSet::parse(positions->at(0, 1), flavour);
        if (!logged) {
            co_return explain(logged.error(), "logged transactions");
        }
        look.executed = applied->united(*logged);
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
    co_return topology::LogPosition(
        std::string(rows->text(0, "File")), dialect::number_or(rows->text(0, "Position"), 0)
    );
}

}  // namespace baton::server
