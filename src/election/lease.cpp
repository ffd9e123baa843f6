// SPDX-License-Identifier: Apache-2.0
#include "baton/election/lease.hpp"

#include "mutants.hpp"

#include "baton/base/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::election {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t events_limit = 256;
constexpr milliseconds moment{100};         // pause after "no room", and of a holder between rounds
constexpr milliseconds schema_pause{1000};  // between attempts to prepare the schema
constexpr milliseconds first_retry{20};
constexpr milliseconds eager_pause{15};  // between looks of whoever was told of a release
constexpr int release_attempts_limit = 5;
// The lease is to be held again within D + 1 s after the last fault, so no pause grows with D.
constexpr milliseconds longest_pause{250};

Action plain(Do what, Instant until) {
    Action action;
    action.what = what;
    action.until = until;
    return action;
}

}  // namespace

LeaseMachine::LeaseMachine(const LeasePolicy& policy, NodeOptions options)
    : policy_(policy),
      options_(std::move(options)),
      high_(options_.epoch_high),
      seen_high_(options_.epoch_high),
      jitter_state_(options_.jitter_seed) {
    BATON_CHECK(bool(validate(policy_)), "the lease policy must be valid");
    BATON_CHECK(
        !options_.token.empty() && options_.token.size() <= 64, "a token of 1..64 characters"
    );
    BATON_CHECK(options_.addresses > 0, "at least one backend address");
}

// ---------------------------------------------------------------------------- next action

Action LeaseMachine::next(const Clocks& now) {
    BATON_CHECK(!pending_, "the result of the last action is missing");
    check_clocks(now);
    const auto t = now.boot;
    if (role_ == Role::challenger && release_wanted_) {
        release_wanted_ = false;
        if (after_release_ == AfterRelease::stop) {
            role_ = Role::stopped;
            note(EventKind::stopped, t);
        }
    }
    if (role_ == Role::holder && !may_renew(t)) {
        end_epoch(EventKind::lost, "it ran out, and the connection it was held on is gone", t);
    }
    if (role_ == Role::releasing) {
        return next_while_releasing(t);
    }
    if (role_ == Role::stopped) {
        return plain(Do::stop, t);
    }
    if (!connected_) {
        return next_unconnected(t);
    }
    return role_ == Role::holder ? next_as_holder(t) : next_as_challenger(t);
}

Action LeaseMachine::next_unconnected(Instant now) {
    if (now < next_connect_) {
        const bool holds = role_ == Role::holder && now < valid_until_;
        return wait_until(holds ? std::min(next_connect_, valid_until_) : next_connect_);
    }
    return issue(Do::connect, now);
}

Action LeaseMachine::next_as_holder(Instant now) {
    if (now >= next_renew_) {
        return issue(Do::renew, now);
    }
    // The heartbeat of a holder only tells people that the node lives; it must not cost the lease.
    const bool plenty = valid_until_ - now > policy_.statement_timeout + policy_.renew_every;
    if (now >= next_beat_ && plenty) {
        return issue(node_missing_ ? Do::register_node : Do::beat, now);
    }
    return wait_until(lapsed_ ? next_renew_ : std::min(next_renew_, valid_until_));
}

Action LeaseMachine::next_as_challenger(Instant now) {
    if (schema_needed_) {
        return now >= next_schema_ ? issue(Do::prepare_schema, now) : wait_until(next_schema_);
    }
    const auto due = grab_due();
    if (due && now >= *due) {
        const bool ask = policy_.peer_check && !is_fresh_release() && !observation_->peers_deny;
        return ask ? issue(Do::ask_peers, now) : issue_grab(now);
    }
    if (now >= next_beat_) {
        return issue(node_missing_ ? Do::register_node : Do::beat, now);
    }
    if (row_missing_) {
        return issue(Do::create_row, now);
    }
    if (now >= next_look_) {
        return issue(Do::look, now);
    }
    const auto wake = std::min(next_beat_, next_look_);
    return wait_until(due ? std::min(wake, *due) : wake);
}

Action LeaseMachine::next_while_releasing(Instant now) {
    // After the end of the remembered lease only the connection it was held on is sure to lead to a
    // backend that has not forgotten a successor.
    const bool allowed =
        now < release_until_ || (held_here_ && connected_) || mutated(Mutant::release_when_lapsed);
    if (!allowed) {
        if (!steps_stopped_) {
            return wait_until(now + policy_.look_every);  // the end of the steps ends the release
        }
        finish_release(EventKind::release_skipped, "not certain to hold it any more", now);
        return next(*clocks_);
    }
    if (!steps_stopped_) {
        return wait_until(now + policy_.look_every);
    }
    if (release_attempts_ >= release_attempts_limit) {
        finish_release(EventKind::release_unknown, "no answer", now);
        return next(*clocks_);
    }
    if (!connected_) {
        return next_unconnected(now);
    }
    return now >= next_release_ ? issue(Do::release, now) : wait_until(next_release_);
}

