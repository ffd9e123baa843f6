// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes into and comes out of the LeaseMachine.

#include "baton/election/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::election {

/// The one row of baton_lease. Equal rows are the same version.
struct LeaseRow {
    std::uint64_t epoch = 0;
    std::string holder;         // token of a process; "" = nobody yet
    std::uint64_t counter = 0;  // rises with every write of the row
    std::uint32_t duration_ms = 0;
    bool released = false;

    friend bool operator==(const LeaseRow&, const LeaseRow&) = default;
};

/// Which server answered (host name, port, server id, UUID where there is one, joined by the
/// driver). Only ever compared.
using ServerIdentity = std::string;

enum class Do {
    connect,         // close the connection if there is one, open one to address number `address`
    beat,            // BEAT: UPDATE baton_node SET beat=beat+1 WHERE token=:me
    register_node,   // INSERT the row of baton_node
    look,            // LOOK: SELECT the lease row and the identity of the server
    create_row,      // INSERT IGNORE INTO baton_lease VALUES (1,'',epoch,0,duration_ms,0)
    prepare_schema,  // create or migrate the tables if permitted
    ask_peers,       // ask every api_addr of baton_node whether it holds a valid lease
    grab,            // GRAB: `epoch` and `duration_ms`, where the row is exactly `expected`
    renew,           // RENEW of `epoch`
    release,         // RELEASE of `epoch`
    wait,            // until `until`, or until another input comes
    stop,            // the machine has ended; close the connection
};

std::string_view to_string(Do what);

struct Action {
    Do what = Do::wait;
    /// wait: when to call next() again. All others: the time by which the call must have returned.
    Instant until;
    std::size_t address = 0;
    std::uint64_t epoch = 0;
    std::uint32_t duration_ms = 0;
    LeaseRow expected;
};

enum class Role {
    challenger,  // looks, and grabs when the lease is free or has run out
    holder,      // holds an epoch; whether it may act is a question of time too
    releasing,   // gives the epoch back; may not act any more
    stopped,     // for ever
};

std::string_view to_string(Role role);

/// Permission for one fenced write, to be taken right before it is sent. Its (epoch, holder) is the
/// condition of the write.
struct Fence {
    std::uint64_t epoch = 0;
    std::string holder;
    Instant sent_at;
    std::uint64_t jumps = 0;  // of the view it was taken from
};

/// What the acting threads need of the machine, as a value to hand across threads.
struct LeaseView {
    std::uint64_t epoch = 0;
    std::string holder;   // token of this process
    Instant valid_until;  // zero: does not hold the lease
    /// How often the machine was found frozen. What was sent under an older number extends nothing:
    /// instants before and after a freeze cannot be compared.
    std::uint64_t jumps = 0;
    /// Wall clock minus boot clock when the machine last compared them. When it has changed by more
    /// than the policy's margin, the machine was frozen and does not know yet: do not act.
    Span wall_ahead{0};

    /// Ask right before each step, with a fresh reading of the clock; never keep the answer.
    [[nodiscard]] bool may_act(Instant now) const { return now < valid_until; }

    /// Nothing when this process may not act.
    [[nodiscard]] std::optional<Fence> fence(Instant now) const {
        if (!may_act(now)) {
            return std::nullopt;
        }
        return Fence{epoch, holder, now, jumps};
    }
};

/// What happened, for the log and the audit.
enum class EventKind {
    connected,         // to address number `number`
    disconnected,      //
    statement_failed,  // one line per error
    needs_operator,    // refused or schema errors: an operator must look
    identity_changed,  // another server answers
    row_created,       // the lease row was missing
    epoch_regressed,  // the backend shows an older epoch than was seen, or it as another's: it lost
                      // its past, or split
    odd_duration,     // the row's duration is out of bounds
    clock_jumped,     // the machine was frozen, or its wall clock set
    grab_lost,        // another process was faster
    grab_unknown,     // no answer to a grab
    peer_holds,       // a grab was put off, because a peer says that it holds the lease
    became_holder,    //
    lapsed,           // not renewed in time: may not act
    revived,          // renewed on the same connection after a lapse
    lost,             // the epoch has ended without being given back
    releasing,        // stops acting to give the lease back
    released,         //
    release_skipped,  // not certain to be the holder any more; the others will wait
    release_unknown,  // no answer to a release
    stopped,          //
};

std::string_view to_string(EventKind kind);

struct Event {
    EventKind kind = EventKind::connected;
    Instant at;
    std::uint64_t number = 0;  // the epoch, or what the kind says
    std::string text;          // for the operator; may be empty
};

}  // namespace baton::election
