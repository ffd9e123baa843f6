// SPDX-License-Identifier: Apache-2.0
#include "baton/store/reader.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/store/statements.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

namespace baton::store {

namespace {

// A node counts as alive when its heartbeat (every 0.5 s by default) moved within this time.
constexpr Duration alive_within = 5s;
constexpr std::size_t row_limit_least = 16;
constexpr std::size_t row_limit_most = 4000;
constexpr unsigned no_such_table = 1146;
constexpr std::size_t report_limit = 4000;  // the column's
constexpr std::size_t warning_limit = 600;

enum Column : std::size_t { kind, key, part, parts, epoch, seq, deleted, data, columns };

/// Rows of one document version, in a row. Stops before `last` incomplete ones.
struct Group {
    std::size_t first = 0;
    std::size_t end = 0;
};

bool is_complete(const std::vector<Row>& rows, const Group& group) {
    const auto count = group.end - group.first;
    if (number_of(rows[group.first][Column::parts]) != count) {
        return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (number_of(rows[group.first + i][Column::part]) != i) {
            return false;
        }
    }
    return true;
}

ports::Document assemble(std::vector<Row>& rows, const Group& group) {
    ports::Document out;
    auto& head = rows[group.first];
    out.kind = text_of(head[Column::kind]);
    out.key = text_of(head[Column::key]);
    out.seq = number_of(head[Column::seq]);
    out.epoch = number_of(head[Column::epoch]);
    if (number_of(head[Column::deleted]) == 0) {
        for (std::size_t i = group.first; i < group.end; ++i) {
            out.data += text_of(rows[i][Column::data]);
        }
    }
    return out;
}

std::vector<Group> groups_of(const std::vector<Row>& rows) {
    std::vector<Group> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i == 0 || rows[i][Column::seq] != rows[i - 1][Column::seq]) {
            Group group;
            group.first = i;
            out.push_back(group);
        }
        out.back().end = i + 1;
    }
    return out;
}

Result<std::vector<Row>> rows_of(Reply reply) {
    if (reply.error) {
        return *reply.error;
    }
    for (const auto& row : reply.sets.at(0).rows) {
        if (row.size() != Column::columns) {
            return fail(Errc::protocol, "baton_document: an answer of another shape");
        }
    }
    return std::move(reply.sets[0].rows);
}

}  // namespace

Result<Position> read_position(Database& database, Deadline deadline) {
    const auto reply = database.query(sql::select_position(), deadline);
    if (reply.error) {
        return *reply.error;
    }
    const auto& rows = reply.sets.at(0).rows;
    if (rows.empty()) {
        return Error(
            Errc::server_error,
            "Baton's tables are still empty: no node has filled them yet",
            no_such_table,
            "42S02"
        );
    }
    const auto& row = rows[0];
    Position out;
    out.epoch = number_of(row.at(0));
    out.holder = text_of(row.at(1));
    out.released = number_of(row.at(2)) != 0;
    out.counter = number_of(row.at(3));
    out.doc_seq = number_of(row.at(4));
    out.doc_base = number_of(row.at(5));
    out.history = text_of(row.at(6));
    return out;
}

// -------------------------------------------------------------------------------------- history

bool HistoryWatch::noted(const Position& position) {
    const bool first = !last_;
    // doc_base is doc_seq at the beginning of the epoch: what was committed in an earlier epoch
    // cannot lie above it.
    const bool broken =
        !first && (position.history != last_->history || position.counter < last_->counter ||
                   position.epoch < last_->epoch || position.doc_seq < last_->doc_seq ||
                   (position.epoch > last_->epoch && position.doc_base < last_->doc_seq));
    if (broken) {
        ++breaks_;
        needs_name_ = position.history == last_->history;
        log::warning(
            "the backend is another one than before or has lost changes (now at epoch {}, change "
            "{}); everything is read again",
            position.epoch,
            position.doc_seq
        );
    }
    last_ = position;
    if (first || broken) {
        const auto name = std::hash<std::string>{}(position.history);
        id_ = (name ^ (breaks_ * 0x9e3779b97f4a7c15U)) | 1U;
    }
    return broken;
}

void HistoryWatch::committed(std::uint64_t epoch, std::uint64_t seq) {
    if (last_) {
        last_->epoch = std::max(last_->epoch, epoch);
        last_->doc_seq = std::max(last_->doc_seq, seq);
    }
}

void HistoryWatch::named(const std::string& history) {
    needs_name_ = false;
    if (last_) {
        last_->history = history;
    }
}

std::uint64_t HistoryWatch::floor() const {
    return last_ ? last_->doc_seq : 0;
}