Action LeaseMachine::issue(Do what, Instant now) {
    Action action = plain(what, now + policy_.statement_timeout);
    switch (what) {
        case Do::connect:
            connected_ = false;
            action.address = address_;
            action.until = now + connect_limit();
            break;
        case Do::create_row:
            action.epoch = epoch_high();
            action.duration_ms = static_cast<std::uint32_t>(policy_.duration.count());
            break;
        case Do::renew:
        case Do::release:
            action.epoch = epoch_;
            break;
        case Do::prepare_schema:
            // Data definition is slow; nothing is held meanwhile.
            action.until = now + policy_.duration * 10;
            break;
        case Do::beat:
        case Do::register_node:
        case Do::look:
        case Do::ask_peers:
        case Do::grab:
        case Do::wait:
        case Do::stop:
            break;
    }
    pending_ = Pending{what, now, action.epoch, action.duration_ms, jumps_};
    return action;
}

Action LeaseMachine::issue_grab(Instant now) {
    const auto base = mutated(Mutant::reuse_epoch) ? high_ : std::max(high_, tried_);
    auto action = issue(Do::grab, now);
    action.epoch = base + 1;
    action.duration_ms = static_cast<std::uint32_t>(policy_.duration.count());
    action.expected = observation_->row;
    tried_ = std::max(tried_, action.epoch);
    pending_->epoch = action.epoch;
    pending_->duration_ms = action.duration_ms;
    return action;
}

Action LeaseMachine::wait_until(Instant when) {
    return plain(Do::wait, when);
}

LeaseMachine::Pending LeaseMachine::take_pending() {
    BATON_CHECK(pending_.has_value(), "a result without an action");
    const auto done = *pending_;
    pending_.reset();
    return done;
}

// ---------------------------------------------------------------------------- results

void LeaseMachine::check_clocks(const Clocks& now) {
    const auto before = std::exchange(clocks_, now);
    if (before && !mutated(Mutant::ignore_freeze)) {
        const auto jump = (now.wall - before->wall) - (now.boot - before->boot);
        // Backwards too: a clock set back would hide a freeze between the same two looks.
        if (jump > policy_.margin || jump < -policy_.margin) {
            note(
                EventKind::clock_jumped,
                now.boot,
                0,
                fmt::format(
                    "the wall clock moved by {} ms against the boot clock: frozen, or set; lease "
                    "lapses",
                    std::chrono::duration_cast<milliseconds>(jump).count()
                )
            );
            if (!mutated(Mutant::credit_over_freeze)) {
                ++jumps_;
            }
            unknown_grab_.reset();
            valid_until_ = std::min(valid_until_, now.boot);
            release_until_ = std::min(release_until_, now.boot);
            next_renew_ = now.boot;
        }
    }
    if (role_ == Role::holder && !lapsed_ && now.boot >= valid_until_) {
        lapsed_ = true;
        note(EventKind::lapsed, now.boot, epoch_, "not renewed in time");
    }
}

void LeaseMachine::on_connected(const Clocks& now) {
    check_clocks(now);
    const auto done = take_pending();
    BATON_CHECK(done.what == Do::connect, "connected without being asked to");
    connected_ = true;
    slow_connects_ = 0;
    held_here_ = false;
    next_beat_ = now.boot;
    next_look_ = now.boot;
    next_renew_ = now.boot;
    next_release_ = now.boot;
    note(EventKind::connected, now.boot, address_);
}

void LeaseMachine::on_affected(std::uint64_t rows, const Clocks& now) {
    check_clocks(now);
    after_write(take_pending(), rows, now.boot);
}

