// SPDX-License-Identifier: Apache-2.0
#pragma once

// Drives a LeaseMachine against a row that the test changes at will. Everything succeeds at once
// unless the test answers itself; time passes only in pass(), and in reach() while the machine
// waits.

#include "baton/election/lease.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace baton::election {

using namespace std::chrono_literals;

inline const std::string me = "me";
inline const std::string other = "other";

// Of the default policy, D = 3 s: docs/internals/lease.md, "Times".
inline constexpr Span holder_time = 2870ms;
inline constexpr Span challenger_time = 3030ms;

inline LeaseRow row_of(std::string holder, std::uint64_t epoch) {
    LeaseRow row;
    row.holder = std::move(holder);
    row.epoch = epoch;
    row.counter = 1;
    row.duration_ms = 3000;
    return row;
}

inline NodeOptions some_node() {
    NodeOptions options;
    options.token = me;
    options.addresses = 2;
    options.priority = 1;  // grabs without a random delay
    return options;
}

class Driver {
public:
    explicit Driver(NodeOptions options = some_node(), LeasePolicy policy = {})
        : machine(policy, std::move(options)) {}

    [[nodiscard]] Clocks clocks() const { return Clocks{boot, wall}; }

    void pass(Span span) {
        boot += span;
        wall += span;
    }

    /// The machine stands still and its boot clock with it.
    void freeze(Span span) { wall += span; }

    Action next() {
        const auto action = machine.next(clocks());
        asked.push_back(action.what);
        return action;
    }

    void affected(std::uint64_t rows) { machine.on_affected(rows, clocks()); }

    void error(unsigned number) { machine.on_error({number, "in a test"}, clocks()); }

    /// Answers as a healthy backend with this row does.
    void answer(const Action& action) {
        switch (action.what) {
            case Do::connect:
                machine.on_connected(clocks());
                shown.reset();
                return;
            case Do::look:
                note_shown();
                machine.on_row(row, server, clocks());
                return;
            case Do::ask_peers:
                machine.on_peers(false, clocks());
                return;
            case Do::beat:
                if (beat_error != 0) {
                    error(beat_error);
                } else {
                    affected(1);
                }
                return;
            case Do::create_row:
                row = LeaseRow{};
                row->epoch = action.epoch;
                row->duration_ms = action.duration_ms;
                affected(1);
                return;
            case Do::grab:
                take_row(action);
                affected(1);
                return;
            case Do::release:
                row->released = true;
                [[fallthrough]];
            case Do::renew:
                ++row->counter;
                [[fallthrough]];
            case Do::register_node:
            case Do::prepare_schema:
                affected(1);
                return;
            case Do::wait:
                pass(std::max<Span>(action.until - boot, 0ns));
                return;
            case Do::stop:
                return;
        }
    }

    /// The row after this grab was executed.
    void take_row(const Action& grab) {
        row->epoch = grab.epoch;
        row->holder = me;
        row->duration_ms = grab.duration_ms;
        row->released = false;
        ++row->counter;
    }

    /// Goes on until the machine wants this; it is not answered yet.
    Action reach(Do what) {
        for (int step = 0; step < 10000; ++step) {
            const auto action = next();
            if (action.what == what) {
                return action;
            }
            answer(action);
        }
        ADD_FAILURE() << "never wants to " << to_string(what);
        return {};
    }

    /// Goes on for this time. The last wait may go beyond it.
    void go_on(Span span) {
        for (const auto end = boot + span; boot < end;) {
            answer(next());
        }
    }

    Action become_holder() {
        const auto grab = reach(Do::grab);
        answer(grab);
        return grab;
    }

    [[nodiscard]] bool may_act() const { return machine.may_act(boot); }

    /// For how long the row has been shown as it is now, on this connection and server.
    [[nodiscard]] Span shown_for() const { return shown ? boot - shown_since : 0ns; }

    [[nodiscard]] bool has_asked(Do what) const {
        return std::find(asked.begin(), asked.end(), what) != asked.end();
    }

    /// Forgets what happened before.
    bool happened(EventKind kind) {
        const auto events = machine.take_events();
        return std::any_of(events.begin(), events.end(), [kind](const Event& event) {
            return event.kind == kind;
        });
    }

private:
    void note_shown() {
        if (!shown || shown != row || shown_server != server) {
            shown_since = boot;
        }
        shown = row;
        shown_server = server;
    }

public:
    LeaseMachine machine;
    std::optional<LeaseRow> row = row_of(other, 1);
    ServerIdentity server = "db1";
    unsigned beat_error = 0;
    Instant boot{1000s};
    std::chrono::nanoseconds wall{5000s};
    std::vector<Do> asked;
    std::optional<LeaseRow> shown;
    ServerIdentity shown_server;
    Instant shown_since;
};

}  // namespace baton::election
