// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading the documents, and noticing a backend that lost its past. Blocking; one thread.

#include "baton/ports/store.hpp"
#include "baton/store/database.hpp"

#include <atomic>
#include <map>
#include <optional>
#include <string>

namespace baton::store {

/// How far the backend has come, as its lease row and baton_meta say.
struct Position {
    std::uint64_t epoch = 0;
    std::string holder;
    bool released = false;
    std::uint64_t counter = 0;
    std::uint64_t doc_seq = 0;   // highest committed sequence number
    std::uint64_t doc_base = 0;  // doc_seq when the epoch began
    std::string history;         // random name of this history
};

/// Errors: what the server says; server_error 1146 when the lease row or the history is missing.
Result<Position> read_position(Database& database, Deadline deadline);

/// Remembers the furthest position seen and says when another one cannot be its continuation.
/// noted() may be called on one thread only, history_id() on any.
class HistoryWatch {
public:
    /// True when the backend went back, or is another one; the position then starts anew.
    bool noted(const Position& position);
    /// An own write that was committed.
    void committed(std::uint64_t epoch, std::uint64_t seq);

    /// The backend went back without another name: the holder should give the history a new one, so
    /// that every reader notices.
    [[nodiscard]] bool needs_name() const { return needs_name_; }

    void named(const std::string& history);
    /// No position that is a continuation of what was seen has a doc_seq below this.
    [[nodiscard]] std::uint64_t floor() const;

    /// 0 before the first contact; then another value for each history.
    [[nodiscard]] std::uint64_t id() const { return id_; }

private:
    std::optional<Position> last_;
    std::uint64_t breaks_ = 0;
    bool needs_name_ = false;
    std::atomic<std::uint64_t> id_{0};
};

/// Documents after `cursor`, whole ones only. Notes the position in the watch.
Result<ports::Changes> read_changes(
    Database& database,
    HistoryWatch& watch,
    std::uint64_t cursor,
    std::size_t limit,
    Deadline deadline
);

/// The form in which warnings are kept: one a line, ASCII, not longer than the column. Those that
/// do not fit are left out.
std::string report_text(const std::vector<std::string>& warnings);

/// Judges the other nodes by their heartbeats and this process's own clock.
class NodeWatch {
public:
    Result<std::vector<ports::NodeRow>> read(Database& database, TimePoint now, Deadline deadline);
    /// Tokens whose heartbeat has stood still for at least `age`, from the last read().
    [[nodiscard]] std::vector<std::string> silent_for(Duration age, TimePoint now) const;

private:
    struct Seen {
        std::uint64_t beat = 0;
        TimePoint moved{};    // or first seen
        bool moving = false;  // it was seen to move at least once
    };

    std::map<std::string, Seen> seen_;
};

}  // namespace baton::store
