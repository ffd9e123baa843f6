// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests/fault: stops this process by SIGSTOP exactly between the answer that it may act and
// what the answer was for. The environment variable BATON_TEST_STOP names a file; when a test
// writes "act N" or "fence N" into that, the Nth such answer from then on is the last one before
// the stop, and the file is removed. Without the variable nothing of this is called.

#include "baton/store/fence.hpp"

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace baton::app {

/// Thread-safe.
class StopOrder {
public:
    explicit StopOrder(std::string file) : file_(std::move(file)) {}

    /// An answer was yes; `what` is "act" or "fence".
    void allowed(std::string_view what);

private:
    std::string file_;
    std::mutex mutex_;
    unsigned counted_ = 0;
};

/// Fenced writes that may be stopped before they are sent.
class StoppingFence final : public store::FenceSource {
public:
    /// Both must outlive this.
    StoppingFence(store::FenceSource& inner, StopOrder& order) : inner_(inner), order_(order) {}

    [[nodiscard]] std::optional<election::Fence> fence() const override;
    void fenced_write_done(const election::Fence& fence, bool matched) override;
    [[nodiscard]] std::optional<std::size_t> written_address() const override;

private:
    store::FenceSource& inner_;
    StopOrder& order_;
};

}  // namespace baton::app
