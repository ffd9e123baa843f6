// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lease that decides which of several daemons acts, as a state machine without I/O. It keeps:
//   E1 validity counts from before the request was sent, never from its answer;
//   E2 a challenger grabs only a version that it has itself seen standing still for the whole
//      duration, on one connection to one server that took its heartbeat;
//   E3 epochs only grow, and no grab ever reuses one that this process tried or saw;
//   E4 fenced writes carry (epoch, holder) and are renewals, bound by the rules of renewals;
//   E5 may_act() is a question to the clock, and false at once when giving the lease back.
// The protocol and its reasons: docs/internals/lease.md.
//
// Driving it (one thread, blocking calls; the machine has at most one action under way):
//
//   LeaseMachine machine(policy, {.token = token, .addresses = addresses.size(), ...});
//   for (;;) {
//       const Action action = machine.next(read_clocks());   // this reading is the sending time
//       publish(machine.view(), machine.take_events());
//       if (action.what == Do::stop) { break; }
//       if (action.what == Do::wait) {
//           mailbox.wait_until(action.until);  // and post look_soon, request_release, ...
//           continue;
//       }
//       const auto answer = perform(action);    // returns by action.until, or fails with number 0
//       const Clocks now = read_clocks();       // first the clocks, then the result
//       if (!answer) { machine.on_error({answer.error().mysql_errno, answer.error().what}, now); }
//       else if (action.what == Do::connect) { machine.on_connected(now); }
//       else if (action.what == Do::look) { machine.on_row(answer->row, answer->identity, now); }
//       else if (action.what == Do::ask_peers) { machine.on_peers(answer->somebody_holds, now); }
//       else { machine.on_affected(answer->affected_rows, now); }  // prepare_schema: any number
//       publish(machine.view(), machine.take_events());
//   }
//
// `publish` stores the view where the acting threads read it as one consistent value. The driver
// closes the connection when the next action is `connect` or `stop`, and persists epoch_high() if
// it can. A proxy between must keep a session on one server.
// Not thread-safe: only the driving thread touches the machine.

#include "baton/election/clock.hpp"
#include "baton/election/error_class.hpp"
#include "baton/election/lease_types.hpp"
#include "baton/election/policy.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::election {

struct NodeOptions {
    /// Token of this process: new at every start, never empty, at most 64 ASCII characters.
    std::string token;
    /// Number of backend addresses; at least 1.
    std::size_t addresses = 1;
    /// Who grabs first when several could: > 0 at once, 0 after up to `jitter`, < 0 after that.
    int priority = 0;
    /// Seed of the jitter; any number.
    std::uint64_t jitter_seed = 0;
    /// Highest epoch that this node ever saw, if it was kept over the restart.
    std::uint64_t epoch_high = 0;
};

enum class AfterRelease {
    challenge,  // the operator wants another holder; stay in the race, behind the others
    stop,       // shut down
};

class LeaseMachine {
public:
    /// Aborts on an invalid policy or options: validate() them where they are read.
    LeaseMachine(const LeasePolicy& policy, NodeOptions options);

    /// What to do now. The result of the action before must have been given (`wait` has none).
    Action next(const Clocks& now);

    // ---- results of the action under way; `now` read after the result came
    void on_connected(const Clocks& now);
    /// beat, register_node, create_row, prepare_schema, grab, renew, release.
    void on_affected(std::uint64_t rows, const Clocks& now);
    /// look; nothing when the row is missing.
    void on_row(
        const std::optional<LeaseRow>& row, const ServerIdentity& server, const Clocks& now
    );
    void on_peers(bool somebody_holds, const Clocks& now);
    void on_error(const StatementError& error, const Clocks& now);

    // ---- at any time
    /// The connection broke while no statement was under way.
    void on_connection_lost(const Clocks& now);
    /// Result of a fenced write: `matched` = the lease row still carried the fence's condition. (An
    /// error says nothing and is not reported here.)
    void on_fenced_write(const Fence& fence, bool matched, const Clocks& now);
    /// A peer hints that it has just released. No safety depends on it.
    void look_soon(const Clocks& now);
    /// A peer hands over to another node: does not take a lease that is given back before `until`.
    /// Only ever delays.
    void stand_back(Instant until);
    /// Stops acting at once. The lease itself is given back after steps_stopped().
    void request_release(AfterRelease then, const Clocks& now);
    /// No step of this process runs any more, and none will.
    void steps_stopped(const Clocks& now);

    // ---- questions
    [[nodiscard]] bool may_act(Instant now) const { return now < valid_until(); }

    /// Zero unless the lease is held.
    [[nodiscard]] Instant valid_until() const;
    [[nodiscard]] LeaseView view() const;

    [[nodiscard]] Role role() const { return role_; }

    /// Of the lease held; 0 for a challenger.
    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

    /// Highest epoch seen or tried.
    [[nodiscard]] std::uint64_t epoch_high() const;

    /// When the lease that is observed could be taken, if it stands still until then.
    [[nodiscard]] std::optional<Instant> takeover_due() const { return grab_due(); }

