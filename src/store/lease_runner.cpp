// SPDX-License-Identifier: Apache-2.0
#include "baton/store/lease_runner.hpp"

#include "baton/base/check.hpp"
#include "baton/base/log.hpp"
#include "baton/base/text.hpp"
#include "baton/store/boot_clock.hpp"
#include "baton/store/epoch_file.hpp"
#include "baton/store/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <unistd.h>

namespace baton::store {

namespace {

using election::Do;
using election::EventKind;
using election::Instant;

// Fenced writes answered while the lease thread was busy; only the newest of each kind matters.
constexpr std::size_t fenced_results_limit = 64;
constexpr std::size_t text_column_limit = 255;
constexpr Duration stand_back_limit = 2s;

/// Fits an ascii column: other bytes become '?'.
std::string ascii(std::string_view text, std::size_t limit = text_column_limit) {
    std::string out(text.substr(0, limit));
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?'
    );
    return out;
}

std::uint64_t random_bits() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) | device();
}

election::NodeOptions node_options(
    const sql::NodeColumns& node, std::size_t addresses, std::uint64_t epoch_high
) {
    election::NodeOptions options;
    options.token = node.token;
    options.addresses = addresses;
    options.priority = static_cast<int>(std::clamp<std::int64_t>(node.priority, -1, 1));
    options.jitter_seed = random_bits();
    options.epoch_high = epoch_high;
    return options;
}

sql::NodeColumns checked(sql::NodeColumns node) {
    if (node.token.empty()) {
        node.token = make_process_token(node.name);
    }
    node.name = ascii(node.name);
    node.api_url = ascii(node.api_url);
    node.version = ascii(node.version, 64);
    node.config_fingerprint = ascii(node.config_fingerprint, 64);
    return node;
}

}  // namespace

std::string make_process_token(const std::string& host) {
    return fmt::format(
        "{}-{}-{:x}-{:016x}",
        ascii(host, 20),
        ::getpid() & 0x3fffff,
        static_cast<std::uint64_t>(wall_now_ms()) & 0xfffffffffffU,
        random_bits()
    );
}

LeaseRunner::LeaseRunner(LeaseRunnerOptions options)
    : options_(std::move(options)),
      node_(checked(options_.node)),
      epoch_file_(std::make_unique<EpochFile>(options_.data_dir)),
      database_(options_.backend->database(Backend::Purpose::lease)) {
    auto epoch_high = epoch_file_->load();
    if (!epoch_high) {
        log::warning(
            "the highest epoch of earlier runs is unknown ({}): an older copy of the backend would "
            "not be noticed",
            epoch_high.error().what
        );
    }
    machine_ = std::make_unique<election::LeaseMachine>(
        options_.policy,
        node_options(node_, database_->address_count(), epoch_high ? *epoch_high : 0)
    );
    told_.token = node_.token;
    told_.backend_error = "not connected yet";
    told_.backend_address = options_.backend->options().url.text();
    backend_ok_at_ = boot_now();
}

LeaseRunner::~LeaseRunner() {
    stop();
}

void LeaseRunner::start() {
    BATON_CHECK(!thread_.joinable(), "a lease runner is started once");
    thread_ = std::thread(&LeaseRunner::run, this);
}

// ---------------------------------------------------------------------------------- other threads

bool LeaseRunner::may_act() const {
    if (halted_.load(std::memory_order_acquire)) {
        return false;
    }
    // Offset, end, clocks, in this order: to an old offset a freeze shows in the clocks, and with a
    // new one comes the end that the machine drew from the freeze.
    const auto offset = wall_offset_ns_.load(std::memory_order_acquire);
    const auto until = valid_until_ns_.load(std::memory_order_acquire);
    const auto now = read_clocks();
    // A machine that was frozen without its boot clock counting has a wall clock that ran ahead.
    const auto drift = std::abs((now.wall - now.boot.time_since_epoch()).count() - offset);
    const auto allowed = std::chrono::nanoseconds(options_.policy.margin).count();
    return now.boot.time_since_epoch().count() < until && drift <= allowed;
}

std::optional<election::Fence> LeaseRunner::fence() const {
    if (!may_act()) {
        return std::nullopt;
    }
    const std::lock_guard lock(mutex_);
    return view_.fence(boot_now());
}

void LeaseRunner::fenced_write_done(const election::Fence& fence, bool matched) {
    {
        const std::lock_guard lock(mutex_);
        auto& results = mail_.fenced;
        if (results.size() >= fenced_results_limit) {
            // Renewals only extend; the newest of them says all. A rejection is kept.
            const auto oldest = std::find_if(results.begin(), results.end(), [](const auto& r) {
                return r.matched;
            });
            results.erase(oldest == results.end() ? results.begin() : oldest);
        }
        FencedResult result;
        result.fence = fence;
        result.matched = matched;
        results.push_back(std::move(result));
    }
    mail_came_.notify_all();
}

