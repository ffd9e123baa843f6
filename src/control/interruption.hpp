// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests of what becomes of a recovery when its node dies or freezes at a certain point of it:
// the process ends or stops itself there, once. Does nothing unless it was ordered by
// BATON_TEST_INTERRUPT (docs/testing.md).

#include "baton/async/task.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::control {

class Interruption {
public:
    /// "kill|stop POINT STAGE [MILLISECONDS]", where STAGE is a number, or the kind or list of
    /// hooks of a step of it; "" = none. What cannot be understood is an error in the log, and
    /// none.
    explicit Interruption(const std::string& order);

    /// A further stage of a recovery begins in this process, with these steps.
    void next_stage(std::vector<std::string> steps);

    /// A step of the stage has ended, others may be under way.
    void step_ended(std::string_view step);

    /// Ends or stops the process when this is the place.
    void reach(std::string_view point);

    /// Whether that is to happen while the steps of this stage are performed.
    [[nodiscard]] bool within() const;
    /// Then: does it after the ordered time.
    Task<void> wait_and_reach();

private:
    [[nodiscard]] bool wanted_here() const;
    void happen();

    bool armed_ = false;
    int signal_ = 0;
    std::string point_;
    unsigned wanted_stage_ = 0;
    std::string wanted_step_;  // instead of the number
    unsigned stage_ = 0;
    std::vector<std::string> steps_;
    long milliseconds_ = 0;
};

}  // namespace baton::control