    /// What the last LOOK showed. A holder does not look.
    [[nodiscard]] const std::optional<LeaseRow>& last_row() const { return last_row_; }

    [[nodiscard]] const ServerIdentity& server() const { return server_; }

    [[nodiscard]] bool connected() const { return connected_; }

    [[nodiscard]] std::size_t address() const { return address_; }

    /// Since the last call; at most the newest 256.
    std::vector<Event> take_events();

private:
    struct Pending {
        Do what = Do::wait;
        Instant sent;
        std::uint64_t epoch = 0;
        std::uint32_t duration_ms = 0;
        std::uint64_t jumps = 0;
    };

    struct Observation {
        LeaseRow row;
        Instant since;
        Span delay{0};
        bool peers_deny = false;  // every peer asked says that it does not hold the lease
    };

    struct Seen {
        std::uint64_t epoch = 0;
        std::string holder;
    };

    Action next_unconnected(Instant now);
    Action next_as_holder(Instant now);
    Action next_as_challenger(Instant now);
    Action next_while_releasing(Instant now);
    Action issue(Do what, Instant now);
    Action issue_grab(Instant now);
    [[nodiscard]] static Action wait_until(Instant when);
    Pending take_pending();

    void check_clocks(const Clocks& now);
    void after_write(const Pending& done, std::uint64_t rows, Instant now);
    void after_grab(const Pending& done, std::uint64_t rows, Instant now);
    void after_release(std::uint64_t rows, Instant now);
    bool adopt_late_grab(const LeaseRow& row, Instant now);
    void observe(const LeaseRow& row, Instant sent, Instant now);
    void note_epoch(const LeaseRow& row, Instant now);
    void note_server(const ServerIdentity& server, Instant now);
    void void_observation();
    [[nodiscard]] bool is_fresh_release() const;
    [[nodiscard]] std::optional<Instant> grab_due() const;
    Span draw_delay();

    void begin_epoch(const Pending& grab, bool held_here, Instant now);
    void extend(Instant sent, std::uint64_t jumps, Instant now);
    void end_epoch(EventKind how, std::string why, Instant now);
    void begin_release(Instant now);
    void finish_release(EventKind how, std::string why, Instant now);
    [[nodiscard]] bool may_renew(Instant now) const;
    void disconnect(bool wait_a_moment, Instant now);
    void note_error(ErrorClass kind, Do what, const StatementError& error, Instant now);
    void retry_later(Do what, ErrorClass kind, Instant now);
    [[nodiscard]] std::chrono::milliseconds pause_after_error() const;
    [[nodiscard]] Span connect_limit() const;
    void note(EventKind kind, Instant at, std::uint64_t number = 0, std::string text = {});

    LeasePolicy policy_;
    NodeOptions options_;
    Role role_ = Role::challenger;
    std::optional<Pending> pending_;
    std::vector<Event> events_;
    std::optional<Clocks> clocks_;
    std::uint64_t jumps_ = 0;  // freezes of the machine noticed; see LeaseView

    // connection
    bool connected_ = false;
    std::size_t address_ = 0;
    Instant next_connect_;
    std::uint64_t failures_ = 0;       // since the last successful write
    std::uint64_t slow_connects_ = 0;  // attempts in a row that ran out of their time
    ServerIdentity server_;

    // epochs
    std::uint64_t epoch_ = 0;
    std::chrono::milliseconds epoch_duration_{0};
    Instant valid_until_;
    bool lapsed_ = false;
    bool held_here_ = false;    // a grab or renewal succeeded on this connection
    std::uint64_t banned_ = 0;  // epochs up to this one have ended for this process
    std::uint64_t last_held_ = 0;
    std::uint64_t high_ = 0;                  // highest epoch seen, or tried with unknown outcome
    std::uint64_t seen_high_ = 0;             // highest epoch that a row showed
    std::optional<std::string> seen_holder_;  // its holder, as far as known
    std::uint64_t tried_ = 0;                 // highest epoch of a grab
    std::optional<Pending> unknown_grab_;
    std::uint64_t regressed_to_ = 0;
    std::uint64_t regressed_from_ = 0;

    // holder
    Instant next_renew_;
    std::uint64_t renew_retries_ = 0;

    // releasing
    AfterRelease after_release_ = AfterRelease::challenge;
    bool release_wanted_ = false;
    bool steps_stopped_ = false;
    Instant release_until_;  // end of the remembered lease
    Instant next_release_;
    int release_attempts_ = 0;

    // challenger
    bool beat_ok_ = false;  // on this connection
    bool node_missing_ = false;
    bool row_missing_ = false;
    bool schema_needed_ = false;
    Instant next_schema_;
    Instant next_beat_;
    Instant next_look_;
    Instant eager_until_;  // looks often until then
    std::optional<Observation> observation_;
    Instant stand_back_until_;
    std::optional<Seen> seen_unreleased_;  // on this connection and server
    std::optional<LeaseRow> last_row_;
    std::uint64_t jitter_state_ = 0;
};

}  // namespace baton::election
