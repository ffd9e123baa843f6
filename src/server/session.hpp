// SPDX-License-Identifier: Apache-2.0
#pragma once

// A session that may change a server: it holds the cluster's lock on it, and asks may_act() before
// each statement that changes something. Its first opening ends the sessions of an older holder; a
// later one, after it was lost, ends nobody's: a daemon that was paused must not come back and
// carry on in the middle of what its successor does.

#include "common.hpp"

#include "baton/async/event.hpp"
#include "baton/dialect/replication_rows.hpp"
#include "baton/dialect/statements.hpp"
#include "baton/dialect/vocabulary.hpp"
#include "baton/gtid/gtid_set.hpp"
#include "baton/mysql/connection.hpp"
#include "baton/recovery/step.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::server {

/// How long one is waited for at most. A STOP takes up to 60 s on MySQL (half a transaction in the
/// relay log), and with the default slave_net_timeout on MariaDB 11.8 (silent source).
constexpr Duration background_limit = std::chrono::seconds(75);

/// A statement sent on a second session, because nobody knows how long the server takes for it. It
/// lives in Common::background until it is answered, or until this node may not act any more.
class BackgroundStatement {
public:
    BackgroundStatement(Common& common, std::shared_ptr<mysql::Connection> used)
        : connection(std::move(used)), ended(common.executor) {}

    std::shared_ptr<mysql::Connection> connection;
    Event ended;
    std::optional<Error> error;  // when ended
    TimePoint sent{};

    [[nodiscard]] bool done() const { return ended.is_set(); }
};

using Background = std::shared_ptr<BackgroundStatement>;

/// Replication as it stands, with everything that has been executed. What was received is read
/// first, so that it is never taken for executed when it is not.
struct Look {
    Look() = default;

    std::vector<topology::Channel> channels;
    gtid::GtidSet executed;  // MariaDB: slave and binary log position, the further of both
    gtid::GtidSet applied;   // MariaDB: what the applier has reached; MySQL: as executed

    /// Null when there is none of the name.
    [[nodiscard]] const topology::Channel* channel(const std::string& name) const;
    /// executed and what waits in the relay logs of the channel, complete transactions only.
    [[nodiscard]] Result<gtid::GtidSet> received(const topology::Channel& channel) const;
    /// Transactions received and not applied; empty = drained.
    [[nodiscard]] Result<gtid::GtidSet> backlog(const topology::Channel& channel) const;
    [[nodiscard]] Result<recovery::ReplicaPosition> position(const topology::Channel* channel
    ) const;
};

class Session {
public:
    Session(Common& common, InstanceId id);

    /// Connects, learns the words, takes the lock ("" = none). The first time it ends the sessions
    /// of an older holder. Errors: as connect; not_leader; conflict (the lock stays with somebody
    /// else).
    Task<Result<void>> open(std::string lock_name, Deadline deadline);

    void close();

    /// False also when the server has ended the session since it was used last.
    Task<bool> is_usable();

    [[nodiscard]] bool is_locked() const { return locked_; }

    /// A question; changes nothing.
    Task<Result<dialect::ResultRows>> ask(std::string sql, Deadline deadline);
    /// A statement that changes the server: may_act() is asked right before.
    Task<Result<void>> change(std::string sql, Deadline deadline);
    /// The same on a second session, which is opened when there is none or it is busy; returns when
    /// the statement is on its way.
    Task<Result<Background>> change_in_background(std::string sql, Deadline connect_deadline);

    Task<Result<Look>> look(Deadline deadline);
    Task<Result<topology::LogPosition>> binary_log(Deadline deadline);

    [[nodiscard]] const dialect::Vocabulary& words() const { return statics_.words; }

    /// Its settings when the session was opened.
    [[nodiscard]] const topology::SemiSync& semi_sync() const { return statics_.semi_sync; }

    [[nodiscard]] const topology::Identity& identity() const { return statics_.identity; }

    [[nodiscard]] const InstanceId& id() const { return id_; }

    [[nodiscard]] std::uint64_t connection_id() const { return connection_.connection_id(); }

    [[nodiscard]] Common& common() { return common_; }

    [[nodiscard]] Error explain(const Error& error, std::string_view what) const;

private:
    Task<Result<void>> take_lock(std::string name, Deadline deadline);
    Task<Result<void>> end_older_holder(std::string name, Deadline deadline);
    Task<Result<bool>> try_lock(std::string name, unsigned seconds, Deadline deadline);

    Common& common_;
    InstanceId id_;
    mysql::Connection connection_;
    std::shared_ptr<mysql::Connection> second_;  // null, or of the last background statement
    Background last_;                            // on second_
    std::string lock_;                           // held, or was held when the session was lost
    bool locked_ = false;
    dialect::Statics statics_;
    dialect::ReplicationRows replication_;
};

}  // namespace baton::server
