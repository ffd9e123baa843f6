// SPDX-License-Identifier: Apache-2.0
#include "baton/store/statements.hpp"

#include "baton/base/text.hpp"

#include <fmt/format.h>

namespace baton::store::sql {

std::string literal(std::string_view ascii) {
    std::string out;
    out.reserve(ascii.size() + 2);
    out += '\'';
    for (const char c : ascii) {
        out += c;
        if (c == '\'') {
            out += c;
        }
    }
    out += '\'';
    return out;
}

namespace {

std::string in_list(const std::vector<std::string_view>& values) {
    std::string out = "(";
    for (const auto value : values) {
        if (out.size() > 1) {
            out += ',';
        }
        out += literal(value);
    }
    return out + ')';
}

std::string holds(std::string_view prefix, std::uint64_t epoch, std::string_view holder) {
    return fmt::format(
        "{0}anchor=1 AND {0}epoch={1} AND {0}holder={2} AND {0}released=0",
        prefix,
        epoch,
        literal(holder)
    );
}

std::string_view insert_ignore(Dialect dialect) {
    return dialect == Dialect::sqlite ? "INSERT OR IGNORE" : "INSERT IGNORE";
}

}  // namespace

// ------------------------------------------------------------------------------------------ schema

std::vector<std::string> create_tables(Dialect dialect, std::string_view engine) {
    const bool sqlite = dialect == Dialect::sqlite;
    // SQLite compares text by bytes and knows no character sets.
    const std::string_view ascii = sqlite ? "" : " CHARACTER SET ascii COLLATE ascii_bin";
    const auto tail = sqlite ? std::string() : fmt::format(" ENGINE={}", engine);
    const std::string_view seq_key = sqlite ? "" : ", KEY baton_document_seq (seq)";
    std::vector<std::string> out;
    out.push_back(fmt::format(
        "CREATE TABLE IF NOT EXISTS baton_meta ("
        "k VARCHAR(64){0} NOT NULL, "
        "v VARCHAR(255){0} NOT NULL, "
        "PRIMARY KEY (k)){1}",
        ascii,
        tail
    ));
    out.push_back(fmt::format(
        "CREATE TABLE IF NOT EXISTS baton_document ("
        "kind VARCHAR(24){0} NOT NULL, "
        "k VARCHAR(300){0} NOT NULL, "
        "part SMALLINT UNSIGNED NOT NULL, "
        "parts SMALLINT UNSIGNED NOT NULL, "
        "epoch BIGINT UNSIGNED NOT NULL, "
        "seq BIGINT UNSIGNED NOT NULL, "
        "deleted TINYINT UNSIGNED NOT NULL, "
        "data VARCHAR(6000){0} NOT NULL, "
        "PRIMARY KEY (kind, k, part){1}){2}",
        ascii,
        seq_key,
        tail
    ));
    if (sqlite) {
        out.emplace_back("CREATE INDEX IF NOT EXISTS baton_document_seq ON baton_document (seq)");
    }
    out.push_back(fmt::format(
        "CREATE TABLE IF NOT EXISTS baton_lease ("
        "anchor TINYINT UNSIGNED NOT NULL, "
        "holder VARCHAR(64){0} NOT NULL, "
        "epoch BIGINT UNSIGNED NOT NULL, "
        "counter BIGINT UNSIGNED NOT NULL, "
        "duration_ms INT UNSIGNED NOT NULL, "
        "released TINYINT UNSIGNED NOT NULL, "
        "doc_seq BIGINT UNSIGNED NOT NULL, "
        "doc_base BIGINT UNSIGNED NOT NULL, "
        "PRIMARY KEY (anchor)){1}",
        ascii,
        tail
    ));
    out.push_back(fmt::format(
        "CREATE TABLE IF NOT EXISTS baton_report ("
        "token VARCHAR(64){0} NOT NULL, "
        "config_fingerprint VARCHAR(64){0} NOT NULL, "
        "warnings VARCHAR(4000){0} NOT NULL, "
        "PRIMARY KEY (token)){1}",
        ascii,
        tail
    ));
    out.push_back(fmt::format(
        "CREATE TABLE IF NOT EXISTS baton_node ("
        "token VARCHAR(64){0} NOT NULL, "
        "name VARCHAR(255){0} NOT NULL, "
        "api_url VARCHAR(255){0} NOT NULL, "
        "version VARCHAR(64){0} NOT NULL, "
        "config_fingerprint VARCHAR(64){0} NOT NULL, "
        "backend_address VARCHAR(255){0} NOT NULL, "
        "priority INT NOT NULL, "
        "started_ms BIGINT NOT NULL, "
        "beat BIGINT UNSIGNED NOT NULL, "
        "PRIMARY KEY (token)){1}",
        ascii,
        tail
    ));
    return out;
}

std::string list_tables(Dialect dialect) {
    if (dialect == Dialect::sqlite) {
        return "SELECT name FROM sqlite_master WHERE type='table'";
    }
    return "SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE()";
}

std::string insert_meta(Dialect dialect, std::string_view key, std::string_view value) {
    return fmt::format(
        "{} INTO baton_meta (k, v) VALUES ({},{})",
        insert_ignore(dialect),
        literal(key),
        literal(value)
    );
}

std::string select_meta() {
    return "SELECT k, v FROM baton_meta";
}

// ------------------------------------------------------------------------------------------- lease

std::string look(Dialect dialect) {
    std::string_view server = "@@hostname, @@port, @@server_id, ''";
    if (dialect == Dialect::mysql) {
        server = "@@hostname, @@port, @@server_id, @@server_uuid";
    } else if (dialect == Dialect::sqlite) {
        server = "'sqlite', 0, 0, ''";
    }
    return fmt::format(
        "SELECT epoch, holder, counter, duration_ms, released, {} FROM baton_lease WHERE anchor=1",
        server
    );
}

election::LeaseRow lease_row(const Row& row) {
    election::LeaseRow out;
    out.epoch = number_of(row.at(0));
    out.holder = text_of(row.at(1));
    out.counter = number_of(row.at(2));
    out.duration_ms = static_cast<std::uint32_t>(number_of(row.at(3)));
    out.released = number_of(row.at(4)) != 0;
    return out;
}

std::string server_identity(const Row& row) {
    return fmt::format(
        "{}:{} id {} {}",
        text_of(row.at(5)),
        text_of(row.at(6)),
        text_of(row.at(7)),
        text_of(row.at(8))
    );
}

std::string create_row(Dialect dialect, std::uint64_t epoch, std::uint32_t duration_ms) {
    return fmt::format(
        "{} INTO baton_lease (anchor, holder, epoch, counter, duration_ms, released, doc_seq, "
        "doc_base) VALUES (1,'',{},0,{},0,0,0)",
        insert_ignore(dialect),
        epoch,
        duration_ms
    );
}

std::string renew(std::uint64_t epoch, std::string_view holder) {
    return fmt::format(
        "UPDATE baton_lease SET counter=counter+1 WHERE {}", holds("", epoch, holder)
    );
}

std::string grab(
    const election::LeaseRow& expected,
    std::uint64_t epoch,
    std::string_view holder,
    std::uint32_t duration_ms
) {
    return fmt::format(
        "UPDATE baton_lease SET holder={}, epoch={}, counter=counter+1, duration_ms={}, "
        "released=0, doc_base=doc_seq "
        "WHERE anchor=1 AND epoch={} AND holder={} AND counter={} AND released={}",
        literal(holder),
        epoch,
        duration_ms,
        expected.epoch,
        literal(expected.holder),
        expected.counter,
        expected.released ? 1 : 0
    );
}

std::string release(std::uint64_t epoch, std::string_view holder) {
    return fmt::format(
        "UPDATE baton_lease SET counter=counter+1, released=1 WHERE {}", holds("", epoch, holder)
    );
}

std::string release_of_the_dead(const election::LeaseRow& row) {
    return fmt::format(
        "UPDATE baton_lease SET counter=counter+1, released=1 WHERE {} AND counter={}",
        holds("", row.epoch, row.holder),
        row.counter
    );
}

// ------------------------------------------------------------------------------------------- nodes

std::string report(
    std::string_view token, std::string_view config_fingerprint, std::string_view warnings
) {
    return fmt::format(
        "REPLACE INTO baton_report (token, config_fingerprint, warnings) VALUES ({},{},{})",
        literal(token),
        literal(config_fingerprint),
        literal(warnings)
    );
}

std::string select_reports() {
    return "SELECT token, config_fingerprint, warnings FROM baton_report";
}

std::string delete_reports(const std::vector<std::string>& tokens) {
    return fmt::format(
        "DELETE FROM baton_report WHERE token IN {}",
        in_list(std::vector<std::string_view>(tokens.begin(), tokens.end()))
    );
}

std::string beat(std::string_view token, std::string_view backend_address) {
    return fmt::format(
        "UPDATE baton_node SET beat=beat+1, backend_address={} WHERE token={}",
        literal(backend_address),
        literal(token)
    );
}

std::string register_node(const NodeColumns& node) {
    // REPLACE: the row of an earlier registration of this process may still be there.
    return fmt::format(
        "REPLACE INTO baton_node (token, name, api_url, version, config_fingerprint, "
        "backend_address, priority, started_ms, beat) VALUES ({},{},{},{},{},{},{},{},1)",
        literal(node.token),
        literal(node.name),
        literal(node.api_url),
        literal(node.version),
        literal(node.config_fingerprint),
        literal(node.backend_address),
        node.priority,
        node.started_ms
    );
}

std::string select_nodes() {
    return "SELECT token, name, api_url, version, config_fingerprint, backend_address, priority, "
           "started_ms, beat FROM baton_node ORDER BY name, token";
}

std::string delete_nodes(const std::vector<std::string>& tokens) {
    return fmt::format(
        "DELETE FROM baton_node WHERE token IN {}",
        in_list(std::vector<std::string_view>(tokens.begin(), tokens.end()))
    );
}

// --------------------------------------------------------------------------------------- documents

std::string begin(Dialect dialect) {
    // IMMEDIATE: SQLite's plain BEGIN takes the write lock late and can then fail at once.
    return dialect == Dialect::sqlite ? "BEGIN IMMEDIATE" : "BEGIN";
}

std::string fence(const FencedWrite& write) {
    return fmt::format(
        "UPDATE baton_lease SET counter=counter+1, doc_seq={} "
        "WHERE {} AND doc_seq>={} AND doc_seq<{}",
        write.seq_last,
        holds("", write.epoch, write.holder),
        write.seq_floor,
        write.seq_first
    );
}

namespace {

/// True only after fence() has changed the row in this transaction.
std::string passed(std::string_view prefix, const FencedWrite& write) {
    return fmt::format(
        "{} AND {}doc_seq={}", holds(prefix, write.epoch, write.holder), prefix, write.seq_last
    );
}

}  // namespace

std::string replace_parts(const FencedWrite& write, const std::vector<DocumentPart>& parts) {
    std::size_t size = 512;
    for (const auto& part : parts) {
        size += part.kind.size() + part.key.size() + part.data.size() + 96;
    }
    std::string out;
    out.reserve(size);
    out +=
        "REPLACE INTO baton_document (kind, k, part, parts, epoch, seq, deleted, data) "
        "SELECT d.a, d.b, d.c, d.d, d.e, d.f, d.g, d.h FROM (";
    bool first = true;
    for (const auto& part : parts) {
        const std::string_view shape =
            first ? "SELECT {} AS a,{} AS b,{} AS c,{} AS d,{} AS e,{} AS f,{} AS g,{} AS h"
                  : " UNION ALL SELECT {},{},{},{},{},{},{},{}";
        fmt::format_to(
            std::back_inserter(out),
            fmt::runtime(shape),
            literal(part.kind),
            literal(part.key),
            part.part,
            part.parts,
            write.epoch,
            part.seq,
            part.deleted ? 1 : 0,
            literal(part.data)
        );
        first = false;
    }
    out += ") d, baton_lease l WHERE ";
    out += passed("l.", write);
    return out;
}

std::string delete_parts(const FencedWrite& write, const std::vector<DocumentKey>& keys) {
    std::string out = "DELETE FROM baton_document WHERE (";
    for (std::size_t i = 0; i < keys.size();) {
        std::vector<std::string_view> names;
        const auto& head = keys[i];
        for (; i < keys.size() && keys[i].kind == head.kind && keys[i].part == head.part; ++i) {
            names.push_back(keys[i].key);
        }
        out += out.ends_with('(') ? "" : " OR ";
        out += fmt::format(
            "(kind={} AND k IN {} AND part>={})", literal(head.kind), in_list(names), head.part
        );
    }
    return out +
           fmt::format(") AND EXISTS (SELECT 1 FROM baton_lease l WHERE {})", passed("l.", write));
}

std::string set_meta(const FencedWrite& write, std::string_view key, std::string_view value) {
    return fmt::format(
        "REPLACE INTO baton_meta (k, v) SELECT {},{} FROM baton_lease l WHERE {}",
        literal(key),
        literal(value),
        passed("l.", write)
    );
}

std::string is_committed(const FencedWrite& write) {
    return fmt::format(
        "SELECT COUNT(*) FROM baton_lease WHERE anchor=1 AND epoch={} AND holder={} AND "
        "doc_seq>={}",
        write.epoch,
        literal(write.holder),
        write.seq_last
    );
}

std::string select_position() {
    return "SELECT l.epoch, l.holder, l.released, l.counter, l.doc_seq, l.doc_base, m.v "
           "FROM baton_lease l, baton_meta m WHERE l.anchor=1 AND m.k='history'";
}

std::string select_changes(std::uint64_t after, std::size_t row_limit) {
    return fmt::format(
        "SELECT kind, k, part, parts, epoch, seq, deleted, data FROM baton_document "
        "WHERE seq>{} ORDER BY seq, part LIMIT {}",
        after,
        row_limit
    );
}

std::string select_document(std::uint64_t seq) {
    return fmt::format(
        "SELECT kind, k, part, parts, epoch, seq, deleted, data FROM baton_document "
        "WHERE seq={} ORDER BY seq, part",
        seq
    );
}

}  // namespace baton::store::sql
