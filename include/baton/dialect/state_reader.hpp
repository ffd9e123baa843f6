// SPDX-License-Identifier: Apache-2.0
#pragma once

// StateReader: what to ask one server next, and what its answers say. A machine without I/O: the
// caller sends sql() as one text (one round trip) and gives back what came.
//
// Each poll reads what changes (positions, threads, read_only, replicas, semi-sync clients);
// settings and identity are read when a session begins and then every `refresh_every`. A part whose
// rows are the same as last time is not looked at again.
//
// A server can answer some statements and hang in others: SHOW BINARY LOG STATUS waits for commits,
// which wait for space on the disk. A statement that hung is left out for a while, or each probe
// would leave one more session behind that hangs; what the sessions wait for is looked at instead.

#include "baton/base/time.hpp"
#include "baton/dialect/replication_rows.hpp"
#include "baton/dialect/result_rows.hpp"
#include "baton/dialect/session_watch.hpp"
#include "baton/dialect/vocabulary.hpp"
#include "baton/topology/instance.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::dialect {

class StateReader {
public:
    /// The address polled; replicas found in the process list are taken to listen on its port.
    /// `replication_user`: the account that is looked for on the server; "" = none.
    StateReader(InstanceId address, Duration refresh_every, std::string replication_user = {})
        : address_(std::move(address)),
          refresh_every_(refresh_every),
          replication_user_(std::move(replication_user)) {}

    /// A new session: everything is asked anew. What was found of words and privileges is
    /// forgotten, since another server may answer now.
    void begin_session();

    /// The statements of the next request, to be sent as one text.
    [[nodiscard]] std::string sql(TimePoint now);

    enum class Outcome {
        complete,  // state() is what the server said just now
        again,   // send sql() again at once: something was learnt. At most `attempt_limit` times in
                 // a row
        failed,  // the error is the observation
    };

    /// Takes the answer to the text of sql(): one set for each statement that succeeded, and the
    /// error that ended the list, if one did.
    Outcome on_reply(
        std::vector<ResultRows> sets, const std::optional<Error>& error, TimePoint now
    );

    /// No answer by the deadline; `sets` came before that. The session is gone. Remembers which
    /// statement hung, unless `in_haste`: then there was hardly any time for an answer.
    void on_silence(std::vector<ResultRows> sets, bool in_haste, TimePoint now);

    /// The next poll reads the settings too, though it is not time yet.
    void refresh();

    /// Something without which there is no state is left out: the server hangs.
    [[nodiscard]] bool hangs() const;

    /// Also what was seen before a statement hung.
    [[nodiscard]] const topology::Strain& strain() const { return strain_; }

    /// All connections are taken, as the attempt to open one more has shown.
    void note_turned_away() { strain_.turns_away = true; }

    [[nodiscard]] const topology::ServerState& state() const { return state_; }

    [[nodiscard]] const Vocabulary& words() const { return words_; }

    /// Why the last reply failed; set when on_reply said `failed`.
    [[nodiscard]] const Error& error() const { return error_; }

    /// What the account may not read, each with the privilege that would help; empty when it may
    /// read everything. For the operator; does not fail the poll.
    [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }

    static constexpr unsigned attempt_limit = 8;

private:
    enum class Part : std::uint8_t {
        ping,  // only when nothing else can be asked
        variables,
        load,
        kept,
        replication_account,
        changing,
        sessions,
        disk_errors,
        group_members,
        semi_sync_status,
        binary_log,
        replicas,
        dump_threads,
        heartbeats,
        replication,
        count,
    };
    static constexpr auto part_count = static_cast<std::size_t>(Part::count);

    [[nodiscard]] bool wants(Part part) const;
    [[nodiscard]] std::string statement(Part part) const;
    void read(Part part, const ResultRows& rows);
    void read_changing(const ResultRows& rows);
    void read_replicas(const ResultRows& rows);
    void read_heartbeats(const ResultRows& rows);
    void read_kept(const ResultRows& rows);
    void read_replication_account(const ResultRows& rows);
    void read_load(const ResultRows& rows);
    void read_sessions(const ResultRows& rows);
    [[nodiscard]] bool left_out(Part part) const;
    [[nodiscard]] bool anything_left_out() const;
    [[nodiscard]] bool wants_sessions() const;
    void tell_left_out();
    void read_members(const ResultRows& rows);
    void read_semi_sync(const ResultRows& rows);
    void combine();
    Outcome learn(Part part, const Error& error);

    [[nodiscard]] bool denied(Part part) const { return denied_[static_cast<std::size_t>(part)]; }

    InstanceId address_;
    Duration refresh_every_;
    std::string replication_user_;
    topology::ServerState state_;
    Vocabulary words_;
    ReplicationRows replication_;
    std::array<ResultRows, part_count> last_;
    std::array<bool, part_count> denied_{};
    std::vector<std::string> complaints_;
    std::vector<Part> asked_;
    std::optional<TimePoint> refreshed_;  // last time that variables were read
    bool refreshing_ = false;
    TimePoint now_{};                   // of the request being made
    std::uint64_t uptime_seconds_ = 0;  // as it was read at uptime_at_; it is not asked each time
    TimePoint uptime_at_{};
    bool first_ = true;  // nothing but variables was read in this session
    bool words_tried_ = false;
    bool need_dump_threads_ = false;
    std::uint64_t replicas_counted_ = 0;
    unsigned attempts_ = 0;
    std::string binlog_pos_, slave_pos_;  // MariaDB
    Error error_;

    // What follows outlives a session.
    struct Hanging {
        TimePoint since{}, again_at{};
        Duration pause{};

        [[nodiscard]] bool is_set() const { return since != TimePoint{}; }
    };

    std::array<Hanging, part_count> hanging_;
    topology::Strain strain_;
    SessionWatch sessions_;
    TimePoint sessions_at_{};  // when they were last asked for
    topology::LogPosition binlog_before_;
    std::string uuid_before_, executed_before_;
    bool stands_still_ = false;  // the binary log did not move between the last two polls
    bool stood_still_ = false;   // nor between those before
    std::uint64_t threads_running_ = 0;
    std::optional<std::uint64_t> turned_away_;  // counter
};

}  // namespace baton::dialect