void LeaseMachine::after_write(const Pending& done, std::uint64_t rows, Instant now) {
    switch (done.what) {
        case Do::beat:
            failures_ = 0;
            if (rows == 0) {
                node_missing_ = true;  // next_beat_ stays due: register at once
                return;
            }
            beat_ok_ = true;
            next_beat_ =
                done.sent + (role_ == Role::holder ? policy_.duration : policy_.renew_every);
            return;
        case Do::register_node:
            failures_ = 0;
            node_missing_ = false;
            beat_ok_ = true;
            next_beat_ = done.sent + policy_.renew_every;
            return;
        case Do::create_row:
            row_missing_ = false;
            next_look_ = rows > 0 ? now : now + policy_.look_every;
            if (rows > 0) {
                note(EventKind::row_created, now, done.epoch, "the lease row was missing");
            }
            return;
        case Do::prepare_schema:
            schema_needed_ = false;
            next_beat_ = now;
            next_look_ = now;
            return;
        case Do::grab:
            failures_ = 0;
            after_grab(done, rows, now);
            return;
        case Do::renew:
            failures_ = 0;
            renew_retries_ = 0;
            schema_needed_ = false;
            next_renew_ = done.sent + policy_.renew_every;
            if (role_ != Role::holder && !mutated(Mutant::late_answer_after_release)) {
                // Given up meanwhile; a lost row is then nothing to give back.
                if (rows == 0 && role_ == Role::releasing) {
                    release_until_ = Instant{};
                    held_here_ = false;
                }
                return;
            }
            if (rows == 0) {
                end_epoch(EventKind::lost, "the row is not ours any more", now);
                return;
            }
            held_here_ = true;
            extend(done.sent, done.jumps, now);
            return;
        case Do::release:
            failures_ = 0;
            after_release(rows, now);
            return;
        case Do::connect:
        case Do::look:
        case Do::ask_peers:
        case Do::wait:
        case Do::stop:
            BATON_CHECK(false, "this action does not change rows");
    }
}

void LeaseMachine::on_row(
    const std::optional<LeaseRow>& row, const ServerIdentity& server, const Clocks& now
) {
    check_clocks(now);
    const auto done = take_pending();
    BATON_CHECK(done.what == Do::look, "a row without having looked");
    const Span pause = done.sent < eager_until_ ? Span(eager_pause) : Span(policy_.look_every);
    next_look_ = done.sent + std::min<Span>(pause, policy_.look_every);
    note_server(server, now.boot);
    last_row_ = row;
    if (!row) {
        row_missing_ = true;
        void_observation();
        seen_unreleased_.reset();
        return;
    }
    note_epoch(*row, now.boot);
    if (!adopt_late_grab(*row, now.boot)) {
        observe(*row, done.sent, now.boot);
    }
}

void LeaseMachine::on_peers(bool somebody_holds, const Clocks& now) {
    check_clocks(now);
    const auto done = take_pending();
    BATON_CHECK(done.what == Do::ask_peers, "an answer without having asked");
    if (somebody_holds) {
        note(EventKind::peer_holds, now.boot, high_, "a peer says that it holds the lease");
        void_observation();
    } else if (observation_) {
        observation_->peers_deny = true;
    }
}

void LeaseMachine::on_error(const StatementError& error, const Clocks& now) {
    check_clocks(now);
    const auto done = take_pending();
    const auto kind = classify(error.mysql_errno);
    const auto react = reaction(kind);
    note_error(kind, done.what, error, now.boot);
    ++failures_;
    switch (done.what) {
        case Do::ask_peers:
            // Nobody could be asked. The check only ever prevents, so the grab goes ahead.
            if (observation_) {
                observation_->peers_deny = true;
            }
            return;
        case Do::connect:
            slow_connects_ = error.mysql_errno == 0 ? slow_connects_ + 1 : 0;
            disconnect(react.wait_a_moment, now.boot);
            return;
        case Do::grab:
            if (!react.not_done) {
                if (!mutated(Mutant::reuse_epoch)) {
                    high_ = std::max(high_, done.epoch);
                }
                unknown_grab_ = done;
                note(EventKind::grab_unknown, now.boot, done.epoch, error.text);
            }
            break;
        case Do::release:
            ++release_attempts_;
            break;
        case Do::beat:
        case Do::register_node:
        case Do::look:
        case Do::create_row:
        case Do::prepare_schema:
        case Do::renew:
        case Do::wait:
        case Do::stop:
            break;
    }
    if (role_ != Role::holder && !mutated(Mutant::keep_observation)) {
        void_observation();
    }
    beat_ok_ = beat_ok_ && !react.void_beat && done.what != Do::beat;
    if (react.close) {
        disconnect(react.wait_a_moment, now.boot);
    } else {
        retry_later(done.what, kind, now.boot);
    }
}

