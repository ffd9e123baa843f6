// SPDX-License-Identifier: Apache-2.0
#include "baton/store/store.hpp"

#include "baton/base/log.hpp"
#include "baton/store/reader.hpp"
#include "baton/store/schema.hpp"
#include "baton/store/statements.hpp"
#include "baton/store/writer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace baton::store {

namespace {

// One hanging address must not use up the time for the others.
constexpr Duration connect_limit = 1s;
// For how long the lease's address is not tried again that just failed here.
constexpr Duration follow_pause = 5s;
// An upper bound for one job whatever its caller says: shutting down waits for it.
constexpr Duration job_limit = 30s;

/// Counts what goes to the backend.
class CountingDatabase final : public Database {
public:
    explicit CountingDatabase(std::unique_ptr<Database> inner) : inner_(std::move(inner)) {}

    Result<void> connect(std::size_t index, Deadline deadline) override {
        return inner_->connect(index, deadline);
    }

    Reply query(const std::string& sql, Deadline deadline) override {
        ++packets;
        auto reply = inner_->query(sql, deadline);
        statements += reply.sets.size() + (reply.error ? 1 : 0);
        return reply;
    }

    void close() override { inner_->close(); }

    [[nodiscard]] bool connected() const override { return inner_->connected(); }

    [[nodiscard]] std::uint64_t connection_number() const override {
        return inner_->connection_number();
    }

    [[nodiscard]] std::string address() const override { return inner_->address(); }

    [[nodiscard]] std::size_t address_count() const override { return inner_->address_count(); }

    [[nodiscard]] Dialect dialect() const override { return inner_->dialect(); }

    [[nodiscard]] std::size_t packet_limit() const override { return inner_->packet_limit(); }

    std::atomic<std::uint64_t> packets{0};
    std::atomic<std::uint64_t> statements{0};

private:
    std::unique_ptr<Database> inner_;
};

}  // namespace

// ---------------------------------------------------------------------------------------- worker

class BackendStore::Worker {
public:
    Worker(BackendStoreOptions options, FenceSource& lease)
        : options_(std::move(options)),
          lease_(lease),
          database_(options_.backend->database(Backend::Purpose::documents)),
          writer_(lease, watch_),
          thread_(&Worker::run, this) {}

    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    ~Worker() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        thread_.join();
    }

    /// Runs the work on the thread of the backend connection and resumes with its result.
    template <class T>
    Task<Result<T>> submit(std::function<Result<T>(Deadline)> work, Deadline deadline) {
        const auto executor = co_await asio::this_coro::executor;
        auto pending = std::make_shared<Pending<T>>(executor, deadline);
        const auto finish = [pending, executor](Result<T> result) {
            asio::post(executor, [pending, result = std::move(result)]() mutable {
                pending->result.emplace(std::move(result));
                pending->timer.cancel();
            });
        };
        Job job;
        job.run = [pending, finish, deadline, work = std::move(work)](const std::optional<Error>& no
                  ) {
            if (no) {
                finish(*no);
            } else if (!pending->abandoned && std::chrono::steady_clock::now() < deadline) {
                finish(work(deadline));
            }
        };
        if (!enqueue(std::move(job))) {
            co_return fail(
                Errc::unavailable, "too many requests wait for the backend; it is slow or down"
            );
        }
        co_await pending->timer.async_wait(asio::as_tuple(asio::use_awaitable));
        pending->abandoned = true;
        const auto state = co_await asio::this_coro::cancellation_state;
        if (pending->result) {
            co_return std::move(*pending->result);
        }
        if (state.cancelled() != asio::cancellation_type::none) {
            throw_cancelled();
        }
        co_return fail(Errc::timeout, "the backend did not answer in time; the outcome is unknown");
    }

    Result<void> write(std::vector<ports::Document> documents, Deadline deadline) {
        const auto count = documents.size();
        auto done = connected<void>(
            [this, &documents](Deadline end) { return writer_.write(database_, documents, end); },
            deadline
        );
        if (done) {
            documents_written_ += count;
        }
        return done;
    }

    Result<ports::Changes> changes(std::uint64_t cursor, std::size_t limit, Deadline deadline) {
        return connected<ports::Changes>(
            [this, cursor, limit](Deadline end) {
                return read_changes(database_, watch_, cursor, limit, end);
            },
            deadline
        );
    }

    Result<void> expire(
        const std::string& kind, const std::vector<std::string>& keys, Deadline deadline
    ) {
        return connected<void>(
            [this, &kind, &keys](Deadline end) {
                return writer_.expire(database_, kind, keys, end);
            },
            deadline
        );
    }

    Result<std::vector<ports::NodeRow>> nodes(Deadline deadline) {
        return connected<std::vector<ports::NodeRow>>(
            [this](Deadline end) { return read_nodes(end); }, deadline
        );
    }

    Result<void> report(
        const std::string& token,
        const std::string& config_fingerprint,
        const std::vector<std::string>& warnings,
        Deadline deadline
    ) {
        const auto text = report_text(warnings);
        return connected<void>(
            [&, this](Deadline end) -> Result<void> {
                const auto reply =
                    database_.query(sql::report(token, config_fingerprint, text), end);
                if (reply.error) {
                    return *reply.error;
                }
                return {};
            },
            deadline
        );
    }

    [[nodiscard]] std::uint64_t history_id() const { return watch_.id(); }

    [[nodiscard]] StoreCounters counters() const {
        StoreCounters out;
        out.jobs = jobs_;
        out.packets = database_.packets;
        out.statements = database_.statements;
        out.documents_written = documents_written_;
        out.failures = failures_;
        return out;
    }

