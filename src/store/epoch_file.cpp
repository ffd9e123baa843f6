// SPDX-License-Identifier: Apache-2.0
#include "baton/store/epoch_file.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace baton::store {

namespace {

Error io_error(std::string_view what, const std::string& path, int number) {
    return fail(Errc::io, fmt::format("{} {}: {}", what, path, std::strerror(number)));
}

/// Written and flushed to the disk under another name first: a crash leaves the old file.
Result<void> replace_file(const std::string& path, const std::string& text) {
    const auto temporary = path + ".new";
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) {
        return io_error("cannot create", temporary, errno);
    }
    const auto written = ::write(fd, text.data(), text.size());
    const bool ok = written == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    const int number = written >= 0 && !ok && errno == 0 ? ENOSPC : errno;
    ::close(fd);
    if (!ok) {
        return io_error("cannot write", temporary, number);
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
        return io_error("cannot rename", temporary, errno);
    }
    return {};
}

}  // namespace

EpochFile::EpochFile(std::string data_dir) : dir_(std::move(data_dir)) {
    if (!dir_.empty()) {
        thread_ = std::thread(&EpochFile::run, this);
    }
}

EpochFile::~EpochFile() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

Result<std::uint64_t> EpochFile::load() const {
    if (dir_.empty()) {
        return std::uint64_t{0};
    }
    const auto path = dir_ + "/epoch";
    std::error_code missing;
    if (!std::filesystem::exists(path, missing)) {
        return std::uint64_t{0};
    }
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) {
        return fail(Errc::io, fmt::format("cannot read {}", path));
    }
    const auto digits = trim(line);
    std::uint64_t epoch = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
    if (status != std::errc{} || end != digits.data() + digits.size()) {
        return fail(
            Errc::protocol,
            fmt::format("{} holds '{}', which is not a number", path, clipped(line, 40))
        );
    }
    return epoch;
}

void EpochFile::keep(std::uint64_t epoch) {
    {
        const std::lock_guard lock(mutex_);
        if (epoch <= wanted_) {
            return;
        }
        wanted_ = epoch;
    }
    wake_.notify_all();
}

Result<void> EpochFile::save(std::uint64_t epoch) const {
    std::error_code failure;
    std::filesystem::create_directories(dir_, failure);
    if (failure) {
        return fail(Errc::io, fmt::format("cannot create {}: {}", dir_, failure.message()));
    }
    return replace_file(dir_ + "/epoch", fmt::format("{}\n", epoch));
}

void EpochFile::run() {
    bool failing = false;
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || wanted_ > tried_; });
        if (wanted_ <= tried_) {
            return;
        }
        const auto epoch = wanted_;
        tried_ = epoch;
        lock.unlock();
        const auto saved = save(epoch);
        if (!saved && !failing) {
            log::warning(
                "the epoch {} could not be kept on disk ({}): an older copy of the backend would "
                "not be noticed after a restart of this node",
                epoch,
                saved.error().what
            );
        }
        failing = !saved;
        lock.lock();
    }
}

}  // namespace baton::store
