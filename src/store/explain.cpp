// SPDX-License-Identifier: Apache-2.0
#include "baton/store/database.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::store {

election::ErrorClass classify(const Error& error) {
    if (error.mysql_errno != 0 || error.code == Errc::timeout || error.code == Errc::cancelled ||
        error.code == Errc::unreachable || error.code == Errc::unavailable ||
        error.code == Errc::io) {
        return election::classify(error.mysql_errno);  // 0: connection
    }
    return error.code == Errc::access_denied ? election::ErrorClass::refused
                                             : election::ErrorClass::bug;
}

namespace {

std::string remedy(const Error& error, const BackendUrl& url) {
    switch (error.mysql_errno) {
        case 1045:
        case 1698:
            return fmt::format(
                "check backend.url (user '{}') and backend.password, and that the account may "
                "connect from this host",
                url.user
            );
        case 1130:
            return fmt::format(
                "create the account '{}'@'<this host>' on the backend, or '{}'@'%'",
                url.user,
                url.user
            );
        case 1044:
        case 1142:
        case 1143:
        case 1227:
            return fmt::format(
                "run on the backend: GRANT CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE "
                "ON `{}`.* TO '{}'@'<host>'",
                url.database,
                url.user
            );
        case 1049:
            return fmt::format(
                "run on the backend: CREATE DATABASE `{}`, or grant CREATE on it to '{}'",
                url.database,
                url.user
            );
        case 1290:
        case 1836:
        case 1792:
            return "this server is read-only: if it is the one to be used, make it writable; the "
                   "other addresses are tried meanwhile";
        case 1047:
            return "this Galera node is not in the primary component; the other addresses are "
                   "tried meanwhile";
        case 1040:
        case 1203:
        case 1226:
            return "raise max_connections (or the account's limit) on the backend, or find out "
                   "who holds the connections";
        case 1129:
            return "run FLUSH HOSTS on the backend and look into its log";
        case 1021:
        case 1114:
            return "make room on the disk of the backend";
        case 1665:
            return "set binlog_format=ROW (or MIXED) on the backend: with STATEMENT it cannot log "
                   "READ COMMITTED";
        case 2059:
            return "the client library lacks the account's authentication plugin: install it, or "
                   "give the account another one";
        case 1862:
        case 1820:
            return fmt::format("give the account '{}' a new password", url.user);
        case 2002:
        case 2003:
            return "nothing accepts connections there: is the backend running, and reachable from "
                   "this machine?";
        case 1205:
            return "another session holds a lock on Baton's tables";
        default:
            return {};
    }
}

}  // namespace

std::string explain(const Error& error, const BackendUrl& url) {
    const auto what = remedy(error, url);
    return what.empty() ? error.what : fmt::format("{}; {}", error.what, what);
}

const std::string& text_of(const Cell& cell) {
    static const std::string nothing;
    return cell ? *cell : nothing;
}

std::uint64_t number_of(const Cell& cell) {
    std::uint64_t value = 0;
    if (cell) {
        std::from_chars(cell->data(), cell->data() + cell->size(), value);
    }
    return value;
}

void settle(Database& database, election::ErrorClass error, Deadline deadline) {
    if (election::reaction(error).close) {
        database.close();
        return;
    }
    if (database.connected() && database.query("ROLLBACK", deadline).error) {
        database.close();
    }
}

}  // namespace baton::store
