// SPDX-License-Identifier: Apache-2.0
// What a planned change of the primary asks of both servers besides the steps of a failover.
#include "performer.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::server {

using recovery::Step;
using topology::ThreadState;

namespace {

/// Sessions with transactions that have written; 0 are those of nobody (prepared XA transactions).
Task<Result<std::vector<std::uint64_t>>> open_transactions(
    std::shared_ptr<Target> target, bool old_ones_only, Deadline deadline
) {
    std::string sql =
        "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX "
        "WHERE trx_rows_modified>0 AND trx_mysql_thread_id>0";
    if (old_ones_only) {
        sql += " AND trx_started<NOW()-INTERVAL 1 SECOND";
    }
    Result<dialect::ResultRows> rows = co_await target->session.ask(std::move(sql), deadline);
    if (!rows) {
        co_return rows.error();
    }
    std::vector<std::uint64_t> sessions;
    for (std::size_t row = 0; row < rows->rows.size(); ++row) {
        sessions.push_back(dialect::number_or(rows->at(row, 0), 0));
    }
    std::erase(sessions, target->session.connection_id());
    co_return sessions;
}

}  // namespace

Task<Result<void>> await_transactions(
    std::shared_ptr<Target> target, Duration grace, Deadline deadline
) {
    constexpr Duration pause = 50ms;
    Session& session = target->session;
    const Deadline end = std::min(deadline, session.common().now() + grace);
    for (;;) {  // until the end
        Result<std::vector<std::uint64_t>> open =
            co_await open_transactions(target, true, deadline);
        if (!open) {
            // Without the right to see them they are ended like any other session.
            if (open.error().code == Errc::unreachable || open.error().code == Errc::timeout) {
                co_return open.error();
            }
            log::info("{}: {}", session.id().text(), open.error().what);
            co_return Result<void>();
        }
        if (open->empty() || session.common().now() + pause >= end) {
            co_return Result<void>();
        }
        co_await sleep_for(pause);
    }
}

Task<Result<std::size_t>> end_transactions(std::shared_ptr<Target> target, Deadline deadline) {
    Session& session = target->session;
    Result<std::vector<std::uint64_t>> open = co_await open_transactions(target, false, deadline);
    if (!open) {
        co_return open.error();
    }
    std::size_t ended = 0;
    for (const auto id : *open) {
        const Result<void> killed = co_await session.change(dialect::kill_connection(id), deadline);
        if (killed) {
            ++ended;
        } else if (killed.error().code == Errc::server_error || killed.error().code == Errc::access_denied) {
            log::info("{}: {}", session.id().text(), killed.error().what);  // gone, or not ours
        } else {
            co_return killed.error();
        }
    }
    co_return ended;
}

Task<Result<void>> await_required(std::shared_ptr<Target> target, Step step, Deadline deadline) {
    constexpr Duration pause = 1ms;
    Session& session = target->session;
    const auto required = gtid::GtidSet::parse(step.required_gtid_set);
    if (!required) {
        co_return required.error().in("required transactions");
    }
    for (;;) {  // until the deadline
        Result<Look> look = co_await session.look(deadline);
        if (!look) {
            co_return look.error();
        }
        const auto missing = gtid::missing_from(*required, look->executed);
        if (missing == 0) {
            co_return Result<void>();
        }
        const topology::Channel* channel = look->channel(step.channel);
        if (channel == nullptr || channel->applier == ThreadState::stopped) {
            co_return fail(
                Errc::refused,
                fmt::format(
                    "{}: its applier has stopped, {} transactions are missing: {}",
                    session.id().text(),
                    missing,
                    channel == nullptr ? "no channel" : clipped(channel->applier_error, 300)
                )
            );
        }
        if (session.common().now() + 2 * pause >= deadline) {
            co_return fail(
                Errc::timeout,
                fmt::format(
                    "{}: {} transactions of the old primary are still to be applied",
                    session.id().text(),
                    missing
                )
            );
        }
        co_await sleep_for(pause);
    }
}

Task<Result<void>> guard_holds(std::shared_ptr<Target> guard, Step step, Deadline deadline) {
    Session& session = guard->session;
    const auto required = gtid::GtidSet::parse(step.required_gtid_set);
    if (!required) {
        co_return required.error().in("required transactions");
    }
    Result<dialect::ResultRows> flag = co_await session.ask("SELECT @@global.read_only", deadline);
    if (!flag) {
        co_return flag.error();
    }
    if (!dialect::is_on(flag->at(0, 0))) {
        co_return fail(
            Errc::refused,
            fmt::format("{}: somebody has made it writable again", session.id().text())
        );
    }
    Result<Look> look = co_await session.look(deadline);
    if (!look) {
        co_return look.error();
    }
    if (const auto more = gtid::missing_from(look->executed, *required); more != 0) {
        co_return fail(
            Errc::refused,
            fmt::format(
                "{}: {} transactions were written to it although it is read-only (a privileged "
                "account)",
                session.id().text(),
                more
            )
        );
    }
    co_return Result<void>();
}

}  // namespace baton::server
