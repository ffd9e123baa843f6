// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a replica tells about its source that does not answer us. Pure.
//
// A1: only what a replica said after the source's first failure counts.
// A2: a receiver that believes to be connected is no proof of anything: a frozen or cut off source
//     leaves connections standing. Proof of life is something that arrived, or a connection that
//     was made, after the failure; proof of the contrary is a connection that cannot be made.

#include "sight.hpp"

namespace baton::analysis {

enum class Testimony {
    unknown,  // not observed since the failure; it will be soon
    gone,     // the replica cannot be observed itself
    hearing,  // certainly heard its source since the failure
    silent,   // connected as far as it knows, or trying: has to be asked (witness)
    deaf,     // certainly cannot connect to it
    mute,     // its receiver was stopped: it can tell nothing
};

struct Testified {
    const Instance* replica = nullptr;
    Testimony testimony = Testimony::unknown;
    TimePoint heard_at{};     // hearing: not later than the newest sign of life
    Duration heard_counts{};  // hearing: for how long that counts
    bool askable = false;     // its receiver may be made to reconnect
    /// mute: the receiver alone was stopped, without an error, and ran a moment ago. That may be a
    /// witness test, and it will run again.
    bool stopped_just_now = false;

    [[nodiscard]] bool ages(TimePoint now) const { return now - heard_at > heard_counts * 7 / 10; }
};

/// Of `replica` about a source whose present run of failures began at `failed_at`.
Testified testify(
    const Instance& replica, TimePoint failed_at, TimePoint now, const Policy& policy
);

/// The receiver cannot connect to the source, and the source has not answered it.
bool cannot_connect(const Channel& channel);

}  // namespace baton::analysis
