// SPDX-License-Identifier: Apache-2.0
#include "reach.hpp"

#include "testimony.hpp"
#include "witnesses.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <chrono>

namespace baton::analysis {
namespace {

using topology::ThreadState;

/// A replica that has received nothing for so long, while its source wrote, is suspicious. Longer
/// than the usual pause between two probes.
constexpr Duration silence_limit = 3s;
/// A replica that gave up connecting longer ago may have been left alone since.
constexpr Duration given_up_limit = 60s;

enum class Word { connected, open, cut };

/// The earlier of two that may not be set.
TimePoint earlier(TimePoint a, TimePoint b) {
    return a == TimePoint{} || b == TimePoint{} ? std::max(a, b) : std::min(a, b);
}

/// Since when sessions of the source have waited for acknowledgements; {} = none waits. What they
/// wait for is in the binary log: while that stands still they have waited at least so long.
TimePoint unacknowledged_since(const Instance& source) {
    const auto& semi_sync = source.state.semi_sync;
    const auto& waiters = source.state.strain.acknowledgement;
    if (!semi_sync.source_enabled || !semi_sync.source_status || waiters.sessions == 0) {
        return {};
    }
    const auto told = source.health.last_seen - std::chrono::seconds(waiters.seconds);
    return source.binlog_moved_at == TimePoint{} ? told : std::min(told, source.binlog_moved_at);
}

/// Since when the replica has received nothing, not even a heartbeat, while its source waits for an
/// acknowledgement. It may have all that was written: then only what it answered was lost.
TimePoint unanswered_since(const Instance& replica, TimePoint unacknowledged) {
    return unacknowledged != TimePoint{} && replica.quiet_since != TimePoint{} &&
                   replica.state.semi_sync.replica_enabled
               ? std::max(unacknowledged, replica.quiet_since)
               : TimePoint{};
}

class Replica {
public:
    Replica(const Instance& replica, TimePoint unacknowledged, TimePoint now, const Policy& policy)
        : replica_(replica), channel_(*replica.channel()), now_(now), policy_(policy) {
        const auto unheard =
            earlier(replica.unheard_since, unanswered_since(replica, unacknowledged));
        silent_ = channel_.receiver == ThreadState::running && unheard != TimePoint{} &&
                  looked_at(replica) - unheard >= silence_limit &&
                  // It waits for its own applier.
                  !contains_ignoring_case(channel_.receiver_text, "relay log space");
        since_ = earlier(replica.unconnected_since, unheard);
        if (replica.witness && replica.witness->asked >= since_) {
            report_ = &*replica.witness;
        }
    }

    [[nodiscard]] TimePoint since() const { return since_; }

    [[nodiscard]] Word word() const {
        switch (channel_.receiver) {
            case ThreadState::running:
                return silent_ ? asked(looked_at(replica_) > answered()) : Word::connected;
            case ThreadState::connecting: {
                const bool answered_with_error =
                    channel_.receiver_errno != 0 && !cannot_connect(channel_);
                return answered_with_error ? Word::connected : asked(false);
            }
            case ThreadState::stopped:
                // It gave up; it was seen to be connected by this observer, and not long ago.
                return cannot_connect(channel_) && replica_.received_at != TimePoint{} &&
                               now_ - replica_.unconnected_since <= given_up_limit
                           ? Word::cut
                           : Word::connected;
            case ThreadState::none:
                break;
        }
        return Word::connected;
    }

    /// Its word is missing, or gets old.
    [[nodiscard]] bool wants_asking() const {
        if (channel_.applier != ThreadState::running || channel_.receiver == ThreadState::stopped ||
            // A primary that dies is found dead sooner, and its replicas are left alone until then.
            now_ - since_ < silence_limit) {
            return false;
        }
        return report_ == nullptr || now_ - report_->answered > policy_.witness_validity * 7 / 10;
    }

private:
    [[nodiscard]] TimePoint answered() const {
        return report_ == nullptr ? TimePoint{} : report_->answered;
    }

    /// By the newest witness test; `connected_since` says that it was seen connected after it.
    [[nodiscard]] Word asked(bool connected_since) const {
        if (report_ == nullptr || now_ - report_->answered > policy_.witness_validity) {
            return Word::open;
        }
        return report_->heard || connected_since ? Word::connected : Word::cut;
    }

    const Instance& replica_;
    const Channel& channel_;
    TimePoint now_;
    const Policy& policy_;
    bool silent_ = false;
    TimePoint since_{};
    const topology::WitnessReport* report_ = nullptr;  // only one asked since
};

}  // namespace

Reach reach_of(
    const Instance& source,
    const std::vector<const Instance*>& replicas,
    const Topology& topology,
    const Policy& policy
) {
    const auto now = topology.taken_at();
    const auto unacknowledged = unacknowledged_since(source);
    Reach out;
    for (const auto* instance : replicas) {
        if (sight_of(*instance, policy) != Sight::living || instance->channel() == nullptr) {
            continue;
        }
        const Replica replica(*instance, unacknowledged, now, policy);
        const auto word = replica.word();
        switch (word) {
            case Word::connected:
                ++out.connected;
                break;
            case Word::open:
                ++out.open;
                break;
            case Word::cut:
                ++out.cut;
                out.since = std::max(out.since, replica.since());
                break;
        }
        if (word != Word::connected && replica.wants_asking()) {
            out.ask.push_back(instance);
        }
    }
    if (out.connected > 0) {
        out.ask.clear();  // one that is connected decides; the others are left alone
    } else {
        sort_by_worth(out.ask, topology);
        choose_witnesses(out.ask, source, out.cut, now);
    }
    return out;
}

}  // namespace baton::analysis
