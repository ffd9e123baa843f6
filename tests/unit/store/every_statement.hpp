// SPDX-License-Identifier: Apache-2.0
#pragma once

// One text of each function of store/statements.hpp, by the function's name. NdbTest holds the
// names against the header, so that no statement can be left out.

#include "baton/store/statements.hpp"

#include <map>
#include <string>

namespace baton::store::test {

inline sql::FencedWrite a_write() {
    sql::FencedWrite write;
    write.epoch = 5;
    write.holder = "me";
    write.seq_floor = 7;
    write.seq_first = 9;
    write.seq_last = 10;
    return write;
}

inline std::multimap<std::string, std::string> every_statement(
    Dialect dialect, const std::string& engine = "InnoDB"
) {
    election::LeaseRow row;
    row.epoch = 4;
    row.holder = "other";
    sql::NodeColumns node;
    node.token = "me";
    sql::DocumentPart part;
    part.kind = "instance";
    part.key = "db1:3306";
    part.data = "{}";
    sql::DocumentKey key;
    key.kind = "instance";
    key.key = "db1:3306";
    key.part = 1;
    std::multimap<std::string, std::string> all{
        {"list_tables", sql::list_tables(dialect)},
        {"insert_meta", sql::insert_meta(dialect, "schema", "1")},
        {"select_meta", sql::select_meta()},
        {"look", sql::look(dialect)},
        {"create_row", sql::create_row(dialect, 0, 3000)},
        {"renew", sql::renew(5, "me")},
        {"grab", sql::grab(row, 5, "me", 3000)},
        {"release", sql::release(5, "me")},
        {"release_of_the_dead", sql::release_of_the_dead(row)},
        {"report", sql::report("me", "0123", "the account is refused")},
        {"select_reports", sql::select_reports()},
        {"delete_reports", sql::delete_reports({"a", "b"})},
        {"beat", sql::beat("me", "db1:3306")},
        {"register_node", sql::register_node(node)},
        {"select_nodes", sql::select_nodes()},
        {"delete_nodes", sql::delete_nodes({"a", "b"})},
        {"begin", sql::begin(dialect)},
        {"fence", sql::fence(a_write())},
        {"replace_parts", sql::replace_parts(a_write(), {part, part})},
        {"delete_parts", sql::delete_parts(a_write(), {key})},
        {"set_meta", sql::set_meta(a_write(), "history", "x")},
        {"is_committed", sql::is_committed(a_write())},
        {"select_position", sql::select_position()},
        {"select_changes", sql::select_changes(5, 100)},
        {"select_document", sql::select_document(5)},
    };
    for (auto& statement : sql::create_tables(dialect, engine)) {
        all.emplace("create_tables", std::move(statement));
    }
    return all;
}

}  // namespace baton::store::test
