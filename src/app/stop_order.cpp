// SPDX-License-Identifier: Apache-2.0
#include "stop_order.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>

namespace baton::app {

void StopOrder::allowed(std::string_view what) {
    const std::lock_guard lock(mutex_);
    std::string wanted;
    unsigned number = 0;
    if (std::ifstream order(file_); !(order >> wanted >> number)) {
        counted_ = 0;
        return;
    }
    if (wanted != what || ++counted_ < number) {
        return;
    }
    counted_ = 0;
    std::remove(file_.c_str());
    std::raise(SIGSTOP);
}

std::optional<election::Fence> StoppingFence::fence() const {
    auto fence = inner_.fence();
    if (fence) {
        order_.allowed("fence");
    }
    return fence;
}

void StoppingFence::fenced_write_done(const election::Fence& fence, bool matched) {
    inner_.fenced_write_done(fence, matched);
}

std::optional<std::size_t> StoppingFence::written_address() const {
    return inner_.written_address();
}

}  // namespace baton::app
