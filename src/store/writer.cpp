// SPDX-License-Identifier: Apache-2.0
#include "baton/store/writer.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/store/boot_clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

namespace baton::store {

namespace {

constexpr unsigned number_bits = 40;
// SQLite's integers are signed.
constexpr std::uint64_t epoch_limit = std::uint64_t{1} << (63 - number_bits);
constexpr int attempts_limit = 5;
constexpr std::size_t parts_cache_limit = 200'000;
constexpr std::size_t keys_per_delete = 500;
// SQLite: SQLITE_MAX_COMPOUND_SELECT is 500.
constexpr std::size_t rows_per_statement_sqlite = 400;
constexpr std::size_t rows_per_statement = 1000;
constexpr std::size_t row_overhead_bytes = 110;
constexpr std::size_t packet_reserve_bytes = 64 * 1024;  // fence, first row, DELETE of left-overs

std::string name_of(const ports::Document& document) {
    std::string out;
    out.reserve(document.kind.size() + document.key.size() + 1);
    out += document.kind;
    out += '\0';
    out += document.key;
    return out;
}

unsigned parts_of(const ports::Document& document) {
    return static_cast<unsigned>(
        std::max<std::size_t>(1, (document.data.size() + part_bytes - 1) / part_bytes)
    );
}

std::size_t statement_bytes(const ports::Document& document) {
    const auto quotes = std::count(document.data.begin(), document.data.end(), '\'');
    // The key may come once more, in the DELETE of left-over parts.
    return document.data.size() + static_cast<std::size_t>(quotes) + 2 * document.key.size() +
           parts_of(document) *
               (row_overhead_bytes + document.kind.size() + 2 * document.key.size());
}

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

Result<void> check_name(std::string_view what, std::string_view name, std::size_t limit) {
    // Servers ignore trailing spaces when they compare.
    if (name.empty() || name.size() > limit || !is_plain(name) || name.back() == ' ') {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "document {} '{}' must be 1 to {} ASCII characters, not ending in a space",
                what,
                valid_utf8(clipped(name, 60)),
                limit
            )
        );
    }
    return {};
}

/// The last of each name, in the given order.
std::vector<ports::Document> without_superseded(std::vector<ports::Document> documents) {
    std::set<std::string> seen;
    for (std::size_t i = documents.size(); i-- > 0;) {
        if (!seen.insert(name_of(documents[i])).second) {
            documents[i].kind.clear();
        }
    }
    std::erase_if(documents, [](const auto& document) { return document.kind.empty(); });
    return documents;
}

std::string random_name() {
    std::random_device device;
    return fmt::format("{:08x}{:08x}", device(), device());
}

Error not_leader(std::string_view why) {
    return fail(Errc::not_leader, fmt::format("nothing was written: {}", why));
}

}  // namespace

Result<void> check_document(const ports::Document& document) {
    if (auto kind = check_name("kind", document.kind, 24); !kind) {
        return kind;
    }
    if (auto key = check_name("key", document.key, 300); !key) {
        return key;
    }
    if (document.data.size() > document_bytes_limit || !is_plain(document.data)) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "document {} '{}' must be ASCII text without NUL of at most {} bytes; it has {}",
                document.kind,
                document.key,
                document_bytes_limit,
                document.data.size()
            )
        );
    }
    return {};
}

Result<void> Writer::write(
    Database& database, std::vector<ports::Document> documents, Deadline deadline
) {
    for (const auto& document : documents) {
        if (auto checked = check_document(document); !checked) {
            return checked;
        }
    }
    const auto all = without_superseded(std::move(documents));
    const auto room = database.packet_limit() - packet_reserve_bytes;
    for (std::size_t first = 0; first < all.size();) {
        std::size_t bytes = 0;
        std::size_t end = first;
        while (end < all.size()) {
            bytes += statement_bytes(all[end]);
            if (bytes > room && end != first) {
                break;
            }
            ++end;
        }
        auto done = write_some(database, Documents(all).subspan(first, end - first), deadline);
        if (!done) {
            return done;
        }
        first = end;
    }
    return {};
}

