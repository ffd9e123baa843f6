// SPDX-License-Identifier: Apache-2.0
// LeaseMachine: how an epoch begins, is prolonged, and ends.
#include "mutants.hpp"

#include "baton/election/lease.hpp"

#include <algorithm>
#include <utility>

namespace baton::election {

using std::chrono::milliseconds;

bool LeaseMachine::may_renew(Instant now) const {
    return (connected_ && held_here_) || now < valid_until_ ||
           mutated(Mutant::resume_on_new_connection);
}

void LeaseMachine::begin_epoch(const Pending& grab, bool held_here, Instant now) {
    role_ = Role::holder;
    epoch_ = grab.epoch;
    last_held_ = grab.epoch;
    epoch_duration_ = milliseconds{grab.duration_ms};
    valid_until_ = Instant{};
    lapsed_ = false;
    held_here_ = held_here;
    renew_retries_ = 0;
    unknown_grab_.reset();
    void_observation();
    seen_unreleased_.reset();
    extend(grab.sent, grab.jumps, now);
    next_renew_ = grab.sent + policy_.renew_every;
    note(EventKind::became_holder, now, epoch_);
    if (now >= valid_until_) {
        lapsed_ = true;
        next_renew_ = now;
        note(EventKind::lapsed, now, epoch_, "the answer to the grab came too late");
    }
    if (release_wanted_) {
        begin_release(now);
    }
}

void LeaseMachine::extend(Instant sent, std::uint64_t jumps, Instant now) {
    if (jumps != jumps_) {
        return;  // the machine was frozen in between for an unknown time
    }
    const auto from = mutated(Mutant::validity_from_answer) ? now : sent;
    valid_until_ = std::max(valid_until_, from + holder_span(policy_, epoch_duration_));
    if (lapsed_ && now < valid_until_) {
        lapsed_ = false;
        note(EventKind::revived, now, epoch_);
    }
}

void LeaseMachine::end_epoch(EventKind how, std::string why, Instant now) {
    note(how, now, epoch_, std::move(why));
    if (!mutated(Mutant::adopt_own_row)) {
        banned_ = std::max(banned_, epoch_);
    }
    role_ = Role::challenger;
    epoch_ = 0;
    valid_until_ = Instant{};
    release_until_ = Instant{};
    lapsed_ = false;
    held_here_ = false;
    void_observation();
    seen_unreleased_.reset();
    next_look_ = now;
    next_beat_ = std::min(next_beat_, now);
}

void LeaseMachine::after_grab(const Pending& done, std::uint64_t rows, Instant now) {
    if (rows == 0) {
        note(EventKind::grab_lost, now, done.epoch, "the row had changed");
        void_observation();
        next_look_ = now;
        return;
    }
    high_ = std::max(high_, done.epoch);
    seen_high_ = std::max(seen_high_, done.epoch);
    seen_holder_ = options_.token;
    begin_epoch(done, true, now);
}

/// A LOOK that shows an own grab whose answer was lost is that answer, come late: it is worth no
/// more than the answer would have been, and nothing once its epoch has ended or its time has
/// passed.
bool LeaseMachine::adopt_late_grab(const LeaseRow& row, Instant now) {
    if (row.holder != options_.token || row.released) {
        return false;
    }
    if (mutated(Mutant::adopt_own_row)) {
        begin_epoch(Pending{Do::grab, now, row.epoch, row.duration_ms, jumps_}, false, now);
        return true;
    }
    if (!unknown_grab_ || unknown_grab_->epoch != row.epoch || row.epoch <= banned_) {
        return false;
    }
    auto grab = *unknown_grab_;
    grab.duration_ms = std::min(grab.duration_ms, row.duration_ms);
    if (mutated(Mutant::late_grab_from_now)) {
        grab.sent = now;
    }
    const bool in_time = grab.jumps == jumps_ &&
                         now < grab.sent + holder_span(policy_, milliseconds{grab.duration_ms});
    if (in_time) {
        begin_epoch(grab, false, now);
    }
    return in_time;
}

// ---------------------------------------------------------------------------- giving back

void LeaseMachine::request_release(AfterRelease then, const Clocks& now) {
    check_clocks(now);
    if (role_ == Role::stopped) {
        return;
    }
    after_release_ = then;
    release_wanted_ = true;  // also for a grab that is under way
    if (role_ == Role::holder) {
        begin_release(now.boot);
    }
}

void LeaseMachine::begin_release(Instant now) {
    note(EventKind::releasing, now, epoch_);
    role_ = Role::releasing;
    release_wanted_ = false;
    release_until_ = valid_until_;
    if (!mutated(Mutant::release_before_stopping)) {
        valid_until_ = Instant{};
    }
    if (!mutated(Mutant::adopt_own_row)) {
        banned_ = std::max(banned_, epoch_);
    }
    lapsed_ = false;
    steps_stopped_ = false;
    release_attempts_ = 0;
    next_release_ = now;
}

void LeaseMachine::steps_stopped(const Clocks& now) {
    check_clocks(now);
    steps_stopped_ = true;
}

void LeaseMachine::after_release(std::uint64_t rows, Instant now) {
    if (rows == 0) {
        // Lost before, or released by an attempt that got no answer.
        finish_release(
            release_attempts_ > 0 ? EventKind::released : EventKind::lost,
            release_attempts_ > 0 ? "by an earlier attempt, or taken over" : "taken over meanwhile",
            now
        );
        return;
    }
    finish_release(EventKind::released, "", now);
}

void LeaseMachine::finish_release(EventKind how, std::string why, Instant now) {
    end_epoch(how, std::move(why), now);
    if (after_release_ == AfterRelease::stop) {
        role_ = Role::stopped;
        note(EventKind::stopped, now);
    }
}

}  // namespace baton::election
