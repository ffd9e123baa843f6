// SPDX-License-Identifier: Apache-2.0
#include "mysql_database.hpp"
#include "sqlite_database.hpp"

#include "baton/store/database.hpp"

namespace baton::store {

Result<std::shared_ptr<Backend>> Backend::open(BackendOptions options) {
    return options.url.kind == BackendUrl::Kind::mysql ? open_mysql_backend(std::move(options))
                                                       : open_sqlite_backend(std::move(options));
}

}  // namespace baton::store
