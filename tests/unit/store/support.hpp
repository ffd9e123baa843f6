// SPDX-License-Identifier: Apache-2.0
#pragma once

// Helpers of the store's tests: a folder of its own, an SQLite backend in it, a lease to order.

#include "baton/store/boot_clock.hpp"
#include "baton/store/database.hpp"
#include "baton/store/fence.hpp"
#include "baton/store/schema.hpp"
#include "baton/store/statements.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace baton::store::test {

inline Deadline soon() {
    return std::chrono::steady_clock::now() + 10s;
}

/// Removed with the object.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "baton-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() {
        std::error_code failure;
        std::filesystem::remove_all(path_, failure);
    }

    [[nodiscard]] std::string path(const std::string& name = {}) const {
        return name.empty() ? path_ : path_ + "/" + name;
    }

private:
    std::string path_;
};

inline std::shared_ptr<Backend> sqlite_backend(const std::string& path) {
    BackendOptions options;
    options.url.kind = BackendUrl::Kind::sqlite;
    options.url.path = path;
    auto backend = Backend::open(options);
    return backend ? *backend : nullptr;
}

/// Holds the epoch that the test says.
class OrderedLease final : public FenceSource {
public:
    [[nodiscard]] std::optional<election::Fence> fence() const override {
        if (epoch == 0) {
            return std::nullopt;
        }
        election::Fence out;
        out.epoch = epoch;
        out.holder = holder;
        out.sent_at = boot_now();
        return out;
    }

    void fenced_write_done(const election::Fence& /*fence*/, bool matched) override {
        ++(matched ? renewals : rejections);
    }

    std::uint64_t epoch = 0;
    std::string holder = "me";
    int renewals = 0;
    int rejections = 0;
};

/// A prepared database whose lease row is held by "me" in the given epoch.
inline std::unique_ptr<Database> a_database(Backend& backend, std::uint64_t epoch = 1) {
    auto database = backend.database(Backend::Purpose::documents);
    const auto connected = database->connect(0, soon());
    EXPECT_TRUE(connected) << connected.error().what;
    const auto prepared = prepare_schema(*database, soon(), "InnoDB");
    EXPECT_TRUE(prepared) << prepared.error().what;
    EXPECT_FALSE(database->query(sql::create_row(database->dialect(), 0, 3000), soon()).error);
    election::LeaseRow free;
    free.duration_ms = 3000;
    const auto grabbed = database->query(sql::grab(free, epoch, "me", 3000), soon());
    EXPECT_FALSE(grabbed.error);
    return database;
}

inline Reply run(Database& database, const std::string& sql) {
    auto reply = database.query(sql, soon());
    EXPECT_FALSE(reply.error) << sql << ": " << (reply.error ? reply.error->what : "");
    return reply;
}

inline std::uint64_t count_rows(Database& database, const std::string& condition = "1=1") {
    const auto reply = run(database, "SELECT COUNT(*) FROM baton_document WHERE " + condition);
    return reply.error ? 0 : number_of(reply.sets[0].rows[0][0]);
}

}  // namespace baton::store::test
