// SPDX-License-Identifier: Apache-2.0
#include "baton/dialect/session_watch.hpp"

#include "baton/base/text.hpp"

#include <algorithm>
#include <chrono>

namespace baton::dialect {

namespace {

using topology::Strain;
using topology::Waiters;

bool is_client(const ResultRows& rows, std::size_t row) {
    const std::string_view user = rows.text(row, "User");
    const std::string_view command = rows.text(row, "Command");
    return user != "system user" && user != "event_scheduler" && command != "Sleep" &&
           command != "Daemon" && command != "Connect" && !command.starts_with("Binlog Dump") &&
           !command.starts_with("Slave");
}

void add(Waiters& waiters, Duration waited) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
    ++waiters.sessions;
    waiters.seconds = std::max(waiters.seconds, static_cast<std::uint32_t>(seconds));
}

}  // namespace

SessionWatch::For SessionWatch::waits_for(const ResultRows& rows, std::size_t row) {
    if (!is_client(rows, row)) {
        return For::nothing;
    }
    const std::string_view state = rows.text(row, "State");
    const auto has = [&](std::string_view text) { return contains_ignoring_case(state, text); };
    if (has("free space") || has("disk space")) {
        return For::disk;
    }
    if (has("metadata lock")) {
        return For::metadata;
    }
    if (has("global read lock") || has("commit lock") || has("backup lock")) {
        return For::global;
    }
    if (has("semi-sync") || has("acknowledg")) {
        return For::acknowledgement;
    }
    return has("commit") ? For::commit : For::nothing;
}

void SessionWatch::look(const ResultRows& rows, TimePoint now, Strain& strain) {
    std::map<std::uint64_t, Waiting> present;
    strain.disk = strain.commit = strain.acknowledgement = strain.metadata_lock =
        strain.global_lock = Waiters{};
    for (std::size_t row = 0; row < rows.rows.size(); ++row) {
        const auto what = waits_for(rows, row);
        if (what == For::nothing) {
            continue;
        }
        const auto id = number_or(rows.text(row, "Id"), 0);
        Waiting waiting{what, now};
        if (const auto known = waiting_.find(id);
            known != waiting_.end() && known->second.what == what) {
            waiting.since = known->second.since;
        }
        present[id] = waiting;
        // Id and state of a session may be the same although the statement is another one.
        const auto told = std::chrono::seconds(number_or(rows.text(row, "Time"), 0));
        const auto waited = std::min<Duration>(now - waiting.since, told + std::chrono::seconds(1));
        switch (what) {
            case For::disk:
                add(strain.disk, waited);
                break;
            case For::commit:
                add(strain.commit, waited);
                break;
            case For::acknowledgement:
                add(strain.acknowledgement, waited);
                break;
            case For::metadata:
                add(strain.metadata_lock, waited);
                break;
            case For::global:
                add(strain.global_lock, waited);
                break;
            case For::nothing:
                break;
        }
    }
    waiting_ = std::move(present);
}

void SessionWatch::commits_passed(TimePoint now, Strain& strain) {
    for (auto& [id, waiting] : waiting_) {
        if (waiting.what == For::commit) {
            waiting.since = now;
        }
    }
    strain.commit.seconds = 0;
}

void blame_disk(Strain& strain) {
    strain.disk.sessions += strain.commit.sessions;
    strain.disk.seconds = std::max(strain.disk.seconds, strain.commit.seconds);
    strain.commit = Waiters{};
}

}  // namespace baton::dialect