// -------------------------------------------------------------------------------------- changes

Result<ports::Changes> read_changes(
    Database& database,
    HistoryWatch& watch,
    std::uint64_t cursor,
    std::size_t limit,
    Deadline deadline
) {
    const auto position = read_position(database, deadline);
    if (!position) {
        return position.error();
    }
    watch.noted(*position);
    ports::Changes out;
    out.cursor = cursor;
    if (position->doc_seq <= cursor) {
        return out;  // one statement while nothing changes
    }
    const auto row_limit = std::clamp(limit, row_limit_least, row_limit_most);
    auto rows = rows_of(database.query(sql::select_changes(cursor, row_limit), deadline));
    if (!rows) {
        return rows.error();
    }
    const auto groups = groups_of(*rows);
    const bool cut = rows->size() == row_limit;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (out.documents.size() >= limit) {
            out.more = true;
            break;
        }
        const auto& group = groups[i];
        const auto number = number_of((*rows)[group.first][Column::seq]);
        if (is_complete(*rows, group)) {
            out.documents.push_back(assemble(*rows, group));
        } else if (cut && i + 1 == groups.size()) {
            // The row limit fell into this document. It is the next one, or, being the first, read
            // by itself.
            if (i != 0) {
                break;
            }
            auto whole = rows_of(database.query(sql::select_document(number), deadline));
            if (!whole) {
                return whole.error();
            }
            Group all;
            all.end = whole->size();
            if (!whole->empty() && is_complete(*whole, all)) {
                out.documents.push_back(assemble(*whole, all));
            }
        }
        // An incomplete one in the middle is being replaced this moment (NDB shows rows of one
        // transaction one by one): its new version has a higher number and comes later.
        out.cursor = number;
    }
    out.more = out.more || cut;
    return out;
}

// ---------------------------------------------------------------------------------------- nodes

std::string report_text(const std::vector<std::string>& warnings) {
    std::string out;
    for (const auto& warning : warnings) {
        auto line = warning.substr(0, warning_limit);
        std::replace_if(
            line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?'
        );
        if (out.size() + line.size() + 1 > report_limit) {
            break;
        }
        out += (out.empty() ? "" : "\n") + line;
    }
    return out;
}

Result<std::vector<ports::NodeRow>> NodeWatch::read(
    Database& database, TimePoint now, Deadline deadline
) {
    const auto reply = database.query(sql::select_nodes() + "; " + sql::select_reports(), deadline);
    if (reply.error) {
        return *reply.error;
    }
    std::map<std::string, const Row*> reports;
    for (const auto& row : reply.sets.at(1).rows) {
        reports[text_of(row.at(0))] = &row;
    }
    std::map<std::string, Seen> seen;
    std::vector<ports::NodeRow> out;
    for (const auto& row : reply.sets.at(0).rows) {
        ports::NodeRow node;
        node.token = text_of(row.at(0));
        node.name = text_of(row.at(1));
        node.api_url = text_of(row.at(2));
        node.version = text_of(row.at(3));
        node.config_fingerprint = text_of(row.at(4));
        node.backend_address = text_of(row.at(5));
        const auto& priority = text_of(row.at(6));
        std::from_chars(priority.data(), priority.data() + priority.size(), node.priority);
        node.started_ms = static_cast<WallMs>(number_of(row.at(7)));
        const auto beat = number_of(row.at(8));
        const auto before = seen_.find(node.token);
        Seen mine;
        mine.beat = beat;
        mine.moved = now;
        if (before != seen_.end()) {
            const bool moved = before->second.beat != beat;
            mine.moving = moved || before->second.moving;
            mine.moved = moved ? now : before->second.moved;
        }
        if (const auto report = reports.find(node.token); report != reports.end()) {
            node.config_fingerprint = text_of(report->second->at(1));
            const auto& warnings = text_of(report->second->at(2));
            if (!warnings.empty()) {
                node.warnings = split(warnings, '\n');
            }
        }
        node.since_beat = now - mine.moved;
        node.alive = mine.moving && node.since_beat < alive_within;
        seen.emplace(node.token, mine);
        out.push_back(std::move(node));
    }
    seen_ = std::move(seen);  // rows that are gone are forgotten: bounded by the table
    return out;
}

std::vector<std::string> NodeWatch::silent_for(Duration age, TimePoint now) const {
    std::vector<std::string> out;
    for (const auto& [token, seen] : seen_) {
        if (now - seen.moved >= age) {
            out.push_back(token);
        }
    }
    return out;
}

}  // namespace baton::store
