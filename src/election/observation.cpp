// SPDX-License-Identifier: Apache-2.0
// LeaseMachine: what a challenger makes of the rows it sees.
#include "mutants.hpp"

#include "baton/election/lease.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace baton::election {

using std::chrono::milliseconds;

void LeaseMachine::stand_back(Instant until) {
    stand_back_until_ = until;
}

void LeaseMachine::void_observation() {
    observation_.reset();
}

void LeaseMachine::note_server(const ServerIdentity& server, Instant now) {
    if (!server_.empty() && server_ != server) {
        note(
            EventKind::identity_changed,
            now,
            0,
            fmt::format("'{}' answers in place of '{}'", server, server_)
        );
        void_observation();
        seen_unreleased_.reset();
        beat_ok_ = false;  // that beat was another server's
        next_beat_ = now;
    }
    server_ = server;
}

void LeaseMachine::note_epoch(const LeaseRow& row, Instant now) {
    const bool said = regressed_to_ == row.epoch && regressed_from_ == seen_high_;
    if (row.epoch < seen_high_ && !said) {
        regressed_to_ = row.epoch;
        regressed_from_ = seen_high_;
        note(
            EventKind::epoch_regressed,
            now,
            row.epoch,
            fmt::format(
                "server '{}' shows epoch {} after epoch {} was seen: it lost commits, or the "
                "backend is "
                "split",
                server_,
                row.epoch,
                seen_high_
            )
        );
    }
    // One number for two holders: both histories have gone on since they parted, and none is older.
    if (row.epoch == seen_high_ && seen_holder_ && *seen_holder_ != row.holder) {
        note(
            EventKind::epoch_regressed,
            now,
            row.epoch,
            fmt::format(
                "server '{}' shows it held by '{}', after it was held by '{}': it lost commits, or "
                "the backend is split",
                server_,
                row.holder,
                *seen_holder_
            )
        );
    }
    if (row.epoch >= seen_high_) {
        seen_high_ = row.epoch;
        seen_holder_ = row.holder;
    }
    high_ = std::max(high_, row.epoch);
}

void LeaseMachine::observe(const LeaseRow& row, Instant sent, Instant now) {
    if (!row.released) {
        seen_unreleased_ = Seen{row.epoch, row.holder};
    }
    if (!beat_ok_) {
        return;  // who cannot write here must not count, because the holder cannot either
    }
    if (observation_ && observation_->row == row) {
        return;
    }
    observation_ = Observation{
        .row = row,
        .since = mutated(Mutant::observe_from_sending) ? sent : now,
        .delay = draw_delay(),
    };
    const milliseconds duration{row.duration_ms};
    if (duration < shortest_duration || duration > longest_duration) {
        note(
            EventKind::odd_duration,
            now,
            row.duration_ms,
            fmt::format("the lease row says a duration of {} ms", row.duration_ms)
        );
    }
}

bool LeaseMachine::is_fresh_release() const {
    if (!observation_ || !observation_->row.released) {
        return false;
    }
    const auto& row = observation_->row;
    return mutated(Mutant::take_any_release) ||
           (seen_unreleased_ && seen_unreleased_->epoch == row.epoch &&
            seen_unreleased_->holder == row.holder && row.epoch >= high_);
}

std::optional<Instant> LeaseMachine::grab_due() const {
    if (!observation_ || epoch_high() == std::numeric_limits<std::uint64_t>::max()) {
        return std::nullopt;
    }
    if (is_fresh_release()) {
        const auto due =
            observation_->since + (options_.priority < 0 ? observation_->delay : Span{0});
        return std::max(due, stand_back_until_);
    }
    return observation_->since +
           challenger_span(policy_, milliseconds{observation_->row.duration_ms}) +
           observation_->delay;
}

/// Spreads the grabs, so that on certifying backends they do not reject each other.
Span LeaseMachine::draw_delay() {
    if (options_.priority > 0 ||
        (last_row_->holder == options_.token && last_row_->epoch == last_held_)) {
        return Span{0};
    }
    jitter_state_ += 0x9e3779b97f4a7c15U;  // splitmix64
    auto z = jitter_state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    z ^= z >> 31U;
    const Span widest = policy_.jitter;
    const auto part = static_cast<double>(z >> 11U) / static_cast<double>(std::uint64_t{1} << 53U);
    const Span drawn{static_cast<Span::rep>(static_cast<double>(widest.count()) * part)};
    return options_.priority < 0 ? widest + drawn : drawn;
}

}  // namespace baton::election
