// SPDX-License-Identifier: Apache-2.0
#pragma once

// LeaseRunner: the lease of this process. A thread and a backend connection of its own drive
// election::LeaseMachine, so that nothing else in the process can starve it. Nothing the backend
// does ends it; every error is told in words and tried again.

#include "baton/election/lease.hpp"
#include "baton/ports/store.hpp"
#include "baton/store/database.hpp"
#include "baton/store/fence.hpp"
#include "baton/store/statements.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace baton::store {

class EpochFile;

/// "<host>-<pid>-<start>-<64 random bits>", at most 64 ASCII characters; new at each call.
std::string make_process_token(const std::string& host);

struct LeaseRunnerOptions {
    std::shared_ptr<Backend> backend;
    election::LeasePolicy policy;
    /// Of this process; an empty token is made. Its text must not be changed later: start anew.
    sql::NodeColumns node;
    /// Where the highest epoch is kept; "" = nowhere.
    std::string data_dir;
    /// Called on the lease thread when this process may begin to act (holder, its epoch) and when
    /// it may not any more (challenger, the epoch that ended). Must return at once: post to a loop.
    std::function<void(ports::Role, std::uint64_t)> on_role;
    /// Asks the other nodes whether one holds a valid lease; with policy.peer_check only. Called on
    /// the lease thread, must return by the deadline. True when one says yes.
    std::function<bool(Deadline)> ask_peers;
};

class LeaseRunner final : public ports::Lease, public FenceSource {
public:
    /// Aborts on an invalid policy. Starts nothing yet.
    explicit LeaseRunner(LeaseRunnerOptions options);
    /// stop()s.
    ~LeaseRunner() override;
    LeaseRunner(const LeaseRunner&) = delete;
    LeaseRunner& operator=(const LeaseRunner&) = delete;

    void start();

    /// No step may begin any more from the moment this is called; the row is given back by
    /// release() or stop(), after the running steps have ended. Any thread.
    void begin_release();
    /// Gives the lease back, if held, and ends the thread. Blocks for at most `limit` for the
    /// backend to take the release, then for one statement at most. Safe to repeat.
    void stop(Duration limit = 300ms);

    // ports::Lease
    [[nodiscard]] bool may_act() const override;
    [[nodiscard]] ports::LeaseStatus status() const override;
    /// Stays in the race, behind the other nodes.
    void release() override;
    void look_now() override;
    void stand_back(Duration length) override;

    // FenceSource
    [[nodiscard]] std::optional<election::Fence> fence() const override;
    void fenced_write_done(const election::Fence& fence, bool matched) override;
    [[nodiscard]] std::optional<std::size_t> written_address() const override;

    [[nodiscard]] const std::string& token() const { return node_.token; }

    /// Statements sent on the lease connection since the start.
    [[nodiscard]] std::uint64_t statements() const { return statements_; }

private:
    static constexpr auto no_address = static_cast<std::size_t>(-1);

    struct FencedResult {
        election::Fence fence;
        bool matched = false;
    };

    struct Mailbox {
        bool look = false;
        std::optional<election::Instant> stand_back;
        bool steps_stopped = false;
        std::optional<election::AfterRelease> release;
        std::vector<FencedResult> fenced;
    };

    void run();
    void take_mail();
    void perform(const election::Action& action);
    void perform_connect(const election::Action& action);
    void perform_look(const election::Action& action);
    void perform_statement(const election::Action& action, const std::string& sql);
    void perform_schema(const election::Action& action);
    void wait_until(election::Instant until);
    void failed(const Error& error);
    void succeeded();
    void publish();
    void trace(const election::LeaseView& view);
    void tell(const election::Event& event);
    void request_release(election::AfterRelease then);
    bool wait_released(Duration limit);
    Reply query(const std::string& sql, Deadline deadline);

    // lease thread only
    LeaseRunnerOptions options_;
    sql::NodeColumns node_;
    std::unique_ptr<EpochFile> epoch_file_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<election::LeaseMachine> machine_;
    std::size_t address_ = 0;                           // of the connection
    std::map<std::string, std::string> last_failures_;  // by address, since it last worked
    bool acting_ = false;                               // as told to on_role
    std::uint64_t acting_epoch_ = 0;
    std::uint64_t traced_epoch_ = 0;
    election::Instant traced_until_;
    bool dead_released_ = false;

    // Across threads. The two atomics answer may_act() without a lock; `halted_` is set by
    // begin_release() at once and cleared when the machine has taken note.
    std::atomic<std::int64_t> valid_until_ns_{0};
    std::atomic<std::int64_t> wall_offset_ns_{0};
    std::atomic<bool> halted_{false};
    std::atomic<std::uint64_t> statements_{0};
    std::atomic<std::size_t> written_address_{no_address};
    mutable std::mutex mutex_;
    std::condition_variable mail_came_;
    std::condition_variable state_changed_;
    Mailbox mail_;
    election::LeaseView view_;
    election::Role role_ = election::Role::challenger;
    std::optional<election::Instant> takeover_due_;
    ports::LeaseStatus told_;  // without what depends on the moment
    election::Instant backend_ok_at_;
    bool finished_ = false;
    std::thread thread_;
};

}  // namespace baton::store
