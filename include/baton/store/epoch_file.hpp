// SPDX-License-Identifier: Apache-2.0
#pragma once

// The highest epoch that this node ever saw, kept in <data_dir>/epoch, so that a backend that was
// restored from an older copy is noticed and no epoch is used twice.

#include "baton/base/result.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace baton::store {

/// Writes on a thread of its own: a slow or full disk must not keep the lease thread from renewing.
class EpochFile {
public:
    /// An empty folder name: nothing is kept. The folder is created when it is missing.
    explicit EpochFile(std::string data_dir);
    /// Writes what is still to be written.
    ~EpochFile();
    EpochFile(const EpochFile&) = delete;
    EpochFile& operator=(const EpochFile&) = delete;

    /// 0 when there is no file yet. Errors: io, protocol (content is not a number).
    [[nodiscard]] Result<std::uint64_t> load() const;

    /// Returns at once; lower or equal values are ignored. A failure to write is a warning in the
    /// log, once until it works again.
    void keep(std::uint64_t epoch);

private:
    void run();
    [[nodiscard]] Result<void> save(std::uint64_t epoch) const;

    std::string dir_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::uint64_t wanted_ = 0;
    std::uint64_t tried_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace baton::store
