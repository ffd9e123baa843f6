// SPDX-License-Identifier: Apache-2.0
#pragma once

// All SQL of the store, as functions from values to text. One text serves MySQL, MariaDB, NDB and
// SQLite, except where a function takes a Dialect. Pure. The rules it keeps are those of lease.md
// section 9; a unit test holds every text against them.
//
// Sessions run with NO_BACKSLASH_ESCAPES, so that a literal is the text in quotes with quotes
// doubled, in every dialect.

#include "baton/election/lease_types.hpp"
#include "baton/store/database.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::store::sql {

std::string literal(std::string_view ascii);

// ---- schema

/// One statement each, additive, safe to repeat and to run on several nodes at once. baton_node
/// comes last: whoever can write it finds the rest in place.
std::vector<std::string> create_tables(Dialect dialect, std::string_view engine);
/// Names of the existing tables, one a row.
std::string list_tables(Dialect dialect);
std::string insert_meta(Dialect dialect, std::string_view key, std::string_view value);
/// Rows (k, v).
std::string select_meta();

// ---- the lease (lease.md section 2)

std::string look(Dialect dialect);
election::LeaseRow lease_row(const Row& row);
/// Of the row of look().
std::string server_identity(const Row& row);
std::string create_row(Dialect dialect, std::uint64_t epoch, std::uint32_t duration_ms);
std::string renew(std::uint64_t epoch, std::string_view holder);
std::string grab(
    const election::LeaseRow& expected,
    std::uint64_t epoch,
    std::string_view holder,
    std::uint32_t duration_ms
);
std::string release(std::uint64_t epoch, std::string_view holder);
/// SQLite only, under the lock on the file: the holder that the row names cannot be alive.
std::string release_of_the_dead(const election::LeaseRow& row);

// ---- nodes

struct NodeColumns {
    std::string token, name, api_url, version, config_fingerprint, backend_address;
    std::int64_t priority = 0;
    std::int64_t started_ms = 0;
};

/// What a node tells of itself beyond its row; made when there is something to tell.
std::string report(
    std::string_view token, std::string_view config_fingerprint, std::string_view warnings
);
/// Rows: token, config_fingerprint, warnings.
std::string select_reports();
std::string delete_reports(const std::vector<std::string>& tokens);
/// Also tells the others which server this node uses.
std::string beat(std::string_view token, std::string_view backend_address);
std::string register_node(const NodeColumns& node);
std::string select_nodes();
std::string delete_nodes(const std::vector<std::string>& tokens);

// ---- documents

struct DocumentPart {
    std::string_view kind, key, data;
    unsigned part = 0;
    unsigned parts = 1;
    std::uint64_t seq = 0;
    bool deleted = false;
};

struct DocumentKey {
    std::string_view kind, key;
    unsigned part = 0;  // parts from this one on
};

/// What a fenced transaction carries. It commits only while the lease row carries (epoch, holder)
/// and its documents go up to a sequence number of at least `seq_floor` and below `seq_first`.
///
/// The upper bound keeps out an own older transaction whose sender gave up and which the server
/// executes late: it would cover newer documents, and readers past its numbers would miss it. The
/// lower bound is what this process knows to be committed: a row below it comes from a backend that
/// lost its past.
struct FencedWrite {
    std::uint64_t epoch = 0;
    std::string_view holder;
    std::uint64_t seq_floor = 0;
    std::uint64_t seq_first = 0;
    std::uint64_t seq_last = 0;
};

std::string begin(Dialect dialect);
/// Second statement of every fenced transaction. 0 rows: fenced.
std::string fence(const FencedWrite& write);
std::string replace_parts(const FencedWrite& write, const std::vector<DocumentPart>& parts);
/// Parts of earlier, longer versions. `keys` must be sorted by (kind, part).
std::string delete_parts(const FencedWrite& write, const std::vector<DocumentKey>& keys);
std::string set_meta(const FencedWrite& write, std::string_view key, std::string_view value);
/// To be asked after COMMIT. One row with 1 when the transaction was committed and nobody has taken
/// the lease since, else with 0.
std::string is_committed(const FencedWrite& write);

/// One row: epoch, holder, released, counter, doc_seq, doc_base, history.
std::string select_position();
/// Rows: kind, k, part, parts, epoch, seq, deleted, data.
std::string select_changes(std::uint64_t after, std::size_t row_limit);
std::string select_document(std::uint64_t seq);

}  // namespace baton::store::sql