std::optional<std::size_t> LeaseRunner::written_address() const {
    const auto address = written_address_.load(std::memory_order_acquire);
    return address == no_address ? std::nullopt : std::optional<std::size_t>(address);
}

ports::LeaseStatus LeaseRunner::status() const {
    const bool acting = may_act();
    const std::lock_guard lock(mutex_);
    auto status = told_;
    const auto now = boot_now();
    status.may_act = acting;
    status.role = role_ == election::Role::holder ? ports::Role::holder : ports::Role::challenger;
    if (acting && view_.valid_until > now) {
        status.left = std::chrono::duration_cast<Duration>(view_.valid_until - now);
    }
    if (status.role == ports::Role::challenger && !status.holder_token.empty() && takeover_due_ &&
        *takeover_due_ > now) {
        status.holder_left = std::chrono::duration_cast<Duration>(*takeover_due_ - now);
    }
    status.since_backend_ok = std::chrono::duration_cast<Duration>(now - backend_ok_at_);
    return status;
}

void LeaseRunner::look_now() {
    {
        const std::lock_guard lock(mutex_);
        mail_.look = true;
    }
    mail_came_.notify_all();
}

void LeaseRunner::stand_back(Duration length) {
    {
        const std::lock_guard lock(mutex_);
        mail_.stand_back = boot_now() + std::clamp<Duration>(length, 0s, stand_back_limit);
    }
    mail_came_.notify_all();
}

void LeaseRunner::begin_release() {
    request_release(election::AfterRelease::challenge);
}

void LeaseRunner::request_release(election::AfterRelease then) {
    {
        const std::lock_guard lock(mutex_);
        halted_.store(true, std::memory_order_release);
        if (mail_.release != election::AfterRelease::stop) {
            mail_.release = then;
        }
    }
    mail_came_.notify_all();
}

bool LeaseRunner::wait_released(Duration limit) {
    std::unique_lock lock(mutex_);
    return state_changed_.wait_for(lock, limit, [this] {
        const bool asked = mail_.release.has_value() || mail_.steps_stopped;
        const bool held = role_ == election::Role::holder || role_ == election::Role::releasing;
        return finished_ || (!asked && !held);
    });
}

void LeaseRunner::release() {
    request_release(election::AfterRelease::challenge);
    {
        const std::lock_guard lock(mutex_);
        mail_.steps_stopped = true;
    }
    mail_came_.notify_all();
    if (thread_.joinable() && !wait_released(1s)) {
        log::warning("the backend has not confirmed the release of the lease; it ends by itself");
    }
}

void LeaseRunner::stop(Duration limit) {
    if (!thread_.joinable()) {
        return;
    }
    request_release(election::AfterRelease::stop);
    {
        const std::lock_guard lock(mutex_);
        mail_.steps_stopped = true;
    }
    mail_came_.notify_all();
    wait_released(limit);
    {
        const std::lock_guard lock(mutex_);
        finished_ = true;
    }
    mail_came_.notify_all();
    thread_.join();
}

// ---------------------------------------------------------------------------------- lease thread

void LeaseRunner::run() {
    for (;;) {
        take_mail();
        const auto action = machine_->next(read_clocks());
        publish();
        if (action.what == Do::stop) {
            break;
        }
        {
            const std::lock_guard lock(mutex_);
            if (finished_) {
                break;
            }
        }
        if (action.what == Do::wait) {
            wait_until(action.until);
            continue;
        }
        perform(action);
        publish();
    }
    database_->close();
    valid_until_ns_.store(0, std::memory_order_release);
    {
        const std::lock_guard lock(mutex_);
        finished_ = true;
        view_.valid_until = Instant();
    }
    state_changed_.notify_all();
}

void LeaseRunner::take_mail() {
    Mailbox mail;
    {
        const std::lock_guard lock(mutex_);
        std::swap(mail, mail_);
    }
    const auto now = read_clocks();
    for (const auto& result : mail.fenced) {
        machine_->on_fenced_write(result.fence, result.matched, now);
    }
    if (mail.stand_back) {
        machine_->stand_back(*mail.stand_back);
    }
    if (mail.look) {
        machine_->look_soon(now);
    }
    if (mail.release) {
        machine_->request_release(*mail.release, now);
    }
    if (mail.steps_stopped) {
        machine_->steps_stopped(now);
    }
    if (!mail.release) {
        return;
    }
    publish();
    const std::lock_guard lock(mutex_);
    if (!mail_.release) {
        halted_.store(false, std::memory_order_release);
    }
}

