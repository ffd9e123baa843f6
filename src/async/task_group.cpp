// SPDX-License-Identifier: Apache-2.0
#include "baton/async/task_group.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/check.hpp"
#include "baton/base/log.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <exception>

namespace baton {

namespace {

struct Child {
    explicit Child(std::string n) : name(std::move(n)) {}

    std::string name;
    asio::cancellation_signal signal;
};

std::string text_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {  // only described; the caller still has it
        return "an unknown exception";
    }
}

}  // namespace

/// Shared with the completion handlers, so that a context destroyed with children in it frees
/// cleanly.
struct TaskGroup::State {
    explicit State(const asio::any_io_executor& executor)
        : idle(executor, asio::steady_timer::time_point::max()) {}

    void cancel() {
        cancelled = true;
        // A child may end, and change the list, while it is being cancelled.
        const auto copy = children;
        for (const auto& child : copy) {
            child->signal.emit(asio::cancellation_type::terminal);
        }
    }

    void on_done(const std::shared_ptr<Child>& child, const std::exception_ptr& failure) {
        children.erase(std::remove(children.begin(), children.end(), child), children.end());
        if (failure && !detail::is_cancellation(failure)) {
            log::error("task '{}' failed: {}", child->name, text_of(failure));
            if (!first_failure) {
                first_failure = failure;
            }
            cancel();
        }
        if (children.empty()) {
            idle.cancel();
        }
    }

    std::vector<std::shared_ptr<Child>> children;
    asio::steady_timer idle;
    std::exception_ptr first_failure;
    bool cancelled = false;
};

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {}

TaskGroup::~TaskGroup() {
    BATON_CHECK(
        state_->children.empty(), "a task group must be joined before it goes out of scope"
    );
}

void TaskGroup::spawn(std::string name, Task<void> task) {
    if (state_->cancelled) {
        return;
    }
    const auto child = std::make_shared<Child>(std::move(name));
    state_->children.push_back(child);
    asio::co_spawn(
        executor_,
        std::move(task),
        asio::bind_cancellation_slot(
            child->signal.slot(),
            [state = state_, child](const std::exception_ptr& failure) {
                state->on_done(child, failure);
            }
        )
    );
}

void TaskGroup::cancel() {
    state_->cancel();
}

Task<void> TaskGroup::join() {
    const auto state = state_;
    const bool threw = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!state->children.empty()) {
        co_await state->idle.async_wait(asio::as_tuple(asio::use_awaitable));
        const auto own = co_await asio::this_coro::cancellation_state;
        if (own.cancelled() != asio::cancellation_type::none) {
            state->cancel();
        }
    }
    co_await asio::this_coro::throw_if_cancelled(threw);
    state->cancelled = false;
    if (state->first_failure) {
        std::rethrow_exception(std::exchange(state->first_failure, nullptr));
    }
}

std::size_t TaskGroup::size() const {
    return state_->children.size();
}

std::vector<std::string> TaskGroup::names() const {
    std::vector<std::string> names;
    names.reserve(state_->children.size());
    for (const auto& child : state_->children) {
        names.push_back(child->name);
    }
    return names;
}

namespace {

Task<void> run_body(Task<void> body, TaskGroup* group) {
    co_await std::move(body);
    group->cancel();
}

}  // namespace

Task<void> with_group(std::string name, std::function<Task<void>(TaskGroup&)> body) {
    TaskGroup group(co_await asio::this_coro::executor);
    group.spawn(std::move(name), run_body(body(group), &group));
    co_await group.join();
}

}  // namespace baton
