// SPDX-License-Identifier: Apache-2.0
#include "acknowledged.hpp"

#include <algorithm>

namespace baton::recovery {
namespace {

using gtid::GtidSet;

/// From an acknowledgement until the primary has committed; generous.
constexpr Duration to_commit = std::chrono::seconds(1);
/// A primary may count for so long a connection that is gone, until it has something to send.
constexpr Duration still_counted = std::chrono::seconds(60);

class Judge {
public:
    explicit Judge(const AboutAcknowledged& about)
        : about_(about), record_(about.record), failed_(about.topology.find(record_.failed)) {
        if (failed_ != nullptr && !failed_->ever_seen) {
            failed_ = nullptr;
        }
    }

    Doubts run();

private:
    void collect_shrunk(Doubts& out) const;
    [[nodiscard]] std::vector<InstanceId> gone_before() const;
    [[nodiscard]] bool started_within(const Instance& follower, Duration span) const;
    [[nodiscard]] bool may_have_dropped(const Instance& follower) const;
    [[nodiscard]] bool counted_still(const Instance& follower) const;

    const AboutAcknowledged& about_;
    const Record& record_;
    const Instance* failed_;
};

/// What was received once and is nowhere now: a relay log that was dropped (relay_log_recovery, a
/// CHANGE, MariaDB at each restart) leaves no trace in what the servers say afterwards.
void Judge::collect_shrunk(Doubts& out) const {
    for (const Instance* follower : about_.followers) {
        const auto lost = GtidSet::parse(follower->received_lost);
        if (lost && !within(*lost, about_.all)) {
            out.shrunk.push_back({follower->id, gtid::missing_from(*lost, about_.all)});
        }
    }
}

/// Whether it was started within `span` before the primary was seen last, or after that.
bool Judge::started_within(const Instance& follower, Duration span) const {
    if (failed_ == nullptr) {
        return false;
    }
    const auto uptime = std::chrono::seconds(follower.state.uptime_seconds);
    if (failed_->health.last_seen != TimePoint{}) {
        return follower.health.last_seen - uptime + span >
               failed_->health.last_seen - failed_->health.latency;
    }
    // Another node saw it: there is no other measure than the clocks of the two. When one of them
    // is wrong, then this errs, as it would if it were not asked.
    return failed_->health.last_seen_ms != 0 &&
           follower.health.last_seen_ms - to_ms(uptime) + to_ms(span) >
               failed_->health.last_seen_ms;
}

/// It was started too late for the primary to have been seen with all that it had acknowledged
/// before: what the start made it drop is known to nobody.
bool Judge::may_have_dropped(const Instance& follower) const {
    const bool drops = is_mariadb(follower) || follower.state.identity.relay_log_recovery;
    return drops && follower.reachable() && follower.is_replica() &&
           started_within(follower, to_commit);
}

bool Judge::counted_still(const Instance& follower) const {
    return follower.reachable() && started_within(follower, still_counted);
}

/// Acknowledgers that were gone for a while already when the primary was seen last, and that it did
/// not count any more. What they acknowledged it had committed by then; so they do not matter when
/// all that it had is on reachable servers.
std::vector<InstanceId> Judge::gone_before() const {
    std::vector<InstanceId> out;
    if (failed_ == nullptr || failed_->health.last_seen == TimePoint{}) {
        return out;
    }
    const auto looked = failed_->health.last_seen - failed_->health.latency;
    std::size_t others = 0;
    for (const auto& id : record_.acknowledgers) {
        const Instance* one = about_.topology.find(id);
        if (one != nullptr && !one->reachable() && one->health.first_failure != TimePoint{} &&
            one->health.first_failure + to_commit < looked) {
            out.push_back(id);
        } else {
            ++others;
        }
    }
    if (failed_->state.semi_sync.clients > others) {
        return {};
    }
    // Before the receivers are stopped nobody is seen at the same moment as the primary.
    const auto seen = holdings_of(*failed_, nullptr);
    if (!about_.foresight && (!seen.known() || gtid::missing_from(seen.executed, about_.all) > 0)) {
        return {};
    }
    return out;
}

/// An acknowledged transaction is on at least `acknowledgements` of the acknowledgers; it is on a
/// reachable one for sure only if fewer than that are out of reach or have lost some.
Doubts Judge::run() {
    Doubts out;
    out.silent = about_.silent;
    collect_shrunk(out);
    if (!record_.semi_sync) {
        return out;
    }
    const auto has_shrunk = [&](const InstanceId& id) {
        return std::any_of(out.shrunk.begin(), out.shrunk.end(), [&](const Shrunk& one) {
            return one.id == id;
        });
    };
    // A replica that was restarted is not among the acknowledgers any more as long as it is not
    // connected again, though the primary may count it still.
    std::uint64_t doubtful = 0, harmless = 0;
    for (const Instance* follower : about_.followers) {
        if (!follower->state.semi_sync.replica_enabled) {
            continue;
        }
        if (may_have_dropped(*follower)) {
            out.dropped.push_back(follower->id);
        }
        if (contains(record_.acknowledgers, follower->id)) {
            continue;
        }
        if (has_shrunk(follower->id) || contains(out.dropped, follower->id)) {
            ++doubtful;
        } else if (counted_still(*follower)) {
            ++harmless;
        }
    }
    out.unknown = record_.unknown_acknowledgers - std::min(record_.unknown_acknowledgers, harmless);
    auto out_of_reach = std::max(out.unknown, doubtful);
    out.unknown -= std::min(out.unknown, doubtful);
    const auto past = gone_before();
    for (const auto& id : record_.acknowledgers) {
        if (contains(past, id)) {
            continue;
        }
        const bool known = std::any_of(
            about_.followers.begin(),
            about_.followers.end(),
            [&](const Instance* follower) { return follower->id == id; }
        );
        out_of_reach +=
            !known || contains(out.silent, id) || has_shrunk(id) || contains(out.dropped, id) ? 1U
                                                                                              : 0U;
    }
    out.may_be_missing = out_of_reach >= std::max<std::uint64_t>(record_.acknowledgements, 1);
    return out;
}

}  // namespace

std::string Doubts::text(const Record& record) const {
    std::string out =
        silent.empty() ? "no reachable replica has" : "only " + names(silent) + " received";
    for (const auto& one : shrunk) {
        out += "; " + one.id.text() + " had received " + transactions(one.missing) +
               " and does not have them any more";
    }
    for (const auto& id : dropped) {
        out += "; " + id.text() + " was started when " + record.failed.text() +
               " was lost or shortly before, and drops at a start what it has not applied";
    }
    if (unknown > 0) {
        out += "; the primary counted " + std::to_string(unknown) +
               " acknowledging replicas more than are known";
    }
    return out + ". Bring " + (silent.empty() ? record.failed.text() : "them") + " back";
}

Doubts doubts(const AboutAcknowledged& about) {
    return Judge(about).run();
}

}  // namespace baton::recovery
