// SPDX-License-Identifier: Apache-2.0
#include "sql_rules.hpp"

#include <algorithm>
#include <array>
#include <regex>
#include <stdexcept>

namespace baton::store::test {

namespace {

constexpr std::size_t row_limit = 8000;  // NDB before 8.0: 8052 bytes, headers and all
constexpr std::size_t key_limit = 767;   // InnoDB's oldest row formats; NDB: 3072

struct Rule {
    const char* pattern;
    const char* why;
};

// Whole words, in any case, outside of literals.
constexpr std::array forbidden{
    Rule{"FOR (UPDATE|SHARE)|LOCK IN SHARE MODE", "locking reads are not certified"},
    Rule{"(GET|RELEASE|IS_FREE|IS_USED|RELEASE_ALL)_LOCKS?", "named locks are of one server only"},
    Rule{"(UN)?LOCK TABLES?|LOCK INSTANCE|FLUSH", "locks by statement"},
    Rule{"FOREIGN|REFERENCES|CASCADE", "foreign keys"},
    Rule{"TRIGGER|PROCEDURE|FUNCTION|EVENT|CALL", "stored programs"},
    Rule{"SERIALIZABLE|REPEATABLE", "NDB has READ COMMITTED only"},
    Rule{"SAVEPOINT", "NDB has no savepoints"},
    Rule{"XA", "NDB has no XA"},
    Rule{"TEMPORARY", "temporary tables"},
    Rule{"AUTO_?INCREMENT|LAST_INSERT_ID|INSERT_ID", "the client chooses keys"},
    Rule{
        "(TINY|MEDIUM|LONG)?(BLOB|TEXT)", "NDB keeps them in hidden tables and locks when reading"},
    Rule{"JSON(_[A-Z]+)?", "JSON is kept as a BLOB, and its functions differ"},
    Rule{"GEOMETRY|POINT|SPATIAL|FULLTEXT|VECTOR", "NDB has no such columns or keys"},
    Rule{"ENUM", "changing one rebuilds the table"},
    Rule{"TIMESTAMP|DATETIME|DATE|TIME|YEAR", "times are integers"},
    Rule{
        "NOW|SYSDATE|CURDATE|CURTIME|CURRENT_(TIMESTAMP|DATE|TIME)|LOCALTIME(STAMP)?|"
        "UTC_(TIMESTAMP|DATE|TIME)|UNIX_TIMESTAMP|SLEEP",
        "the backend's clock is not asked"},
    Rule{"RAND|UUID(_SHORT)?|CONNECTION_ID", "not the same on each server"},
    Rule{"RETURNING", "MariaDB only"},
    Rule{"SKIP|NOWAIT", "new versions only, and with locking reads"},
    Rule{"WITH", "common table expressions"},
    Rule{"OVER|WINDOW|LATERAL", "window functions"},
    Rule{"CHECK|GENERATED|VIRTUAL|STORED", "NDB ignores or refuses them"},
    Rule{"PARTITION|TABLESPACE|ROW_FORMAT", "engine's own"},
    Rule{"DROP|RENAME|TRUNCATE|ALTER", "tables only grow, while others use them"},
    Rule{"LOAD|OUTFILE|DUMPFILE|HANDLER", "files and handlers"},
    Rule{"VALUES *\\( *[a-z_]+ *\\) *(,|$)|ON DUPLICATE", "upserts differ"},
    Rule{"USER|ROLE|GRANT|REVOKE", "accounts are the operator's"},
};

bool has(const std::string& text, const std::string& pattern) {
    return std::regex_search(
        text, std::regex("(^|[^A-Za-z0-9_])(" + pattern + ")($|[^A-Za-z0-9_])", std::regex::icase)
    );
}

std::string without_literals(const std::string& statement) {
    return std::regex_replace(statement, std::regex("'[^']*'"), "''");
}

struct Column {
    std::string name, type;
    std::size_t bytes = 0;
};

std::size_t words(std::size_t bytes) {
    return (bytes + 3) / 4 * 4;
}

/// Of one character; what names no character set may be anything.
std::size_t character_bytes(const std::string& definition) {
    std::smatch found;
    const std::regex named("CHARACTER SET (\\w+)", std::regex::icase);
    if (!std::regex_search(definition, found, named)) {
        return 4;
    }
    return found[1] == "ascii" || found[1] == "latin1" || found[1] == "binary" ? 1 : 4;
}

std::size_t column_bytes(const std::string& definition) {
    std::smatch found;
    if (std::regex_search(
            definition, found, std::regex("VAR(CHAR|BINARY)\\((\\d+)\\)", std::regex::icase)
        )) {
        const auto each = found[1] == "BINARY" ? 1 : character_bytes(definition);
        return words(std::stoul(found[2]) * each + 2);
    }
    for (const auto& [type, bytes] :
         {std::pair("BIGINT", 8),
          std::pair("SMALLINT", 4),
          std::pair("TINYINT", 4),
          std::pair("INT", 4)}) {
        if (has(definition, type)) {
            return static_cast<std::size_t>(bytes);
        }
    }
    return row_limit;  // of unknown size: no row with it is allowed
}

/// What stands between the outer brackets, by commas outside of inner ones.
std::vector<std::string> parts_of(const std::string& create_table) {
    const auto begin = create_table.find('(');
    const auto end = create_table.rfind(')');
    if (begin == std::string::npos || end == std::string::npos || end < begin) {
        throw std::invalid_argument("no list of columns: " + create_table);
    }
    std::vector<std::string> parts(1);
    int depth = 0;
    for (auto at = begin + 1; at < end; ++at) {
        const char c = create_table[at];
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ',' && depth == 0) {
            parts.emplace_back();
        } else if (c != ' ' || !parts.back().empty()) {
            parts.back() += c;
        }
    }
    return parts;
}

bool is_key(const std::string& part) {
    return std::regex_search(part, std::regex("^(PRIMARY |UNIQUE )?(KEY|INDEX)\\b|^CONSTRAINT\\b"));
}

std::size_t key_bytes(const std::string& part, const std::vector<std::string>& parts) {
    const auto inside = part.substr(part.rfind('(') + 1, part.rfind(')') - part.rfind('(') - 1);
    std::size_t bytes = 0;
    const std::regex name("\\w+");
    for (std::sregex_iterator i(inside.begin(), inside.end(), name), end; i != end; ++i) {
        const auto column = std::find_if(parts.begin(), parts.end(), [&](const auto& other) {
            return other.rfind(i->str() + " ", 0) == 0;
        });
        if (column == parts.end()) {
            throw std::invalid_argument("a key over an unknown column: " + part);
        }
        bytes += column_bytes(*column);
    }
    return bytes;
}

}  // namespace

