// SPDX-License-Identifier: Apache-2.0
#include "baton/election/lease_types.hpp"

namespace baton::election {

std::string_view to_string(Do what) {
    switch (what) {
        case Do::connect:
            return "connect";
        case Do::beat:
            return "beat";
        case Do::register_node:
            return "register node";
        case Do::look:
            return "look";
        case Do::create_row:
            return "create row";
        case Do::prepare_schema:
            return "prepare schema";
        case Do::ask_peers:
            return "ask peers";
        case Do::grab:
            return "grab";
        case Do::renew:
            return "renew";
        case Do::release:
            return "release";
        case Do::wait:
            return "wait";
        case Do::stop:
            return "stop";
    }
    return "unknown";
}

std::string_view to_string(Role role) {
    switch (role) {
        case Role::challenger:
            return "challenger";
        case Role::holder:
            return "holder";
        case Role::releasing:
            return "releasing";
        case Role::stopped:
            return "stopped";
    }
    return "unknown";
}

std::string_view to_string(EventKind kind) {
    switch (kind) {
        case EventKind::connected:
            return "connected";
        case EventKind::disconnected:
            return "disconnected";
        case EventKind::statement_failed:
            return "statement failed";
        case EventKind::needs_operator:
            return "needs operator";
        case EventKind::identity_changed:
            return "identity changed";
        case EventKind::row_created:
            return "row created";
        case EventKind::epoch_regressed:
            return "epoch regressed";
        case EventKind::odd_duration:
            return "odd duration";
        case EventKind::clock_jumped:
            return "clock jumped";
        case EventKind::grab_lost:
            return "grab lost";
        case EventKind::grab_unknown:
            return "grab unknown";
        case EventKind::peer_holds:
            return "peer holds";
        case EventKind::became_holder:
            return "became holder";
        case EventKind::lapsed:
            return "lapsed";
        case EventKind::revived:
            return "revived";
        case EventKind::lost:
            return "lost";
        case EventKind::releasing:
            return "releasing";
        case EventKind::released:
            return "released";
        case EventKind::release_skipped:
            return "release skipped";
        case EventKind::release_unknown:
            return "release unknown";
        case EventKind::stopped:
            return "stopped";
    }
    return "unknown";
}

}  // namespace baton::election