void LeaseMachine::retry_later(Do what, ErrorClass kind, Instant now) {
    if (kind == ErrorClass::schema) {
        schema_needed_ = true;
        next_schema_ = what == Do::prepare_schema ? now + schema_pause : now;
        if (role_ == Role::holder && lapsed_) {
            end_epoch(EventKind::lost, "the lease table is gone", now);
        }
    } else if (what == Do::prepare_schema) {
        next_schema_ = now + schema_pause;
    }
    // The first retry goes out at once: the time of a holder is short. Then the pauses grow.
    const auto pause = std::min<milliseconds>(
        policy_.renew_every,
        renew_retries_ == 0 ? milliseconds{0}
                            : first_retry * (1U << std::min<std::uint64_t>(renew_retries_ - 1, 8U))
    );
    if (what == Do::renew) {
        ++renew_retries_;
        next_renew_ = now + (kind == ErrorClass::schema ? policy_.renew_every : pause);
    }
    next_release_ = now + first_retry;
    // A released lease is worth a quick second try; all else can wait for the next look.
    next_look_ = now + (what == Do::grab ? first_retry : pause_after_error());
    row_missing_ = false;
    if (what == Do::beat || what == Do::register_node || !beat_ok_) {
        next_beat_ = now + pause_after_error();
    }
}

milliseconds LeaseMachine::pause_after_error() const {
    return std::min(policy_.look_every, longest_pause);
}

/// A backend that answers slowly, over TLS and a long way say, is to be reached in the end. But one
/// that hangs must not keep anybody from the next address, so each of them is tried first.
Span LeaseMachine::connect_limit() const {
    const auto rounds = std::min<std::uint64_t>(slow_connects_ / options_.addresses, 2);
    const Span limit = policy_.statement_timeout * (1U << rounds);
    return std::min<Span>(limit, policy_.duration);
}

// ---------------------------------------------------------------------------- other inputs

void LeaseMachine::on_connection_lost(const Clocks& now) {
    check_clocks(now);
    if (connected_ && !pending_) {
        disconnect(false, now.boot);
    }
}

void LeaseMachine::on_fenced_write(const Fence& fence, bool matched, const Clocks& now) {
    check_clocks(now);
    if (role_ != Role::holder || fence.epoch != epoch_ || fence.holder != options_.token) {
        return;  // of an epoch that has ended
    }
    if (!matched) {
        end_epoch(EventKind::lost, "a fenced write found another holder", now.boot);
        return;
    }
    extend(fence.sent_at, fence.jumps, now.boot);
}

void LeaseMachine::look_soon(const Clocks& now) {
    next_look_ = std::min(next_look_, now.boot);
    // The release may have been written on another server of the backend than this node reads.
    eager_until_ = now.boot + policy_.look_every;
    stand_back_until_ = Instant{};  // this time it is meant
}

// ---------------------------------------------------------------------------- connection

void LeaseMachine::disconnect(bool wait_a_moment, Instant now) {
    if (connected_) {
        note(EventKind::disconnected, now, address_);
    }
    connected_ = false;
    held_here_ = false;
    beat_ok_ = false;
    if (!mutated(Mutant::keep_observation)) {
        void_observation();
    }
    seen_unreleased_.reset();
    server_.clear();
    row_missing_ = false;
    address_ = (address_ + 1) % options_.addresses;
    // Each address gets its turn at once; a whole round of failures is followed by a pause.
    const bool round_failed = failures_ > 0 && failures_ % options_.addresses == 0;
    const auto pause = role_ == Role::challenger ? pause_after_error() : moment;
    next_connect_ = now;
    if (round_failed) {
        next_connect_ = now + pause;
    } else if (wait_a_moment) {
        next_connect_ = now + moment;
    }
}

void LeaseMachine::note_error(ErrorClass kind, Do what, const StatementError& error, Instant now) {
    const auto text = fmt::format(
        "{}: {} ({}{})",
        to_string(what),
        error.text,
        to_string(kind),
        error.mysql_errno == 0 ? "" : fmt::format(", {}", error.mysql_errno)
    );
    note(EventKind::statement_failed, now, error.mysql_errno, text);
    if (kind == ErrorClass::refused || kind == ErrorClass::schema || kind == ErrorClass::bug) {
        note(EventKind::needs_operator, now, error.mysql_errno, text);
    }
}

// ---------------------------------------------------------------------------- questions

Instant LeaseMachine::valid_until() const {
    return valid_until_;
}

LeaseView LeaseMachine::view() const {
    LeaseView view;
    view.epoch = epoch_;
    view.holder = options_.token;
    view.valid_until = valid_until_;
    view.jumps = jumps_;
    if (clocks_) {
        view.wall_ahead = clocks_->wall - clocks_->boot.time_since_epoch();
    }
    return view;
}

std::uint64_t LeaseMachine::epoch_high() const {
    return std::max(high_, tried_);
}

std::vector<Event> LeaseMachine::take_events() {
    return std::exchange(events_, {});
}

void LeaseMachine::note(EventKind kind, Instant at, std::uint64_t number, std::string text) {
    if (events_.size() >= events_limit) {
        events_.erase(events_.begin());
    }
    events_.push_back(Event{kind, at, number, std::move(text)});
}

}  // namespace baton::election
