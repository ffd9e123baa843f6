// SPDX-License-Identifier: Apache-2.0
#include "interruption.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <sstream>
#include <utility>

namespace baton::control {

namespace {

constexpr std::string_view performing = "performing";
constexpr std::array<std::string_view, 8> points{
    "intending",   // the stage is decided, nothing of it is written
    "journaled",   // its intents are written, no step has begun
    performing,    // so many milliseconds after its steps began
    "step-ended",  // one of its steps has ended, others may be under way
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
    std::string stage;
    words >> how >> point_ >> stage >> milliseconds_;
    const char* const end = stage.data() + stage.size();
    if (const auto [stop, error] = std::from_chars(stage.data(), end, wanted_stage_);
        error != std::errc() || stop != end) {
        wanted_step_ = stage;
    }
    const bool known = std::find(points.begin(), points.end(), point_) != points.end();
    if ((how != "kill" && how != "stop") || !known || stage.empty()) {
        log::error("BATON_TEST_INTERRUPT '{}' is not understood and ignored", order);
        return;
    }
    signal_ = how == "kill" ? SIGKILL : SIGSTOP;
    armed_ = true;
    log::warning("BATON_TEST_INTERRUPT is set: this node will {} itself at '{}'", how, order);
}

void Interruption::next_stage(std::vector<std::string> steps) {
    ++stage_;
    steps_ = std::move(steps);
}

bool Interruption::wanted_here() const {
    if (!wanted_step_.empty()) {
        return std::find(steps_.begin(), steps_.end(), wanted_step_) != steps_.end();
    }
    return wanted_stage_ == 0 || stage_ == wanted_stage_;
}

void Interruption::reach(std::string_view point) {
    if (armed_ && point == point_ && wanted_here()) {
        happen();
    }
}

void Interruption::step_ended(std::string_view step) {
    if (armed_ && point_ == "step-ended" && wanted_here() &&
        (wanted_step_.empty() || wanted_step_ == step)) {
        happen();
    }
}

void Interruption::happen() {
    armed_ = false;
    log::warning("BATON_TEST_INTERRUPT: {} {}", point_, stage_);
    static_cast<void>(std::raise(signal_));
}

bool Interruption::within() const {
    return armed_ && point_ == performing && wanted_here();
}

Task<void> Interruption::wait_and_reach() {
    co_await sleep_for(std::chrono::milliseconds(milliseconds_));
    reach(performing);
}

}  // namespace baton::control