Result<void> Writer::write_some(Database& database, Documents documents, Deadline deadline) {
    const auto dialect = database.dialect();
    const auto statements = [this, documents, dialect](const sql::FencedWrite& write) {
        return documents_sql(write, documents, dialect);
    };
    auto done = transact(database, documents.size(), statements, deadline);
    if (done) {
        remember_parts(documents);
    }
    return done;
}

Result<void> Writer::expire(
    Database& database,
    const std::string& kind,
    const std::vector<std::string>& keys,
    Deadline deadline
) {
    for (std::size_t first = 0; first < keys.size(); first += keys_per_delete) {
        const auto count = std::min(keys_per_delete, keys.size() - first);
        std::vector<sql::DocumentKey> names;
        for (std::size_t i = first; i < first + count; ++i) {
            if (auto checked = check_document({kind, keys[i], {}}); !checked) {
                return checked;
            }
            sql::DocumentKey name;
            name.kind = kind;
            name.key = keys[i];
            names.push_back(name);
        }
        const auto statements = [&names](const sql::FencedWrite& write) {
            return sql::delete_parts(write, names);
        };
        if (auto done = transact(database, 1, statements, deadline); !done) {
            return done;
        }
    }
    return {};
}

// One fenced transaction, repeated while it was certainly not done.
Result<void> Writer::transact(
    Database& database,
    std::size_t numbers,
    const std::function<std::string(const sql::FencedWrite&)>& statements,
    Deadline deadline
) {
    Error last = fail(Errc::timeout, "the deadline passed before the write was sent");
    for (int i = 0; i < attempts_limit && std::chrono::steady_clock::now() < deadline; ++i) {
        const auto fence = lease_.fence();
        if (!fence) {
            return not_leader("this node does not hold the lease, or its lease has run out");
        }
        if (fence->epoch >= epoch_limit) {
            return fail(
                Errc::refused,
                fmt::format("epoch {} is beyond what change numbers can carry", fence->epoch)
            );
        }
        const auto write = number(*fence, numbers);
        const auto matched = attempt(database, *fence, write, statements(write), deadline);
        if (!matched) {
            last = matched.error();
            const auto error = classify(last);
            settle(database, error, deadline);
            const auto reaction = election::reaction(error);
            if (!reaction.not_done || reaction.close) {
                return last;
            }
            continue;
        }
        if (*matched) {
            return {};
        }
        if (auto found = find_out(database, *fence, write, deadline); !found) {
            return found;
        }
        last = fail(Errc::unavailable, "the backend lost changes; write again");
    }
    return last;
}

// True: committed. False: the fence did not match.
Result<bool> Writer::attempt(
    Database& database,
    const election::Fence& fence,
    const sql::FencedWrite& write,
    const std::string& statements,
    Deadline deadline
) {
    const auto history = watch_.needs_name() ? random_name() : std::string();
    auto packet = sql::begin(database.dialect()) + "; " + sql::fence(write) + "; " + statements;
    if (!history.empty()) {
        packet += "; " + sql::set_meta(write, "history", history);
    }
    // Galera can roll a transaction back between two statements of a packet, for the sake of
    // another server's, and go on with the rest as if nothing had happened: no statement fails. So
    // COMMIT's word is not enough.
    packet += "; COMMIT; " + sql::is_committed(write);
    const auto reply = database.query(packet, deadline);
    const bool confirmed = !reply.error && !reply.sets.empty() && !reply.sets.back().rows.empty() &&
                           number_of(reply.sets.back().rows[0][0]) == 1;
    // For tests/fault.
    log::debug(
        "trace: write holder={} epoch={} seq={} sent={} answered={} result={}",
        write.holder,
        write.epoch,
        write.seq_last,
        fence.sent_at.time_since_epoch().count(),
        boot_now().time_since_epoch().count(),
        reply.error                                            ? "unknown"
        : reply.sets.size() < 2 || reply.sets[1].affected == 0 ? "fenced"
        : confirmed                                            ? "written"
                                                               : "unconfirmed"
    );
    if (reply.error) {
        return *reply.error;
    }
    if (reply.sets.size() < 3) {
        return fail(Errc::protocol, "a fenced write was answered with too few results");
    }
    if (reply.sets[1].affected == 0) {
        return false;
    }
    if (!confirmed) {
        log::info(
            "store: {} took a write without an error, and does not have it: it met a change that "
            "another server made",
            database.address()
        );
        return false;
    }
    lease_.fenced_write_done(fence, true);
    watch_.committed(write.epoch, write.seq_last);
    if (!history.empty()) {
        watch_.named(history);
    }
    return true;
}