void LeaseRunner::wait_until(Instant until) {
    std::unique_lock lock(mutex_);
    mail_came_.wait_until(lock, deadline_at(until), [this] {
        return finished_ || mail_.look || mail_.stand_back || mail_.steps_stopped ||
               mail_.release.has_value() || !mail_.fenced.empty();
    });
}

Reply LeaseRunner::query(const std::string& sql, Deadline deadline) {
    ++statements_;
    return database_->query(sql, deadline);
}

void LeaseRunner::perform(const election::Action& action) {
    switch (action.what) {
        case Do::connect:
            return perform_connect(action);
        case Do::beat:
            return perform_statement(action, sql::beat(node_.token, ascii(database_->address())));
        case Do::register_node:
            node_.backend_address = ascii(database_->address());
            if (node_.started_ms == 0) {
                node_.started_ms = wall_now_ms();
            }
            return perform_statement(action, sql::register_node(node_));
        case Do::look:
            return perform_look(action);
        case Do::create_row:
            return perform_statement(
                action, sql::create_row(database_->dialect(), action.epoch, action.duration_ms)
            );
        case Do::prepare_schema:
            return perform_schema(action);
        case Do::ask_peers: {
            const bool held = options_.ask_peers && options_.ask_peers(deadline_at(action.until));
            return machine_->on_peers(held, read_clocks());
        }
        case Do::grab:
            return perform_statement(
                action, sql::grab(action.expected, action.epoch, node_.token, action.duration_ms)
            );
        case Do::renew:
            return perform_statement(action, sql::renew(action.epoch, node_.token));
        case Do::release:
            return perform_statement(action, sql::release(action.epoch, node_.token));
        case Do::wait:
        case Do::stop:
            break;
    }
    BATON_CHECK(false, "not an action to perform");
}

void LeaseRunner::perform_connect(const election::Action& action) {
    database_->close();
    address_ = action.address;
    const auto done = database_->connect(action.address, deadline_at(action.until));
    if (!done) {
        return failed(done.error().in(database_->address()));
    }
    // Not succeeded() yet: a server that takes connections and no statements is no backend.
    machine_->on_connected(read_clocks());
}

void LeaseRunner::perform_statement(const election::Action& action, const std::string& sql) {
    const auto reply = query(sql, deadline_at(action.until));
    const auto now = read_clocks();
    if (reply.error) {
        return failed(*reply.error);
    }
    succeeded();
    // Only what wrote counts: a look succeeds on a server that is read-only, too.
    written_address_.store(address_, std::memory_order_release);
    machine_->on_affected(reply.sets.at(0).affected, now);
}

void LeaseRunner::perform_look(const election::Action& action) {
    const auto deadline = deadline_at(action.until);
    const auto reply = query(sql::look(database_->dialect()), deadline);
    const auto now = read_clocks();
    if (reply.error) {
        return failed(*reply.error);
    }
    succeeded();
    const auto& rows = reply.sets.at(0).rows;
    if (rows.empty()) {
        return machine_->on_row(std::nullopt, {}, now);
    }
    const auto row = sql::lease_row(rows[0]);
    machine_->on_row(row, sql::server_identity(rows[0]), now);
    // Under the lock on an SQLite file no other process can hold the lease: whoever the row names
    // is dead, or another run of this one. So a single node does not wait for D at each start.
    const bool other = !row.released && row.holder != node_.token;
    if (database_->dialect() == Dialect::sqlite && other && !dead_released_) {
        const auto released = query(sql::release_of_the_dead(row), deadline);
        dead_released_ = !released.error;
        machine_->look_soon(read_clocks());
    }
}

void LeaseRunner::perform_schema(const election::Action& action) {
    const auto done = prepare_schema(
        *database_, deadline_at(action.until), options_.backend->options().url.engine
    );
    const auto now = read_clocks();
    if (!done) {
        return failed(done.error());
    }
    machine_->on_affected(0, now);
}

