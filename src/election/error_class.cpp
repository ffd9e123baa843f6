// SPDX-License-Identifier: Apache-2.0
#include "baton/election/error_class.hpp"

namespace baton::election {

std::string_view to_string(ErrorClass error) {
    switch (error) {
        case ErrorClass::connection:
            return "connection";
        case ErrorClass::conflict:
            return "conflict";
        case ErrorClass::lock_wait:
            return "lock wait";
        case ErrorClass::interrupted:
            return "interrupted";
        case ErrorClass::commit_unclear:
            return "commit unclear";
        case ErrorClass::cannot_write:
            return "cannot write here";
        case ErrorClass::no_room:
            return "no room";
        case ErrorClass::refused:
            return "refused";
        case ErrorClass::schema:
            return "schema";
        case ErrorClass::bug:
            return "bug";
    }
    return "bug";
}

// Numbers: MySQL 8.0 Error Message Reference, MariaDB Error Codes, Galera documentation.
ErrorClass classify(unsigned mysql_errno) {
    switch (mysql_errno) {
        case 0:     // our own time limit
        case 2002:  // CR_CONNECTION_ERROR
        case 2003:  // CR_CONN_HOST_ERROR
        case 2005:  // CR_UNKNOWN_HOST
        case 2006:  // CR_SERVER_GONE_ERROR
        case 2013:  // CR_SERVER_LOST
        case 2026:  // CR_SSL_CONNECTION_ERROR
        case 2055:  // CR_SERVER_LOST_EXTENDED
        case 1053:  // ER_SERVER_SHUTDOWN
        case 1152:  // ER_ABORTING_CONNECTION
        case 1158:  // ER_NET_READ_ERROR
        case 1159:  // ER_NET_READ_INTERRUPTED
        case 1160:  // ER_NET_ERROR_ON_WRITE
        case 1161:  // ER_NET_WRITE_INTERRUPTED
        case 1927:  // MariaDB ER_CONNECTION_KILLED
        case 3169:  // ER_SESSION_WAS_KILLED
        case 4031:  // ER_CLIENT_INTERACTION_TIMEOUT
            return ErrorClass::connection;
        case 1213:  // ER_LOCK_DEADLOCK; Galera: certification failed
        case 3101:  // ER_TRANSACTION_ROLLBACK_DURING_COMMIT; Group Replication certification
            return ErrorClass::conflict;
        case 1205:  // ER_LOCK_WAIT_TIMEOUT
        case 3572:  // ER_LOCK_NOWAIT
        case 1297:  // ER_GET_TEMPORARY_ERRMSG (NDB)
            return ErrorClass::lock_wait;
        case 1317:  // ER_QUERY_INTERRUPTED
        case 1969:  // MariaDB ER_STATEMENT_TIMEOUT
        case 3024:  // ER_QUERY_TIMEOUT
            return ErrorClass::interrupted;
        case 1180:  // ER_ERROR_DURING_COMMIT
        case 1296:  // ER_GET_ERRMSG (NDB, at COMMIT)
        case 3100:  // ER_RUN_HOOK_ERROR
        case 3797:  // ER_GRP_TRX_CONSISTENCY_BEFORE
        case 3798:  // ER_GRP_TRX_CONSISTENCY_AFTER_ON_TRX_BEGIN
            return ErrorClass::commit_unclear;
        case 1047:  // ER_UNKNOWN_COM_ERROR; Galera: not prepared for application use
        case 1290:  // ER_OPTION_PREVENTS_STATEMENT (--read-only, --super-read-only)
        case 1836:  // ER_READ_ONLY_MODE
        case 1792:  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
        case 3796:  // ER_GRP_TRX_CONSISTENCY_NOT_ALLOWED
        case 3799:  // ER_GRP_TRX_CONSISTENCY_BEGIN_NOT_ALLOWED
            return ErrorClass::cannot_write;
        case 1040:  // ER_CON_COUNT_ERROR
        case 1203:  // ER_TOO_MANY_USER_CONNECTIONS
        case 1226:  // ER_USER_LIMIT_REACHED
        case 1129:  // ER_HOST_IS_BLOCKED
        case 1021:  // ER_DISK_FULL
        case 1114:  // ER_RECORD_FILE_FULL
        case 1041:  // ER_OUT_OF_RESOURCES
            return ErrorClass::no_room;
        case 1044:  // ER_DBACCESS_DENIED_ERROR
        case 1045:  // ER_ACCESS_DENIED_ERROR
        case 1130:  // ER_HOST_NOT_PRIVILEGED
        case 1142:  // ER_TABLEACCESS_DENIED_ERROR
        case 1143:  // ER_COLUMNACCESS_DENIED_ERROR
        case 1227:  // ER_SPECIFIC_ACCESS_DENIED_ERROR
        case 1251:  // ER_NOT_SUPPORTED_AUTH_MODE
        case 2059:  // CR_AUTH_PLUGIN_CANNOT_LOAD
            return ErrorClass::refused;
        case 1049:  // ER_BAD_DB_ERROR
        case 1054:  // ER_BAD_FIELD_ERROR
        case 1146:  // ER_NO_SUCH_TABLE
            return ErrorClass::schema;
        default:
            return ErrorClass::bug;
    }
}

Reaction reaction(ErrorClass error) {
    switch (error) {
        case ErrorClass::connection:
        case ErrorClass::commit_unclear:
        case ErrorClass::bug:
            return {.not_done = false, .close = true, .void_beat = true, .wait_a_moment = false};
        case ErrorClass::conflict:
            return {.not_done = true, .close = false, .void_beat = false, .wait_a_moment = false};
        case ErrorClass::lock_wait:
            return {.not_done = true, .close = false, .void_beat = true, .wait_a_moment = false};
        case ErrorClass::interrupted:
            return {.not_done = false, .close = false, .void_beat = true, .wait_a_moment = false};
        case ErrorClass::cannot_write:
        case ErrorClass::refused:
            return {.not_done = true, .close = true, .void_beat = true, .wait_a_moment = false};
        case ErrorClass::no_room:
            return {.not_done = true, .close = true, .void_beat = true, .wait_a_moment = true};
        case ErrorClass::schema:
            return {.not_done = true, .close = false, .void_beat = true, .wait_a_moment = false};
    }
    return {};
}

}  // namespace baton::election
