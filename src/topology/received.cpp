// SPDX-License-Identifier: Apache-2.0
#include "received.hpp"

#include <utility>

namespace baton::topology {
namespace {

using gtid::GtidSet;
using gtid::Order;

bool within(const GtidSet& part, const GtidSet& whole) {
    const auto order = gtid::compare(part, whole);
    return order == Order::equal || order == Order::behind;
}

/// MariaDB: the positions of the domains in which `left` is further.
GtidSet minus(const GtidSet& left, const GtidSet& right) {
    if (left.mysql() != nullptr && (right.mysql() != nullptr || right.empty())) {
        return right.empty() ? left : GtidSet{left.mysql()->minus(*right.mysql())};
    }
    if (left.mariadb() != nullptr && (right.mariadb() != nullptr || right.empty())) {
        gtid::MariadbGtidSet out;
        for (const auto& position : left.mariadb()->positions()) {
            const auto* theirs = right.empty() ? nullptr : right.mariadb()->find(position.domain);
            if (theirs == nullptr || theirs->sequence < position.sequence) {
                out.advance(position);
            }
        }
        return GtidSet{std::move(out)};
    }
    return {};  // a server that changed its kind: nothing can be said
}

/// MariaDB: of the domains in which `whole` has at least what `part` says.
GtidSet common(const GtidSet& part, const GtidSet& whole) {
    return minus(part, minus(part, whole));
}

std::string received_text(const ServerState& state) {
    std::string out;
    for (const auto& channel : state.channels) {
        for (const auto* text : {&channel.retrieved_gtid_set, &channel.gtid_io_pos}) {
            if (!text->empty()) {
                out += (out.empty() ? "" : ",") + *text;
            }
        }
    }
    return out;
}

}  // namespace

std::optional<ReceivedMark::Known> ReceivedMark::known(const ServerState& state) {
    Known out{state.executed_gtid_set, received_text(state), {}};
    auto executed = GtidSet::parse(out.executed);
    if (!executed) {
        return std::nullopt;
    }
    out.set = std::move(*executed);
    for (const auto& channel : state.channels) {
        for (const auto* text : {&channel.retrieved_gtid_set, &channel.gtid_io_pos}) {
            const auto received = GtidSet::parse(*text);
            if (!received) {
                return std::nullopt;
            }
            out.set = out.set.united(*received);
        }
    }
    return out;
}

std::string ReceivedMark::follow(
    const ServerState& before, const std::string& lost, const ServerState& now
) {
    if (!known_) {
        known_ = known(before);
    }
    if (known_ && known_->executed == now.executed_gtid_set &&
        known_->received == received_text(now)) {
        return lost;
    }
    auto fresh = known(now);
    if (!fresh) {
        return lost;
    }
    const auto past = std::exchange(known_, std::move(fresh));
    const auto& present = known_->set;
    if (lost.empty() && (!past || within(past->set, present))) {
        return {};
    }
    auto mark = past ? past->set : GtidSet{};
    if (const auto already = GtidSet::parse(lost)) {
        mark = mark.united(*already);
    }
    return minus(mark, present).text();
}

std::string still_wanted(const std::string& lost, const gtid::GtidSet& primary) {
    const auto set = GtidSet::parse(lost);
    return set ? common(*set, primary).text() : std::string{};
}

}  // namespace baton::topology
