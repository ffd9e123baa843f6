// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request on its way to a handler: what was asked, by whom, and the view it is answered from. A
// call reads one view and one pair of clock readings, so that an answer is consistent in itself.

#include "baton/api/server.hpp"
#include "baton/control/commands.hpp"
#include "baton/http/client.hpp"
#include "baton/http/message.hpp"
#include "baton/http/server.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace baton::api {

class EventHub;

/// What the JSON forms need to know besides the values.
struct Moment {
    const control::View* view = nullptr;
    TimePoint now{};
    WallMs wall_ms = 0;
};

struct Call {
    Call() = default;

    http::Request request;
    std::vector<std::string> parameters;  // of the path, decoded
    std::string_view route_sentence;      // of the route table
    std::string user;                     // authenticated; "" = none
    bool may_act = false;
    control::ViewPtr view;
    TimePoint now{};
    WallMs wall_ms = 0;
    control::Commands* commands = nullptr;
    const ServerOptions* options = nullptr;
    http::Client* client = nullptr;  // to the other nodes
    EventHub* events = nullptr;
    http::Statistics traffic;  // of this server

    [[nodiscard]] const std::string& parameter(std::size_t at) const { return parameters.at(at); }

    /// Who asks, for the audit: the user, else the address. Not to be trusted without
    /// authentication.
    [[nodiscard]] std::string by() const;

    [[nodiscard]] Moment moment() const { return Moment{view.get(), now, wall_ms}; }

    [[nodiscard]] const topology::Topology& topology() const { return *view->topology; }
};

}  // namespace baton::api
