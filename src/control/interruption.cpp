// SPDX-License-Identifier: Apache-2.0
#include "interruption.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <sstream>

namespace baton::control {

namespace {

constexpr std::string_view performing = "performing";
constexpr std::array<std::string_view, 7> points{
    "intending",   // the stage is decided, nothing of it is written
    "journaled",   // its intents are written, no step has begun
    performing,    // so many milliseconds after its steps began
    "performed",   // its steps have ended, no outcome is written
    "hook-ended",  // a command of a hook ended well, which is not written yet
    "ending",      // all stages are done; the end is not written
    "ended",       // the end is written
};

}  // namespace

Interruption::Interruption(const std::string& order) {
    if (order.empty()) {
        return;
    }
    std::istringstream words(order);
    std::string how;
    words >> how >> point_ >> wanted_stage_ >> milliseconds_;
    const bool known = std::find(points.begin(), points.end(), point_) != points.end();
    if ((how != "kill" && how != "stop") || !known) {
        log::error("BATON_TEST_INTERRUPT '{}' is not understood and ignored", order);
        return;
    }
    signal_ = how == "kill" ? SIGKILL : SIGSTOP;
    armed_ = true;
    log::warning("BATON_TEST_INTERRUPT is set: this node will {} itself at '{}'", how, order);
}

void Interruption::reach(std::string_view point) {
    const bool any_stage = wanted_stage_ == 0;
    if (!armed_ || point != point_ || (!any_stage && stage_ != wanted_stage_)) {
        return;
    }
    armed_ = false;
    log::warning("BATON_TEST_INTERRUPT: {} {}", point_, stage_);
    static_cast<void>(std::raise(signal_));
}

bool Interruption::within() const {
    return armed_ && point_ == performing && stage_ == wanted_stage_;
}

Task<void> Interruption::wait_and_reach() {
    co_await sleep_for(std::chrono::milliseconds(milliseconds_));
    reach(performing);
}

}  // namespace baton::control
