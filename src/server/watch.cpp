// SPDX-License-Identifier: Apache-2.0
#include "watch.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/dialect/error_codes.hpp"
#include "baton/dialect/statements.hpp"

#include <fmt/format.h>

#include <chrono>

namespace baton::server {

namespace {

constexpr Duration session_idle_limit = 10min;
constexpr Duration label_interval = 1min;
constexpr Duration label_limit = 300ms;
/// A server that was given less than this for an answer does not hang.
constexpr Duration fair_time = 100ms;

WallMs wall_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

bool ended_session(const Error& error) {
    return error.code == Errc::unreachable || error.code == Errc::cancelled ||
           error.code == Errc::unavailable;
}

bool is_loopback(const std::string& host) {
    return host.starts_with("127.") || host == "localhost" || host == "::1";
}

std::vector<dialect::ResultRows> rows_of(std::vector<mysql::ResultSet> sets) {
    std::vector<dialect::ResultRows> rows;
    rows.reserve(sets.size());
    for (auto& set : sets) {
        rows.emplace_back(std::move(set.columns), std::move(set.rows));
    }
    return rows;
}

}  // namespace

ServerWatch::ServerWatch(Common& common, InstanceId id)
    : common_(common),
      id_(std::move(id)),
      connection_(common.executor, common.connector),
      reader_(id_, common.options.refresh_every, common.options.replication_user),
      woken_(common.executor) {
    labels_[0].sql = common.options.data_center_query;
    labels_[1].sql = common.options.region_query;
    labels_[2].sql = common.options.environment_query;
    labels_[3].sql = common.options.instance_alias_query;
    labels_[4].sql = common.options.cluster_alias_query;
}

Task<topology::Observation> ServerWatch::probe(Deadline deadline) {
    topology::Observation observation;
    observation.id = id_;
    observation.started = common_.now();
    answered_ = false;

    const std::optional<Error> failure = co_await observe(deadline);

    observation.ended = common_.now();
    observation.wall_ms = wall_now();
    if (failure.has_value()) {
        observation.failure = dialect::classify(*failure);
        observation.error = clipped(failure->what, 500);
        if (answered_ && observation.failure == topology::ProbeFailure::timeout) {
            // Whoever answers anything lives; a dead one would not have let us in.
            observation.failure = topology::ProbeFailure::hangs;
        }
        if (observation.failure == topology::ProbeFailure::hangs ||
            observation.failure == topology::ProbeFailure::too_many_connections) {
            observation.strain = reader_.strain();
        }
        observation.connection_lost = lost_ && topology::is_absence(observation.failure);
        co_return observation;
    }
    lost_ = false;
    observation.state = reader_.state();
    auto& identity = observation.state->identity;
    identity.data_center = labels_[0].value;
    identity.region = labels_[1].value;
    identity.environment = labels_[2].value;
    identity.alias = labels_[3].value;
    identity.suggested_cluster_alias = labels_[4].value;
    learn_admin_address();
    co_return observation;
}

Task<std::optional<Error>> ServerWatch::observe(Deadline deadline) {
    if (connection_.is_open()) {
        std::optional<Error> failure = co_await poll(deadline);
        if (!failure.has_value() || !ended_session(*failure)) {
            co_return failure;
        }
        // The session ended, which may have been the server, or only the session: a new one tells.
        lost_ = true;
    }
    std::optional<Error> failure = co_await connect(deadline);
    if (!failure.has_value()) {
        failure = co_await poll(deadline);
    }
    co_return failure;
}

Task<std::optional<Error>> ServerWatch::connect(Deadline deadline) {
    mysql::ConnectOptions options = connect_options(common_.options, id_);
    options.init_sql = dialect::session_sql(session_idle_limit, 2 * common_.options.probe_timeout);
    // MariaDB's library does not tell why it could not connect ("115"); the kernel does.
    const bool in_doubt = failed_before_ || lost_;
    mysql::ConnectOptions other_options = options;
    Result<void> connected = co_await connection_.connect(std::move(options), deadline, in_doubt);
    by_admin_ = false;
    if (!connected) {
        if (const InstanceId* other = common_.other_way_in(id_, connected.error())) {
            other_options.host = other->host;
            other_options.port = other->port;
            const Result<void> admitted =
                co_await connection_.connect(std::move(other_options), deadline, false);
            by_admin_ = admitted.has_value();
            if (by_admin_) {
                connected = admitted;
            }
        }
    }
    failed_before_ = !connected;
    if (!connected) {
        co_return connected.error();
    }
    answered_ = true;
    reader_.begin_session();
    if (by_admin_) {
        reader_.note_turned_away();
    }
    labelled_.reset();
    for (Label& label : labels_) {
        label.bad = false;
    }
    co_return std::nullopt;
}

Task<std::optional<Error>> ServerWatch::poll(Deadline deadline) {
    if (common_.changed.erase(id_) > 0) {
        reader_.refresh();
    }
    for (;;) {  // bounded by StateReader::attempt_limit
        const TimePoint now = common_.now();
        std::string sql = reader_.sql(now);
        mysql::Reply reply = co_await connection_.query(std::move(sql), deadline);
        if (reply.error.has_value() && reply.error->code == Errc::timeout) {
            answered_ = answered_ || !reply.sets.empty();
            if (answered_) {
                reader_.on_silence(
                    rows_of(std::move(reply.sets)), deadline - now < fair_time, common_.now()
                );
                const std::string& what = reader_.strain().unanswered;
                if (!what.empty()) {
                    reply.error = reply.error->in(fmt::format("answers, but not \"{}\"", what));
                }
            }
            co_return reply.error;
        }
        if (reply.error.has_value() && (!connection_.is_open() || ended_session(*reply.error))) {
            co_return reply.error;
        }
        answered_ = true;
        switch (reader_.on_reply(rows_of(std::move(reply.sets)), reply.error, now)) {
            case dialect::StateReader::Outcome::again:
                break;
            case dialect::StateReader::Outcome::failed:
                co_return reader_.error();
            case dialect::StateReader::Outcome::complete:
                complain();
                co_await ask_labels(deadline);
                co_return std::nullopt;
        }
    }
}

void ServerWatch::learn_admin_address() {
    const auto& state = reader_.state();
    const auto& identity = state.identity;
    // An address of the host itself would be another host from here.
    const bool usable =
        identity.admin_port != 0 && (!is_loopback(identity.admin_host) || is_loopback(id_.host));
    if (usable) {
        common_.admin_addresses[id_] = InstanceId(
            identity.admin_host.empty() ? id_.host : identity.admin_host, identity.admin_port
        );
    } else {
        common_.admin_addresses.erase(id_);
    }
    if (by_admin_ && state.strain.connections + 1 < state.strain.connection_limit) {
        connection_.drop();  // leaves the way for others; the next probe comes in as usual
        by_admin_ = false;
    }
}

Task<void> ServerWatch::ask_labels(Deadline deadline) {
    const TimePoint begun = common_.now();
    if (labelled_.has_value() && begun - *labelled_ < label_interval) {
        co_return;
    }
    labelled_ = begun;
    for (Label& label : labels_) {
        if (label.sql.empty() || label.bad || !connection_.is_open()) {
            continue;
        }
        const Deadline limit = std::min(deadline, common_.now() + label_limit);
        mysql::Reply reply = co_await connection_.query(label.sql, limit);
        if (!reply.ok()) {
            label.bad = true;
            log::warning("{}: \"{}\": {}", id_.text(), label.sql, reply.error->what);
            continue;
        }
        const auto& rows = reply.first().rows;
        label.value = !rows.empty() && !rows[0].empty() && rows[0][0].has_value()
                          ? clipped(valid_utf8(*rows[0][0]), 128)
                          : std::string{};
    }
}

void ServerWatch::complain() {
    const std::string now = join(reader_.complaints(), "; ");
    if (now != complaints_ && !now.empty()) {
        log::warning("{} does not show everything: {}", id_.text(), clipped(now, 1000));
    }
    complaints_ = now;
}

Task<ports::Watch::Idle> ServerWatch::idle(Deadline deadline) {
    // Consumes a wake that came before, without waiting.
    const bool asked = co_await woken_.wait(common_.now());
    if (asked) {
        co_return Idle::woken;
    }
    if (connection_.is_open()) {
        const mysql::IdleEvent event = co_await connection_.idle_event(deadline);
        switch (event) {
            case mysql::IdleEvent::fin:
            case mysql::IdleEvent::reset:
                lost_ = true;
                co_return Idle::lost;
            case mysql::IdleEvent::data:
                co_return Idle::data;
            case mysql::IdleEvent::quiet:
                co_return Idle::deadline;
            case mysql::IdleEvent::cancelled:
                break;
        }
    }
    const bool woken = co_await woken_.wait(deadline);
    co_return woken ? Idle::woken : Idle::deadline;
}

void ServerWatch::wake() {
    woken_.set();
    connection_.cancel_idle();
}

void ServerWatch::drop() {
    connection_.drop();
}

}  // namespace baton::server