void LeaseRunner::failed(const Error& error) {
    const auto now = read_clocks();
    const auto& url = options_.backend->options().url;
    const auto sentence = explain(error, url);
    // A condition that lasts is logged when it begins and when it changes: at each address, for a
    // node that can use none of several goes round them several times a second.
    auto& told_before = last_failures_[database_->address()];
    if (sentence != told_before) {
        if (classify(error) == election::ErrorClass::schema) {
            log::info("lease: the tables at {} are to be made: {}", database_->address(), sentence);
        } else {
            log::warning("lease: the backend at {} fails: {}", database_->address(), sentence);
        }
        told_before = sentence;
    }
    {
        const std::lock_guard lock(mutex_);
        told_.backend_ok = false;
        told_.backend_error = sentence;
        told_.backend_address = database_->address();
    }
    auto number = error.mysql_errno;
    if (number == 0 && error.code == Errc::access_denied) {
        number = 1045;
    }
    machine_->on_error({number, sentence}, now);
}

void LeaseRunner::succeeded() {
    if (!last_failures_.empty()) {
        log::info("lease: the backend at {} works again", database_->address());
        last_failures_.clear();
    }
    const std::lock_guard lock(mutex_);
    told_.backend_ok = true;
    told_.backend_error.clear();
    told_.backend_address = database_->address();
    backend_ok_at_ = boot_now();
}

/// For tests/fault: from when and until when this process takes itself for the holder. What is
/// longer than before is told before other threads can know it, what is shorter afterwards; so no
/// moment is missing, wherever the process is killed or stopped.
void LeaseRunner::trace(const election::LeaseView& view) {
    log::debug(
        "trace: lease holder={} epoch={} from={} until={}",
        node_.token,
        view.epoch,
        boot_now().time_since_epoch().count(),
        view.valid_until.time_since_epoch().count()
    );
    traced_epoch_ = view.epoch;
    traced_until_ = view.valid_until;
}

void LeaseRunner::publish() {
    const auto view = machine_->view();
    const auto events = machine_->take_events();
    const bool other_epoch = view.epoch != traced_epoch_;
    const bool shorter = view.valid_until < traced_until_;
    if (!shorter && (other_epoch || view.valid_until > traced_until_)) {
        trace(view);
    }
    {
        const std::lock_guard lock(mutex_);
        view_ = view;
        role_ = machine_->role();
        takeover_due_ = machine_->takeover_due();
        const auto& row = machine_->last_row();
        if (role_ == election::Role::holder) {
            told_.epoch = machine_->epoch();
            told_.holder_token = node_.token;
        } else {
            told_.epoch = row ? row->epoch : machine_->epoch_high();
            told_.holder_token = row && !row->released ? row->holder : std::string();
        }
        // Not the offset of now: a freeze since the machine compared its clocks must still show.
        valid_until_ns_.store(
            view.valid_until.time_since_epoch().count(), std::memory_order_release
        );
        wall_offset_ns_.store(view.wall_ahead.count(), std::memory_order_release);
    }
    if (shorter) {
        trace(view);
    }
    state_changed_.notify_all();
    epoch_file_->keep(machine_->epoch_high());
    for (const auto& event : events) {
        tell(event);
    }
    const bool acting = view.may_act(boot_now());
    const auto ended = acting_epoch_;
    if (acting == acting_ && (!acting || view.epoch == ended)) {
        return;
    }
    acting_ = acting;
    acting_epoch_ = view.epoch;
    if (options_.on_role) {
        options_.on_role(
            acting ? ports::Role::holder : ports::Role::challenger, acting ? view.epoch : ended
        );
    }
}

void LeaseRunner::tell(const election::Event& event) {
    const auto what = event.text.empty() ? std::string() : ": " + event.text;
    switch (event.kind) {
        case EventKind::statement_failed:
        case EventKind::needs_operator:  // failed() has told it, with the remedy
        case EventKind::connected:
        case EventKind::disconnected:
        case EventKind::grab_lost:
            log::debug("lease: {} ({}){}", to_string(event.kind), event.number, what);
            break;
        case EventKind::row_created:
        case EventKind::became_holder:
        case EventKind::revived:
        case EventKind::releasing:
        case EventKind::released:
        case EventKind::stopped:
        case EventKind::identity_changed:
        case EventKind::peer_holds:
            log::info("lease: {} (epoch {}){}", to_string(event.kind), event.number, what);
            break;
        case EventKind::epoch_regressed:
            log::error(
                "lease: the backend shows epoch {}, which does not follow from what was seen "
                "before: it was restored from a copy, or lost changes in a failover, or nodes use "
                "different servers{}",
                event.number,
                what
            );
            break;
        case EventKind::odd_duration:
        case EventKind::clock_jumped:
        case EventKind::grab_unknown:
        case EventKind::lapsed:
        case EventKind::lost:
        case EventKind::release_skipped:
        case EventKind::release_unknown:
            log::warning("lease: {} (epoch {}){}", to_string(event.kind), event.number, what);
            break;
    }
}

}  // namespace baton::store
