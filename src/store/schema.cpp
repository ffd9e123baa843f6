// SPDX-License-Identifier: Apache-2.0
#include "baton/store/schema.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/store/statements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

namespace baton::store {

namespace {

constexpr std::array tables{
    "baton_meta", "baton_document", "baton_lease", "baton_report", "baton_node"};

Result<bool> has_all_tables(Database& database, Deadline deadline) {
    const auto reply = database.query(sql::list_tables(database.dialect()), deadline);
    if (reply.error) {
        return *reply.error;
    }
    std::set<std::string> names;
    for (const auto& row : reply.sets.at(0).rows) {
        names.insert(to_lower(text_of(row.at(0))));
    }
    return std::all_of(tables.begin(), tables.end(), [&names](const char* table) {
        return names.contains(table);
    });
}

Result<bool> has_meta(Database& database, Deadline deadline) {
    const auto reply = database.query(sql::select_meta(), deadline);
    if (reply.error) {
        return *reply.error;
    }
    bool version = false;
    bool history = false;
    for (const auto& row : reply.sets.at(0).rows) {
        version = version || text_of(row.at(0)) == "schema";
        history = history || text_of(row.at(0)) == "history";
    }
    return version && history;
}

std::string random_history() {
    std::random_device device;
    return fmt::format("{:08x}{:08x}", device(), device());
}

}  // namespace

Result<void> prepare_schema(Database& database, Deadline deadline, const std::string& engine) {
    const auto complete = has_all_tables(database, deadline);
    if (!complete) {
        return complete.error();
    }
    if (!*complete) {
        // One at a time: an error then names its statement, and what was done stays done.
        for (const auto& statement : sql::create_tables(database.dialect(), engine)) {
            if (const auto reply = database.query(statement, deadline); reply.error) {
                return reply.error->in("creating Baton's tables");
            }
        }
        log::info("created Baton's tables on {}", database.address());
    }
    const auto meta = has_meta(database, deadline);
    if (!meta) {
        return meta.error();
    }
    if (*meta) {
        return {};
    }
    const auto reply = database.query(
        sql::insert_meta(database.dialect(), "schema", std::to_string(schema_version)) + "; " +
            sql::insert_meta(database.dialect(), "history", random_history()),
        deadline
    );
    if (reply.error) {
        return reply.error->in("filling baton_meta");
    }
    return {};
}

}  // namespace baton::store
