// SPDX-License-Identifier: Apache-2.0
#pragma once

// BackendStore: ports::Store over a backend connection and a thread of its own. Jobs wait in a
// bounded queue; each coroutine is resumed on its own executor, at its deadline at the latest, even
// when the thread hangs in a statement.

#include "baton/ports/store.hpp"
#include "baton/store/database.hpp"
#include "baton/store/fence.hpp"

#include <memory>

namespace baton::store {

struct BackendStoreOptions {
    std::shared_ptr<Backend> backend;
    /// More jobs than this are refused with `unavailable`.
    std::size_t queue_limit = 256;
    /// A holder removes rows of nodes that it has not heard of for so long.
    Duration forget_nodes_after = std::chrono::hours(6);
};

struct StoreCounters {
    std::uint64_t jobs = 0;
    std::uint64_t packets = 0;
    std::uint64_t statements = 0;
    std::uint64_t documents_written = 0;
    std::uint64_t failures = 0;
};

class BackendStore final : public ports::Store {
public:
    /// The fence source must outlive this object.
    BackendStore(BackendStoreOptions options, FenceSource& lease);
    /// Queued jobs end with `unavailable`; the one under way ends by its deadline. Destroy it
    /// before the executors of its callers.
    ~BackendStore() override;
    BackendStore(const BackendStore&) = delete;
    BackendStore& operator=(const BackendStore&) = delete;

    Task<Result<void>> write(std::vector<ports::Document> documents, Deadline deadline) override;
    Task<Result<ports::Changes>> changes(std::uint64_t cursor, std::size_t limit, Deadline deadline)
        override;
    Task<Result<void>> expire(std::string kind, std::vector<std::string> keys, Deadline deadline)
        override;
    Task<Result<std::vector<ports::NodeRow>>> nodes(Deadline deadline) override;
    Task<Result<void>> report(
        std::string token,
        std::string config_fingerprint,
        std::vector<std::string> warnings,
        Deadline deadline
    ) override;
    [[nodiscard]] std::uint64_t history_id() const override;

    [[nodiscard]] StoreCounters counters() const;

private:
    class Worker;
    std::unique_ptr<Worker> worker_;
};

}  // namespace baton::store
