// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the writer of documents needs of the lease, across threads.

#include "baton/election/lease_types.hpp"

#include <cstddef>
#include <optional>

namespace baton::store {

class FenceSource {
public:
    virtual ~FenceSource() = default;

    /// Permission for one fenced write, to be taken right before it is sent; nothing when this
    /// process may not act. Thread-safe.
    [[nodiscard]] virtual std::optional<election::Fence> fence() const = 0;

    /// What came of it. `matched`: committed, which is a renewal as well; otherwise the lease row
    /// no longer carries the fence. Errors are not reported. Thread-safe.
    virtual void fenced_write_done(const election::Fence& fence, bool matched) = 0;

    /// Index of the backend address at which this process last wrote for the sake of the lease;
    /// nothing when not known. Thread-safe.
    [[nodiscard]] virtual std::optional<std::size_t> written_address() const {
        return std::nullopt;
    }
};

}  // namespace baton::store
