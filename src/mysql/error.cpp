// SPDX-License-Identifier: Apache-2.0

// Error numbers of servers and client libraries to codes of ours. Sources: MySQL 8.4 manual,
// "Server Error Message Reference" and "Client Error Message Reference"; MariaDB, "MariaDB Error
// Codes".

#include "native.hpp"

namespace baton::mysql {

namespace {

Errc code_of(unsigned number) {
    switch (number) {
        case 1044:  // access denied to the database
        case 1045:  // wrong user or password
        case 1129:  // host is blocked
        case 1130:  // host is not allowed
        case 1142:  // command denied on the table
        case 1143:  // command denied on the column
        case 1227:  // a privilege is missing
        case 1698:  // wrong user, authentication by plugin
        case 1820:  // password must be changed first
        case 1862:  // password has expired
        case 2059:  // authentication plugin cannot be loaded
        case 2061:  // authentication plugin reported an error
        case 3118:  // account is locked (MySQL)
        case 4151:  // account is locked (MariaDB)
            return Errc::access_denied;
        case 2000:  // unknown error; what a request for our files ends with
        case 2012:  // error in the greeting
        case 2014:  // commands out of sync
        case 2020:  // packet too large
        case 2027:  // malformed packet
            return Errc::protocol;
        default:
            return ends_session(number) ? Errc::unreachable : Errc::server_error;
    }
}

}  // namespace

bool ends_session(unsigned number) {
    if (number >= 2000 && number <= 2999) {
        return true;
    }
    switch (number) {
        case 1053:  // server is shutting down
        case 1927:  // connection was killed (MariaDB)
        case 3169:  // session was killed
        case 4031:  // idle for longer than wait_timeout (MySQL)
            return true;
        default:
            return false;
    }
}

Error map_error(unsigned number, std::string_view sqlstate, std::string_view text) {
    if (number == 0) {
        return {Errc::protocol, "the client library failed without saying why"};
    }
    return {code_of(number), std::string(text), number, std::string(sqlstate)};
}

}  // namespace baton::mysql
