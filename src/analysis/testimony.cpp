// SPDX-License-Identifier: Apache-2.0
#include "testimony.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <chrono>

namespace baton::analysis {
namespace {

using topology::ThreadState;

/// A replica that nobody probes (any more) must not keep a verdict open for ever.
constexpr Duration observation_limit = 15s;
/// A connected receiver of which nothing has come for longer is asked, whatever its heartbeat.
constexpr Duration quiet_limit = 4s;
/// A witness test is over within this time.
constexpr Duration witness_limit = 5s;

Duration heartbeat(const Channel& channel) {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::clamp(channel.heartbeat_period_seconds, 0.0, 3600.0))
    );
}

/// Client errors (2000-2999) are the receiver's own: no answer. All others came from the source.
bool is_client_error(unsigned code) {
    return code >= 2000 && code < 3000;
}

class Hearing {
public:
    Hearing(const Instance& replica, TimePoint failed_at, TimePoint now, const Policy& policy)
        : replica_(replica), failed_at_(failed_at), now_(now), policy_(policy) {
        out_.replica = &replica;
        if (replica.witness && replica.witness->asked >= failed_at) {
            report_ = &*replica.witness;
        }
    }

    Testified result() {
        switch (sight_of(replica_, policy_)) {
            case Sight::unknown:
                return expired() ? be(Testimony::gone) : be(Testimony::unknown);
            case Sight::doubtful:
                return be(Testimony::unknown);
            case Sight::refusing:
            case Sight::absent:
                return be(Testimony::gone);
            case Sight::living:
                break;
        }
        const auto* channel = replica_.channel();
        if (channel == nullptr) {
            return be(Testimony::mute);
        }
        out_.askable = channel->applier == ThreadState::running &&
                       (channel->receiver == ThreadState::running ||
                        channel->receiver == ThreadState::connecting);
        if (report_ != nullptr && looked_at(replica_) <= report_->answered) {
            return report_->heard ? heard(report_->answered, policy_.witness_validity)
                                  : be(Testimony::deaf);
        }
        if (looked_at(replica_) < failed_at_) {  // A1
            return expired() ? be(Testimony::gone) : be(Testimony::unknown);
        }
        switch (channel->receiver) {
            case ThreadState::running:
                return connected(*channel);
            case ThreadState::connecting:
                return connecting(*channel);
            case ThreadState::stopped:
            case ThreadState::none:
                break;
        }
        if (is_client_error(channel->receiver_errno) || not_heard()) {
            return be(Testimony::deaf);
        }
        out_.stopped_just_now = channel->receiver_errno == 0 &&
                                channel->applier == ThreadState::running && ran_just_now();
        return be(Testimony::mute);
    }

private:
    [[nodiscard]] bool expired() const { return now_ - failed_at_ > observation_limit; }

    [[nodiscard]] bool ran_just_now() const {
        // Without a connection for longer than any witness test takes: stopped by somebody's will.
        if (replica_.unconnected_since != TimePoint{} &&
            now_ - replica_.unconnected_since > witness_limit) {
            return false;
        }
        const auto heard = report_ != nullptr && report_->heard ? report_->answered : TimePoint{};
        return now_ - failed_at_ < witness_limit || now_ - std::max(replica_.received_at, heard) <
                                                        policy_.witness_validity + witness_limit;
    }

    [[nodiscard]] bool not_heard() const { return report_ != nullptr && !report_->heard; }

    Testified be(Testimony testimony) {
        out_.testimony = testimony;
        return out_;
    }

    /// Old signs of life say nothing of now: it has to be asked (again).
    Testified heard(TimePoint at, Duration counts) {
        if (now_ - at > counts) {
            return be(Testimony::silent);
        }
        out_.heard_at = at;
        out_.heard_counts = counts;
        return be(Testimony::hearing);
    }

    Testified connected(const Channel& channel) {
        // After a witness that could not connect, this is a connection that was made since; after
        // one that could, it is the same still.
        if (report_ != nullptr && now_ - report_->answered <= policy_.witness_validity) {
            return heard(report_->answered, policy_.witness_validity);
        }
        // Who heard it lately is asked after a while all the same: the network may have gone in
        // between.
        const auto counts = std::clamp<Duration>(3 * heartbeat(channel) + 1s, 3s, quiet_limit);
        if (replica_.received_at >= failed_at_ && now_ - replica_.received_at <= counts) {
            return heard(replica_.received_at, counts);
        }
        // Not even a silence of many heartbeats convicts it: received_at says when something came
        // at the earliest, so between two probes far apart anything may have come.
        return be(Testimony::silent);
    }

    Testified connecting(const Channel& channel) {
        if (channel.receiver_errno != 0 && !is_client_error(channel.receiver_errno)) {
            // Answered with an error ("too many connections"): proof of life if it was now.
            return not_heard() ? heard(report_->answered, policy_.witness_validity)
                               : be(Testimony::silent);
        }
        if (cannot_connect(channel) || not_heard()) {
            return be(Testimony::deaf);
        }
        // In its first attempt, perhaps because a witness test has just restarted it.
        return be(Testimony::silent);
    }

    const Instance& replica_;
    TimePoint failed_at_, now_;
    const Policy& policy_;
    const topology::WitnessReport* report_ = nullptr;  // only one that was asked after the failure
    Testified out_;
};

}  // namespace

bool cannot_connect(const Channel& channel) {
    if (channel.receiver == ThreadState::stopped) {
        return is_client_error(channel.receiver_errno);  // it has given up
    }
    // "Reconnecting after a failed source event read", "Waiting to reconnect ...": it has lost its
    // connection. "Connecting to source" without an error is an attempt of which nothing is known.
    return channel.receiver == ThreadState::connecting &&
           (is_client_error(channel.receiver_errno) ||
            (channel.receiver_errno == 0 &&
             contains_ignoring_case(channel.receiver_text, "reconnect")));
}

Testified testify(
    const Instance& replica, TimePoint failed_at, TimePoint now, const Policy& policy
) {
    return Hearing(replica, failed_at, now, policy).result();
}

}  // namespace baton::analysis
