// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writing documents in fenced transactions. Blocking; one thread.
//
// Every transaction is one packet: BEGIN, fence (touches the lease row), REPLACE of all rows,
// DELETE of left-over parts where there can be some, COMMIT, and the question whether it is there.
// Sequence numbers are (epoch << 40) + n: they rise over all holders, in the order of commits.

#include "baton/ports/store.hpp"
#include "baton/store/database.hpp"
#include "baton/store/fence.hpp"
#include "baton/store/reader.hpp"
#include "baton/store/statements.hpp"

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace baton::store {

constexpr std::size_t part_bytes = 6000;
constexpr std::size_t document_bytes_limit = 512 * 1024;

/// Errors: invalid_argument (names too long, not ASCII, data too large).
Result<void> check_document(const ports::Document& document);

class Writer {
public:
    Writer(FenceSource& lease, HistoryWatch& watch) : lease_(lease), watch_(watch) {}

    /// Writes all in one transaction, or in several of at most the packet limit of the server each,
    /// in the given order; of several documents of one name the last counts. Repeats by itself what
    /// was certainly not done. Errors: not_leader, invalid_argument, refused (epochs used up), and
    /// what the server says (outcome unknown then; writing again is safe).
    Result<void> write(
        Database& database, std::vector<ports::Document> documents, Deadline deadline
    );

    Result<void> expire(
        Database& database,
        const std::string& kind,
        const std::vector<std::string>& keys,
        Deadline deadline
    );

private:
    using Documents = std::span<const ports::Document>;

    Result<void> write_some(Database& database, Documents documents, Deadline deadline);
    Result<void> transact(
        Database& database,
        std::size_t numbers,
        const std::function<std::string(const sql::FencedWrite&)>& statements,
        Deadline deadline
    );
    Result<bool> attempt(
        Database& database,
        const election::Fence& fence,
        const sql::FencedWrite& write,
        const std::string& statements,
        Deadline deadline
    );
    Result<void> find_out(
        Database& database,
        const election::Fence& fence,
        const sql::FencedWrite& write,
        Deadline deadline
    );
    [[nodiscard]] sql::FencedWrite number(const election::Fence& fence, std::size_t count);
    [[nodiscard]] std::string documents_sql(
        const sql::FencedWrite& write, Documents documents, Dialect dialect
    ) const;
    void remember_parts(Documents documents);

    FenceSource& lease_;
    HistoryWatch& watch_;
    std::uint64_t epoch_ = 0;
    std::uint64_t used_ = 0;  // numbers given out in this epoch, also to failed attempts
    /// Parts of each document as last written in this epoch; others may have more parts.
    std::unordered_map<std::string, unsigned> parts_;
};

}  // namespace baton::store