private:
    struct Job {
        /// Called with an error instead of being done when the store ends.
        std::function<void(const std::optional<Error>&)> run;
    };

    template <class T>
    struct Pending {
        Pending(const asio::any_io_executor& executor, Deadline deadline)
            : timer(executor, deadline) {}

        asio::steady_timer timer;  // the caller waits for it; only touched on its executor
        std::optional<Result<T>> result;
        std::atomic<bool> abandoned{false};
    };

    bool enqueue(Job job) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ || queue_.size() >= options_.queue_limit) {
                return false;
            }
            queue_.push_back(std::move(job));
        }
        wake_.notify_all();
        return true;
    }

    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) {
                break;
            }
            auto job = std::move(queue_.front());
            queue_.pop_front();
            const bool stopping = stopping_;
            lock.unlock();
            ++jobs_;
            job.run(
                stopping ? std::optional<Error>(fail(Errc::unavailable, "the store is closing"))
                         : std::nullopt
            );
            job.run = nullptr;
            lock.lock();
        }
        lock.unlock();
        database_.close();
    }

    Result<void> connect(Deadline deadline) {
        Error last = fail(Errc::timeout, "the deadline passed before a connection was tried");
        for (std::size_t i = 0; i < database_.address_count(); ++i) {
            const auto now = std::chrono::steady_clock::now();
            if (now >= deadline) {
                break;
            }
            // When all addresses took too long they get more, and more than this job has: a backend
            // that answers slowly (TLS over a long way) serves the next one.
            const auto rounds =
                std::min<std::size_t>(slow_connects_ / database_.address_count(), 2);
            const auto limit = now + connect_limit * (1U << rounds);
            auto done =
                database_.connect(address_, rounds == 0 ? std::min(deadline, limit) : limit);
            if (done) {
                slow_connects_ = 0;
                if (std::chrono::steady_clock::now() >= deadline) {
                    return fail(Errc::timeout, "connecting took all the time there was");
                }
                return {};
            }
            // Unavailable: the attempt before this one is about to end.
            if (const auto code = done.error().code; code != Errc::unavailable) {
                slow_connects_ = code == Errc::timeout ? slow_connects_ + 1 : 0;
            }
            last = done.error().in(database_.address());
            address_ = (address_ + 1) % database_.address_count();
        }
        return last;
    }

    /// Everything goes where the lease is written: another address may be a server that can be read
    /// and falls behind without an error (a passive one, a member cut off from its group).
    void follow_lease() {
        const auto wanted = lease_.written_address();
        const auto now = std::chrono::steady_clock::now();
        if (!wanted || *wanted == address_ || (wanted == followed_ && now < follow_again_)) {
            return;
        }
        followed_ = wanted;
        follow_again_ = now + follow_pause;
        database_.close();
        address_ = *wanted;
    }

    /// Connects when needed and does the work; once more on a new connection when the old one had
    /// died unnoticed, and after creating the tables when they are missing.
    template <class T>
    Result<T> connected(const std::function<Result<T>(Deadline)>& work, Deadline deadline) {
        deadline = std::min(deadline, std::chrono::steady_clock::now() + job_limit);
        follow_lease();
        const bool fresh = !database_.connected();
        if (fresh) {
            if (auto done = connect(deadline); !done) {
                return told(done.error());
            }
        }
        auto result = work(deadline);
        if (result || result.error().code == Errc::not_leader) {
            works();
            return result;
        }
        auto error = classify(result.error());
        if (error == election::ErrorClass::schema) {
            const auto& engine = options_.backend->options().url.engine;
            if (auto done = prepare_schema(database_, deadline, engine); !done) {
                return told(done.error());
            }
            result = work(deadline);
        } else if (error == election::ErrorClass::connection && !fresh) {
            database_.close();
            if (auto done = connect(deadline); !done) {
                return told(done.error());
            }
            result = work(deadline);
        }
        if (result) {
            works();
            return result;
        }
        if (election::reaction(classify(result.error())).close || !database_.connected()) {
            database_.close();
            address_ = (address_ + 1) % database_.address_count();
        }
        return told(result.error());
    }

    Error told(const Error& error) {
        ++failures_;
        auto out = error;
        out.what = explain(error, options_.backend->options().url);
        if (out.what != last_failure_ && error.code != Errc::invalid_argument &&
            error.code != Errc::not_leader) {
            log::warning("store: {}", out.what);
            last_failure_ = out.what;
        }
        return out;
    }

    void works() {
        if (!last_failure_.empty()) {
            log::info("store: the backend at {} works again", database_.address());
            last_failure_.clear();
        }
    }

    Result<std::vector<ports::NodeRow>> read_nodes(Deadline deadline) {
        const auto now = std::chrono::steady_clock::now();
        auto rows = nodes_.read(database_, now, deadline);
        const auto silent = nodes_.silent_for(options_.forget_nodes_after, now);
        if (rows && !silent.empty() && lease_.fence()) {
            // Not fenced: a living node whose row is gone registers again.
            const auto reply = database_.query(
                sql::delete_nodes(silent) + "; " + sql::delete_reports(silent), deadline
            );
            if (reply.error) {
                return *reply.error;
            }
        }
        return rows;
    }

    BackendStoreOptions options_;
    FenceSource& lease_;
    CountingDatabase database_;
    HistoryWatch watch_;
    NodeWatch nodes_;
    Writer writer_;
    std::size_t address_ = 0;
    std::size_t slow_connects_ = 0;  // attempts in a row that ran out of their time
    std::optional<std::size_t> followed_;
    std::chrono::steady_clock::time_point follow_again_;
    std::string last_failure_;
    std::atomic<std::uint64_t> jobs_{0};
    std::atomic<std::uint64_t> failures_{0};
    std::atomic<std::uint64_t> documents_written_{0};

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> queue_;
    bool stopping_ = false;
    std::thread thread_;
};