std::size_t widest_row(const std::string& create_table) {
    std::size_t bytes = 16;  // header of the row, null bits, checksum
    for (const auto& part : parts_of(create_table)) {
        bytes += is_key(part) ? 0 : column_bytes(part);
    }
    return bytes;
}

std::vector<std::string> breaches(const std::string& statement) {
    std::vector<std::string> found;
    const auto text = without_literals(statement);
    for (const auto& rule : forbidden) {
        if (has(text, rule.pattern)) {
            found.push_back(std::string(rule.why) + " in: " + statement);
        }
    }
    if (text.find(';') != std::string::npos) {
        found.push_back("more than one statement: " + statement);
    }
    if (has(text, "SELECT \\*") || text.find(".*") != std::string::npos) {
        found.push_back("columns that are not named: " + statement);
    }
    if (has(text, "JOIN") && has(text, "UPDATE|DELETE")) {
        found.push_back("a change of several tables: " + statement);
    }
    return found;
}

std::vector<std::string> table_breaches(const std::string& statement, const std::string& engine) {
    auto found = breaches(statement);
    const auto parts = parts_of(statement);
    const auto primary = std::count_if(parts.begin(), parts.end(), [](const auto& part) {
        return part.rfind("PRIMARY KEY", 0) == 0;
    });
    if (primary != 1) {
        found.push_back("no primary key of its own: " + statement);
    }
    if (!statement.ends_with(" ENGINE=" + engine)) {
        found.push_back("not with the engine of backend.engine: " + statement);
    }
    for (const auto& part : parts) {
        if (is_key(part)) {
            const auto bytes = key_bytes(part, parts);
            if (bytes > key_limit) {
                found.push_back("a key of " + std::to_string(bytes) + " bytes: " + part);
            }
            continue;
        }
        if (!has(part, "NOT NULL")) {
            found.push_back("may be NULL: " + part);
        }
        if (has(part, "(VAR)?CHAR") && !has(part, "CHARACTER SET ascii COLLATE ascii_bin")) {
            found.push_back("names no character set: " + part);
        }
    }
    const auto bytes = widest_row(statement);
    if (bytes > row_limit) {
        found.push_back("rows of " + std::to_string(bytes) + " bytes: " + statement);
    }
    return found;
}

std::vector<std::string> literals_of(std::string_view source) {
    std::vector<std::string> all;
    bool joined = false;  // only spaces since the last literal
    for (std::size_t at = 0; at < source.size(); ++at) {
        const char c = source[at];
        if (c == '/' && source.substr(at, 2) == "//") {
            at = std::min(source.find('\n', at), source.size()) - 1;
        } else if (c == '\'' && at > 0 && std::isdigit(source[at - 1]) != 0) {
            joined = false;  // of a number
        } else if (c == '\'') {
            at += source[at + 1] == '\\' ? 3U : 2U;
            joined = false;
        } else if (c == '"') {
            if (!joined) {
                all.emplace_back();
            }
            for (++at; at < source.size() && source[at] != '"'; ++at) {
                at += source[at] == '\\' ? 1U : 0U;
                all.back() += source[at];
            }
            joined = true;
        } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
            joined = false;
        }
    }
    return all;
}

bool looks_like_sql(const std::string& literal) {
    return std::regex_search(
        literal,
        std::regex("\\b(SELECT|INSERT|UPDATE|DELETE|REPLACE INTO|CREATE TABLE|CREATE INDEX|WHERE|"
                   "ALTER|DROP|TRUNCATE|GRANT|LOCK|SET SESSION|SAVEPOINT|BEGIN|COMMIT|VALUES)\\b")
    );
}

}  // namespace baton::store::test
