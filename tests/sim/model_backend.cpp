// SPDX-License-Identifier: Apache-2.0
#include "sim/model_backend.hpp"

#include "mutants.hpp"

#include <fmt/format.h>

namespace baton::sim {

using election::Do;
using election::Mutant;
using election::mutated;

ModelBackend::ModelBackend(BackendKind kind, std::size_t servers)
    : kind_(kind), servers_(servers), history_(1) {}

bool ModelBackend::writable(std::size_t server) const {
    return !servers_[server].read_only && (kind_ == BackendKind::certified || server == primary_);
}

const ModelBackend::Version& ModelBackend::shown_by(std::size_t server) const {
    const bool lags = kind_ == BackendKind::certified || server != primary_;
    return lags ? history_[servers_[server].applied] : history_.back();
}

Answer ModelBackend::execute(const Statement& statement, std::size_t server) {
    Answer answer;
    answer.server = fmt::format("server-{}", server);
    if (statement.action.what == Do::look) {
        answer.row = shown_by(server).row;
        return answer;
    }
    if (!writable(server)) {
        answer.error = 1290;
        return answer;
    }
    return write(statement, server);
}

Answer ModelBackend::write(const Statement& statement, std::size_t server) {
    Answer answer;
    const auto& action = statement.action;
    auto next = shown_by(server);
    if (action.what == Do::beat || action.what == Do::register_node) {
        // Another row: never in conflict with the lease row.
        answer.rows = 1;
        if (action.what == Do::register_node) {
            nodes_.insert(statement.token);
        } else {
            answer.rows = nodes_.count(statement.token);
        }
        return answer;
    }
    auto& row = next.row;
    const auto mine = [&](bool any_holder) {
        return row && row->epoch == action.epoch && !row->released &&
               (row->holder == statement.token || (any_holder && !row->holder.empty()));
    };
    bool matches = false;
    if (statement.fenced_write) {
        matches = mine(mutated(Mutant::fence_by_epoch_only));
    } else if (action.what == Do::grab) {
        matches =
            row && (mutated(Mutant::grab_by_epoch_only) ? row->epoch == action.expected.epoch &&
                                                              row->holder == action.expected.holder
                                                        : *row == action.expected);
    } else if (action.what == Do::create_row) {
        matches = !row;
    } else {
        matches = mine(false);
    }
    if (!matches) {
        return answer;
    }
    if (kind_ == BackendKind::certified && servers_[server].applied + 1 != history_.size()) {
        answer.error = 1213;
        return answer;
    }
    if (statement.fenced_write) {
        check_fence(statement);
        next.last_fenced_epoch = action.epoch;
        ++row->counter;
    } else if (action.what == Do::grab) {
        check_grab(*row, statement);
        *row = LeaseRow{action.epoch, statement.token, row->counter + 1, action.duration_ms, false};
    } else if (action.what == Do::create_row) {
        row = LeaseRow{action.epoch, "", 0, action.duration_ms, false};
        next.last_fenced_epoch = 0;
    } else {
        ++row->counter;
        row->released = action.what == Do::release;
    }
    answer.rows = 1;
    commit(std::move(next), server);
    return answer;
}

void ModelBackend::commit(Version version, std::size_t server) {
    history_.push_back(std::move(version));
    servers_[server].applied = history_.size() - 1;
}

void ModelBackend::check_grab(const LeaseRow& before, const Statement& statement) {
    const auto epoch = statement.action.epoch;
    if (epoch <= before.epoch) {
        violation_ = fmt::format("I3: epoch {} grabbed after {}", epoch, before.epoch);
    }
    if (!grabbed_.emplace(epoch, statement.token).second) {
        violation_ = fmt::format("I3: token ({}, {}) used twice", epoch, statement.token);
    }
}

void ModelBackend::check_fence(const Statement& statement) {
    const auto& newest = history_.back();
    const auto epoch = statement.action.epoch;
    if (!newest.row || newest.row->epoch != epoch || newest.row->holder != statement.token ||
        newest.row->released) {
        violation_ = fmt::format(
            "I1: a fenced write of ({}, {}) commits while the row carries ({}, {}{})",
            epoch,
            statement.token,
            newest.row ? newest.row->epoch : 0,
            newest.row ? newest.row->holder : "missing",
            newest.row && newest.row->released ? ", released" : ""
        );
    } else if (epoch < newest.last_fenced_epoch) {
        violation_ = fmt::format(
            "I1: a fenced write of epoch {} follows one of {}", epoch, newest.last_fenced_epoch
        );
    }
}

bool ModelBackend::read_fence(const Statement& statement, std::size_t server) const {
    const auto& row = shown_by(server).row;
    return row && row->epoch == statement.action.epoch && row->holder == statement.token &&
           !row->released;
}

void ModelBackend::commit_unfenced(const Statement& statement) {
    check_fence(statement);
}

std::size_t ModelBackend::fail_over() {
    const auto standby = 1 - primary_;
    const auto lost = history_.size() - 1 - servers_[standby].applied;
    history_.resize(servers_[standby].applied + 1);
    nodes_.clear();  // the standby had not got them either
    auto& old = servers_[primary_];
    old.up = false;
    ++old.incarnation;
    old.applied = history_.size() - 1;  // rebuilt from the new primary before it returns
    primary_ = standby;
    return lost;
}

void ModelBackend::lose_row() {
    history_.emplace_back();
    for (auto& server : servers_) {
        server.applied = history_.size() - 1;
    }
}

}  // namespace baton::sim
