// SPDX-License-Identifier: Apache-2.0
// Giving the lease back while this node lives: to anybody, or to a certain node.
#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

constexpr Duration hand_over_limit = 1s;      // for the one that is meant to take the lease
constexpr Duration look_limit = 200ms;        // for who is told that there is something to see
constexpr Duration stand_back_limit = 150ms;  // for the others to be told to leave it

}  // namespace

Task<Result<void>> Engine::Impl::hand_over(std::string to, std::string by) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    if (!running.empty()) {
        co_return fail(
            Errc::conflict, "a recovery is running; hand over when it has ended, or stop this node"
        );
    }
    if (auto somebody = can_take(to); !somebody) {
        co_return somebody.error();
    }
    auto message = fmt::format("from {} to {}", identity.name, to.empty() ? "any other" : to);
    co_await give_back(to, std::move(message), std::move(by));
    if (to.empty()) {
        co_return Result<void>{};
    }
    co_return co_await await_holder(to);
}

/// Whether there is such a node that could take the lease; "" = any other.
Result<void> Engine::Impl::can_take(const std::string& to) const {
    const auto token = lease.status().token;
    std::string names;
    const ports::NodeRow* dead = nullptr;
    for (const auto& node : nodes) {
        if (node.token == token) {
            continue;
        }
        if (node.alive && (to.empty() || node.name == to)) {
            return {};
        }
        if (node.alive) {
            names += (names.empty() ? "" : ", ") + node.name;
        } else if (node.name == to) {
            dead = &node;
        }
    }
    if (to.empty()) {
        return fail(Errc::not_found, "no other node is alive, so nobody could take the lease");
    }
    if (to == identity.name) {
        return fail(Errc::conflict, fmt::format("{} is the active node already", to));
    }
    const auto others = names.empty() ? "no other node is alive" : "alive are: " + names;
    if (dead != nullptr) {
        return fail(
            Errc::not_found,
            fmt::format("node {} is not alive (its heartbeat stands still); {}", to, others)
        );
    }
    return fail(Errc::not_found, fmt::format("there is no node '{}'; {}", to, others));
}

/// After a hand-over: whether the node that was meant has taken the lease.
Task<Result<void>> Engine::Impl::await_holder(std::string to) {
    const auto end = now() + hand_over_limit;
    std::string holder;
    while (now() < end) {
        const auto status = lease.status();
        const auto row = std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) {
            return node.token == status.holder_token;
        });
        holder = row == nodes.end() || status.holder_token == status.token ? "" : row->name;
        if (status.may_act) {
            holder = identity.name;
        }
        if (holder == to) {
            co_return Result<void>{};
        }
        if (!holder.empty()) {
            co_return fail(
                Errc::conflict, fmt::format("{} took the lease, and not {}", holder, to)
            );
        }
        lease.look_now();
        co_await sleep_for(20ms);
    }
    co_return fail(
        Errc::timeout,
        fmt::format("{} gave the lease back, but {} has not taken it yet", identity.name, to)
    );
}

std::vector<ports::NodeRow> Engine::Impl::other_living_nodes() const {
    const auto own = lease.status().token;
    std::vector<ports::NodeRow> others;
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(others), [&](const auto& node) {
        return node.alive && node.token != own;
    });
    return others;
}

/// Of this node's epoch: a node that has not seen it held does not take it at once when it is given
/// back, but waits for the whole lease.
Task<void> Engine::Impl::tell_others_to_look() {
    co_await peers.look(other_living_nodes(), now() + look_limit);
}

/// Writes down what is known and why, and releases the lease.
/// `to`: name of the node that is to take it, "" = any.
Task<void> Engine::Impl::give_back(std::string to, std::string message, std::string by) {
    audit("hand-over", {}, "", message, by);
    auto others = other_living_nodes();
    std::vector<ports::Document> documents;
    for (const auto& [name, data] : outbox) {
        documents.emplace_back(name.first, name.second, data);
    }
    if (auto written = co_await commit(std::move(documents), 500ms); !written) {
        log::warning("handing over with state not written: {}", written.error().what);
    }
    if (!to.empty()) {
        auto bystanders = others;
        std::erase_if(bystanders, [&](const auto& node) { return node.name == to; });
        co_await peers.stand_back(std::move(bystanders), now() + stand_back_limit);
        std::erase_if(others, [&](const auto& node) { return node.name != to; });
    }
    lease.release();
    role_signal.set();
    co_await peers.look(std::move(others), now() + look_limit);
}

}  // namespace baton::control
