// SPDX-License-Identifier: Apache-2.0
#include "reach.hpp"

#include "testimony.hpp"

#include "baton/base/text.hpp"

#include <algorithm>

namespace baton::analysis {
namespace {

using topology::ThreadState;

/// A replica that has received nothing for so long, while its source wrote, is suspicious. Longer
/// than the usual pause between two probes.
constexpr Duration silence_limit = 3s;
/// A replica that gave up connecting longer ago may have been left alone since.
constexpr Duration given_up_limit = 60s;

enum class Word { connected, open, cut };

class Replica {
public:
    Replica(const Instance& replica, TimePoint now, const Policy& policy)
        : replica_(replica), channel_(*replica.channel()), now_(now), policy_(policy) {
        const auto unheard = replica.unheard_since;
        const auto unconnected = replica.unconnected_since;
        silent_ = channel_.receiver == ThreadState::running && unheard != TimePoint{} &&
                  looked_at(replica) - unheard >= silence_limit &&
                  // It waits for its own applier.
                  !contains_ignoring_case(channel_.receiver_text, "relay log space");
        since_ = unconnected == TimePoint{}
                     ? unheard
                     : (unheard == TimePoint{} ? unconnected : std::min(unconnected, unheard));
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

Reach reach_of(const std::vector<const Instance*>& replicas, TimePoint now, const Policy& policy) {
    constexpr std::size_t first_witnesses = 4;  // as for an absent primary
    Reach out;
    for (const auto* instance : replicas) {
        if (sight_of(*instance, policy) != Sight::living || instance->channel() == nullptr) {
            continue;
        }
        const Replica replica(*instance, now, policy);
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
    // One that is connected decides; the others are left alone.
    if (out.connected > 0) {
        out.ask.clear();
    } else if (out.cut < first_witnesses && out.ask.size() > first_witnesses) {
        out.ask.resize(first_witnesses);
    }
    return out;
}

}  // namespace baton::analysis