// ----------------------------------------------------------------------------------------- store

BackendStore::BackendStore(BackendStoreOptions options, FenceSource& lease)
    : worker_(std::make_unique<Worker>(std::move(options), lease)) {}

BackendStore::~BackendStore() = default;

Task<Result<void>> BackendStore::write(std::vector<ports::Document> documents, Deadline deadline) {
    if (documents.empty()) {
        co_return Result<void>();
    }
    Worker* const worker = worker_.get();
    std::function<Result<void>(Deadline)> work =
        [worker, documents = std::move(documents)](Deadline end) mutable {
            return worker->write(std::move(documents), end);
        };
    co_return co_await worker->submit<void>(std::move(work), deadline);
}

Task<Result<ports::Changes>> BackendStore::changes(
    std::uint64_t cursor, std::size_t limit, Deadline deadline
) {
    Worker* const worker = worker_.get();
    std::function<Result<ports::Changes>(Deadline)> work = [worker, cursor, limit](Deadline end) {
        return worker->changes(cursor, std::max<std::size_t>(1, limit), end);
    };
    co_return co_await worker->submit<ports::Changes>(std::move(work), deadline);
}

Task<Result<void>> BackendStore::expire(
    std::string kind, std::vector<std::string> keys, Deadline deadline
) {
    Worker* const worker = worker_.get();
    std::function<Result<void>(Deadline)> work =
        [worker, kind = std::move(kind), keys = std::move(keys)](Deadline end) {
            return worker->expire(kind, keys, end);
        };
    co_return co_await worker->submit<void>(std::move(work), deadline);
}

Task<Result<std::vector<ports::NodeRow>>> BackendStore::nodes(Deadline deadline) {
    Worker* const worker = worker_.get();
    std::function<Result<std::vector<ports::NodeRow>>(Deadline)> work = [worker](Deadline end) {
        return worker->nodes(end);
    };
    co_return co_await worker->submit<std::vector<ports::NodeRow>>(std::move(work), deadline);
}

Task<Result<void>> BackendStore::report(
    std::string token,
    std::string config_fingerprint,
    std::vector<std::string> warnings,
    Deadline deadline
) {
    Worker* const worker = worker_.get();
    std::function<Result<void>(Deadline)> work = [worker,
                                                  token = std::move(token),
                                                  config_fingerprint =
                                                      std::move(config_fingerprint),
                                                  warnings = std::move(warnings)](Deadline end) {
        return worker->report(token, config_fingerprint, warnings, end);
    };
    co_return co_await worker->submit<void>(std::move(work), deadline);
}

std::uint64_t BackendStore::history_id() const {
    return worker_->history_id();
}

StoreCounters BackendStore::counters() const {
    return worker_->counters();
}

}  // namespace baton::store
