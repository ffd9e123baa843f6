// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests of what becomes of a recovery when its node dies or freezes at a certain point of it:
// the process ends or stops itself there, once. Does nothing unless it was ordered by
// BATON_TEST_INTERRUPT (docs/testing.md).

#include "baton/async/task.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::control {

class Interruption {
public:
    /// "kill|stop POINT STAGE [MILLISECONDS]"; "" = none. What cannot be understood is an error in
    /// the log, and none.
    explicit Interruption(const std::string& order);

    /// A further stage of a recovery begins in this process.
    void next_stage() { ++stage_; }

    /// Ends or stops the process when this is the place.
    void reach(std::string_view point);

    /// Whether that is to happen while the steps of this stage are performed.
    [[nodiscard]] bool within() const;
    /// Then: does it after the ordered time.
    Task<void> wait_and_reach();

private:
    bool armed_ = false;
    int signal_ = 0;
    std::string point_;
    unsigned wanted_stage_ = 0;
    unsigned stage_ = 0;
    long milliseconds_ = 0;
};

}  // namespace baton::control