// The fence did not match: another holder, or this backend is not where this process left it. The
// error is not_leader then; no error: try again.
Result<void> Writer::find_out(
    Database& database,
    const election::Fence& fence,
    const sql::FencedWrite& write,
    Deadline deadline
) {
    const auto position = read_position(database, deadline);
    if (!position) {
        return position.error();
    }
    const bool ours =
        position->epoch == fence.epoch && position->holder == fence.holder && !position->released;
    if (!ours) {
        lease_.fenced_write_done(fence, false);
        return not_leader(
            fmt::format("the lease is at epoch {}, held by '{}'", position->epoch, position->holder)
        );
    }
    if (position->doc_seq < write.seq_floor) {
        watch_.noted(*position);
        parts_.clear();
    }
    if (position->doc_seq >= write.seq_first) {
        used_ = std::max(used_, position->doc_seq & ((std::uint64_t{1} << number_bits) - 1));
    }
    return {};
}

sql::FencedWrite Writer::number(const election::Fence& fence, std::size_t count) {
    if (fence.epoch != epoch_) {
        epoch_ = fence.epoch;
        used_ = 0;
        parts_.clear();  // another holder may have written in between
    }
    sql::FencedWrite out;
    out.epoch = fence.epoch;
    out.holder = fence.holder;
    out.seq_floor = watch_.floor();
    out.seq_first = (epoch_ << number_bits) + used_ + 1;
    used_ += count;
    out.seq_last = (epoch_ << number_bits) + used_;
    return out;
}

std::string Writer::documents_sql(
    const sql::FencedWrite& write, Documents documents, Dialect dialect
) const {
    const auto limit = dialect == Dialect::sqlite ? rows_per_statement_sqlite : rows_per_statement;
    std::vector<sql::DocumentPart> rows;
    std::vector<sql::DocumentKey> leftovers;
    std::string out;
    const auto flush = [&rows, &out, &write] {
        out += out.empty() ? "" : "; ";
        out += sql::replace_parts(write, rows);
        rows.clear();
    };
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const auto& document = documents[i];
        const auto parts = parts_of(document);
        for (unsigned part = 0; part < parts; ++part) {
            sql::DocumentPart row;
            row.kind = document.kind;
            row.key = document.key;
            row.data = std::string_view(document.data).substr(part * part_bytes, part_bytes);
            row.part = part;
            row.parts = parts;
            row.seq = write.seq_first + i;
            row.deleted = document.data.empty();
            rows.push_back(row);
            if (rows.size() >= limit) {
                flush();
            }
        }
        const auto known = parts_.find(name_of(document));
        if (known == parts_.end() || known->second > parts) {
            sql::DocumentKey leftover;
            leftover.kind = document.kind;
            leftover.key = document.key;
            leftover.part = parts;
            leftovers.push_back(leftover);
        }
    }
    if (!rows.empty()) {
        flush();
    }
    if (!leftovers.empty()) {
        std::stable_sort(leftovers.begin(), leftovers.end(), [](const auto& a, const auto& b) {
            return std::tie(a.kind, a.part) < std::tie(b.kind, b.part);
        });
        out += "; " + sql::delete_parts(write, leftovers);
    }
    return out;
}

void Writer::remember_parts(Documents documents) {
    if (parts_.size() + documents.size() > parts_cache_limit) {
        parts_.clear();  // costs one DELETE for each document once more
    }
    for (const auto& document : documents) {
        parts_[name_of(document)] = parts_of(document);
    }
}

}  // namespace baton::store
