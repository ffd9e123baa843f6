// SPDX-License-Identifier: Apache-2.0
#pragma once

// The watch on one server: a persistent session that asks the same few questions again and again,
// and whose end is noticed between them.

#include "common.hpp"

#include "baton/async/event.hpp"
#include "baton/dialect/state_reader.hpp"
#include "baton/mysql/connection.hpp"

#include <array>
#include <optional>
#include <string>

namespace baton::server {

class ServerWatch final : public ports::Watch {
public:
    ServerWatch(Common& common, InstanceId id);

    Task<topology::Observation> probe(Deadline deadline) override;
    Task<Idle> idle(Deadline deadline) override;
    void wake() override;
    void drop() override;

private:
    /// nullopt = observed; the state is in reader_.
    Task<std::optional<Error>> observe(Deadline deadline);
    Task<std::optional<Error>> connect(Deadline deadline);
    Task<std::optional<Error>> poll(Deadline deadline);
    /// What is remembered for a time when all connections are taken.
    void learn_admin_address();
    Task<void> ask_labels(Deadline deadline);
    void complain();

    Common& common_;
    InstanceId id_;
    mysql::Connection connection_;
    dialect::StateReader reader_;
    Signal woken_;
    bool failed_before_ = false;  // the last connect failed: try the bare port first
    bool lost_ = false;           // an established session ended since the last good probe
    bool answered_ = false;       // in this probe it has let us in, or answered something
    bool by_admin_ = false;       // the session came in where only administrators are let in
    std::string complaints_;      // logged last

    struct Label {
        std::string sql, value;
        bool bad =
            false;  // did not answer in time or not at all: not asked again on this connection
    };

    std::array<Label, 5> labels_;
    std::optional<TimePoint> labelled_;
};

}  // namespace baton::server
